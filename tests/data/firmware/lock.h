/* The firmware of a door lock, for tests of deltas alone: it is built, never run.  What it does
 * is what such a device does, without a C library, so that its code is like a product's.
 *
 * Four images come from it.  RELEASE 1 is what is installed.  ONE_LINE is release 1 with a
 * condition more, MINOR is a bug fix in three places, RELEASE 2 is half a year of work: another
 * module, other structures, texts and tables.  Nothing here was chosen for what a delta costs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef RELEASE
#define RELEASE 1
#endif
#ifndef MINOR
#define MINOR 0
#endif
#ifndef ONE_LINE
#define ONE_LINE 0
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* start.c */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

/* tables.c */
extern const uint8_t aes_box[256], aes_inverse_box[256];
extern const uint32_t crc32_table[256];
extern const uint16_t crc16_table[256];
extern const int32_t sine_table[257]; /* a quarter, Q30 */
extern const uint8_t font_5x7[96][5];
extern const uint16_t thermistor_table[65];

/* crypto.c */
struct sha256 {
	uint32_t h[8];
	uint8_t block[64];
	uint64_t n;
};
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *p, size_t n);
void sha256_end(struct sha256 *s, uint8_t ret[32]);
void hmac_sha256(const uint8_t *key, size_t key_n, const void *p, size_t n, uint8_t ret[32]);
struct aes {
	uint8_t round_key[176];
};
void aes_set_key(struct aes *a, const uint8_t key[16]);
void aes_encrypt(const struct aes *a, uint8_t block[16]);
void aes_decrypt(const struct aes *a, uint8_t block[16]);
bool aes_ccm_open(const struct aes *a, const uint8_t nonce[13], const uint8_t *aad,
		  size_t aad_n, uint8_t *p, size_t n, const uint8_t tag[8]);
void aes_ccm_seal(const struct aes *a, const uint8_t nonce[13], const uint8_t *aad,
		  size_t aad_n, uint8_t *p, size_t n, uint8_t ret_tag[8]);
void x25519(uint8_t ret[32], const uint8_t scalar[32], const uint8_t point[32]);

