/* What a verified manifest makes a device do, and what the device is while it is asked. */
#pragma once

#include "agent/format.h"
#include "agent/wait_rules.h"
#include "suit/suit.h"

#define UPDATE_PARTS_MAX    5 /* components: `main`, and four more */
#define UPDATE_PAYLOADS_MAX UPDATE_PARTS_MAX
#define UPDATE_WAITS_MAX    4
#define UPDATE_PATH_MAX     80
#define UPDATE_VERSION_MAX  65
#define UPDATE_NO_PART      (-1)

/* Fetched: into the slot of a part as it is, or into a file of its own, for a copy. */
struct payload {
	struct suit_digest file;   /* that the URI names, img/<digest> */
	struct suit_digest digest; /* of the bytes, signed */
	uint64_t size;
	int part; /* whose slot it goes into, or UPDATE_NO_PART */
};

/* Before the payload of this number is fetched, or before anything is installed. */
struct update_wait {
	struct wait until;
	uint8_t before;
};

struct update {
	uint64_t job, attempt;
	uint64_t sequence;
	struct suit_digest manifest;
	struct payload payload[UPDATE_PAYLOADS_MAX]; /* in the order of fetching */
	size_t payload_count;
	unsigned touched;         /* parts that get a new image, a bit each */
	struct suit_digest image; /* of the first of these parts, installed */
	char version[UPDATE_VERSION_MAX];
	struct update_wait wait[UPDATE_WAITS_MAX]; /* in the order of their commands */
	size_t wait_count;
	/* Of these, that are over: known to who looks, not found by it.  Which they were is
	 * noted, as another way of the same manifest has other waits. */
	size_t waited;
	uint8_t over[UPDATE_WAITS_MAX][WAIT_MARK_SIZE];
	bool asks;  /* the battery's charge, or for consent */
	bool ahead; /* something is to be asked when a wait is over: then look again */
};

/* Bytes of all payloads, or of those before nth. */
uint64_t update_bytes(const struct update *u, size_t nth);
/* Do both fetch the same, in the same order? */
bool update_fetches_same(const struct update *a, const struct update *b);
/* What its next wait says now; WAIT_OVER when there is none. */
enum wait_end update_next_wait(const struct update *u, int64_t *ret_moment);
/* Its next wait is over. */
void update_wait_over(struct update *u);
/* Was it this wait, as the one of that number, that was over? */
bool update_has_waited(const struct update *u, size_t nth, const struct wait *w);
/* img/<digest> */
void update_path(const struct payload *p, char ret[UPDATE_PATH_MAX]);
/* Nothing but that is taken: an envelope cannot make us ask for any other path. */
bool update_take_uri(struct suit_bytes uri, struct suit_digest *ret);

/* A component of this device. */
struct part {
	const char *name;
	uint64_t slot; /* that would be written */
	bool has;      /* it holds something, which is: */
	struct suit_digest digest;
	uint64_t size;   /* UINT64_MAX: not known */
	bool needs_base; /* nothing is put there when there is nothing to fall back to */
};

struct facts {
	uint64_t sequence; /* of the newest confirmed manifest */
	const char *version;
	struct part part[UPDATE_PARTS_MAX];
	size_t count;
};
