/* A bounded queue under one mutex.  The eventfd is a level: it is readable exactly while the
 * queue holds something or is closed, and changes only under the mutex. */

#include "base/queue.h"

#include "base/arena.h"
#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct queue {
	pthread_mutex_t mutex;
	pthread_cond_t more;
	struct queue_node *head;
	struct queue_node **tail;
	size_t len, max_len;
	int fd;
	bool raised; /* the eventfd is readable */
	bool closed;
};

struct queue *queue_create(size_t max_len, bool with_eventfd)
{
	struct queue *q = xcalloc(1, sizeof(*q));
	pthread_condattr_t attr;

	pthread_mutex_init(&q->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->more, &attr);
	pthread_condattr_destroy(&attr);
	q->tail = &q->head;
	q->max_len = max_len;
	q->fd = with_eventfd ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	if (with_eventfd && q->fd < 0)
		abort(); /* out of descriptors before anything started */
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	if (q->fd >= 0)
		close(q->fd);
	pthread_cond_destroy(&q->more);
	pthread_mutex_destroy(&q->mutex);
	free(q);
}

/* Makes the eventfd say what the queue holds.  Under the mutex. */
static void set_level(struct queue *q)
{
	bool want = q->head || q->closed;
	uint64_t one = 1;

	if (q->fd < 0 || want == q->raised)
		return;
	ssize_t n = want ? write(q->fd, &one, sizeof(one)) : read(q->fd, &one, sizeof(one));
	assert(n == sizeof(one));
	q->raised = want;
}

enum rc queue_push(struct queue *q, struct queue_node *node)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&q->mutex);
	if (q->closed) {
		rc = RC_UNAVAILABLE;
	} else if (q->max_len && q->len >= q->max_len) {
		rc = RC_LIMIT;
	} else {
		node->next = NULL;
		*q->tail = node;
		q->tail = &node->next;
		q->len++;
		set_level(q);
		pthread_cond_signal(&q->more);
	}
	pthread_mutex_unlock(&q->mutex);
	return rc;
}

/* Waits until there is an item, the queue is closed or the time is up.  Under the mutex. */
static void wait_for_more(struct queue *q, int64_t timeout_us)
{
	int64_t until = clock_monotonic() + timeout_us;
	struct timespec t = { until / USEC_PER_SEC, until % USEC_PER_SEC * 1000 };

	while (!q->head && !q->closed) {
		if (timeout_us < 0)
			pthread_cond_wait(&q->more, &q->mutex);
		else if (pthread_cond_timedwait(&q->more, &q->mutex, &t) != 0)
			return;
	}
}

/* Cuts the first max items off (0: all), as a list.  Under the mutex. */
static struct queue_node *cut(struct queue *q, size_t max)
{
	struct queue_node *first = q->head;
	struct queue_node **end = &q->head;
	size_t n = 0;

	if (!first)
		return NULL;
	while (*end && (max == 0 || n < max)) {
		end = &(*end)->next;
		n++;
	}
	struct queue_node *rest = *end;
	*end = NULL;
	q->head = rest;
	if (!rest)
		q->tail = &q->head;
	q->len -= n;
	set_level(q);
	return first;
}

struct queue_node *queue_pop(struct queue *q, int64_t timeout_us)
{
	pthread_mutex_lock(&q->mutex);
	wait_for_more(q, timeout_us);
	struct queue_node *node = cut(q, 1);
	pthread_mutex_unlock(&q->mutex);
	return node;
}

struct queue_node *queue_take(struct queue *q, size_t max)
{
	pthread_mutex_lock(&q->mutex);
	struct queue_node *list = cut(q, max);
	pthread_mutex_unlock(&q->mutex);
	return list;
}

size_t queue_len(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	size_t len = q->len;
	pthread_mutex_unlock(&q->mutex);
	return len;
}

int queue_fd(const struct queue *q)
{
	return q->fd;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	q->closed = true;
	set_level(q);
	pthread_cond_broadcast(&q->more);
	pthread_mutex_unlock(&q->mutex);
}

bool queue_is_closed(struct queue *q)
{
	pthread_mutex_lock(&q->mutex);
	bool closed = q->closed;
	pthread_mutex_unlock(&q->mutex);
	return closed;
}
