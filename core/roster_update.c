/* The roster's writers.  Each takes the entry's turn, stores, stamps; none touches the
 * database. */

#include "core/roster_update.h"

#include "core/roster_entry.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

void entry_write_begin(struct roster_device *d)
{
	uint32_t seq = ENTRY_LOAD(d, seq);

	for (;;) {
		if (!(seq & 1) && atomic_compare_exchange_weak_explicit(&d->seq, &seq, seq + 1,
									memory_order_acq_rel,
									memory_order_acquire))
			return;
		if (seq & 1) {
			sched_yield();
			seq = ENTRY_LOAD(d, seq);
		}
	}
}

void entry_write_end(struct roster_device *d)
{
	atomic_fetch_add_explicit(&d->seq, 1, memory_order_release);
}

void entry_stamp(struct roster_device *d)
{
	ENTRY_STORE(d, stamp, atomic_fetch_add(&entry_chunk(d)->roster->writes, 1) + 1);
}

void entry_set_psk(struct roster_device *d, struct bytes psk)
{
	uint64_t words[ROSTER_PSK_WORDS] = { 0 };
	size_t size = psk.n <= PSK_MAX ? psk.n : 0;

	if (size)
		memcpy(words, psk.p, size);
	for (int i = 0; i < ROSTER_PSK_WORDS; i++)
		ENTRY_STORE(d, psk[i], words[i]);
	ENTRY_STORE(d, psk_size, (uint8_t)size);
	explicit_bzero(words, sizeof(words));
}

bool entry_psk_equal(const struct roster_device *d, struct bytes psk)
{
	uint64_t words[ROSTER_PSK_WORDS];

	for (int i = 0; i < ROSTER_PSK_WORDS; i++)
		words[i] = ENTRY_LOAD(d, psk[i]);
	bool equal = bytes_equal_secret(
		psk, (struct bytes){ (const uint8_t *)words, ENTRY_LOAD(d, psk_size) });
	explicit_bzero(words, sizeof(words));
	return equal;
}

void entry_set_work(struct roster_device *d)
{
	ENTRY_STORE(d, maybe_work, true);
	ENTRY_STORE(d, work_epoch,
		    atomic_fetch_add(&entry_chunk(d)->roster->work_clock, 1) + 1);
}

static void entry_forget_job(struct roster_device *d)
{
	ENTRY_STORE(d, job_id, 0);
	ENTRY_STORE(d, attempt, 0);
	ENTRY_STORE(d, release, NULL);
}

static void evict(struct roster *r, struct roster_device *d)
{
	if (r->evict)
		r->evict(r->evict_arg, d);
}

/* Inside a write: has a change with a later turn been made already?  Else this one is noted. */
static bool is_overtaken(struct roster_device *d, _Atomic uint64_t *last, uint64_t turn)
{
	if (turn && turn < atomic_load_explicit(last, memory_order_relaxed))
		return true;
	atomic_store_explicit(last, turn ? turn : roster_turn(entry_chunk(d)->roster),
			      memory_order_relaxed);
	entry_stamp(d);
	return false;
}

uint64_t roster_turn(struct roster *r)
{
	return atomic_fetch_add(&r->turns, 1) + 1;
}

static void entry_put(struct roster_device *d, const struct roster_put *in)
{
	ENTRY_STORE(d, lifecycle, (uint8_t)in->lifecycle);
	ENTRY_STORE(d, credential, (uint8_t)in->credential);
	entry_set_psk(d, in->psk);
	if (in->lifecycle == DEVICE_PROVISIONED) {
		ENTRY_STORE(d, registration, 0);
		entry_forget_job(d);
	}
	entry_set_work(d);
}

static void entry_revoke(struct roster_device *d)
{
	ENTRY_STORE(d, lifecycle, DEVICE_REVOKED);
	ENTRY_STORE(d, credential, CREDENTIAL_NONE);
	ENTRY_STORE(d, registration, 0);
	ENTRY_STORE(d, maybe_work, false);
	entry_set_psk(d, (struct bytes){ 0 });
	entry_forget_job(d);
}

