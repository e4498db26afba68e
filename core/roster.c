/* The roster's readers, and the making of entries.  See core/roster_entry.h for how readers and
 * writers live together. */

#include "core/roster.h"

#include "base/hash.h"
#include "core/roster_entry.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SLOTS_MIN 4096
#define SEEN_RESOLUTION                                                                        \
	100000 /* us: a sign of life closer to the last one is not worth a store */

static struct roster_table *table_create(size_t slots)
{
	struct roster_table *t = xcalloc(1, sizeof(*t) + slots * sizeof(t->slots[0]));

	t->mask = slots - 1;
	return t;
}

struct roster *roster_create(void)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->growing, NULL);
	pthread_mutex_init(&r->loading, NULL);
	atomic_store(&r->table, table_create(TABLE_SLOTS_MIN));
	return r;
}

static void tables_free(struct roster_table *t)
{
	while (t) {
		struct roster_table *older = t->older;
		free(t);
		t = older;
	}
}

static void releases_free(struct roster_release_node *n)
{
	while (n) {
		struct roster_release_node *next = n->next;
		free(n);
		n = next;
	}
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	tables_free(atomic_load(&r->table));
	for (size_t i = 0; i < ROSTER_CHUNKS_MAX; i++)
		free(atomic_load(&r->chunks[i]));
	for (size_t i = 0; i < ROSTER_RELEASES; i++)
		releases_free(atomic_load(&r->releases[i]));
	pthread_mutex_destroy(&r->growing);
	pthread_mutex_destroy(&r->loading);
	free(r);
}

bool roster_ready(const struct roster *r)
{
	return atomic_load(&r->ready);
}

size_t roster_count(const struct roster *r)
{
	return atomic_load(&r->count);
}

/* Device ids are the output of an HMAC: any eight bytes are a hash. */
static size_t id_hash(const struct uuid *id)
{
	size_t h = 0;

	memcpy(&h, id->b, sizeof(h));
	return h;
}

static struct roster_device *table_find(struct roster_table *t, const struct uuid *id)
{
	for (size_t i = id_hash(id);; i++) {
		struct roster_device *d =
			atomic_load_explicit(&t->slots[i & t->mask], memory_order_acquire);
		if (!d || uuid_equal(&d->device_id, id))
			return d;
	}
}

static void table_put(struct roster_table *t, struct roster_device *d)
{
	size_t i = id_hash(&d->device_id);

	while (atomic_load_explicit(&t->slots[i & t->mask], memory_order_relaxed))
		i++;
	atomic_store_explicit(&t->slots[i & t->mask], d, memory_order_release);
}

struct roster_device *roster_find(struct roster *r, const struct uuid *device_id)
{
	return table_find(atomic_load_explicit(&r->table, memory_order_acquire), device_id);
}

struct roster_device *roster_entry_at(struct roster *r, size_t index)
{
	struct roster_chunk *chunk = atomic_load(&r->chunks[index / ROSTER_CHUNK]);

	return &chunk->devices[index % ROSTER_CHUNK];
}

/* With `growing` held: at most half of the slots are used, so probes stay short. */
static struct roster_table *table_with_room(struct roster *r, size_t count)
{
	struct roster_table *t = atomic_load(&r->table);

	if (count * 2 < t->mask)
		return t;
	struct roster_table *bigger = table_create((t->mask + 1) * 2);
	for (size_t i = 0; i < count; i++)
		table_put(bigger, roster_entry_at(r, i));
	bigger->older = t;
	atomic_store_explicit(&r->table, bigger, memory_order_release);
	return bigger;
}

static struct roster_chunk *chunk_create(struct roster *r)
{
	struct roster_chunk *c = aligned_alloc(_Alignof(struct roster_chunk), sizeof(*c));

	if (!c)
		abort();
	memset(c, 0, sizeof(*c));
	c->roster = r;
	return c;
}

static struct roster_device *entry_create(struct roster *r, const struct uuid *device_id)
{
	size_t n = atomic_load(&r->count);

	if (n == (size_t)ROSTER_CHUNK * ROSTER_CHUNKS_MAX)
		return NULL;
	if (!atomic_load(&r->chunks[n / ROSTER_CHUNK]))
		atomic_store(&r->chunks[n / ROSTER_CHUNK], chunk_create(r));
	struct roster_table *t = table_with_room(r, n);
	struct roster_device *d = roster_entry_at(r, n);
	d->device_id = *device_id;
	d->index = (uint32_t)n;
	table_put(t, d);
	atomic_store(&r->count, n + 1);
	return d;
}

struct roster_device *roster_entry(struct roster *r, const struct uuid *device_id)
{
	struct roster_device *d = roster_find(r, device_id);

	if (d)
		return d;
	pthread_mutex_lock(&r->growing);
	d = roster_find(r, device_id);
	if (!d)
		d = entry_create(r, device_id);
	pthread_mutex_unlock(&r->growing);
	return d;
}

/* --- entries --- */

