/* When to come back, for devices that are turned away.  Who is turned away gets a place in a
 * line that is not kept: the line moves as fast as calls were answered lately, and Max-Age says
 * when a place's turn is.  So a hundred thousand devices return spread over the time that they
 * need, and not all in the same second, over and over.
 *
 * Thread-safe; never waits. */
#pragma once

#include "base/bytes.h"

#include <pthread.h>
#include <stdint.h>

struct come_back {
	pthread_mutex_t mutex;
	int64_t line_end;  /* monotonic, us: when the last place's turn is */
	int64_t window_at; /* since when answered counts */
	uint64_t answered;
	double rate; /* calls answered in a second, when there are many */
};

void come_back_init(struct come_back *b);
void come_back_finish(struct come_back *b);
/* A worker has answered so many calls of devices. */
void come_back_answered(struct come_back *b, uint64_t calls, int64_t now);
/* Seconds until this device's turn, 1 to COME_BACK_MAX_S. */
#define COME_BACK_MAX_S 120
int64_t come_back_after_s(struct come_back *b, const struct uuid *device, int64_t now);
/* Of a number that all devices share: each gets its own, always the same, a tenth to either
 * side of it. */
int32_t come_back_spread_s(int32_t seconds, const struct uuid *device);