void roster_put_device(struct roster *r, const struct roster_put *in)
{
	bool revoked = in->lifecycle == DEVICE_REVOKED;
	struct roster_device *d =
		revoked ? roster_find(r, &in->device_id) : roster_entry(r, &in->device_id);

	if (!d)
		return;
	entry_write_begin(d);
	if (!is_overtaken(d, &d->device_turn, in->turn)) {
		if (revoked)
			entry_revoke(d);
		else
			entry_put(d, in);
	}
	entry_write_end(d);
	if (revoked || in->credential_changed)
		evict(r, d);
}

void roster_revoke_device(struct roster *r, const struct uuid *device_id)
{
	roster_put_device(r, &(struct roster_put){ .device_id = *device_id,
						   .lifecycle = DEVICE_REVOKED });
}

/* Neither after a later registration nor after a later change of the credential. */
void roster_set_registration(struct roster_device *d, uint64_t registration, uint64_t turn)
{
	entry_write_begin(d);
	bool late = (turn && turn < ENTRY_LOAD(d, device_turn)) ||
		    is_overtaken(d, &d->registration_turn, turn);
	if (!late && ENTRY_LOAD(d, lifecycle) == DEVICE_PROVISIONED)
		ENTRY_STORE(d, lifecycle, DEVICE_ACTIVE);
	if (!late && ENTRY_LOAD(d, lifecycle) == DEVICE_ACTIVE) {
		ENTRY_STORE(d, registration, registration);
		entry_set_work(d);
	}
	entry_write_end(d);
}

/* Alone in its word, and no reader needs it with others. */
void roster_set_boot_session(struct roster_device *d, uint64_t session)
{
	uint64_t last = ENTRY_LOAD(d, boot_session);

	while (last < session &&
	       !atomic_compare_exchange_weak(&d->boot_session, &last, session))
		continue;
}

uint64_t roster_boot_session(const struct roster_device *d)
{
	return ENTRY_LOAD(d, boot_session);
}

void roster_set_job(struct roster_device *d, int64_t job_id, int32_t attempt,
		    const struct roster_release *release, uint64_t turn)
{
	entry_write_begin(d);
	if (!is_overtaken(d, &d->job_turn, turn) && ENTRY_LOAD(d, lifecycle) == DEVICE_ACTIVE) {
		ENTRY_STORE(d, job_id, job_id);
		ENTRY_STORE(d, attempt, attempt);
		ENTRY_STORE(d, release, release);
	}
	entry_write_end(d);
}

void roster_clear_job(struct roster_device *d, int64_t job_id, uint64_t turn)
{
	entry_write_begin(d);
	if (!is_overtaken(d, &d->job_turn, turn) && ENTRY_LOAD(d, job_id) == job_id)
		entry_forget_job(d);
	entry_set_work(d);
	entry_write_end(d);
}

void roster_mark_work(struct roster_device *d)
{
	entry_write_begin(d);
	entry_set_work(d);
	entry_write_end(d);
}

uint32_t roster_work_clock(const struct roster *r)
{
	return atomic_load(&r->work_clock);
}

void roster_work_done(struct roster_device *d, uint32_t clock)
{
	entry_write_begin(d);
	if ((int32_t)(clock - ENTRY_LOAD(d, work_epoch)) >= 0)
		ENTRY_STORE(d, maybe_work, false);
	entry_write_end(d);
}

void roster_wake_device(struct roster *r, struct roster_device *d)
{
	if (r->wake)
		r->wake(r->wake_arg, d);
}

void roster_on_wake(struct roster *r, roster_wake *fn, void *arg)
{
	r->wake_arg = arg;
	r->wake = fn;
}

void roster_on_evict(struct roster *r, roster_wake *fn, void *arg)
{
	r->evict_arg = arg;
	r->evict = fn;
}

/* --- manifests of releases: few, never forgotten --- */

static _Atomic(struct roster_release_node *) *releases_of(struct roster *r,
							  const struct digest *manifest)
{
	size_t first = (size_t)manifest->b[0] << 8 | manifest->b[1];

	return &r->releases[first % ROSTER_RELEASES];
}

