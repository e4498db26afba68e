/* The last requests of a session, in a ring. */

#include "server/coap/coap_recent.h"

#include <stdlib.h>
#include <string.h>

struct recent_entry *recent_find(struct recent *r, const struct inquiry *q, int64_t now)
{
	for (int i = 0; i < RECENT_MAX; i++) {
		struct recent_entry *e = &r->entries[i];

		if (e->at && e->mid == q->mid && e->token_size == q->token_size &&
		    memcmp(e->token, q->token, q->token_size) == 0 &&
		    (e->running || now - e->at < RECENT_LIFE_US))
			return e;
	}
	return NULL;
}

struct recent_entry *recent_add(struct recent *r, const struct inquiry *q, int64_t now)
{
	for (int i = 0; i < RECENT_MAX; i++) {
		struct recent_entry *e = &r->entries[r->next++ % RECENT_MAX];

		if (e->running)
			continue;
		recent_forget(e);
		e->at = now;
		e->mid = q->mid;
		e->token_size = q->token_size;
		memcpy(e->token, q->token, sizeof(e->token));
		return e;
	}
	return NULL;
}

void recent_answered(struct recent_entry *e, const struct reply *reply)
{
	free(e->reply);
	e->reply = reply_copy(reply);
	e->running = NULL;
}

void recent_forget(struct recent_entry *e)
{
	free(e->reply);
	memset(e, 0, sizeof(*e));
}

void recent_clear(struct recent *r)
{
	for (int i = 0; i < RECENT_MAX; i++)
		recent_forget(&r->entries[i]);
}
