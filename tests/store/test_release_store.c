/* Releases on a real PostgreSQL: what is refused, and why; the sequence number has one winner.
 */

#include "core/release_read.h"
#include "core/release_resurvey.h"
#include "tests/store/fleet.h"

#include <pthread.h>

static struct fleet f;
static struct suit_key *author, *stranger, *narrow;
static struct device_class lock_7;
static struct bytes image;

static enum rc upload(struct bytes envelope, const char *version, struct release *ret)
{
	struct release_new in = { .envelope = envelope, .version = version };

	return CALL(&f, release_create, &in, ret);
}

static struct bytes signed_at(uint64_t sequence)
{
	struct suit_build b = manifest_of("lock-7", sequence, image);

	return envelope_of(&b, author);
}

static void test_upload(void)
{
	struct bytes envelope = signed_at(10);
	struct release r, again, *list = NULL;
	struct manifest m;
	int n = 0;

	is_int(upload(envelope, "3.7", &r), RC_OK, "accepted");
	is_int(CALL(&f, release_get, &r.release_id, &again), RC_OK, "and there");
	is_str(again.version, "3.7", "version");
	is_str(again.components, "main", "component");
	is_str(again.class_name, "lock-7", "class");
	is_int(again.sequence, 10, "sequence");
	is_int(again.manifest_count, 1, "one manifest");
	is_int(again.manifests[0].image_count, 1, "one image");
	is_int(again.manifests[0].images[0].size, (int64_t)image.n, "of its size");
	is_int(again.manifests[0].signer_count, 1, "one signer");
	is_int(again.installed_count, 1, "one installed digest");
	is_int(CALL(&f, release_manifest, &r.release_id, NULL, &m), RC_OK, "the manifest");
	ok(bytes_equal(m.envelope, envelope), "is the bytes that came");
	is_int(CALL(&f, release_list, NULL, 10, &list, &n), RC_OK, "listed");
	is_int(n, 1, "alone");
	is_int(store_i64(f.db,
			 "SELECT count(*) AS v FROM audit WHERE action = 'release.create'"),
	       1, "audited");
}

static void test_version(void)
{
	struct suit_build b = manifest_of("lock-7", 11, image);
	struct release r;

	upload(envelope_of(&b, author), NULL, &r);
	is_err(&f, ERR_VALIDATION, "no version anywhere");
	upload(envelope_of(&b, author), "not a version", &r);
	is_err(&f, ERR_VALIDATION, "no version");
	b.text_version = suit_text("3.8.0");
	upload(envelope_of(&b, author), "3.9", &r);
	is_err(&f, ERR_VALIDATION, "another version than the manifest's");
	is_int(upload(envelope_of(&b, author), NULL, &r), RC_OK, "the manifest's own");
	is_str(r.version, "3.8.0", "version");
	b.sequence = 12;
	is_int(upload(envelope_of(&b, author), "v3.8", &r), RC_OK, "the same in other words");
}

static void test_sequence(void)
{
	struct release r;

	upload(signed_at(12), "4", &r);
	is_err(&f, ERR_SEQUENCE_NOT_HIGHER, "equal");
	upload(signed_at(5), "4", &r);
	is_err(&f, ERR_SEQUENCE_NOT_HIGHER, "lower");
	upload(signed_at(UINT64_C(1) << 40), "4", &r);
	is_err(&f, ERR_SEQUENCE_TOO_FAR, "test_A05: far ahead");
	upload(signed_at(UINT64_MAX), "4", &r);
	is_err(&f, ERR_SEQUENCE_TOO_FAR, "test_A05: 2^64 - 1");
	is_int(upload(signed_at(13), "4", &r), RC_OK, "one more goes on");
}

