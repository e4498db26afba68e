/* A token bucket for each address, in a table of fixed size: two addresses in one place replace
 * each other, which forgives and never blocks the wrong one. */

#include "api/throttle.h"

#include "base/clock.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLACES      1024
#define FAILURES    20                 /* at once */
#define FORGIVEN_US (3 * USEC_PER_SEC) /* one failure each */

struct address {
	uint64_t id;
	int64_t debt_until; /* the bucket is empty while this is FAILURES * FORGIVEN_US ahead */
};

struct throttle {
	pthread_mutex_t mutex;
	uint64_t seed;
	struct address addresses[PLACES];
	uint64_t good[PLACES];
};

struct throttle *throttle_create(void)
{
	struct throttle *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->mutex, NULL);
	random_bytes(&t->seed, sizeof(t->seed));
	return t;
}

void throttle_free(struct throttle *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->mutex);
	free(t);
}

/* FNV-1a over the address, without the port. */
static uint64_t address_id(const struct throttle *t, const char *peer)
{
	const char *colon = peer ? strrchr(peer, ':') : NULL;
	uint64_t h = t->seed ^ UINT64_C(0xcbf29ce484222325);

	for (const char *p = peer; colon && p < colon; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

static uint64_t credential_id(const struct digest *credential)
{
	uint64_t id;

	memcpy(&id, credential->b, sizeof(id));
	return id ? id : 1; /* 0 is an empty place of the table */
}

bool throttle_blocks(struct throttle *t, const char *peer, const struct digest *credential)
{
	uint64_t who = address_id(t, peer), what = credential_id(credential);
	int64_t limit = clock_monotonic() + FAILURES * FORGIVEN_US;

	pthread_mutex_lock(&t->mutex);
	const struct address *a = &t->addresses[who % PLACES];
	bool blocks = a->id == who && a->debt_until >= limit && t->good[what % PLACES] != what;
	pthread_mutex_unlock(&t->mutex);
	return blocks;
}

void throttle_failed(struct throttle *t, const char *peer, const struct digest *credential)
{
	uint64_t who = address_id(t, peer), what = credential_id(credential);
	int64_t now = clock_monotonic();

	pthread_mutex_lock(&t->mutex);
	struct address *a = &t->addresses[who % PLACES];
	if (a->id != who || a->debt_until < now)
		*a = (struct address){ who, now };
	/* One failure more than fit keeps it full for a whole turn, and no longer. */
	if (a->debt_until < now + (FAILURES + 1) * FORGIVEN_US)
		a->debt_until += FORGIVEN_US;
	if (t->good[what % PLACES] == what)
		t->good[what % PLACES] = 0;
	pthread_mutex_unlock(&t->mutex);
}

void throttle_passed(struct throttle *t, const struct digest *credential)
{
	uint64_t what = credential_id(credential);

	pthread_mutex_lock(&t->mutex);
	t->good[what % PLACES] = what;
	pthread_mutex_unlock(&t->mutex);
}