/* text.c */
struct writer {
	char *p;
	size_t size, n;
};
void write_text(struct writer *w, const char *text);
void write_format(struct writer *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool read_number(const char *text, int32_t *ret);
enum language { ENGLISH, GERMAN, FRENCH, SPANISH, LANGUAGES };
enum message {
	MSG_WELCOME,
	MSG_LOCKED,
	MSG_UNLOCKED,
	MSG_JAMMED,
	MSG_BATTERY_LOW,
	MSG_BATTERY_EMPTY,
	MSG_CODE,
	MSG_CODE_WRONG,
	MSG_CODE_BLOCKED,
	MSG_DOOR_OPEN,
	MSG_DOOR_FORCED,
	MSG_UPDATE_BEGINS,
	MSG_UPDATE_DONE,
	MSG_UPDATE_FAILED,
	MSG_NO_NETWORK,
	MSG_PAIRING,
	MSG_PAIRED,
	MSG_SERVICE,
	MSG_TEMPERATURE,
	MSG_GOODBYE,
#if RELEASE >= 2
	MSG_GUEST,
	MSG_GUEST_ENDS,
	MSG_HOLIDAY,
	MSG_TOO_COLD,
#endif
	MESSAGES
};
const char *message_text(enum language l, enum message m);

/* math.c: Q16.16 */
typedef int32_t fixed;
#define FIXED(x) ((fixed)((x)*65536.0))
fixed fixed_mul(fixed a, fixed b);
fixed fixed_div(fixed a, fixed b);
fixed fixed_sqrt(fixed a);
fixed fixed_sin(uint16_t angle);
fixed fixed_log2(fixed a);
struct biquad {
	fixed b0, b1, b2, a1, a2, x1, x2, y1, y2;
};
fixed biquad_step(struct biquad *b, fixed x);
struct pid {
	fixed kp, ki, kd, sum, last, min, max;
#if RELEASE >= 2
	fixed dead_zone;
#endif
};
fixed pid_step(struct pid *p, fixed error, fixed dt);

/* cbor.c */
struct cbor {
	const uint8_t *p, *end;
	bool bad;
};
uint64_t cbor_head(struct cbor *c, unsigned major);
bool cbor_text_is(struct cbor *c, const char *text);
void cbor_skip(struct cbor *c, unsigned depth);
struct cbor_out {
	uint8_t *p;
	size_t size, n;
};
void cbor_put(struct cbor_out *o, unsigned major, uint64_t value);
void cbor_put_text(struct cbor_out *o, const char *text);
void cbor_put_int(struct cbor_out *o, int64_t value);

/* coap.c */
struct coap_option {
	uint16_t number, n;
	const uint8_t *p;
};
struct coap {
	uint8_t type, code, token_n;
	uint16_t id;
	const uint8_t *token, *payload;
	size_t payload_n, option_count;
	struct coap_option option[16];
};
bool coap_parse(const uint8_t *p, size_t n, struct coap *ret);
size_t coap_build(const struct coap *c, uint8_t *buf, size_t size);
size_t coap_serve(const uint8_t *p, size_t n, uint8_t *buf, size_t size);

/* link.c */
size_t slip_encode(const uint8_t *p, size_t n, uint8_t *buf, size_t size);
bool slip_byte(uint8_t byte, const uint8_t **ret, size_t *ret_n);
uint16_t crc16(uint16_t crc, const uint8_t *p, size_t n);
uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n);
enum link_state { LINK_DOWN, LINK_SCAN, LINK_JOIN, LINK_KEYS, LINK_UP, LINK_BACKOFF };
void link_tick(uint32_t now_ms);
void link_frame(const uint8_t *p, size_t n);
enum link_state link_state(void);
bool link_send(const uint8_t *p, size_t n);
const char *link_state_name(enum link_state s);

/* store.c: a log of settings in flash */
bool store_get(uint16_t key, void *p, size_t size, size_t *ret_n);
bool store_put(uint16_t key, const void *p, size_t n);
void store_open(void);
size_t store_free(void);

/* sensors.c */
struct climate {
	int32_t temperature_mdeg, humidity_permille, pressure_pa;
};
bool climate_read(struct climate *ret);
int32_t battery_mv(void);
int32_t motor_ma(void);
int32_t board_mdeg(void);
bool i2c_read(uint8_t address, uint8_t reg, uint8_t *p, size_t n);
bool i2c_write(uint8_t address, uint8_t reg, const uint8_t *p, size_t n);

/* display.c */
void display_open(void);
void display_clear(void);
void display_text(int x, int y, const char *text);
void display_line(int x0, int y0, int x1, int y1);
void display_circle(int x, int y, int r);
void display_flush(void);

/* app.c */
enum lock_state {
	LOCK_UNKNOWN,
	LOCK_LOCKED,
	LOCK_UNLOCKING,
	LOCK_UNLOCKED,
	LOCK_LOCKING,
	LOCK_JAMMED,
	LOCK_SERVICE,
};
struct app {
	enum lock_state state;
	enum language language;
	uint32_t since_ms, wrong_codes, openings;
	struct pid motor;
	struct biquad current_filter;
#if RELEASE >= 2
	uint32_t guest_until_s;
	uint8_t holiday;
#endif
	char code[9];
	uint8_t key[16];
};
extern struct app app;
void app_tick(uint32_t now_ms);
void app_key(char key, uint32_t now_ms);
bool app_command(const char *name, const char *argument);
const char *lock_state_name(enum lock_state s);

/* shell.c */
void shell_byte(char c);
void shell_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#if RELEASE >= 2
/* schedule.c */
struct schedule_entry {
	uint8_t days, hour, minute, action;
};
void schedule_tick(uint32_t now_s);
bool schedule_add(const struct schedule_entry *e);
size_t schedule_list(struct writer *w);
#endif

uint32_t now_ms(void);
#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
