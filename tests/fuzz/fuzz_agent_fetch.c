/* A download from a server that answers anything: bytes reach the slot in order, each once, and
 * never past the size that was known; every block that is asked for has a number.  Input: four
 * bytes of size and block size, then answers of six bytes each. */

#include "agent/fetch.h"
#include "tests/fuzz/target.h"

#include <string.h>

static uint64_t stored, size_known;

static bool take(void *user, uint64_t offset, const uint8_t *p, size_t n)
{
	(void)user;
	(void)p;
	check(offset == stored && n <= size_known - offset);
	stored += n;
	return true;
}

/* "code, kind, number, two bytes of length": mostly what was asked for. */
static void answer_read(const uint8_t *p, const struct link_request *r, struct link_answer *ret)
{
	static const uint8_t body[2048];

	*ret = (struct link_answer){ .code = p[0] < 200 ? 205 : 200 + p[0],
				     .has_block = p[1] & 1,
				     .more = p[1] & 2,
				     .szx = p[1] >> 2 & 7,
				     .num = r->num + (p[2] < 200 ? 0 : p[2]),
				     .body = { body, (size_t)(p[3] << 8 | p[4]) % 2048 } };
	ret->etag = (struct suit_bytes){ body, p[5] % 16 };
	if (p[1] & 0x40)
		ret->num = (uint32_t)(stored / ((uint64_t)16 << (ret->szx < 7 ? ret->szx : 6)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fetch_sink sink = { take, NULL };
	struct fetch f;

	if (size < 4)
		return 0;
	size_known = (uint64_t)data[0] << 16 | (uint64_t)data[1] << 8 | data[2];
	size_known <<= data[3] >> 4;
	if (!fetch_begin(&f, "img/x", size_known, 0, (uint64_t)16 << (data[3] & 7)))
		return 0;
	stored = 0;
	for (size_t at = 4; at + 6 <= size; at += 6) {
		struct link_request r = { .method = LINK_GET };
		struct link_answer a;
		fetch_request(&f, &r);
		check(r.num < FETCH_BLOCKS_MAX && r.szx <= 6);
		answer_read(data + at, &r, &a);
		enum fetch_rc rc = fetch_take(&f, &a, &sink);
		check(f.offset == stored && stored <= size_known);
		/* The blocks have numbers to the end. */
		check(size_known <= FETCH_BLOCKS_MAX << (4 + f.szx));
		check((rc == FETCH_DONE) == (rc <= FETCH_DONE && stored == size_known));
		if (rc != FETCH_MORE)
			break;
	}
	return 0;
}
