/* Inside of the roster, for core/roster*.c alone.
 *
 * Entries live in chunks that never move, found through an open-addressed table of pointers; a
 * table that grows is replaced as a whole and the old one kept until the end, so a reader never
 * waits.  An entry is guarded by a sequence lock made of atomics alone: the sequence is odd
 * while somebody writes, values are stored with release and loaded with acquire, and a reader
 * that saw the sequence change reads again. */
#pragma once

#include "core/roster_update.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#define ROSTER_CHUNK      1024
#define ROSTER_CHUNKS_MAX 16384 /* 16 million devices */
#define ROSTER_LINE       64
#define ROSTER_PSK_WORDS  (PSK_MAX / 8)
#define ROSTER_RELEASES   1024 /* lists of manifests, by the first bytes of their digests */

/* A million of them are in memory, three lines of the processor's cache each: who it is and who
 * wrote last; what a check-in needs; the key. */
struct roster_device {
	struct uuid device_id;  /* never changes */
	_Atomic uint64_t stamp; /* roster's write counter at the last write by this node */
	/* the turns of the last changes of lifecycle and credential, of job, of registration */
	_Atomic uint64_t device_turn, job_turn, registration_turn;
	_Atomic uint32_t load;         /* number of the load that saw it last */
	_Atomic uint64_t boot_session; /* that brought the boot it is in; 0: not known */

	_Alignas(ROSTER_LINE) _Atomic uint32_t seq;
	uint32_t index; /* never changes */
	_Atomic int32_t attempt;
	_Atomic uint8_t lifecycle, credential, maybe_work, psk_size;
	_Atomic uint64_t registration;
	_Atomic int64_t job_id;
	_Atomic(const struct roster_release *) release;
	_Atomic int64_t last_seen;
	_Atomic int64_t last_fetch;
	_Atomic uint32_t work_epoch;

	_Alignas(ROSTER_LINE) _Atomic uint64_t psk[ROSTER_PSK_WORDS];
};
_Static_assert(sizeof(struct roster_device) == 3 * ROSTER_LINE, "every byte is a megabyte");

struct roster_chunk {
	struct roster *roster;
	_Atomic uint64_t
		unflushed[ROSTER_CHUNK / 64]; /* last_seen changed since the last flush */
	struct roster_device devices[ROSTER_CHUNK];
};

static inline struct roster_chunk *entry_chunk(const struct roster_device *d)
{
	uintptr_t first = (uintptr_t)(d - d->index % ROSTER_CHUNK);

	return (struct roster_chunk *)(first - offsetof(struct roster_chunk, devices));
}

struct roster_table {
	struct roster_table *older;
	size_t mask; /* slots - 1, slots a power of two */
	_Atomic(struct roster_device *) slots[];
};

struct roster_release_node {
	struct roster_release_node *next;
	struct roster_release release; /* what it points to is behind it */
};

struct roster {
	_Atomic(struct roster_table *) table;
	_Atomic(struct roster_chunk *) chunks[ROSTER_CHUNKS_MAX];
	_Atomic size_t count;
	_Atomic uint64_t writes;
	_Atomic uint64_t turns;
	_Atomic uint32_t work_clock; /* marks of work so far; wraps */
	_Atomic(struct roster_release_node *) releases[ROSTER_RELEASES];
	_Atomic bool ready;
	pthread_mutex_t growing; /* one maker of entries or releases at a time */
	pthread_mutex_t loading; /* one load at a time; guards what follows */
	uint32_t loads;
	int32_t tenant;
	uint8_t seal_key[32];
	bool has_seal_key;
	/* set once, the argument first */
	_Atomic(roster_wake *) wake, evict;
	void *wake_arg, *evict_arg;
};

/* A writer's turn.  entry_write_begin() waits for another writer, never for a reader. */
void entry_write_begin(struct roster_device *d);
void entry_write_end(struct roster_device *d);
/* Marks the entry as changed by this node, so that a load in progress does not overwrite it. */
void entry_stamp(struct roster_device *d);
void entry_set_psk(struct roster_device *d, struct bytes psk);
void entry_set_work(struct roster_device *d);
/* The key by itself, inside a write. */
bool entry_psk_equal(const struct roster_device *d, struct bytes psk);

/* Finds or makes. */
struct roster_device *roster_entry(struct roster *r, const struct uuid *device_id);
struct roster_device *roster_entry_at(struct roster *r, size_t index);

#define ENTRY_STORE(d, field, value)                                                           \
	atomic_store_explicit(&(d)->field, (value), memory_order_release)
#define ENTRY_LOAD(d, field) atomic_load_explicit(&(d)->field, memory_order_acquire)