static void test_keys(void)
{
	struct suit_build b = manifest_of("lock-7", 20, image);
	struct author_key k;
	struct release r;

	upload(envelope_of(&b, stranger), "5", &r);
	is_err(&f, ERR_AUTHOR_KEY_UNKNOWN, "nobody knows the author");
	upload(sign_with(envelope_of(&b, author), stranger), "5", &r);
	is_err(&f, ERR_AUTHOR_KEY_UNKNOWN, "one of two is unknown");
	upload(envelope_of(&b, narrow), "5", &r);
	is_err(&f, ERR_AUTHOR_NOT_ALLOWED, "the author of another component");
	ok(f.call.fields && strcmp(f.call.fields->pointer, "/envelope") == 0 &&
		   strstr(f.call.fields->detail, "component main, and its authors may touch "
						 "modem alone"),
	   "named: %s", f.call.fields ? f.call.fields->detail : "nothing");
	k = fleet_author(&f, &lock_7, stranger, "");
	is_int(upload(sign_with(envelope_of(&b, author), stranger), "5", &r), RC_OK,
	       "both are known");
	is_int(r.manifests[0].signer_count, 2, "two signers");
	is_int(CALL(&f, author_key_revoke, &k.author_key_id), RC_OK, "one is revoked");
	is_int(CALL(&f, author_key_revoke, &k.author_key_id), RC_OK, "twice");
	b.sequence = 21;
	upload(sign_with(envelope_of(&b, author), stranger), "5", &r);
	is_err(&f, ERR_AUTHOR_KEY_UNKNOWN, "and does not count any more");
	struct author_key_new again = { .vendor_id = lock_7.vendor_id,
					.class_id = lock_7.class_id,
					.public_key_pem = author_pem(stranger) };
	CALL(&f, author_key_create, &again, &k);
	is_err(&f, ERR_ALREADY_EXISTS, "nor comes back");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM audit WHERE action = "
			       "'author-key.revoke'"),
	       1, "audited once");
}

/* As migration 0007 left them, and one whose envelope cannot be read any more. */
static void test_from_before(void)
{
	int rounds = 0;
	bool more = true;

	store_must(
		db_exec(f.db,
			"CREATE TEMP TABLE was AS SELECT digest, needs, base_component, "
			"base_digest, bytes, image_bytes FROM manifest;"
			"UPDATE manifest SET surveyed = false, needs = '{}', bytes = 0, "
			"image_bytes = 0, "
			"base_component = 'main', base_digest = digest;"
			"INSERT INTO manifest (tenant_id, digest, release_id, envelope, bytes) "
			"SELECT 1, sha256(n::text::bytea), gen_random_uuid(), 'none', n "
			"FROM generate_series(1, 20) n"),
		f.db, "old rows");
	for (; more && rounds < 100; rounds++)
		is_int(CALL(&f, release_resurvey, &more), RC_OK, "some are read again");
	ok(rounds > 2, "some at a time: %d", rounds);
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM manifest WHERE NOT surveyed"), 0,
	       "until there are none");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM was WHERE bytes > 0"),
	       store_i64(f.db,
			 "SELECT count(*) AS v FROM manifest JOIN was USING (digest, "
			 "needs, bytes, image_bytes) WHERE was.bytes > 0 AND "
			 "(manifest.base_component, manifest.base_digest) IS NOT DISTINCT "
			 "FROM (was.base_component, was.base_digest)"),
	       "each has what its envelope says");
	is_int(store_i64(f.db, "SELECT sum(bytes)::bigint AS v FROM manifest "
			       "WHERE envelope = 'none'"),
	       210, "what cannot be read stays as it was");
	store_must(db_exec(f.db, "DELETE FROM manifest WHERE envelope = 'none'"), f.db, "tidy");
}

