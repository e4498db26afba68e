/* Arena: zeroed, aligned, independent pieces; reset and large pieces. */

#include "base/arena.h"
#include "tests/tap.h"

#include <stdalign.h>
#include <stdlib.h>

static bool all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void test_pieces_are_zeroed_aligned_and_apart(void)
{
	struct arena *a = arena_create();
	unsigned char *pieces[2000];
	size_t sizes[2000], total = 0;
	unsigned seed = 7;
	bool zero = true, aligned = true, kept = true;

	for (int i = 0; i < 2000; i++) {
		seed = seed * 1103515245u + 12345u;
		sizes[i] = seed / 65536 % (i % 50 == 0 ? 20000 : 200);
		pieces[i] = arena_alloc(a, sizes[i]);
		zero = zero && all_zero(pieces[i], sizes[i]);
		aligned = aligned && (uintptr_t)pieces[i] % alignof(max_align_t) == 0;
		memset(pieces[i], i % 251 + 1, sizes[i]);
		total += sizes[i];
	}
	for (int i = 0; i < 2000; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			kept = kept && pieces[i][k] == i % 251 + 1;
	ok(zero, "every piece is zeroed");
	ok(aligned, "every piece is aligned for any type");
	ok(kept, "no piece overlaps another");
	is_int((int64_t)arena_used(a), (int64_t)total, "used counts what was asked for");
	arena_free(a);
}

static void test_reset(void)
{
	struct arena *a = arena_create();
	unsigned char *first = arena_alloc(a, 100);

	memset(first, 0xff, 100);
	memset(arena_alloc(a, 100000), 0xff, 100000);
	arena_reset(a);
	is_int((int64_t)arena_used(a), 0, "reset forgets");
	unsigned char *again = arena_alloc(a, 100);
	ok(again == first, "reset keeps the first chunk");
	ok(all_zero(again, 100), "what comes after a reset is zeroed too");
	arena_free(a);
}

static void test_large_first(void)
{
	struct arena *a = arena_create();
	unsigned char *large = arena_alloc(a, 1 << 20);
	char *small = arena_text(a, "small");

	memset(large, 1, 1 << 20);
	is_str(small, "small", "a large piece first, a small one after it");
	is_str(arena_printf(a, "%s-%d", small, 42), "small-42", "printf");
	ok(arena_text(a, NULL) == NULL, "no text stays none");
	ok(arena_alloc(a, 0) != NULL, "nothing is something");
	arena_free(a);
	arena_free(NULL);
}

int main(void)
{
	test_pieces_are_zeroed_aligned_and_apart();
	test_reset();
	test_large_first();
	return tap_done();
}
