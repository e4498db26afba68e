/* Figures of this daemon, in Prometheus' text format 0.0.4.  Counters are process-wide; any
 * thread may count. */
#pragma once

#include "api/route.h"

#include <stdint.h>

/* route NULL: no route fitted. */
void metrics_count_call(const struct route *route, enum rc rc, int64_t took_us);

/* A figure that somebody else keeps. */
struct metrics_source {
	const char *name;   /* "muster_queue_calls"; sources of one name are added one after
			       another */
	const char *labels; /* "kind=\"single\"", or NULL */
	const char *type;   /* "gauge" or "counter" */
	const char *help;
	int64_t (*read)(void *arg); /* any thread, must not block */
	void *arg;
};
/* Texts are borrowed for the life of the process; more than 64 sources are a programmer's
 * error. */
void metrics_add_source(const struct metrics_source *source);
/* Before arg is freed. */
void metrics_remove_sources(const void *arg);

struct bytes metrics_render(struct arena *mem);
