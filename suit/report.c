/* SUIT_Report, read and written. */

#include "suit/report.h"

#include "suit/cbor.h"
#include "suit/command.h"

enum {
	KEY_NONCE = 2,
	KEY_RECORDS = 3,
	KEY_RESULT = 4,
	KEY_CODE = 5,
	KEY_RECORD = 6,
	KEY_REASON = 7,
	KEY_CAPABILITIES = 8,
	KEY_REFERENCE = 99
};

static enum suit_rc reference(struct scbor *c, struct suit_report *r)
{
	if (scbor_array(c, 2) != 2)
		return SUIT_MALFORMED;
	r->reference_uri = scbor_text(c);
	struct suit_bytes digest = scbor_any(c);
	if (!scbor_ok(c) || r->reference_uri.n > SUIT_URI_MAX)
		return SUIT_MALFORMED;
	return suit_digest_read(digest, &r->manifest_digest);
}

/* [[dependency indexes], section, offset, component index, {measured parameters}] */
static void record(struct scbor *c, struct suit_record *ret)
{
	if (scbor_array(c, 5) != 5)
		c->bad = true;
	ret->depth = (uint8_t)scbor_array(c, SUIT_DEPTH_MAX);
	for (size_t i = 0; i < ret->depth; i++) {
		uint64_t index = scbor_uint(c);
		if (index > UINT8_MAX)
			c->bad = true;
		ret->dependency[i] = (uint8_t)index;
	}
	ret->section = scbor_uint(c);
	ret->offset = scbor_uint(c);
	ret->component = scbor_uint(c);
	if (scbor_peek(c) != SCBOR_MAP)
		c->bad = true;
	ret->measured = scbor_any(c);
}

/* true, or { 5: code, 6: record, 7: reason } */
static enum suit_rc result(struct scbor *c, struct suit_report *r)
{
	struct scbor_order order = { 0 };
	unsigned seen = 0;

	if (scbor_peek(c) == SCBOR_SIMPLE) {
		r->success = scbor_bool(c);
		return scbor_ok(c) && r->success ? SUIT_OK : SUIT_MALFORMED;
	}
	size_t n = scbor_map(c, 3);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		uint64_t key = scbor_uint(c);
		scbor_key(c, &order, start);
		if (key == KEY_CODE)
			r->result_code = scbor_int(c);
		else if (key == KEY_RECORD)
			record(c, &r->failed);
		else if (key == KEY_REASON)
			r->reason = scbor_uint(c);
		else
			return SUIT_UNKNOWN;
		seen++;
	}
	return scbor_ok(c) && seen == 3 ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc value(struct scbor *c, uint64_t key, struct suit_report *r)
{
	switch (key) {
	case KEY_NONCE:
		r->nonce = scbor_bytes(c);
		return SUIT_OK;
	case KEY_RECORDS:
		if (scbor_peek(c) != SCBOR_ARRAY)
			return SUIT_MALFORMED;
		r->records = scbor_any(c);
		return SUIT_OK;
	case KEY_RESULT:
		return result(c, r);
	case KEY_CAPABILITIES:
		scbor_any(c);
		return SUIT_OK;
	case KEY_REFERENCE:
		return reference(c, r);
	default:
		return SUIT_UNKNOWN;
	}
}

enum suit_rc suit_report_decode(struct suit_bytes bytes, struct suit_report *ret)
{
	struct suit_report r = { 0 };
	struct scbor c;
	unsigned required = 0;
	uint64_t seen = 0;

	if (bytes.n > SUIT_ENVELOPE_MAX)
		return SUIT_TOO_LARGE;
	scbor_init(&c, bytes);
	size_t n = scbor_map(&c, 5);
	for (size_t i = 0; i < n; i++) {
		uint64_t key = scbor_uint(&c);
		/* Senders write the reference first, so the order is free here; repeats are
		 * not. */
		if (seen & (UINT64_C(1) << (key % 64)))
			return SUIT_MALFORMED;
		seen |= UINT64_C(1) << (key % 64);
		if (!scbor_ok(&c))
			return SUIT_MALFORMED;
		enum suit_rc rc = value(&c, key, &r);
		if (rc != SUIT_OK)
			return rc;
		required += key == KEY_RECORDS || key == KEY_RESULT || key == KEY_REFERENCE;
	}
	if (!scbor_done(&c))
		return SUIT_MALFORMED;
	if (required != 3)
		return SUIT_MISSING;
	*ret = r;
	return SUIT_OK;
}

