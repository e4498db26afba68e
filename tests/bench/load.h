/* What the load generators share: clocks, the server's CPU time, latencies, and as much of CoAP
 * as a device that only asks needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

int64_t load_now(void); /* monotonic, us */
/* CPU seconds that a process has used so far, its threads together; 0 for pid 0. */
double load_cpu(pid_t pid);
/* Prints why and ends the program. */
_Noreturn void load_die(const char *why);
/* Large socket buffers, as far as the system lets us. */
void load_widen(int fd);
void load_raise_descriptors(void);
/* A number from the command line. */
uint64_t load_number(const char *text);

/* --- latencies: sixteen steps for each power of two --- */

struct latencies {
	uint64_t counts[32 * 16];
	uint64_t n, max;
};

void latency_add(struct latencies *l, int64_t us);
/* As JSON members: "p50_us": 1, ... */
void latency_print(const struct latencies *l, FILE *out);

/* --- messages --- */

enum { TYPE_CON, TYPE_NON, TYPE_ACK, TYPE_RST };
#define CODE_GET    1
#define CODE_POST   2
#define TOKEN_SIZE  6
#define MESSAGE_MAX 1500

/* Options in ascending order; path without a leading slash. */
struct ask {
	uint8_t code;
	uint16_t mid;
	uint8_t token[TOKEN_SIZE];
	const char *path;
	int64_t block; /* Block2 number; -1: none */
	uint8_t szx;
	bool observe;
	int format; /* of the payload; -1: none */
	const uint8_t *payload;
	size_t size;
};

size_t ask_write(const struct ask *a, uint8_t ret[MESSAGE_MAX]);
/* ACK or RST to a message. */
size_t empty_write(int type, uint16_t mid, uint8_t ret[4]);

struct heard {
	int type;
	uint8_t code;
	uint16_t mid;
	const uint8_t *token; /* NULL when it is not of our size */
	bool has_block, more, observe;
	uint32_t block;
	size_t payload;
};

/* False for what is no CoAP message. */
bool heard_read(const uint8_t *p, size_t n, struct heard *ret);

/* Answers by code, as JSON: {"2.05": 17}. */
struct codes {
	uint64_t counts[256];
};
void codes_print(const struct codes *c, FILE *out);
