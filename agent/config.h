/* The device's configuration: one `key = value` file that agent and launcher share.
 *
 *	endpoint      = lock-0815
 *	server        = coaps://updates.example.net:5684
 *	psk_file      = lock-0815.psk           (or cert_file, key_file and ca_file)
 *	vendor_id     = 8-4-4-4-12 digits
 *	class_id      = 8-4-4-4-12 digits
 *	anchor        = author.pem.pub          (up to four: whose signatures are believed; or
 *	                                         the certificate of an authority for authors)
 *	delegate      = delegate.pem.pub        (up to four, of the same kinds: who may let this
 *	                                         device into what an author signed)
 *	mac_key_file  = mac.key         (whose MACs are believed when there is no anchor; with
 *	mac_key_id    = class-1          anchors they must hold too, and are not enough)
 *	state_dir     = /var/lib/muster-agent
 *	attribute.site = berlin                 (up to eight)
 *	component.config = file                 (further components, up to four)
 *	component.modem  = hook
 *	hook_program.modem = flash-modem
 *	hook_user.modem    = modem
 *	battery_file  = /sys/class/power_supply/BAT0/energy_now
 *	authorize_program = may-update
 *	authorize_user    = ui
 *	device_key_file = pkcs11:token=board;object=payloads
 *	pin_file        = token.pin
 *
 * key_file and report_key_file may be such a URI, too.  Relative paths are relative to the
 * file's own folder. */
#pragma once

#include "agent/boot.h"
#include "agent/format.h"
#include "agent/link.h"

#define CONFIG_TEXT_MAX       256
#define CONFIG_KEY_MAX        512 /* a path, or the URI of a key in a token */
#define CONFIG_PARTS_MAX      BOOT_PAIRS_MAX
#define CONFIG_ANCHORS_MAX    4
#define CONFIG_ATTRIBUTES_MAX 8

struct config_attribute {
	char name[32];
	char value[64];
};

/* A further component: a pair of files, and perhaps a program that puts it where it belongs. */
struct config_part {
	char name[BOOT_NAME_SIZE];
	bool known; /* component.NAME was there */
	bool hook;
	char program[CONFIG_TEXT_MAX];
	char user[33];
	uint64_t timeout_s;
};

struct config {
	char endpoint[65];
	char server[CONFIG_TEXT_MAX];
	char component[65];
	char psk_file[CONFIG_TEXT_MAX];
	char cert_file[CONFIG_TEXT_MAX];
	char key_file[CONFIG_KEY_MAX];
	char ca_file[CONFIG_TEXT_MAX];
	char state_dir[CONFIG_TEXT_MAX];
	char anchor[CONFIG_ANCHORS_MAX][CONFIG_TEXT_MAX];
	size_t anchor_count;
	char delegate[CONFIG_ANCHORS_MAX][CONFIG_TEXT_MAX];
	size_t delegate_count;
	struct suit_uuid vendor_id, class_id;
	struct config_attribute attribute[CONFIG_ATTRIBUTES_MAX];
	size_t attribute_count;
	struct config_part part[CONFIG_PARTS_MAX];
	size_t part_count;
	char class_key_file[CONFIG_TEXT_MAX]; /* opens what is encrypted; may be empty */
	char class_key_id[CONFIG_TEXT_MAX];
	char mac_key_file[CONFIG_TEXT_MAX]; /* of HMAC-SHA256; may be empty */
	char mac_key_id[CONFIG_TEXT_MAX];
	char device_key_file[CONFIG_KEY_MAX];
	char device_key_id[CONFIG_TEXT_MAX];
	char report_key_file[CONFIG_KEY_MAX];    /* signs SUIT reports; may be empty */
	char pin_file[CONFIG_TEXT_MAX];          /* of tokens; may be empty */
	char battery_file[CONFIG_TEXT_MAX];      /* its charge, in uWh; may be empty */
	char authorize_program[CONFIG_TEXT_MAX]; /* asked for consent; may be empty */
	char authorize_user[33];
	uint64_t authorize_timeout_s;
	bool has_formats;
	format_set formats; /* that it may read, of those that it can; if has_formats */
	bool only_encrypted;
	bool observe;            /* be told of offers; else ask now and then */
	uint64_t poll_max_s;     /* ask at least so often; 0: as the server says */
	uint64_t envelope_max;   /* bytes; this much memory is taken while one is read */
	uint64_t image_max;      /* bytes; what a slot holds */
	uint64_t block_size;     /* bytes, a power of two from 16 to 1024 */
	uint64_t journal_blocks; /* progress is made durable every so many blocks of 1024 bytes
				  */
	uint64_t ack_timeout_ms;
	uint64_t request_timeout_s, hello_timeout_s;
	uint64_t retry_min_ms, retry_max_ms;
	uint64_t trial_s;        /* a trial must be confirmed within */
	uint64_t trial_tries;    /* starts of one trial */
	struct link_config link; /* made of the above by config_finish */
	uint8_t psk[LINK_PSK_MAX];
};

/* Reads and checks a file.  why, of CONFIG_TEXT_MAX bytes, says "FILE:LINE: text" on failure.
 */
bool config_load(const char *path, struct config *ret, char *why);
/* Fills in link: reads the key file, takes the server's address apart. */
bool config_finish(struct config *c, char *why);
/* "pkcs11:...": the key is in a token (RFC 7512). */
bool config_is_token(const char *key_file);
/* "coaps://host[:port]" or "coap://host[:port]"; [..] around an IPv6 address. */
bool config_server(const char *uri, struct link_config *ret);
