/* The roster: what writers do, and that readers see whole entries while they do it. */

#include "base/hash.h"
#include "core/roster_update.h"
#include "tests/tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct uuid id_of(uint32_t n)
{
	struct digest d;
	struct uuid id;

	sha256_of((struct bytes){ (const uint8_t *)&n, sizeof(n) }, &d);
	memcpy(id.b, d.b, sizeof(id.b));
	return id;
}

static struct roster_device *put(struct roster *r, uint32_t n, enum device_lifecycle lifecycle,
				 const char *psk)
{
	struct roster_put in = { .device_id = id_of(n),
				 .lifecycle = lifecycle,
				 .credential = CREDENTIAL_PSK,
				 .psk = bytes_of(psk) };

	roster_put_device(r, &in);
	return roster_find(r, &in.device_id);
}

static const struct roster_release *intern(struct roster *r, uint8_t digest)
{
	static struct digest images[2];
	struct roster_release in = { .envelope = bytes_of("envelope"),
				     .images = images,
				     .image_count = 2 };

	memset(in.release_id.b, digest, sizeof(in.release_id.b));
	memset(in.manifest_digest.b, digest, 32);
	memset(images[0].b, digest + 1, 32);
	memset(images[1].b, digest + 2, 32);
	return roster_release_intern(r, &in);
}

static int evicted, woken;

static void count_evicted(void *arg, struct roster_device *d)
{
	(void)arg;
	(void)d;
	evicted++;
}

static void count_woken(void *arg, struct roster_device *d)
{
	(void)arg;
	(void)d;
	woken++;
}

static void test_life(struct roster *r)
{
	struct roster_view v;
	uint8_t psk[PSK_MAX];
	struct uuid id = id_of(1), unknown = id_of(2);

	ok(!roster_find(r, &unknown), "nobody is there");
	struct roster_device *d = put(r, 1, DEVICE_PROVISIONED, "0123456789abcdef");
	is_int((int64_t)roster_count(r), 1, "one device");
	is_int((int64_t)roster_psk(r, &id, psk), 16, "its key");
	ok(memcmp(psk, "0123456789abcdef", 16) == 0, "is its key");
	is_int((int64_t)roster_psk(r, &unknown, psk), 0, "no key of nobody");
	roster_view(d, &v);
	is_int(v.lifecycle, DEVICE_PROVISIONED, "provisioned");
	roster_set_registration(d, 42, 0);
	roster_view(d, &v);
	ok(v.lifecycle == DEVICE_ACTIVE && v.registration == 42, "registered");
	struct roster_put in = { .device_id = id,
				 .lifecycle = DEVICE_ACTIVE,
				 .credential = CREDENTIAL_PSK,
				 .psk = bytes_of("another key, longer"),
				 .credential_changed = true };
	roster_put_device(r, &in);
	is_int(evicted, 1, "a replaced key evicts");
	is_int((int64_t)roster_psk(r, &id, psk), 19, "the new key is there");
	roster_revoke_device(r, &id);
	is_int(evicted, 2, "revoking evicts");
	is_int((int64_t)roster_psk(r, &id, psk), 0, "no key of a revoked device");
	roster_set_registration(d, 43, 0);
	roster_view(d, &v);
	ok(v.lifecycle == DEVICE_REVOKED && v.registration == 0, "nothing brings it back");
	put(r, 1, DEVICE_PROVISIONED, "fresh key 123456");
	is_int((int64_t)roster_psk(r, &id, psk), 16, "but a new credential");
}

/* Hooks may come in another order than the commits. */
static void test_turns(struct roster *r)
{
	struct roster_device *d = put(r, 5, DEVICE_ACTIVE, "0123456789abcdef");
	uint64_t first = roster_turn(r), second = roster_turn(r);
	struct roster_view v;

	roster_set_registration(d, 2, second);
	roster_set_registration(d, 1, first);
	roster_view(d, &v);
	is_int((int64_t)v.registration, 2, "a registration that was overtaken is dropped");
	first = roster_turn(r);
	put(r, 5, DEVICE_PROVISIONED, "a key that is new");
	roster_set_registration(d, 3, first);
	roster_view(d, &v);
	ok(v.lifecycle == DEVICE_PROVISIONED && v.registration == 0,
	   "as is one from before a new credential");
}

static void test_work(struct roster *r)
{
	struct roster_device *d = put(r, 10, DEVICE_ACTIVE, "0123456789abcdef");
	struct roster_view v;

	roster_view(d, &v);
	ok(v.maybe_work, "a new device may have work");
	roster_mark_work(d);
	roster_work_done(d, v.work_epoch);
	struct roster_view after;
	roster_view(d, &after);
	ok(after.maybe_work, "work that was marked meanwhile stays");
	roster_work_done(d, after.work_epoch);
	roster_view(d, &after);
	ok(!after.maybe_work, "else it is done");
	roster_wake_device(r, d);
	is_int(woken, 1, "somebody is told");
}

static void test_fetch(struct roster *r)
{
	struct roster_device *d = put(r, 20, DEVICE_ACTIVE, "0123456789abcdef");
	const struct roster_release *release = intern(r, 0x10);
	struct digest manifest = release->manifest_digest, image = release->images[1],
		      zero = { 0 };
	struct roster_view v;

	ok(intern(r, 0x10) == release, "a release is there once");
	ok(bytes_equal_text(release->envelope, "envelope"), "with its envelope");
	ok(!roster_may_fetch(d, &manifest), "test_A19: nothing without a job");
	ok(!roster_may_fetch(d, &zero), "test_A19: not even zero");
	roster_set_job(d, 5, 1, release, 0);
	ok(roster_may_fetch(d, &manifest) && roster_may_fetch(d, &image),
	   "with a job: its manifest and images");
	ok(!roster_may_fetch(d, &zero), "nothing else");
	roster_clear_job(d, 4, 0);
	ok(roster_may_fetch(d, &image), "another job's end is nothing");
	roster_clear_job(d, 5, 0);
	ok(!roster_may_fetch(d, &image), "its own is the end");
	roster_view(d, &v);
	ok(v.maybe_work && v.job_id == 0, "and there may be more work");
}