static void put_record(struct scbor_out *o, const struct suit_record *r)
{
	scbor_put_array(o, 5);
	scbor_put_array(o, r->depth);
	for (size_t i = 0; i < r->depth; i++)
		scbor_put_uint(o, r->dependency[i]);
	scbor_put_uint(o, r->section);
	scbor_put_uint(o, r->offset);
	scbor_put_uint(o, r->component);
	if (r->measured.n > 0)
		scbor_put_raw(o, r->measured);
	else
		scbor_put_map(o, 0);
}

#define RECORDS_HEAD 3 /* of an array of up to 65535 */

void suit_records_init(struct suit_records *l, uint8_t *buf, size_t size)
{
	*l = (struct suit_records){ 0 };
	if (size > RECORDS_HEAD)
		scbor_out_init(&l->out, buf + RECORDS_HEAD, size - RECORDS_HEAD);
}

void suit_records_add(struct suit_records *l, const struct suit_record *r)
{
	struct scbor_out before = l->out;

	put_record(&l->out, r);
	if (scbor_out_fits(&l->out) && l->count < UINT16_MAX) {
		l->count++;
		return;
	}
	l->out = before;
	l->lost++;
}

/* The head, as short as its count, goes right before the first record. */
struct suit_bytes suit_records_bytes(struct suit_records *l)
{
	uint8_t head[RECORDS_HEAD];
	struct scbor_out o;

	if (l->count == 0)
		return (struct suit_bytes){ 0 };
	scbor_out_init(&o, head, sizeof(head));
	scbor_put_array(&o, l->count);
	uint8_t *start = l->out.p - o.n;
	for (size_t i = 0; i < o.n; i++)
		start[i] = head[i];
	return (struct suit_bytes){ start, o.n + l->out.n };
}

static void put_result(struct scbor_out *o, const struct suit_report *r)
{
	static const uint8_t yes[] = { 0xf5 };

	if (r->success) {
		scbor_put_raw(o, (struct suit_bytes){ yes, sizeof(yes) });
		return;
	}
	scbor_put_map(o, 3);
	scbor_put_int(o, KEY_CODE);
	scbor_put_int(o, r->result_code);
	scbor_put_int(o, KEY_RECORD);
	put_record(o, &r->failed);
	scbor_put_int(o, KEY_REASON);
	scbor_put_uint(o, r->reason);
}

enum suit_rc suit_report_encode(const struct suit_report *r, uint8_t *buf, size_t size,
				size_t *ret_n)
{
	struct scbor_out o;

	scbor_out_init(&o, buf, size);
	scbor_put_map(&o, 3 + (r->nonce.n > 0));
	if (r->nonce.n > 0) {
		scbor_put_int(&o, KEY_NONCE);
		scbor_put_bytes(&o, r->nonce);
	}
	scbor_put_int(&o, KEY_RECORDS);
	if (r->records.n > 0)
		scbor_put_raw(&o, r->records);
	else
		scbor_put_array(&o, 0);
	scbor_put_int(&o, KEY_RESULT);
	put_result(&o, r);
	scbor_put_int(&o, KEY_REFERENCE);
	scbor_put_array(&o, 2);
	scbor_put_text(&o, r->reference_uri);
	scbor_put_array(&o, 2);
	scbor_put_int(&o, SUIT_ALG_SHA256);
	scbor_put_bytes(&o, (struct suit_bytes){ r->manifest_digest.b, 32 });
	*ret_n = o.n;
	return scbor_out_fits(&o) ? SUIT_OK : SUIT_NO_SPACE;
}
