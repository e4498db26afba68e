/* The bodies of the device API (api/device.cddl): what we send, written; what we get, read.
 * Unknown keys of a map are passed over; anything else that is not of the form is refused, keys
 * that come twice or out of order too. */
#pragma once

#include "agent/boot.h"
#include "agent/format.h"
#include "suit/suit.h"

#define PROTO_ATTRIBUTES_MAX 8
#define PROTO_COMPONENTS_MAX 5
#define PROTO_TEXT_MAX       128
#define PROTO_AGAIN_MAX_S    (UINT64_C(366) * 86400) /* of what a server may ask for */

enum proto_state {
	PROTO_DOWNLOADING = 2,
	PROTO_DOWNLOADED = 3,
	PROTO_INSTALLING = 4,
	PROTO_REBOOTING = 5,
	PROTO_FAILED = 11,
	PROTO_REJECTED = 14,
	PROTO_DEFERRED = 15,
};

enum proto_cause {
	PROTO_CAUSE_NONE = 0,
	PROTO_CAUSE_DOWNLOAD = 1,
	PROTO_CAUSE_DIGEST = 2,
	PROTO_CAUSE_SIGNATURE = 3,
	PROTO_CAUSE_CLASS = 4,
	PROTO_CAUSE_SEQUENCE = 5,
	PROTO_CAUSE_SPACE = 6,
	PROTO_CAUSE_STORAGE = 7,
	PROTO_CAUSE_MANIFEST = 8,
	PROTO_CAUSE_INSTALL = 9,
};

struct proto_attribute {
	const char *name, *value;
};

struct proto_component {
	const char *name;
	bool known; /* what it holds */
	struct suit_digest digest;
	const char *version; /* empty: not known */
};

struct proto_register {
	const char *endpoint;
	struct suit_uuid vendor_id, class_id;
	struct proto_component component[PROTO_COMPONENTS_MAX]; /* in any order */
	size_t component_count;
	uint8_t boot_id[BOOT_ID_SIZE];
	uint64_t envelope_max, image_max, block_size;
	format_set formats;
	const char *key_word; /* of its own key's id (api/coap.md); NULL: it has none */
	bool only_encrypted;
	struct proto_attribute attribute[PROTO_ATTRIBUTES_MAX]; /* in any order */
	size_t attribute_count;
	struct boot_last last;
};

struct proto_offer {
	bool offered;
	uint64_t again_s; /* come back after so many seconds */
	uint64_t job, attempt;
	struct suit_digest manifest;
	uint64_t envelope_size;
};

struct proto_progress {
	enum proto_state state;
	bool counted; /* done and total say something */
	uint64_t done, total;
	enum proto_cause cause;
	const char *text; /* NULL: none */
};

/* Write into buf; 0 when it does not fit. */
size_t proto_put_register(const struct proto_register *r, uint8_t *buf, size_t size);
size_t proto_put_progress(const struct proto_progress *p, uint8_t *buf, size_t size);

bool proto_get_registered(struct suit_bytes b, uint64_t *ret_again_s);
bool proto_get_offer(struct suit_bytes b, struct proto_offer *ret);
/* An empty body says that nothing is to be stopped. */
bool proto_get_reported(struct suit_bytes b, bool *ret_stop);
