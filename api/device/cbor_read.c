/* A cursor over CBOR.  Lengths are compared with what is left before anything is believed. */

#include "api/device/cbor_read.h"

enum major {
	MAJOR_UINT,
	MAJOR_NEGATIVE,
	MAJOR_BYTES,
	MAJOR_TEXT,
	MAJOR_ARRAY,
	MAJOR_MAP,
	MAJOR_TAG,
	MAJOR_SIMPLE
};

#define CBOR_FALSE 0xf4
#define CBOR_TRUE  0xf5
#define CBOR_NULL  0xf6

void cbor_read_init(struct cbor_read *r, struct bytes b)
{
	*r = (struct cbor_read){ b.p, b.p + b.n, NULL };
}

bool cbor_read_done(const struct cbor_read *r)
{
	return !r->why && r->p == r->end;
}

void cbor_read_fail(struct cbor_read *r, const char *why)
{
	if (!r->why)
		r->why = why;
	r->p = r->end;
}

static size_t left(const struct cbor_read *r)
{
	return (size_t)(r->end - r->p);
}

/* Major type and argument of the next item; -1 when there is none. */
static int read_head(struct cbor_read *r, uint64_t *ret)
{
	if (r->why || !left(r)) {
		cbor_read_fail(r, "the body ends too early");
		return -1;
	}
	int major = *r->p >> 5, info = *r->p & 31;
	r->p++;
	if (info < 24) {
		*ret = (uint64_t)info;
		return major;
	}
	size_t width = (size_t)1 << (info - 24);
	if (info > 27 || left(r) < width) {
		cbor_read_fail(r, info > 27 ? "lengths must be definite"
					    : "the body ends too early");
		return -1;
	}
	*ret = 0;
	for (; width; width--)
		*ret = *ret << 8 | *r->p++;
	return major;
}

uint64_t cbor_read_uint(struct cbor_read *r, uint64_t max)
{
	uint64_t v;
	int major = read_head(r, &v);

	if (major >= 0 && (major != MAJOR_UINT || v > max))
		cbor_read_fail(r, "a number is of another kind or too large");
	return r->why ? 0 : v;
}

static struct bytes read_string(struct cbor_read *r, enum major wanted, size_t min, size_t max)
{
	uint64_t n;
	int major = read_head(r, &n);

	if (major >= 0 && (major != (int)wanted || n < min || n > max || n > left(r)))
		cbor_read_fail(r, "a string is of another kind, too short or too long");
	if (r->why)
		return (struct bytes){ 0 };
	struct bytes b = { r->p, (size_t)n };
	r->p += n;
	return b;
}

struct bytes cbor_read_bytes(struct cbor_read *r, size_t min, size_t max)
{
	return read_string(r, MAJOR_BYTES, min, max);
}

const char *cbor_read_text(struct cbor_read *r, struct arena *mem, size_t min, size_t max)
{
	struct bytes b = read_string(r, MAJOR_TEXT, min, max);

	if (!r->why && !text_is_clean(b))
		cbor_read_fail(r, "a text is not clean UTF-8");
	return r->why ? "" : bytes_text(mem, b);
}

static size_t read_count(struct cbor_read *r, enum major wanted, size_t min, size_t max)
{
	uint64_t n;
	int major = read_head(r, &n);

	if (major >= 0 && (major != (int)wanted || n < min || n > max))
		cbor_read_fail(
			r, "an array or map is of another kind, or has too few or many items");
	return r->why ? 0 : (size_t)n;
}

size_t cbor_read_array(struct cbor_read *r, size_t min, size_t max)
{
	return read_count(r, MAJOR_ARRAY, min, max);
}

size_t cbor_read_map(struct cbor_read *r, size_t min, size_t max)
{
	return read_count(r, MAJOR_MAP, min, max);
}

bool cbor_read_bool(struct cbor_read *r)
{
	if (!r->why && left(r) && (*r->p == CBOR_FALSE || *r->p == CBOR_TRUE))
		return *r->p++ == CBOR_TRUE;
	cbor_read_fail(r, left(r) ? "true or false is of another kind"
				  : "the body ends too early");
	return false;
}

bool cbor_read_null(struct cbor_read *r)
{
	if (r->why || !left(r) || *r->p != CBOR_NULL)
		return false;
	r->p++;
	return true;
}

/* One item; of an array, map or tag only the head: ret_items more follow. */
static void skip_one(struct cbor_read *r, uint64_t *ret_items)
{
	uint64_t n;
	int major = read_head(r, &n);

	*ret_items = 0;
	if (major == MAJOR_BYTES || major == MAJOR_TEXT) {
		if (n > left(r))
			cbor_read_fail(r, "a string is longer than the body");
		else
			r->p += n;
	}
	if (major == MAJOR_TAG)
		*ret_items = 1;
	if (major != MAJOR_ARRAY && major != MAJOR_MAP)
		return;
	if (n > left(r))
		cbor_read_fail(r, "an array or map is longer than the body");
	else
		*ret_items = major == MAJOR_MAP ? 2 * n : n;
}

void cbor_skip(struct cbor_read *r)
{
	uint64_t waiting[CBOR_DEPTH_MAX + 1] = { 1 };
	int depth = 0;

	while (depth >= 0 && !r->why) {
		uint64_t items;
		if (waiting[depth] == 0) {
			depth--;
			continue;
		}
		waiting[depth]--;
		skip_one(r, &items);
		if (!items)
			continue;
		if (depth == CBOR_DEPTH_MAX)
			cbor_read_fail(r, "the body is nested too deep");
		else
			waiting[++depth] = items;
	}
}

uint64_t cbor_read_key(struct cbor_read *r)
{
	if (!r->why && left(r) && *r->p >> 5 == MAJOR_UINT)
		return cbor_read_uint(r, UINT64_MAX);
	cbor_skip(r);
	return UINT64_MAX;
}
