/* Counters are plain atomics: one row for each operation, the last for what fitted no route. */

#include "api/metrics.h"

#include "base/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTES_MAX  128
#define SOURCES_MAX 64
#define RC_COUNT    (RC_INTERNAL + 1)

/* Upper bounds of the latency's buckets, in microseconds. */
static const int64_t bounds[] = { 100,   250,    500,    1000,   2500,    5000,    10000,
				  25000, 100000, 250000, 500000, 1000000, 5000000, 30000000 };

struct operation {
	_Atomic uint64_t results[RC_COUNT];
	_Atomic uint64_t buckets[ARRAY_LEN(bounds) + 1];
	_Atomic uint64_t sum_us;
};

static struct operation operations[ROUTES_MAX + 1];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct metrics_source sources[SOURCES_MAX];
static int source_count;

static size_t row_of(const struct route *route)
{
	size_t row = route ? (size_t)(route - route_at(0)) : ROUTES_MAX;

	return row < ROUTES_MAX ? row : ROUTES_MAX;
}

void metrics_count_call(const struct route *route, enum rc rc, int64_t took_us)
{
	struct operation *o = &operations[row_of(route)];
	size_t bucket = 0;

	while (bucket < ARRAY_LEN(bounds) && took_us > bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&o->results[rc], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&o->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&o->sum_us, (uint64_t)took_us, memory_order_relaxed);
}

void metrics_add_source(const struct metrics_source *source)
{
	pthread_mutex_lock(&mutex);
	assert(source_count < SOURCES_MAX);
	sources[source_count++] = *source;
	pthread_mutex_unlock(&mutex);
}

void metrics_remove_sources(const void *arg)
{
	int kept = 0;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < source_count; i++)
		if (sources[i].arg != arg)
			sources[kept++] = sources[i];
	source_count = kept;
	pthread_mutex_unlock(&mutex);
}

/* --- the text --- */

struct page {
	FILE *out;
	const char *last; /* name of the family that was opened last */
};

static void family(struct page *p, const char *name, const char *type, const char *help)
{
	if (p->last && strcmp(p->last, name) == 0)
		return;
	fprintf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
	p->last = name;
}

static const char *operation_name(size_t row)
{
	const struct route *r = row < ROUTES_MAX ? route_at(row) : NULL;

	return r ? r->operation : "none";
}

static void render_results(struct page *p, size_t row)
{
	for (int rc = 0; rc < RC_COUNT; rc++) {
		uint64_t n = atomic_load_explicit(&operations[row].results[rc],
						  memory_order_relaxed);
		if (n)
			fprintf(p->out,
				"muster_calls_total{operation=\"%s\",result=\"%s\"} %llu\n",
				operation_name(row), rc_name((enum rc)rc),
				(unsigned long long)n);
	}
}

static void render_latency(struct page *p, size_t row)
{
	struct operation *o = &operations[row];
	const char *name = operation_name(row);
	uint64_t sum = 0;

	for (size_t i = 0; i <= ARRAY_LEN(bounds); i++)
		sum += atomic_load_explicit(&o->buckets[i], memory_order_relaxed);
	if (sum == 0)
		return;
	sum = 0;
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		sum += atomic_load_explicit(&o->buckets[i], memory_order_relaxed);
		fprintf(p->out, "muster_call_seconds_bucket{operation=\"%s\",le=\"%g\"} %llu\n",
			name, (double)bounds[i] / 1e6, (unsigned long long)sum);
	}
	sum += atomic_load_explicit(&o->buckets[ARRAY_LEN(bounds)], memory_order_relaxed);
	fprintf(p->out,
		"muster_call_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n"
		"muster_call_seconds_sum{operation=\"%s\"} %g\n"
		"muster_call_seconds_count{operation=\"%s\"} %llu\n",
		name, (unsigned long long)sum, name,
		(double)atomic_load_explicit(&o->sum_us, memory_order_relaxed) / 1e6, name,
		(unsigned long long)sum);
}

static void render_sources(struct page *p)
{
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < source_count; i++) {
		const struct metrics_source *s = &sources[i];
		bool labels = s->labels != NULL;

		family(p, s->name, s->type, s->help);
		fprintf(p->out, "%s%s%s%s %lld\n", s->name, labels ? "{" : "",
			labels ? s->labels : "", labels ? "}" : "", (long long)s->read(s->arg));
	}
	pthread_mutex_unlock(&mutex);
}

struct bytes metrics_render(struct arena *mem)
{
	char *text = NULL;
	size_t size = 0;
	struct page p = { .out = open_memstream(&text, &size) };

	assert(p.out);
	family(&p, "muster_calls_total", "counter", "Calls by operation and result.");
	for (size_t i = 0; i <= ROUTES_MAX; i++)
		render_results(&p, i);
	family(&p, "muster_call_seconds", "histogram", "Time from arrival to answer.");
	for (size_t i = 0; i <= ROUTES_MAX; i++)
		render_latency(&p, i);
	family(&p, "muster_log_lines_dropped_total", "counter", "Log lines that nobody took.");
	fprintf(p.out, "muster_log_lines_dropped_total %llu\n",
		(unsigned long long)log_dropped());
	render_sources(&p);
	fclose(p.out);

	struct bytes ret = { arena_copy(mem, text, size), size };
	free(text);
	return ret;
}