/* A key id of somebody else's key. */
static void test_borrowed_kid(void)
{
	struct suit_build b = manifest_of("lock-7", 22, image);
	uint8_t *buf = arena_alloc(store_mem, SUIT_SIZE), kid[SUIT_KID_SIZE];
	struct suit_bytes id = { kid, sizeof(kid) };
	struct suit_envelope e;
	struct release r;
	size_t n = 0;

	suit_must(suit_key_kid(author, kid), "kid");
	suit_must(suit_build(SUIT, &b, buf, SUIT_SIZE, &n), "build");
	suit_must(suit_envelope_decode(SUIT, (struct suit_bytes){ buf, n }, &e), "decode");
	uint8_t *out = arena_alloc(store_mem, SUIT_SIZE);
	suit_must(suit_envelope_sign(SUIT, stranger, suit_key_alg(stranger), id, &e, out,
				     SUIT_SIZE, &n),
		  "sign");
	upload((struct bytes){ out, n }, "5", &r);
	is_err(&f, ERR_SIGNATURE_INVALID, "signed by another key under the author's id");
}

static void test_images(void)
{
	struct bytes other = bytes_of("another image");
	struct suit_build b = manifest_of("lock-7", 30, other);
	struct release r;

	upload(envelope_of(&b, author), "6", &r);
	is_err(&f, ERR_IMAGE_MISSING, "not uploaded");
	fleet_image(&f, other);
	b.image[0].size++;
	upload(envelope_of(&b, author), "6", &r);
	is_err(&f, ERR_IMAGE_MISSING, "of another size");
	b.image[0].size--;
	is_int(upload(envelope_of(&b, author), "6", &r), RC_OK, "uploaded, of its size");
	b = manifest_of("lock-7", 31, image);
	b.image[0].uri = suit_text("https://evil.example/x");
	upload(envelope_of(&b, author), "6", &r);
	is_err(&f, ERR_MANIFEST_INVALID, "test_A13: a URI elsewhere");
}

static void test_class(void)
{
	struct suit_build b = manifest_of("lock-8", 1, image);
	struct release r;

	upload(envelope_of(&b, author), "1", &r);
	is_err(&f, ERR_VALIDATION, "a class that nobody made");
	ok(f.call.detail && strstr(f.call.detail, "create the class first"), "with a hint");
	fleet_class(&f, "lock-8");
	upload(envelope_of(&b, author), "1", &r);
	is_err(&f, ERR_AUTHOR_KEY_UNKNOWN, "an author of another class");
	upload(bytes_of("not an envelope"), "1", &r);
	is_err(&f, ERR_MANIFEST_INVALID, "no envelope");
}

static void test_withdraw(void)
{
	struct release r, again;

	is_int(upload(signed_at(40), "7", &r), RC_OK, "a release");
	CALL(&f, release_withdraw, &r.release_id, r.revision + 1, &again);
	is_err(&f, ERR_PRECONDITION_FAILED, "of another revision");
	is_int(CALL(&f, release_withdraw, &r.release_id, r.revision, &again), RC_OK,
	       "withdrawn");
	ok(again.withdrawn_at > 0 && again.revision == r.revision + 1, "with a time");
	int64_t first = again.withdrawn_at;
	is_int(CALL(&f, release_withdraw, &r.release_id, again.revision, &again), RC_OK,
	       "again");
	is_int(again.withdrawn_at, first, "the time stays");
}

/* test_A02: of twenty racing uploads with one number exactly one wins. */
#define RACERS 20
struct racer {
	pthread_t thread;
	struct db *db;
	struct bytes envelope;
	enum rc rc;
	enum err err;
};
static pthread_barrier_t start;

static void *race(void *arg)
{
	struct racer *r = arg;
	struct release_new in = { .envelope = r->envelope, .version = "8" };
	struct release made;

	pthread_barrier_wait(&start);
	do {
		struct call c;
		fleet_begin_on(&f, &c, r->db);
		c.mem = arena_create();
		r->rc = fleet_end_on(&c, release_create(&c, &in, &made));
		r->err = c.err;
		arena_free(c.mem);
	} while (r->rc == RC_RETRY);
	return NULL;
}

