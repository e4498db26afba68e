/* Who is due next: a heap, because a hundred thousand devices cannot all be looked at each time
 * that one of them hears something. */
#include "agent/fleet.h"

#include <stdlib.h>

static void put(struct fleet_queue *q, size_t i, struct fleet_device *d)
{
	q->at[i] = d;
	d->place = i;
}

static void sift_up(struct fleet_queue *q, struct fleet_device *d)
{
	size_t i = d->place;
	while (i > 0 && q->at[(i - 1) / 2]->due_ms > d->due_ms) {
		put(q, i, q->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(q, i, d);
}

static void sift_down(struct fleet_queue *q, struct fleet_device *d)
{
	size_t i = d->place;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < q->n && q->at[child + 1]->due_ms < q->at[child]->due_ms)
			child++;
		if (child >= q->n || q->at[child]->due_ms >= d->due_ms)
			break;
		put(q, i, q->at[child]);
		i = child;
	}
	put(q, i, d);
}

bool fleet_queue_make(struct fleet_queue *q, struct fleet_device *devices, size_t n)
{
	q->at = calloc(n, sizeof(*q->at));
	q->n = n;
	for (size_t i = 0; q->at && i < n; i++)
		put(q, i, &devices[i]); /* all are due at 0, in any order */
	return q->at;
}

void fleet_queue_free(struct fleet_queue *q)
{
	free(q->at);
}

struct fleet_device *fleet_queue_first(const struct fleet_queue *q)
{
	return q->at[0];
}

void fleet_queue_move(struct fleet_queue *q, struct fleet_device *d, int64_t due_ms)
{
	bool sooner = due_ms < d->due_ms;
	d->due_ms = due_ms;
	if (sooner)
		sift_up(q, d);
	else
		sift_down(q, d);
}
