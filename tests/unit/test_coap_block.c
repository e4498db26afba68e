/* Block-wise arithmetic: options, slices, bodies that must never mix (B05). */

#include "base/arena.h"
#include "server/coap/coap_block.h"
#include "tests/tap.h"

#include <stdlib.h>

static void test_options(void)
{
	static const struct {
		const char *what;
		uint8_t bytes[4];
		size_t n;
		enum rc rc;
		struct block block;
	} cases[] = {
		{ "empty is block 0 of 16 bytes", { 0 }, 0, RC_OK, { 0, false, 0 } },
		{ "one byte", { 0x2e }, 1, RC_OK, { 2, true, 6 } },
		{ "two bytes", { 0x12, 0x36 }, 2, RC_OK, { 0x123, false, 6 } },
		{ "three bytes", { 0xff, 0xff, 0xfe }, 3, RC_OK, { 0xfffff, true, 6 } },
		{ "the reserved size", { 0x07 }, 1, RC_INVALID, { 0 } },
		{ "four bytes", { 0, 0, 0, 6 }, 4, RC_INVALID, { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct block got = { 0 };
		uint8_t out[3];
		enum rc rc = block_parse((struct bytes){ cases[i].bytes, cases[i].n }, &got);

		is_int(rc, cases[i].rc, cases[i].what);
		if (rc != RC_OK)
			continue;
		ok(got.num == cases[i].block.num && got.more == cases[i].block.more &&
			   got.szx == cases[i].block.szx,
		   "%s: values", cases[i].what);
		is_bytes(out, block_encode(&got, out), cases[i].bytes, cases[i].n,
			 "and back to the shortest form");
	}
}

/* Reads total bytes in blocks of szx and counts; every byte must come once, in order. */
static size_t read_all(size_t total, uint8_t szx, bool *ret_good)
{
	size_t at = 0, count = 0;

	*ret_good = true;
	for (struct block b = { .szx = szx };; b.num++) {
		struct block_slice s;

		if (block_slice(total, &b, BLOCK_SZX_MAX, &s) != RC_OK || s.offset != at ||
		    s.whole) {
			*ret_good = false;
			return count;
		}
		at += s.size;
		count++;
		if (!s.block.more)
			break;
	}
	*ret_good = *ret_good && at == total;
	return count;
}

static void test_slices(void)
{
	static const size_t totals[] = { 0, 1, 15, 16, 17, 1023, 1024, 1025, 100000 };

	for (size_t i = 0; i < ARRAY_LEN(totals); i++) {
		for (uint8_t szx = 0; szx <= BLOCK_SZX_MAX; szx++) {
			size_t size = block_size(szx), n = totals[i] ? totals[i] : 1;
			bool good;
			size_t count = read_all(totals[i], szx, &good);

			ok(good && count == (n + size - 1) / size, "%zu bytes in blocks of %zu",
			   totals[i], size);
		}
	}
}

static void test_slice_edges(void)
{
	struct block_slice s;
	struct block past = { .num = 1, .szx = 6 }, large = { .num = 3, .szx = 6 };
	struct block small = { .num = 0, .szx = 0 };
	size_t limit = (size_t)BLOCK_COUNT * 16;

	ok(block_slice(1024, NULL, BLOCK_SZX_MAX, &s) == RC_OK && s.whole && s.size == 1024,
	   "1024 bytes need no option");
	ok(block_slice(1025, NULL, BLOCK_SZX_MAX, &s) == RC_OK && !s.whole && s.block.more,
	   "1025 bytes begin with a block");
	is_int(block_slice(1024, &past, BLOCK_SZX_MAX, &s), RC_INVALID, "past the end");
	is_int(block_slice(0, &past, BLOCK_SZX_MAX, &s), RC_INVALID, "past an empty body");
	ok(block_slice(100000, &large, 4, &s) == RC_OK && s.offset == 3072 && s.size == 256 &&
		   s.block.num == 12 && s.block.szx == 4,
	   "a smaller block than asked for keeps the place");
	is_int(block_slice(limit, &small, BLOCK_SZX_MAX, &s), RC_OK, "2^20 blocks reach");
	is_int(block_slice(limit + 1, &small, BLOCK_SZX_MAX, &s), RC_TOO_LARGE,
	       "one byte more does not");
	is_int(block_smallest_szx(limit), 0, "16 bytes are enough for 16 MiB");
	is_int(block_smallest_szx(limit + 1), 1, "and 32 for more");
	is_int(block_smallest_szx((size_t)1 << 30), 6, "1024 for 1 GiB");
}

static struct block_part part(uint32_t num, bool more, uint8_t szx, const char *text)
{
	return (struct block_part){ { num, more, szx }, bytes_of(text), 7, 8192 };
}

static void test_body(void)
{
	struct block_body b = { 0 };
	bool done = true;
	struct block_part p = part(0, true, 0, "0123456789abcdef");

	ok(block_body_add(&b, &p, &done) == RC_OK && !done, "first block");
	ok(block_body_add(&b, &p, &done) == RC_OK && !done && b.n == 16,
	   "again: it begins anew with the same");
	p = part(1, true, 0, "ghijklmnopqrstuv");
	ok(block_body_add(&b, &p, &done) == RC_OK && !done, "second block");
	ok(block_body_add(&b, &p, &done) == RC_OK && !done && b.n == 32, "again: taken once");
	p = part(2, false, 0, "wxyz");
	ok(block_body_add(&b, &p, &done) == RC_OK && done, "last block");
	is_bytes(b.p, b.n, "0123456789abcdefghijklmnopqrstuvwxyz", 36, "the body");
	block_body_drop(&b);
	ok(!b.open && !b.p, "dropped");
}

static void test_body_sizes_change(void)
{
	struct block_body b = { 0 };
	bool done = false;
	struct block_part p = part(0, true, 1, "0123456789abcdef0123456789abcdef");

	ok(block_body_add(&b, &p, &done) == RC_OK, "32 bytes");
	p = part(2, false, 0, "tail"); /* block 2 of 16 is where block 1 of 32 would be */
	ok(block_body_add(&b, &p, &done) == RC_OK && done && b.n == 36, "then 16");
	block_body_drop(&b);
}

static void expect(const char *what, enum rc wanted, struct block_part *p)
{
	struct block_body b = { 0 };
	struct block_part first = part(0, true, 0, "0123456789abcdef");
	bool done = false;

	if (block_body_add(&b, &first, &done) != RC_OK)
		abort();
	is_int(block_body_add(&b, p, &done), wanted, what);
	ok(!b.open && b.p == NULL, "%s: the transfer is over", what);
	block_body_drop(&b);
}

static void test_B05_body_faults(void)
{
	struct block_part p = part(2, false, 0, "x");
	struct block_body b = { 0 };
	bool done = false;

	expect("a gap", RC_INCOMPLETE, &p);
	p = part(1, true, 0, "short");
	expect("a block that is too short", RC_INVALID, &p);
	p = part(1, false, 0, "0123456789abcdefX");
	expect("a block that is too long", RC_INVALID, &p);
	p = part(1, false, 0, "x");
	p.key = 8;
	expect("a block of another transfer", RC_INCOMPLETE, &p);
	p = part(1, true, 0, "0123456789abcdef");
	p.max = 31;
	expect("a body that grows too large", RC_TOO_LARGE, &p);
	p = part(1, false, 0, "x");
	is_int(block_body_add(&b, &p, &done), RC_INCOMPLETE, "no first block");
}

/* Two bodies under one key, block by block in turn: one of the two, or nothing. */
static void test_B05_bodies_never_mix(void)
{
	struct block_body b = { 0 };
	bool done = false;
	struct block_part a0 = part(0, true, 0, "aaaaaaaaaaaaaaaa");
	struct block_part b0 = part(0, true, 0, "bbbbbbbbbbbbbbbb");
	struct block_part a1 = part(1, true, 0, "AAAAAAAAAAAAAAAA");
	struct block_part b1 = part(1, true, 0, "BBBBBBBBBBBBBBBB");

	ok(block_body_add(&b, &a0, &done) == RC_OK && block_body_add(&b, &b0, &done) == RC_OK,
	   "the later one wins");
	ok(b.n == 16 && b.p[0] == 'b', "and stands alone");
	ok(block_body_add(&b, &a1, &done) == RC_OK, "a second block that fits by number");
	is_int(block_body_add(&b, &b1, &done), RC_INCOMPLETE,
	       "is found out by the other one's, and both are dropped");
	ok(!b.open, "nothing is left");
	block_body_drop(&b);
}

/* A block of a body that was given up comes late, just where the next body goes on.  Without a
 * Request-Tag nobody can tell (api/coap.md says what such a device must do); with one, it is of
 * another transfer. */
static void test_B05_a_late_block_of_an_old_body(void)
{
	struct block_body b = { 0 };
	bool done = false;
	struct block_part old0 = part(0, true, 0, "aaaaaaaaaaaaaaaa");
	struct block_part old1 = part(1, false, 0, "AAAA");
	struct block_part new0 = part(0, true, 0, "bbbbbbbbbbbbbbbb");

	ok(block_body_add(&b, &old0, &done) == RC_OK &&
		   block_body_add(&b, &new0, &done) == RC_OK && b.n == 16,
	   "block 0 begins again while the old body lacks its end");
	ok(block_body_add(&b, &old1, &done) == RC_OK && done,
	   "the late block passes for the next one");
	new0.key = 8;
	ok(block_body_add(&b, &old0, &done) == RC_OK &&
		   block_body_add(&b, &new0, &done) == RC_OK && b.n == 16,
	   "under a tag of its own");
	is_int(block_body_add(&b, &old1, &done), RC_INCOMPLETE, "it is refused");
	ok(!b.open, "and the device sends its body again");
	block_body_drop(&b);
}

static void test_large_body(void)
{
	struct block_body b = { 0 };
	uint8_t block[1024];
	bool done = false, good = true;

	for (uint32_t i = 0; i < 8; i++) {
		memset(block, (int)i, sizeof(block));
		struct block_part p = { { i, i < 7, 6 }, { block, sizeof(block) }, 1, 8192 };
		good = good && block_body_add(&b, &p, &done) == RC_OK;
	}
	ok(good && done && b.n == 8192 && b.room == 8192, "8 KiB fit into 8 KiB");
	ok(b.p[1024] == 1 && b.p[8191] == 7, "each block at its place");
	block_body_drop(&b);
}

int main(void)
{
	test_options();
	test_slices();
	test_slice_edges();
	test_body();
	test_body_sizes_change();
	test_B05_body_faults();
	test_B05_bodies_never_mix();
	test_B05_a_late_block_of_an_old_body();
	test_large_body();
	return tap_done();
}
