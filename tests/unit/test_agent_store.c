/* Slots and journal: what is there after a stop at any point. */
#include "agent/file.h"
#include "agent/store.h"
#include "suit/crypto_openssl.h"

#include "tests/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE   10000
#define JOURNAL 2048
#define BLOCK   1024

static char dir[] = "/tmp/muster-store-XXXXXX";
static uint8_t image[IMAGE];

static bool put_file(const char *name, const void *p, size_t n)
{
	return file_replace(dir, name, p, n);
}

static bool exists(const char *name)
{
	char path[FILE_PATH_MAX];
	return file_path(dir, name, path) && access(path, F_OK) == 0;
}

static void clear(void)
{
	static const char *const names[] = { "a.bin", "b.bin",    "new-b.bin",
					     "boot",  "journal",  "journal-3",
					     "lock",  "dl-3.bin", "dl-4.bin" };
	char path[FILE_PATH_MAX];
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (file_path(dir, names[i], path))
			unlink(path);
}

static struct update make_update(uint8_t kind)
{
	struct suit_message m = { .piece = { { image, IMAGE } }, .count = 1 };
	struct update u = { .job = 3,
			    .attempt = 1,
			    .sequence = 9,
			    .payload_count = 1,
			    .payload = { { .size = IMAGE } },
			    .touched = 1 };
	memset(u.manifest.b, kind, sizeof(u.manifest.b));
	ok(suit_crypto_openssl.sha256(&m, &u.payload[0].digest) == SUIT_OK, "digest");
	return u;
}

static void fresh(struct store *s)
{
	clear();
	put_file("a.bin", "old", 3);
	ok(store_open(s, dir, &suit_crypto_openssl, JOURNAL), "open");
}

/* Writes up to `to` and then stops, as if killed. */
static uint64_t write_part(struct store *s, const struct update *u, uint64_t to)
{
	uint64_t have = 0;
	if (store_begin(s, u, 0, &have) != PROTO_CAUSE_NONE)
		return UINT64_MAX;
	for (uint64_t at = have; at < to; at += BLOCK) {
		size_t n = u->payload[0].size - at < BLOCK ? u->payload[0].size - at : BLOCK;
		if (!store_write(s, at, image + at, n))
			return UINT64_MAX;
	}
	store_close(s);
	return have;
}

static void test_update_to_the_end(void)
{
	struct store s;
	struct update u = make_update(1);
	uint64_t have = 1, size;
	struct suit_digest digest;
	fresh(&s);
	is_int(store_begin(&s, &u, 0, &have), PROTO_CAUSE_NONE, "begin");
	is_int((int64_t)have, 0, "nothing is there");
	for (uint64_t at = 0; at < IMAGE; at += BLOCK)
		store_write(&s, at, image + at, IMAGE - at < BLOCK ? IMAGE - at : BLOCK);
	is_int(store_check(&s, &u, 0), PROTO_CAUSE_NONE, "read back");
	ok(store_begin(&s, &u, 0, &have) == PROTO_CAUSE_NONE && have == IMAGE,
	   "and once it is right, never fetched again");
	ok(store_activate(&s, &u), "activate");
	ok(!exists("journal"), "the journal is gone");
	ok(store_open(&s, dir, &suit_crypto_openssl, JOURNAL), "open again");
	ok(s.boot.trial == 'b' && s.boot.active == 'a' && s.boot.job == 3, "b is on trial");
	ok(store_digest(&s, 0, 'b', &digest, &size) && size == IMAGE &&
		   memcmp(&digest, &u.payload[0].digest, sizeof(digest)) == 0,
	   "b holds the image");
	is_int(store_begin(&s, &u, 0, &have), PROTO_CAUSE_STORAGE, "a trial keeps its slot");
	ok(store_confirm(&s, 'b') && s.boot.active == 'b' && s.boot.sequence == 9, "confirmed");
	is_int(store_begin(&s, &u, 0, &have), PROTO_CAUSE_NONE, "the next one goes");
	ok(store_digest(&s, 0, 'a', &digest, &size) && size == IMAGE,
	   "into a, at its full size");
	store_close(&s);
}

