/* Blocks: options are read back as written, a slice lies inside its body and the slices of one
 * size make the whole; a body that comes in blocks is the bytes that were sent. */

#include "server/coap/coap_block.h"
#include "tests/fuzz/target.h"

#include <string.h>

static void check_slice(const struct block *asked, size_t total)
{
	struct block_slice s;

	if (block_slice(total, asked, BLOCK_SZX_MAX, &s) != RC_OK)
		return;
	check(s.offset + s.size <= total && s.size <= block_size(s.block.szx));
	check(s.block.num < BLOCK_COUNT && s.block.num * block_size(s.block.szx) == s.offset);
	check(s.block.more == (s.offset + s.size < total));
}

/* Sends the input in blocks of one size, some of them twice. */
static void check_body(struct bytes in, uint8_t szx)
{
	struct block_body body = { .p = NULL };
	bool done = false;

	for (size_t at = 0; !done; at += block_size(szx)) {
		size_t left = in.n - at;
		bool more = left > block_size(szx);
		struct block_part part = {
			.block = { (uint32_t)(at / block_size(szx)), more, szx },
			.payload = { in.p + at, more ? block_size(szx) : left },
			.key = 1,
			.max = BLOCK_BODY_MAX,
		};
		for (int times = 0; times < 1 + (int)(at / block_size(szx) % 2); times++)
			check(block_body_add(&body, &part, &done) == RC_OK);
	}
	check(body.n == in.n && (in.n == 0 || memcmp(body.p, in.p, in.n) == 0));
	block_body_drop(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block b;
	uint8_t out[3];
	size_t n = size < 4 ? size : 4;

	if (block_parse((struct bytes){ data, n }, &b) == RC_OK) {
		struct block again;
		check(n <= 3);
		check(block_parse((struct bytes){ out, block_encode(&b, out) }, &again) ==
		      RC_OK);
		check(again.num == b.num && again.more == b.more && again.szx == b.szx);
		check_slice(&b, size);
		check_slice(&b, size << 16);
		check_slice(&b, (size_t)b.num * 64);
	}
	if (size <= BLOCK_BODY_MAX)
		check_body((struct bytes){ data, size }, size ? data[0] % 7 : 0);
	return 0;
}