static void test_A02_race(void)
{
	struct racer racers[RACERS];
	int won = 0, lost = 0;

	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++) {
		/* Each is signed anew: other bytes, the same number. */
		struct suit_build b = manifest_of("lock-7", 50, image);
		b.text_version = suit_text(arena_printf(store_mem, "8.0.0+%d", i));
		racers[i] = (struct racer){ .db = store_connect(),
					    .envelope = envelope_of(&b, author) };
	}
	for (int i = 0; i < RACERS; i++)
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].rc == RC_OK;
		lost += racers[i].err == ERR_SEQUENCE_NOT_HIGHER;
		db_close(racers[i].db);
	}
	pthread_barrier_destroy(&start);
	is_int(won, 1, "test_A02: one wins");
	is_int(lost, RACERS - 1, "test_A02: nineteen are told that the number is not higher");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM release WHERE sequence = 50"), 1,
	       "test_A02: one release");
}

/* --- variants --- */

/* The same release in other bytes. */
static struct bytes variant_at(uint64_t sequence, int i)
{
	struct suit_build b = manifest_of("lock-7", sequence, image);

	b.text_version = suit_text(arena_printf(store_mem, "9.0.0+%d", i));
	return envelope_of(&b, author);
}

static void test_variants(void)
{
	struct release r, again;
	bool is_new = false;
	int added = 0;

	is_int(upload(variant_at(60, 0), NULL, &r), RC_OK, "a release");
	is_int(store_i64(f.db, arena_printf(store_mem,
					    "SELECT bytes AS v FROM manifest m JOIN release r "
					    "USING (release_id) WHERE sequence = 60")),
	       (int64_t)image.n, "what a device fetches");
	for (int i = 1; i < RELEASE_VARIANTS_MAX; i++)
		added += CALL(&f, release_add_manifest, &r.release_id, variant_at(60, i),
			      &again, &is_new) == RC_OK &&
			 is_new;
	is_int(added, RELEASE_VARIANTS_MAX - 1, "as many variants as there may be");
	is_int(again.manifest_count, RELEASE_VARIANTS_MAX, "all are there");
	is_int(again.revision, RELEASE_VARIANTS_MAX, "the revision grows with each");
	CALL(&f, release_add_manifest, &r.release_id, variant_at(60, 99), &again, &is_new);
	is_err(&f, ERR_VALIDATION, "and no more");
	CALL(&f, release_add_manifest, &r.release_id, variant_at(61, 1), &again, &is_new);
	is_err(&f, ERR_VALIDATION, "full before it is looked at");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM audit WHERE action = "
			       "'release.add-manifest'"),
	       RELEASE_VARIANTS_MAX - 1, "audited");
}

/* Of the same manifest sent twenty times at once one is new. */
struct adder {
	pthread_t thread;
	struct db *db;
	struct bytes envelope;
	struct uuid release_id;
	enum rc rc;
	bool is_new;
};

static void *add_one(void *arg)
{
	struct adder *a = arg;
	struct release r;

	pthread_barrier_wait(&start);
	do {
		struct call c;
		fleet_begin_on(&f, &c, a->db);
		c.mem = arena_create();
		a->rc = fleet_end_on(&c, release_add_manifest(&c, &a->release_id, a->envelope,
							      &r, &a->is_new));
		arena_free(c.mem);
	} while (a->rc == RC_RETRY);
	return NULL;
}

static void test_variants_race(void)
{
	struct adder adders[RACERS];
	struct release r, again;
	int added = 0, fresh = 0;

	is_int(upload(variant_at(70, 0), NULL, &r), RC_OK, "a release");
	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++)
		adders[i] = (struct adder){ .db = store_connect(),
					    .envelope = variant_at(70, 1 + i % 2),
					    .release_id = r.release_id };
	for (int i = 0; i < RACERS; i++)
		pthread_create(&adders[i].thread, NULL, add_one, &adders[i]);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(adders[i].thread, NULL);
		added += adders[i].rc == RC_OK;
		fresh += adders[i].is_new;
		db_close(adders[i].db);
	}
	pthread_barrier_destroy(&start);
	is_int(added, RACERS, "each is told that it is there");
	is_int(fresh, 2, "two were new");
	is_int(CALL(&f, release_get, &r.release_id, &again), RC_OK, "the release");
	is_int(again.manifest_count, 3, "has three");
	is_int(again.revision, 3, "its revision counts them");
}

