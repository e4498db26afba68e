/* The last requests of a session, so that a duplicate is answered and not run again.  Pure; one
 * table per session, of its thread.
 *
 * It is a help against repeated datagrams, not the guarantee: reports and registrations are
 * idempotent by themselves. */
#pragma once

#include "server/coap/coap_answer.h"

#define RECENT_MAX 8
/* A message id may not come again with another meaning for so long (RFC 7252 4.8.2). */
#define RECENT_LIFE_US (INT64_C(247) * 1000000)

struct exchange;

struct recent_entry {
	int64_t at; /* monotonic, us; 0: free */
	uint16_t mid;
	uint8_t token_size;
	uint8_t token[TOKEN_MAX];
	struct exchange *running; /* not answered yet */
	struct reply *reply;      /* answered so */
};

struct recent {
	struct recent_entry entries[RECENT_MAX];
	unsigned next;
};

/* The entry of this very message, NULL when it is new. */
struct recent_entry *recent_find(struct recent *r, const struct inquiry *q, int64_t now);
/* Notes it as running (x) or answered (reply, copied); the oldest entry that is not running
 * gives way.  NULL when all are running. */
struct recent_entry *recent_add(struct recent *r, const struct inquiry *q, int64_t now);
void recent_answered(struct recent_entry *e, const struct reply *reply);
/* As if it had never come. */
void recent_forget(struct recent_entry *e);
void recent_clear(struct recent *r);
