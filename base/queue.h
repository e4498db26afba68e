/* A bounded queue between threads: intrusive nodes, many producers, many consumers, optionally
 * an eventfd so that a loop can wait for it.  Bounded by length; whoever takes an item checks
 * the item's own deadline. */
#pragma once

#include "base/rc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_node {
	struct queue_node *next;
};

struct queue;

/* max_len 0 means unbounded (for answers: a call that came in has its place already). */
struct queue *queue_create(size_t max_len, bool with_eventfd);
void queue_free(struct queue *q);
/* RC_LIMIT when full, RC_UNAVAILABLE when closed; the node then still belongs to the caller. */
enum rc queue_push(struct queue *q, struct queue_node *node) MUST_CHECK;
/* Waits up to timeout_us (-1: for ever) for one item; NULL on timeout or when closed and empty.
 */
struct queue_node *queue_pop(struct queue *q, int64_t timeout_us);
/* Takes everything at once, up to max items (0: all), in order, as a list; NULL when empty. */
struct queue_node *queue_take(struct queue *q, size_t max);
size_t queue_len(struct queue *q);
/* -1 without eventfd.  Readable while the queue is not empty; queue_take clears it. */
int queue_fd(const struct queue *q);
/* Wakes all waiters; pushes are refused from now on, pops drain what is left. */
void queue_close(struct queue *q);
bool queue_is_closed(struct queue *q);

#define container_of(node, type, member)                                                       \
	((type *)(void *)((char *)(node)-offsetof(type, member)))