static void test_R11_journal_interval(void)
{
	struct store s;
	struct update u = make_update(1);
	for (uint64_t stop = 0; stop <= IMAGE; stop += BLOCK) {
		fresh(&s);
		write_part(&s, &u, stop);
		store_open(&s, dir, &suit_crypto_openssl, JOURNAL);
		uint64_t have = write_part(&s, &u, 0);
		ok(have <= stop && stop - have < JOURNAL,
		   "stopped at %d: %d are safe, less than an interval is lost", (int)stop,
		   (int)have);
	}
}

static void test_journal_of_another_image(void)
{
	struct store s;
	struct update u = make_update(1), other = make_update(2);
	fresh(&s);
	write_part(&s, &u, 8192);
	is_int((int64_t)write_part(&s, &other, 0), 0, "another manifest begins anew");
	write_part(&s, &other, 8192);
	other.payload[0].size--;
	is_int((int64_t)write_part(&s, &other, 0), 0, "another size begins anew");
}

static void test_damaged_journal(void)
{
	static const char *const damaged[] = { "", "rubbish\n",
					       "file=b.bin\nhave=99999999999999999999\n",
					       "file=b.bin\nmanifest=00\n" };
	struct store s;
	struct update u = make_update(1);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		fresh(&s);
		write_part(&s, &u, 8192);
		put_file("journal", damaged[i], strlen(damaged[i]));
		is_int((int64_t)write_part(&s, &u, 0), 0, "a damaged journal is no journal");
	}
	fresh(&s);
	write_part(&s, &u, 8192);
	char path[FILE_PATH_MAX], text[1024];
	size_t n = 0;
	ok(file_path(dir, "journal", path) && file_read_text(path, text, sizeof(text) - 8, &n),
	   "a good one");
	put_file("journal", text, n - 2);
	is_int((int64_t)write_part(&s, &u, 0), 0, "cut short it is none: have=81 of 8192");
	fresh(&s);
	write_part(&s, &u, 8192);
	memcpy(text + n, "have=9\n", 7);
	put_file("journal", text, n + 7);
	is_int((int64_t)write_part(&s, &u, 0), 0, "nor with a field twice");
	fresh(&s);
	write_part(&s, &u, 8192);
	put_file("b.bin", "short", 5);
	is_int((int64_t)write_part(&s, &u, 0), 0, "nor is one whose slot is not of that size");
}

static void test_wrong_bytes(void)
{
	struct store s;
	struct update u = make_update(1);
	uint64_t have;
	fresh(&s);
	write_part(&s, &u, IMAGE);
	ok(store_begin(&s, &u, 0, &have) == PROTO_CAUSE_NONE && have > 0, "resumed");
	ok(store_write(&s, 5, (const uint8_t *)"x", 1), "a byte in the middle changes");
	is_int(store_check(&s, &u, 0), PROTO_CAUSE_DIGEST, "read back and refused");
	ok(!store_write(&s, IMAGE, (const uint8_t *)"x", 1),
	   "A14: nothing goes behind the end");
	ok(!store_write(&s, IMAGE - 1, (const uint8_t *)"xy", 2), "A14: nor over it");
	ok(store_call_off(&s) && !exists("journal"), "called off");
	is_int((int64_t)write_part(&s, &u, 0), 0, "and begun anew");
}

static void test_call_off_after_activation(void)
{
	struct store s;
	struct update u = make_update(1);
	uint64_t have;
	fresh(&s);
	write_part(&s, &u, IMAGE);
	store_begin(&s, &u, 0, &have);
	for (uint64_t at = have; at < IMAGE; at += BLOCK)
		store_write(&s, at, image + at, IMAGE - at < BLOCK ? IMAGE - at : BLOCK);
	ok(store_check(&s, &u, 0) == PROTO_CAUSE_NONE && store_activate(&s, &u), "activated");
	ok(store_call_off(&s), "called off");
	ok(store_open(&s, dir, &suit_crypto_openssl, JOURNAL) &&
		   s.boot.trial == BOOT_NO_TRIAL && boot_slot(&s.boot) == 'a' &&
		   s.boot.sequence == 0,
	   "the old slot starts, and the sequence is as it was");
}