/* Waits for an even sequence; copying takes well under a microsecond. */
static uint32_t entry_read_begin(const struct roster_device *d)
{
	uint32_t seq = ENTRY_LOAD(d, seq);

	while (seq & 1) {
		sched_yield();
		seq = ENTRY_LOAD(d, seq);
	}
	return seq;
}

static bool entry_read_again(const struct roster_device *d, uint32_t seq)
{
	return ENTRY_LOAD(d, seq) != seq;
}

void roster_view(const struct roster_device *d, struct roster_view *ret)
{
	uint32_t seq;

	do {
		seq = entry_read_begin(d);
		ret->lifecycle = (enum device_lifecycle)ENTRY_LOAD(d, lifecycle);
		ret->credential = (enum credential_kind)ENTRY_LOAD(d, credential);
		ret->registration = ENTRY_LOAD(d, registration);
		ret->maybe_work = ENTRY_LOAD(d, maybe_work);
		ret->work_epoch = ENTRY_LOAD(d, work_epoch);
		ret->job_id = ENTRY_LOAD(d, job_id);
		ret->attempt = ENTRY_LOAD(d, attempt);
		ret->release = ENTRY_LOAD(d, release);
		ret->last_seen = ENTRY_LOAD(d, last_seen);
	} while (entry_read_again(d, seq));
	ret->device_id = d->device_id;
}

enum device_lifecycle roster_lifecycle(const struct roster_device *d)
{
	return (enum device_lifecycle)ENTRY_LOAD(d, lifecycle);
}

/* What proves a device: its key, or the SHA-256 of its certificate.  0 when its credential is
 * of another kind. */
static size_t read_proof(struct roster *r, const struct uuid *device_id,
			 enum credential_kind kind, uint8_t ret[PSK_MAX])
{
	const struct roster_device *d = roster_find(r, device_id);
	uint64_t words[ROSTER_PSK_WORDS];
	uint32_t seq;
	size_t size;

	if (!d)
		return 0;
	do {
		seq = entry_read_begin(d);
		size = ENTRY_LOAD(d, psk_size);
		if (ENTRY_LOAD(d, lifecycle) == DEVICE_REVOKED ||
		    ENTRY_LOAD(d, credential) != kind)
			size = 0;
		for (int i = 0; i < ROSTER_PSK_WORDS; i++)
			words[i] = ENTRY_LOAD(d, psk[i]);
	} while (entry_read_again(d, seq));
	memcpy(ret, words, size);
	explicit_bzero(words, sizeof(words));
	return size;
}

size_t roster_psk(struct roster *r, const struct uuid *device_id, uint8_t ret[PSK_MAX])
{
	return read_proof(r, device_id, CREDENTIAL_PSK, ret);
}

bool roster_certificate(struct roster *r, const struct uuid *device_id, struct digest *ret)
{
	uint8_t proof[PSK_MAX];

	if (read_proof(r, device_id, CREDENTIAL_CERT, proof) != sizeof(ret->b))
		return false;
	memcpy(ret->b, proof, sizeof(ret->b));
	return true;
}

/* One of the entry's times, to be flushed. */
static void note_time(struct roster_device *d, _Atomic int64_t *time, int64_t wall_us)
{
	int64_t last = atomic_load_explicit(time, memory_order_relaxed);

	if (wall_us < last + SEEN_RESOLUTION)
		return;
	struct roster_chunk *chunk = entry_chunk(d);
	uint32_t bit = d->index % ROSTER_CHUNK;
	atomic_store_explicit(time, wall_us, memory_order_release);
	atomic_fetch_or_explicit(&chunk->unflushed[bit / 64], UINT64_C(1) << bit % 64,
				 memory_order_release);
}

void roster_seen(struct roster *r, struct roster_device *d, int64_t wall_us)
{
	(void)r;
	note_time(d, &d->last_seen, wall_us);
}

void roster_fetched(struct roster *r, struct roster_device *d, int64_t wall_us)
{
	(void)r;
	note_time(d, &d->last_fetch, wall_us);
	note_time(d, &d->last_seen, wall_us);
}

/* Compares with every digest, whatever it is, and with one even when there is no job. */
bool roster_may_fetch(const struct roster_device *d, const struct digest *digest)
{
	static const struct digest no_image;
	static const struct roster_release nothing = { .images = &no_image, .image_count = 1 };
	struct bytes wanted = { digest->b, sizeof(digest->b) };
	struct roster_view v;

	roster_view(d, &v);
	bool entitled = v.lifecycle == DEVICE_ACTIVE && v.job_id != 0 && v.release;
	const struct roster_release *release = entitled ? v.release : &nothing;
	unsigned found = bytes_equal_secret(
		wanted, (struct bytes){ release->manifest_digest.b, sizeof(struct digest) });
	for (int i = 0; i < release->image_count; i++)
		found |= bytes_equal_secret(
			wanted, (struct bytes){ release->images[i].b, sizeof(struct digest) });
	return entitled & (found != 0);
}