const struct roster_release *roster_release_find(struct roster *r,
						 const struct digest *manifest)
{
	for (struct roster_release_node *n = atomic_load(releases_of(r, manifest)); n;
	     n = n->next)
		if (digest_equal(&n->release.manifest_digest, manifest))
			return &n->release;
	return NULL;
}

/* One block of memory: the node, the digests, the envelope. */
static struct roster_release_node *release_copy(const struct roster_release *in)
{
	size_t images = (size_t)in->image_count * sizeof(struct digest);
	struct roster_release_node *n = xcalloc(1, sizeof(*n) + images + in->envelope.n);
	struct digest *digests = (struct digest *)(n + 1);
	uint8_t *envelope = (uint8_t *)digests + images;

	n->release = *in;
	if (images)
		memcpy(digests, in->images, images);
	if (in->envelope.n)
		memcpy(envelope, in->envelope.p, in->envelope.n);
	n->release.images = digests;
	n->release.envelope.p = envelope;
	return n;
}

const struct roster_release *roster_release_intern(struct roster *r,
						   const struct roster_release *release)
{
	pthread_mutex_lock(&r->growing);
	const struct roster_release *found = roster_release_find(r, &release->manifest_digest);
	if (!found) {
		struct roster_release_node *n = release_copy(release);
		n->next = atomic_load(releases_of(r, &release->manifest_digest));
		atomic_store(releases_of(r, &release->manifest_digest), n);
		found = &n->release;
	}
	pthread_mutex_unlock(&r->growing);
	return found;
}

/* --- signs of life --- */

static int sign_order(const void *a, const void *b)
{
	const struct roster_sign *x = a, *y = b;

	return memcmp(x->device_id.b, y->device_id.b, sizeof(x->device_id.b));
}

/* Takes the set bits of one word, up to max; puts back what did not fit.  Of a device that is
 * revoked, or gone, nothing is kept. */
static size_t take_word(struct roster_chunk *chunk, size_t word, struct roster_sign *ret,
			size_t max)
{
	uint64_t bits = 0;
	size_t n = 0;

	if (atomic_load_explicit(&chunk->unflushed[word], memory_order_relaxed))
		bits = atomic_exchange(&chunk->unflushed[word], 0);
	for (; bits && n < max; bits &= bits - 1) {
		struct roster_device *d =
			&chunk->devices[word * 64 + (size_t)__builtin_ctzll(bits)];
		if (ENTRY_LOAD(d, lifecycle) == DEVICE_REVOKED) {
			ENTRY_STORE(d, last_seen, 0);
			continue;
		}
		ret[n++] = (struct roster_sign){
			.device_id = d->device_id,
			.seen_at = ENTRY_LOAD(d, last_seen),
			.fetched_at = ENTRY_LOAD(d, last_fetch),
		};
	}
	if (bits)
		atomic_fetch_or(&chunk->unflushed[word], bits);
	return n;
}

size_t roster_take_seen(struct roster *r, struct roster_sign *ret, size_t max)
{
	size_t chunks = (roster_count(r) + ROSTER_CHUNK - 1) / ROSTER_CHUNK;
	size_t n = 0;

	for (size_t i = 0; i < chunks && n < max; i++) {
		struct roster_chunk *chunk = atomic_load(&r->chunks[i]);
		for (size_t w = 0; w < ROSTER_CHUNK / 64 && n < max; w++)
			n += take_word(chunk, w, ret + n, max - n);
	}
	qsort(ret, n, sizeof(*ret), sign_order);
	return n;
}

void roster_give_back_seen(struct roster *r, const struct roster_sign *signs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct roster_device *d = roster_find(r, &signs[i].device_id);
		if (!d)
			continue;
		struct roster_chunk *chunk = atomic_load(&r->chunks[d->index / ROSTER_CHUNK]);
		uint32_t bit = d->index % ROSTER_CHUNK;
		atomic_fetch_or(&chunk->unflushed[bit / 64], UINT64_C(1) << bit % 64);
	}
}