static void test_confirm_tells_last_once(void)
{
	struct store s;
	struct boot_state b = { .active = 'a', .trial = BOOT_NO_TRIAL, .sequence = 4 };
	fresh(&s);
	b.last = (struct boot_last){ BOOT_ROLLED_BACK, 3, 1, "why" };
	boot_save(dir, &b);
	ok(store_open(&s, dir, &suit_crypto_openssl, JOURNAL), "open");
	is_int(s.boot.last.outcome, BOOT_ROLLED_BACK, "there is something to tell");
	ok(store_confirm(&s, 'a') && store_open(&s, dir, &suit_crypto_openssl, JOURNAL) &&
		   s.boot.last.outcome == BOOT_NOTHING && s.boot.sequence == 4,
	   "told once, and nothing else changes");
	boot_set_trial(&s.boot, 5, 1, 1);
	boot_save(dir, &s.boot);
	ok(store_open(&s, dir, &suit_crypto_openssl, JOURNAL) && store_confirm(&s, 'a') &&
		   s.boot.trial == 'b',
	   "the old image cannot confirm the new one");
}

/* As an update of more payloads leaves them, when it gives way to this one. */
static void test_payloads_of_others_are_removed(void)
{
	struct store s;
	struct update u = make_update(1);
	uint64_t have;
	fresh(&s);
	write_part(&s, &u, IMAGE);
	put_file("dl-3.bin", "x", 1);
	put_file("journal-3", "x", 1);
	ok(store_begin(&s, &u, 0, &have) == PROTO_CAUSE_NONE && store_activate(&s, &u),
	   "activated");
	ok(!exists("dl-3.bin") && !exists("journal-3"), "they are gone");
	put_file("dl-4.bin", "x", 1);
	ok(store_confirm(&s, 'a') && exists("dl-4.bin"), "not confirmed, nothing is touched");
	ok(store_confirm(&s, 'b') && !exists("dl-4.bin"), "confirmed, what was left is gone");
}

/* A boot state has room for four further components. */
static void test_old_components_take_no_place(void)
{
	static const char *const old[] = { "c1", "c2", "c3", "keep" };
	struct store s;
	struct boot_state b = { .active = 'a', .trial = BOOT_NO_TRIAL };
	struct update u = make_update(1);
	fresh(&s);
	boot_set_trial(&b, 5, 1, 1);
	for (size_t i = 0; i < BOOT_PAIRS_MAX; i++)
		ok(boot_try_pair(&b, old[i]), "%s", old[i]);
	boot_confirm(&b);
	ok(boot_save(dir, &b) && put_file("b.bin", "old", 3) && put_file("new-b.bin", "x", 1) &&
		   store_open(&s, dir, &suit_crypto_openssl, JOURNAL),
	   "four that had an update");
	store_add_part(&s, "keep");
	store_add_part(&s, "new");
	u.touched = 1u << 2;
	ok(store_activate(&s, &u), "another one is put on trial");
	ok(store_open(&s, dir, &suit_crypto_openssl, JOURNAL) && s.boot.pair_count == 2 &&
		   boot_pair_active(&s.boot, "keep") == 'b' &&
		   boot_pair_slot(&s.boot, "keep") == 'b' &&
		   boot_pair_active(&s.boot, "new") == 'a' &&
		   boot_pair_slot(&s.boot, "new") == 'b',
	   "beside the one that is there still");
}

static void test_one_holds_the_lock(void)
{
	int first = store_lock(dir);
	ok(first >= 0 && store_lock(dir) < 0 && errno == EWOULDBLOCK, "no other may");
	close(first);
	first = store_lock(dir);
	ok(first >= 0, "then it may");
	close(first);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	for (size_t i = 0; i < IMAGE; i++)
		image[i] = (uint8_t)(i * 31 + i / 256);
	test_update_to_the_end();
	test_R11_journal_interval();
	test_journal_of_another_image();
	test_damaged_journal();
	test_wrong_bytes();
	test_call_off_after_activation();
	test_confirm_tells_last_once();
	test_payloads_of_others_are_removed();
	test_old_components_take_no_place();
	test_one_holds_the_lock();
	clear();
	rmdir(dir);
	return tap_done();
}