static void test_seen(struct roster *r)
{
	struct roster_sign signs[8];
	struct roster_device *a = put(r, 30, DEVICE_ACTIVE, ""),
			     *b = put(r, 31, DEVICE_ACTIVE, "");

	roster_seen(r, a, 5000000);
	roster_seen(r, a, 5000001);
	roster_seen(r, b, 7000000);
	is_int((int64_t)roster_take_seen(r, signs, 8), 2, "two signs of life");
	ok(memcmp(signs[0].device_id.b, signs[1].device_id.b, 16) < 0, "by device id");
	is_int(signs[0].seen_at + signs[1].seen_at, 12000000, "with their times");
	is_int((int64_t)roster_take_seen(r, signs, 8), 0, "taken once");
	roster_give_back_seen(r, signs, 2);
	is_int((int64_t)roster_take_seen(r, signs, 1), 1, "given back, and taken one by one");
	is_int((int64_t)roster_take_seen(r, signs, 8), 1, "the other one");
	roster_fetched(r, a, 9000000);
	is_int((int64_t)roster_take_seen(r, signs, 8), 1, "a fetched block");
	ok(signs[0].seen_at == 9000000 && signs[0].fetched_at == 9000000,
	   "is a sign of life too");
}

/* --- readers beside writers: an entry's members always belong together --- */

#define DEVICES 64
#define ROUNDS  20000

struct race {
	struct roster *r;
	struct roster_device *d[DEVICES];
	const struct roster_release *even, *odd;
	_Atomic bool over;
	_Atomic int torn;
};

/* Job n has attempt n, and the release of its parity. */
static void *read_entries(void *arg)
{
	struct race *race = arg;
	uint8_t psk[PSK_MAX];

	while (!atomic_load(&race->over))
		for (int i = 0; i < DEVICES; i++) {
			struct roster_view v;
			roster_view(race->d[i], &v);
			bool whole = v.job_id == v.attempt &&
				     (v.job_id == 0 ? !v.release
						    : v.release == (v.job_id % 2 ? race->odd
										 : race->even));
			size_t n = roster_psk(race->r, &v.device_id, psk);
			for (size_t k = 1; k < n; k++)
				whole &= psk[k] == psk[0];
			if (!whole)
				atomic_fetch_add(&race->torn, 1);
		}
	return NULL;
}

static void *write_entries(void *arg)
{
	struct race *race = arg;

	for (int n = 1; n < ROUNDS; n++) {
		struct roster_device *d = race->d[n % DEVICES];
		struct roster_view v;
		char psk[40];
		memset(psk, 'a' + n % 20, sizeof(psk));
		roster_set_job(d, n, n, n % 2 ? race->odd : race->even, 0);
		roster_view(d, &v);
		roster_put_device(race->r,
				  &(struct roster_put){ .device_id = v.device_id,
							.lifecycle = DEVICE_ACTIVE,
							.credential = CREDENTIAL_PSK,
							.psk = { (const uint8_t *)psk,
								 (size_t)(16 + n % 24) } });
		if (n % 3 == 0)
			roster_clear_job(d, n, 0);
	}
	return NULL;
}

/* Makes entries, so that the table grows under the readers. */
static void *grow(void *arg)
{
	struct race *race = arg;

	for (uint32_t n = 0; n < 20000; n++)
		put(race->r, 100000 + n, DEVICE_ACTIVE, "0123456789abcdef");
	return NULL;
}

static void test_threads(struct roster *r)
{
	struct race race = { .r = r, .even = intern(r, 0x20), .odd = intern(r, 0x30) };
	pthread_t readers[2], writers[2], grower;

	for (uint32_t i = 0; i < DEVICES; i++)
		race.d[i] = put(r, 1000 + i, DEVICE_ACTIVE, "aaaaaaaaaaaaaaaa");
	for (int i = 0; i < 2; i++)
		pthread_create(&readers[i], NULL, read_entries, &race);
	for (int i = 0; i < 2; i++)
		pthread_create(&writers[i], NULL, write_entries, &race);
	pthread_create(&grower, NULL, grow, &race);
	for (int i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	pthread_join(grower, NULL);
	atomic_store(&race.over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	is_int(atomic_load(&race.torn), 0, "no reader saw half of a change");
	int missing = 0;
	for (uint32_t n = 0; n < 20000; n++) {
		struct uuid id = id_of(100000 + n);
		struct roster_device *d = roster_find(r, &id);
		struct roster_view v;
		if (d)
			roster_view(d, &v);
		missing += !d || !uuid_equal(&v.device_id, &id);
	}
	is_int(missing, 0, "and every entry is found after the table grew");
}

int main(void)
{
	struct roster *r = roster_create();

	roster_on_evict(r, count_evicted, NULL);
	roster_on_wake(r, count_woken, NULL);
	ok(!roster_ready(r), "not ready before it was loaded");
	test_life(r);
	test_turns(r);
	test_work(r);
	test_fetch(r);
	test_seen(r);
	test_threads(r);
	roster_free(r);
	return tap_done();
}
