/* Queue: order, bounds, eventfd level, closing, several threads. */

#include "base/clock.h"
#include "base/queue.h"
#include "tests/tap.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

struct item {
	struct queue_node node;
	int value;
};

static struct queue_node *item(int value)
{
	struct item *i = calloc(1, sizeof(*i));

	i->value = value;
	return &i->node;
}

static int value_of(struct queue_node *node)
{
	struct item *i = container_of(node, struct item, node);
	int value = i->value;

	free(i);
	return value;
}

static bool readable(const struct queue *q)
{
	struct pollfd p = { .fd = queue_fd(q), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_order_and_bound(void)
{
	struct queue *q = queue_create(2, false);
	struct queue_node *third = item(3);

	ok(queue_push(q, item(1)) == RC_OK && queue_push(q, item(2)) == RC_OK, "two fit");
	ok(queue_push(q, third) == RC_LIMIT, "the third does not");
	is_int((int64_t)queue_len(q), 2, "length");
	is_int(value_of(queue_pop(q, 0)), 1, "first in, first out");
	ok(queue_push(q, third) == RC_OK, "now it fits");
	is_int(value_of(queue_pop(q, -1)), 2, "second");
	is_int(value_of(queue_pop(q, -1)), 3, "third");
	int64_t before = clock_monotonic();
	ok(queue_pop(q, 20 * USEC_PER_MS) == NULL, "empty: nothing comes");
	ok(clock_monotonic() - before >= 20 * USEC_PER_MS, "after the whole time");
	is_int(queue_fd(q), -1, "no eventfd when none was asked for");
	queue_free(q);
}

static void test_take_and_eventfd(void)
{
	struct queue *q = queue_create(0, true);

	ok(!readable(q), "empty: not readable");
	for (int i = 0; i < 5; i++)
		ok(queue_push(q, item(i)) == RC_OK, "pushed %d", i);
	ok(readable(q), "readable");
	struct queue_node *list = queue_take(q, 3);
	for (int i = 0; i < 3; i++) {
		struct queue_node *next = list->next;

		is_int(value_of(list), i, "taken in order");
		list = next;
	}
	ok(list == NULL, "a list of three");
	ok(readable(q), "still readable: two are left");
	list = queue_take(q, 0);
	struct queue_node *second = list->next;
	is_int(value_of(list), 3, "the rest");
	is_int(value_of(second), 4, "the rest");
	ok(!readable(q), "not readable any more");
	ok(queue_take(q, 0) == NULL, "nothing to take");
	queue_free(q);
}

static void test_close(void)
{
	struct queue *q = queue_create(0, true);
	struct queue_node *late = item(2);

	ok(queue_push(q, item(1)) == RC_OK, "pushed");
	queue_close(q);
	ok(queue_is_closed(q) && readable(q), "closed, and the loop is woken");
	ok(queue_push(q, late) == RC_UNAVAILABLE, "nothing comes in");
	is_int(value_of(queue_pop(q, -1)), 1, "what is in comes out");
	ok(queue_pop(q, -1) == NULL, "then it ends without waiting");
	value_of(late);
	queue_free(q);
}

enum { PRODUCERS = 4, EACH = 20000 };

static void *produce(void *arg)
{
	struct queue *q = arg;

	for (int i = 0; i < EACH; i++) {
		struct queue_node *node = item(i);

		while (queue_push(q, node) == RC_LIMIT)
			;
	}
	return NULL;
}

static void *consume(void *arg)
{
	int64_t sum = 0;

	for (struct queue_node *n; (n = queue_pop(arg, -1));)
		sum += value_of(n);
	return (void *)(intptr_t)sum;
}

static void test_threads(void)
{
	struct queue *q = queue_create(64, true);
	pthread_t producers[PRODUCERS], consumers[2];
	int64_t sum = 0;

	for (int i = 0; i < 2; i++)
		pthread_create(&consumers[i], NULL, consume, q);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_create(&producers[i], NULL, produce, q);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i], NULL);
	queue_close(q);
	for (int i = 0; i < 2; i++) {
		void *part = NULL;

		pthread_join(consumers[i], &part);
		sum += (intptr_t)part;
	}
	is_int(sum, (int64_t)PRODUCERS * EACH * (EACH - 1) / 2, "nothing is lost or doubled");
	queue_free(q);
}

int main(void)
{
	test_order_and_bound();
	test_take_and_eventfd();
	test_close();
	test_threads();
	return tap_done();
}
