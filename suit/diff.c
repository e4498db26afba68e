/* The difference of two images, in the manner of Percival's bsdiff: exact matches by a suffix
 * array are only the seeds.  Each is grown both ways while at least half of the bytes agree,
 * so code that merely moved differs in some addresses, and the differences are mostly zero. */

#include "suit/diff.h"

struct match {
	size_t at;  /* in the new image */
	size_t old; /* in the old one */
	size_t length;
};

struct scan {
	const struct suit_diff *d;
	struct match match; /* the last that was found */
	size_t at, old_at;  /* where the record that is open begins */
	int64_t offset;     /* old - new of that record */
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Bytes that agree from there on, given that the first `n` do. */
static size_t common(const struct suit_diff *d, size_t old, size_t at, size_t n)
{
	size_t max = smaller(d->old.n - old, d->fresh.n - at);

	while (n < max && d->old.p[old + n] == d->fresh.p[at + n])
		n++;
	return n;
}

/* Does the old image's suffix stand before the new image's, when n bytes agree? */
static bool before(const struct suit_diff *d, size_t old, size_t at, size_t n)
{
	if (old + n == d->old.n)
		return true;
	return at + n < d->fresh.n && d->old.p[old + n] < d->fresh.p[at + n];
}

/* The longest match of what begins at `at`, by halving: it is next to where it would stand. */
static struct match find(const struct suit_diff *d, size_t at)
{
	if (d->old.n == 0)
		return (struct match){ .at = at };
	size_t low = 0, high = d->old.n - 1;
	size_t low_n = common(d, (size_t)d->order[low], at, 0);
	size_t high_n = common(d, (size_t)d->order[high], at, 0);

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2, old = (size_t)d->order[middle];
		/* All between two neighbours agree in what both of them agree in. */
		size_t n = common(d, old, at, smaller(low_n, high_n));

		if (before(d, old, at, n)) {
			low = middle;
			low_n = n;
		} else {
			high = middle;
			high_n = n;
		}
	}
	size_t best = high_n > low_n ? high : low;
	return (struct match){ at, (size_t)d->order[best], high_n > low_n ? high_n : low_n };
}

/* Does the new image's byte agree with the old one's when the open record just goes on? */
static bool agrees(const struct scan *s, size_t at)
{
	int64_t old = (int64_t)at + s->offset;

	return old >= 0 && old < (int64_t)s->d->old.n && s->d->old.p[old] == s->d->fresh.p[at];
}

/* The next match that is worth to leave the open record for; false when it is that record's
 * own.  At the end of the new image it stands there, and is none. */
static bool match_next(struct scan *s)
{
	size_t at = s->match.at + s->match.length, counted = at, agreeing = 0;
	size_t end = s->d->fresh.n;
	struct match m = { .at = at };

	for (; at < end; at++) {
		m = find(s->d, at);
		for (; counted < at + m.length; counted++)
			agreeing += agrees(s, counted);
		if ((m.length == agreeing && m.length > 0) || m.length > agreeing + s->d->jump)
			break;
		agreeing -= agrees(s, at);
	}
	m.at = at;
	s->match = m;
	return at == end || m.length != agreeing;
}

/* How far the open record reaches: where most agree over what differs. */
static size_t grow_forward(const struct scan *s)
{
	const struct suit_diff *d = s->d;
	size_t max = smaller(s->match.at - s->at, d->old.n - s->old_at), ret = 0;
	int64_t score = 0, best = 0;

	for (size_t n = 1; n <= max; n++) {
		score += d->old.p[s->old_at + n - 1] == d->fresh.p[s->at + n - 1] ? 1 : -1;
		if (score > best) {
			best = score;
			ret = n;
		}
	}
	return ret;
}

