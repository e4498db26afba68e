/* Patches of any kind: nothing outside the old image is read, nothing beyond the new one
 * written (tests/unit/suit_delta.h aborts), and one piece or byte by byte, kept or not, it is
 * the same.  And any two images have a patch that makes one of the other. */

#include "tests/fuzz/old_image.h"
#include "tests/unit/suit_delta.h"

#define STATE SUIT_LZMA_STATE(3, 4096)

static struct delta_images images;
static uint64_t state[STATE / 8 + 1], kept[STATE / 8 + 1];

/* Byte by byte, each time in another place; nothing is left of the one before. */
static enum suit_rc hop(struct suit_bytes in)
{
	uint64_t *states[] = { state, kept };
	struct suit_stream_io io = delta_io(&images, state, STATE);
	struct suit_patch p[2];
	size_t is = 0;
	enum suit_rc rc = suit_patch_open(&p[is], images.old.n, images.max);
	bool hops = in.n < 100; /* else it takes too long */

	images.n = 0;
	for (size_t i = 0; rc == SUIT_OK && i < in.n; i++) {
		rc = suit_patch_feed(&p[is], &io, (struct suit_bytes){ in.p + i, 1 });
		if (!hops)
			continue;
		p[!is] = p[is];
		memcpy(states[!is], states[is], STATE);
		memset(&p[is], 0xa5, sizeof(p[is]));
		memset(states[is], 0xa5, STATE);
		is = !is;
		io.state.p = (uint8_t *)states[is];
	}
	return rc == SUIT_OK ? suit_patch_finish(&p[is], &io) : rc;
}

static void make_one(struct suit_bytes fresh)
{
	static uint8_t plain[16384], shrunk[32768];
	struct suit_stream_io io = delta_io(&images, state, STATE);

	fresh.n = fresh.n < 300 ? fresh.n : 300;
	images.old.n = images.old.n < 300 ? images.old.n : 300;
	images.max = fresh.n;
	size_t n = delta_make(images.old, fresh, (struct suit_diff_costs){ 144, 128, 576 },
			      plain, sizeof(plain));
	size_t m = delta_shrink((struct suit_bytes){ plain, n }, 8, 7, shrunk, sizeof(shrunk));
	check(n > 0 && m > 0);
	check(delta_apply(&io, (struct suit_bytes){ shrunk, m }, 13) == SUIT_OK);
	check(images.n == fresh.n);
	check(fresh.n == 0 || memcmp(images.fresh, fresh.p, fresh.n) == 0);
}

/* The first byte says how much of the old image there is, in 16ths. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[DELTA_MAX];
	struct suit_stream_io io = delta_io(&images, state, STATE);

	if (size < 1)
		return 0;
	struct suit_bytes in = { data + 1, size - 1 };
	images.old = (struct suit_bytes){ old_image, old_image_n * (16u - data[0] % 17u) / 16 };
	images.max = 16384;
	bool good = delta_apply(&io, in, SIZE_MAX) == SUIT_OK;
	size_t n = images.n;
	memcpy(first, images.fresh, n);
	check((hop(in) == SUIT_OK) == good);
	/* What fails may fail some bytes sooner or later. */
	check(memcmp(images.fresh, first, images.n < n ? images.n : n) == 0);
	check(!good || images.n == n);
	if (data[0] % 8 == 0)
		make_one(in);
	return 0;
}