/* Nothing but the classes' own rows stands between these and the database. */
static void test_lists(void)
{
	struct device_class *classes = NULL;
	struct image_item *images = NULL;
	struct author_key *keys = NULL;
	struct author_key_filter filter = { .limit = 10 };
	struct release *first = NULL, *second = NULL;
	int n = 0;

	is_int(CALL(&f, class_list, NULL, 1, &classes, &n), RC_OK, "classes");
	is_int(n, 1, "a page of one");
	struct device_class after = classes[0];
	is_int(CALL(&f, class_list, &after, 10, &classes, &n), RC_OK, "the next page");
	is_int(n, 1, "has the other");
	is_int(CALL(&f, image_list, NULL, 1, &images, &n), RC_OK, "images");
	struct digest d = images[0].digest;
	is_int(CALL(&f, image_list, &d, 10, &images, &n), RC_OK, "the next page");
	is_int(n, 1, "has the other");
	is_int(CALL(&f, author_key_list, &filter, &keys, &n), RC_OK, "author keys");
	is_int(n, 3, "all of them, the revoked one too");
	filter.after = &keys[1].author_key_id;
	is_int(CALL(&f, author_key_list, &filter, &keys, &n), RC_OK, "the next page");
	is_int(n, 1, "has the last");
	is_int(CALL(&f, release_list, NULL, 2, &first, &n), RC_OK, "releases");
	ok(n == 2 && first[0].created_at > first[1].created_at, "the newest first");
	is_int(CALL(&f, release_list, &first[1], 100, &second, &n), RC_OK, "the next page");
	is_int(n, (int)store_i64(f.db, "SELECT count(*) - 2 AS v FROM release"),
	       "has all the others");
	ok(!uuid_equal(&second[0].release_id, &first[1].release_id), "none twice");
}

static void test_class_update(void)
{
	struct class_update in = { .vendor_id = lock_7.vendor_id,
				   .class_id = lock_7.class_id,
				   .revision = 1,
				   .has_confirm = true,
				   .confirm = CONFIRM_VERSION };
	struct device_class k;
	struct class_new again = { .vendor = "acme.example", .name = "lock-7" };

	is_int(CALL(&f, class_update, &in, &k), RC_OK, "changed");
	is_int(k.confirm, CONFIRM_VERSION, "as asked");
	is_int(k.revision, 2, "the revision grows");
	CALL(&f, class_update, &in, &k);
	is_err(&f, ERR_PRECONDITION_FAILED, "an old revision");
	CALL(&f, class_create, &again, &k);
	is_err(&f, ERR_ALREADY_EXISTS, "made twice");
	again.vendor = NULL;
	CALL(&f, class_create, &again, &k);
	is_err(&f, ERR_VALIDATION, "without a vendor");
}

int main(void)
{
	fleet_open(&f);
	author = author_make(SUIT_KEY_P256);
	stranger = author_make(SUIT_KEY_ED25519);
	narrow = author_make(SUIT_KEY_P256);
	lock_7 = fleet_class(&f, "lock-7");
	fleet_author(&f, &lock_7, author, NULL);
	fleet_author(&f, &lock_7, narrow, "modem");
	image = bytes_of("the first image");
	fleet_image(&f, image);
	test_upload();
	test_version();
	test_sequence();
	test_keys();
	test_borrowed_kid();
	test_images();
	test_class();
	test_withdraw();
	test_A02_race();
	test_variants();
	test_variants_race();
	test_from_before();
	test_lists();
	test_class_update();
	suit_key_free(author);
	suit_key_free(stranger);
	suit_key_free(narrow);
	fleet_close(&f);
	return tap_done();
}
