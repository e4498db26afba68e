/* heatshrink: what is made is read back; what comes is read without writing more than the
 * image, and the same in one piece and byte by byte. */

#include "tests/fuzz/target.h"
#include "tests/unit/suit_delta.h"

static struct delta_images images;
static uint8_t state[SUIT_HEATSHRINK_STATE(SUIT_HEATSHRINK_WINDOW_MAX)];

static enum suit_rc inflate(struct suit_bytes in, size_t size, size_t piece)
{
	images.n = 0;
	images.max = size;
	return delta_inflate(delta_io(&images, state, sizeof(state)), SUIT_CODEC_HEATSHRINK, in,
			     size, piece);
}

static void there_and_back(struct suit_bytes image, unsigned window, unsigned ahead)
{
	static struct suit_heatshrink_work work[257];
	static uint8_t buf[512];
	size_t n = 0;

	image.n = image.n < 256 ? image.n : 256;
	check(suit_heatshrink_encode(image, window, ahead, work, buf, sizeof(buf), &n) ==
	      SUIT_OK);
	check(n <= 2 + image.n + image.n / 8);
	check(inflate((struct suit_bytes){ buf, n }, image.n, 7) == SUIT_OK);
	check(images.n == image.n);
	check(image.n == 0 || memcmp(images.fresh, image.p, image.n) == 0);
}

/* The first two bytes are the image's size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[65536];

	if (size < 2)
		return 0;
	size_t image_n = (size_t)data[0] << 8 | data[1];
	struct suit_bytes in = { data + 2, size - 2 };
	bool good = inflate(in, image_n, SIZE_MAX) == SUIT_OK;
	size_t n = images.n;
	memcpy(first, images.fresh, n);
	check(!good || n == image_n);
	check((inflate(in, image_n, 1) == SUIT_OK) == good);
	check(!good || images.n == n);
	/* What fails may fail some bytes sooner or later. */
	check(memcmp(images.fresh, first, images.n < n ? images.n : n) == 0);
	unsigned window = 4 + data[0] % 8;
	there_and_back(in, window, 3 + data[1] % (window - 3));
	return 0;
}
