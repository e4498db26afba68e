/* Brakes the guessing of keys: a bucket of tries for each pair of address and identity, in a
 * table of fixed size; two pairs in one place replace each other, which forgives.
 *
 * A try counts once its address is proved (the key is asked for only after the cookie), so
 * nobody can use up the tries of another.  It counts when it begins, because a wrong key is
 * never answered, and is given back when the handshake succeeds.  A device that succeeded
 * lately from its address is let be: a guesser behind the same NAT cannot keep it out. */

#include "server/coap/dtls_internal.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define PLACES      4096
#define TRIES       20                 /* at once */
#define FORGIVEN_US (3 * USEC_PER_SEC) /* one try each */
#define TRUSTED_US  (24 * 3600 * USEC_PER_SEC)

struct pair {
	uint64_t id;
	int64_t debt_until;
	int64_t trusted_until;
};

struct dtls_guesses {
	pthread_mutex_t mutex;
	uint64_t seed;
	struct pair pairs[PLACES];
};

struct dtls_guesses *guesses_create(void)
{
	struct dtls_guesses *g = xcalloc(1, sizeof(*g));

	pthread_mutex_init(&g->mutex, NULL);
	random_bytes(&g->seed, sizeof(g->seed));
	return g;
}

void guesses_free(struct dtls_guesses *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->mutex);
	free(g);
}

/* Of IPv6 the first 64 bits, because one peer has them all; IPv4 may come inside of it. */
static struct bytes address_part(const coap_address_t *a)
{
	const uint8_t *six = a->addr.sin6.sin6_addr.s6_addr;

	if (a->addr.sa.sa_family == AF_INET)
		return (struct bytes){ (const uint8_t *)&a->addr.sin.sin_addr, 4 };
	if (IN6_IS_ADDR_V4MAPPED(&a->addr.sin6.sin6_addr))
		return (struct bytes){ six + 12, 4 };
	return (struct bytes){ six, 8 };
}

static uint64_t mix(uint64_t h, struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		h = (h ^ b.p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

/* Its place; what another pair left there is gone. */
static struct pair *pair_of(struct dtls_guesses *g, const coap_address_t *from,
			    struct bytes identity)
{
	uint64_t id = mix(mix(g->seed, address_part(from)), identity);
	struct pair *p = &g->pairs[id % PLACES];

	if (p->id != id)
		*p = (struct pair){ .id = id };
	return p;
}

bool guess_try(struct dtls_guesses *g, const coap_address_t *from, struct bytes identity)
{
	int64_t now = clock_monotonic();

	pthread_mutex_lock(&g->mutex);
	struct pair *p = pair_of(g, from, identity);
	if (p->debt_until < now)
		p->debt_until = now;
	bool full = p->debt_until > now + (TRIES - 1) * FORGIVEN_US;
	bool allowed = !full || p->trusted_until > now;
	if (!full)
		p->debt_until += FORGIVEN_US;
	pthread_mutex_unlock(&g->mutex);
	return allowed;
}

void guess_succeeded(struct dtls_guesses *g, const coap_address_t *from, struct bytes identity)
{
	pthread_mutex_lock(&g->mutex);
	struct pair *p = pair_of(g, from, identity);
	p->debt_until = 0;
	p->trusted_until = clock_monotonic() + TRUSTED_US;
	pthread_mutex_unlock(&g->mutex);
}
