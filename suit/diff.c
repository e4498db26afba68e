/* The difference of two images as records: beside an old image that is near enough the
 * differences are mostly zero.  diff_path.c finds beside what. */

#include "suit/diff_path.h"

/* Where the record that is written stands. */
struct at {
	size_t fresh, old;
};

static size_t number_write(int64_t number, uint8_t *ret)
{
	uint64_t left = (uint64_t)(number < 0 ? -number : number);
	size_t n = 0;

	ret[n++] = (uint8_t)((left & 0x3f) | (number < 0 ? 0x40 : 0));
	for (left >>= 6; left > 0; left >>= 7) {
		ret[n - 1] |= 0x80;
		ret[n++] = left & 0x7f;
	}
	return n;
}

static enum suit_rc put_number(const struct suit_diff *d, int64_t number)
{
	uint8_t p[SUIT_PATCH_HEAD_MAX] = { 0 };
	size_t n = number_write(number, p);

	return d->put(d->ctx, (struct suit_bytes){ p, n });
}

static void count(const struct suit_diff *d, struct suit_bytes bytes, bool differences)
{
	for (size_t i = 0; d->count && i < bytes.n; i++)
		d->count[bytes.p[i]] += bytes.p[i] != 0 || !differences;
}

static enum suit_rc put_differences(const struct suit_diff *d, struct at *at, size_t n)
{
	enum suit_rc rc = put_number(d, (int64_t)n);
	uint8_t piece[256];

	while (rc == SUIT_OK && n > 0) {
		size_t part = n < sizeof(piece) ? n : sizeof(piece);
		for (size_t i = 0; i < part; i++)
			piece[i] = (uint8_t)(d->fresh.p[at->fresh++] - d->old.p[at->old++]);
		count(d, (struct suit_bytes){ piece, part }, true);
		rc = d->put(d->ctx, (struct suit_bytes){ piece, part });
		n -= part;
	}
	return rc;
}

static enum suit_rc put_extra(const struct suit_diff *d, struct at *at, size_t n)
{
	enum suit_rc rc = put_number(d, (int64_t)n);
	struct suit_bytes bytes = { d->fresh.p + at->fresh, n };

	count(d, bytes, false);
	if (rc == SUIT_OK && n > 0)
		rc = d->put(d->ctx, bytes);
	at->fresh += n;
	return rc;
}

/* Bytes of the step; ret_next is the one behind it. */
static size_t step_length(const struct suit_diff *d, uint32_t step, uint32_t *ret_next)
{
	*ret_next = d->step[step].before;
	return (*ret_next == SUIT_DIFF_NONE ? d->fresh.n : d->step[*ret_next].at) -
	       d->step[step].at;
}

/* A record: a step beside the old image, an extra one, where they are next. */
static enum suit_rc record_put(const struct suit_diff *d, struct at *at, uint32_t *step)
{
	size_t same = 0, extra = 0;
	int64_t move = 0;

	if (d->step[*step].old == at->old)
		same = step_length(d, *step, step);
	enum suit_rc rc = put_differences(d, at, same);
	if (*step != SUIT_DIFF_NONE && d->step[*step].old == SUIT_DIFF_EXTRA)
		extra = step_length(d, *step, step);
	if (rc == SUIT_OK)
		rc = put_extra(d, at, extra);
	/* Behind the last record there is nowhere to go. */
	if (*step != SUIT_DIFF_NONE)
		move = (int64_t)d->step[*step].old - (int64_t)at->old;
	at->old = (size_t)((int64_t)at->old + move);
	return rc == SUIT_OK ? put_number(d, move) : rc;
}

/* 16 times the logarithm to base 2, by squaring. */
static int log_16(uint64_t n)
{
	int whole = 63 - __builtin_clzll(n);
	uint64_t rest = whole > 30 ? n >> (whole - 30) : n << (30 - whole);

	for (unsigned i = 0; i < 4; i++) {
		rest = rest * rest >> 30;
		whole *= 2;
		if (rest >> 31) {
			rest >>= 1;
			whole++;
		}
	}
	return whole;
}

void suit_diff_values(const uint32_t counted[256], int16_t ret[256])
{
	uint64_t all = 0;
	int64_t sum = 0;

	for (size_t i = 0; i < 256; i++)
		all += counted[i];
	for (size_t i = 0; i < 256; i++) {
		/* Each is taken to have come half a time more: none costs everything. */
		ret[i] =
			(int16_t)(log_16(2 * all + 256) - log_16(2 * (uint64_t)counted[i] + 1));
		sum += ret[i] * (int64_t)counted[i];
	}
	for (size_t i = 0; all > 0 && i < 256; i++)
		ret[i] = (int16_t)(ret[i] - sum / (int64_t)all);
}

enum suit_rc suit_diff_run(const struct suit_diff *d)
{
	struct at at = { 0, 0 };
	uint64_t work = 0;

	if (d->old.n > SUIT_PATCH_IMAGE_MAX || d->fresh.n > SUIT_PATCH_IMAGE_MAX ||
	    d->step_count < SUIT_DIFF_STEPS(d->fresh.n) || d->step_count >= UINT32_MAX)
		return SUIT_TOO_LARGE;
	if (d->fresh.n == 0)
		return SUIT_OK;
	uint32_t step = suit_diff_path(d, &work);
	enum suit_rc rc = put_number(d, 0);
	while (rc == SUIT_OK && step != SUIT_DIFF_NONE)
		rc = record_put(d, &at, &step);
	return rc;
}

size_t suit_patch_head(enum suit_codec codec, uint32_t new_size,
		       uint8_t ret[SUIT_PATCH_HEAD_MAX])
{
	ret[0] = (uint8_t)codec;
	return 1 + number_write(new_size, ret + 1);
}