/* How far the match reaches back. */
static size_t grow_back(const struct scan *s)
{
	const struct suit_diff *d = s->d;
	size_t max = smaller(s->match.at - s->at, s->match.old), ret = 0;
	int64_t score = 0, best = 0;

	for (size_t n = 1; n <= max; n++) {
		score += d->old.p[s->match.old - n] == d->fresh.p[s->match.at - n] ? 1 : -1;
		if (score > best) {
			best = score;
			ret = n;
		}
	}
	return ret;
}

/* Both claim some bytes: the first so many go to the open record, so that most agree. */
static size_t share(const struct scan *s, size_t forward, size_t back, size_t claimed)
{
	const struct suit_diff *d = s->d;
	size_t at = s->at + forward - claimed, ret = 0;
	size_t old = s->old_at + forward - claimed, match_old = s->match.old - back;
	int64_t score = 0, best = 0;

	for (size_t n = 0; n < claimed; n++) {
		score += d->fresh.p[at + n] == d->old.p[old + n];
		score -= d->fresh.p[at + n] == d->old.p[match_old + n];
		if (score > best) {
			best = score;
			ret = n + 1;
		}
	}
	return ret;
}

/* --- records ------------------------------------------------------------------------------ */

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

static enum suit_rc put_differences(const struct scan *s, size_t n)
{
	const struct suit_diff *d = s->d;
	enum suit_rc rc = put_number(d, (int64_t)n);
	uint8_t piece[256];

	for (size_t done = 0; rc == SUIT_OK && done < n;) {
		size_t part = smaller(n - done, sizeof(piece));
		for (size_t i = 0; i < part; i++, done++)
			piece[i] = (uint8_t)(d->fresh.p[s->at + done] -
					     d->old.p[s->old_at + done]);
		rc = d->put(d->ctx, (struct suit_bytes){ piece, part });
	}
	return rc;
}

/* Closes the open record where the match begins to be better, and opens the match's. */
static enum suit_rc record_put(struct scan *s)
{
	const struct suit_diff *d = s->d;
	size_t end = d->fresh.n, forward = grow_forward(s);
	size_t back = s->match.at < end ? grow_back(s) : 0;

	if (s->at + forward > s->match.at - back) {
		size_t claimed = s->at + forward - (s->match.at - back);
		size_t first = share(s, forward, back, claimed);
		forward -= claimed - first;
		back -= first;
	}
	size_t extra = s->match.at - back - (s->at + forward);
	/* Behind the last record there is nowhere to go. */
	int64_t move = s->match.at < end
			       ? (int64_t)(s->match.old - back) - (int64_t)(s->old_at + forward)
			       : 0;
	enum suit_rc rc = put_differences(s, forward);
	if (rc == SUIT_OK)
		rc = put_number(d, (int64_t)extra);
	if (rc == SUIT_OK && extra > 0)
		rc = d->put(d->ctx, (struct suit_bytes){ d->fresh.p + s->at + forward, extra });
	if (rc == SUIT_OK)
		rc = put_number(d, move);
	s->at = s->match.at - back;
	s->old_at = s->match.old - back;
	s->offset = (int64_t)s->match.old - (int64_t)s->match.at;
	return rc;
}

enum suit_rc suit_diff_run(const struct suit_diff *d)
{
	struct scan s = { .d = d };

	if (d->old.n > SUIT_PATCH_IMAGE_MAX || d->fresh.n > SUIT_PATCH_IMAGE_MAX)
		return SUIT_TOO_LARGE;
	if (d->fresh.n == 0)
		return SUIT_OK;
	enum suit_rc rc = put_number(d, 0);
	while (rc == SUIT_OK && s.match.at < d->fresh.n)
		if (match_next(&s))
			rc = record_put(&s);
	return rc;
}

size_t suit_patch_head(enum suit_codec codec, uint32_t new_size,
		       uint8_t ret[SUIT_PATCH_HEAD_MAX])
{
	ret[0] = (uint8_t)codec;
	return 1 + number_write(new_size, ret + 1);
}
