/* A line of devices that are to come back; come_back.h says how. */

#include "api/come_back.h"

#include "base/clock.h"

#include <string.h>

#define RATE_MIN  200.0 /* a second; also while the database is away and nothing is answered */
#define WINDOW_US USEC_PER_SEC
#define SOONEST_S 1

void come_back_init(struct come_back *b)
{
	*b = (struct come_back){ .rate = RATE_MIN };
	pthread_mutex_init(&b->mutex, NULL);
}

void come_back_finish(struct come_back *b)
{
	pthread_mutex_destroy(&b->mutex);
}

/* The best of late: a second in which little was asked says nothing of what could be done. */
void come_back_answered(struct come_back *b, uint64_t calls, int64_t now)
{
	pthread_mutex_lock(&b->mutex);
	b->answered += calls;
	int64_t took = now - b->window_at;
	if (took >= WINDOW_US) {
		double seen = (double)b->answered * USEC_PER_SEC / (double)took;

		b->rate = b->rate * 0.9 > seen ? b->rate * 0.9 : seen;
		if (b->rate < RATE_MIN)
			b->rate = RATE_MIN;
		b->answered = 0;
		b->window_at = now;
	}
	pthread_mutex_unlock(&b->mutex);
}

/* Device ids are random bytes already. */
static uint32_t share_of(const struct uuid *device, uint32_t n)
{
	uint32_t v;

	memcpy(&v, device->b, sizeof(v));
	return v % n;
}

int64_t come_back_after_s(struct come_back *b, const struct uuid *device, int64_t now)
{
	const int64_t soonest = now + SOONEST_S * USEC_PER_SEC;
	const int64_t latest = now + (COME_BACK_MAX_S - 1) * USEC_PER_SEC;

	pthread_mutex_lock(&b->mutex);
	if (b->line_end < soonest)
		b->line_end = soonest;
	bool full = b->line_end > latest;
	if (!full)
		b->line_end += (int64_t)(USEC_PER_SEC / b->rate);
	int64_t turn = b->line_end;
	pthread_mutex_unlock(&b->mutex);
	/* Nobody waits longer than that; beyond it, chance spreads them. */
	if (full)
		return COME_BACK_MAX_S - share_of(device, COME_BACK_MAX_S / 2);
	return (turn - now + USEC_PER_SEC - 1) / USEC_PER_SEC;
}

int32_t come_back_spread_s(int32_t seconds, const struct uuid *device)
{
	uint32_t width = (uint32_t)seconds / 5;

	return seconds - (int32_t)(width / 2) + (int32_t)share_of(device, width + 1);
}
