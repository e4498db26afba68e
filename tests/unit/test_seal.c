/* Sealed secrets: what was sealed comes back under the same key and context, and under nothing
 * else; the key file is private and made once. */

#include "base/clean.h"
#include "certs/seal.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <sys/stat.h>

static const uint8_t key_a[SEAL_KEY_SIZE] = { 1 }, key_b[SEAL_KEY_SIZE] = { 2 };
static const struct bytes a = { key_a, sizeof(key_a) }, b = { key_b, sizeof(key_b) };

static void test_round(struct arena *mem)
{
	struct bytes one, two, plain;

	is_int(seal(a, "psk", bytes_of("secret"), mem, &one), RC_OK, "sealed");
	is_int((int64_t)one.n, 6 + SEAL_OVERHEAD, "overhead as stated");
	is_int(seal(a, "psk", bytes_of("secret"), mem, &two), RC_OK, "sealed again");
	ok(!bytes_equal(one, two), "another nonce, another text");
	is_int(unseal(a, "psk", one, mem, &plain), RC_OK, "opened");
	ok(bytes_equal_text(plain, "secret"), "the same secret");
	is_int(unseal(b, "psk", one, mem, &plain), RC_INVALID, "another key opens nothing");
	is_int(unseal(a, "tenant", one, mem, &plain), RC_INVALID, "nor another context");
	is_int(seal(a, "psk", bytes_of(""), mem, &one), RC_OK, "nothing can be sealed");
	is_int(unseal(a, "psk", one, mem, &plain), RC_OK, "and opened");
	is_int((int64_t)plain.n, 0, "and is nothing");
}

static void test_flips(struct arena *mem)
{
	struct bytes sealed, plain;
	int opened = 0;

	is_int(seal(a, "psk", bytes_of("0123456789abcdef"), mem, &sealed), RC_OK, "sealed");
	uint8_t *p = arena_copy(mem, sealed.p, sealed.n);
	for (size_t bit = 0; bit < 8 * sealed.n; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		opened += unseal(a, "psk", (struct bytes){ p, sealed.n }, mem, &plain) == RC_OK;
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < sealed.n; n++)
		opened += unseal(a, "psk", (struct bytes){ p, n }, mem, &plain) == RC_OK;
	is_int(opened, 0, "no flipped bit and no truncation opens");
}

static void test_key_file(struct arena *mem)
{
	CLEAN(temp_dir) struct temp_dir dir = temp_dir_make();
	char *path = arena_printf(mem, "%s/seal.key", dir.path);
	uint8_t first[SEAL_KEY_SIZE], second[SEAL_KEY_SIZE], zero[SEAL_KEY_SIZE] = { 0 };
	struct stat st = { 0 };

	is_int(seal_key_load(path, false, first), RC_NOT_FOUND, "not made unless asked");
	is_int(seal_key_load(path, true, first), RC_OK, "made");
	is_int(seal_key_load(path, true, second), RC_OK, "read");
	ok(memcmp(first, second, sizeof(first)) == 0, "the same key");
	ok(memcmp(first, zero, sizeof(first)) != 0, "not all zero");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "for its owner alone");
	is_int(temp_dir_count(&dir), 1, "no temporary file stays behind");
	ok(truncate(path, 31) == 0, "cut by a byte");
	is_int(seal_key_load(path, true, first), RC_INVALID, "it is refused, not replaced");
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();

	test_round(mem);
	test_flips(mem);
	test_key_file(mem);
	return tap_done();
}
