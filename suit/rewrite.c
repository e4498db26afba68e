/* Copies an envelope entry by entry; only the wrapper is made anew. */

#include "suit/rewrite.h"

#include <string.h>

#define ENTRIES_MAX 64 /* the decoder has counted them before */
#define AUTH        2

static bool is_severable(uint8_t key)
{
	static const uint8_t keys[] = { 14, 15, 16, 18, 20, 23 };

	for (size_t i = 0; i < sizeof(keys); i++)
		if (keys[i] == key)
			return true;
	return false;
}

static bool is_dropped(const struct suit_change *change, int64_t key)
{
	return key > 0 && key < 32 && (change->drop >> key & 1) != 0;
}

/* The key of the next entry, and the whole entry; 0 for a payload's name. */
static int64_t entry_next(struct scbor *c, struct suit_bytes *ret)
{
	const uint8_t *start = c->p;
	int64_t key = 0;

	if (scbor_peek(c) == SCBOR_TEXT)
		scbor_text(c);
	else
		key = scbor_int(c);
	scbor_bytes(c);
	*ret = (struct suit_bytes){ start, (size_t)(c->p - start) };
	return key;
}

/* Bytewise by the encoded key, which begins with its length. */
static bool is_before(struct suit_bytes name, struct suit_bytes entry)
{
	struct scbor c;

	scbor_init(&c, entry);
	if (scbor_peek(&c) != SCBOR_TEXT)
		return false;
	struct suit_bytes other = scbor_text(&c);
	return name.n != other.n ? name.n < other.n : memcmp(name.p, other.p, name.n) < 0;
}

/* Its place is before this entry, or at the end; it is put once. */
static void added_put(struct scbor_out *o, struct suit_payload *add,
		      const struct suit_bytes *at)
{
	if (add->name.n == 0 || (at && !is_before(add->name, *at)))
		return;
	scbor_put_text(o, add->name);
	scbor_put_bytes(o, add->content);
	add->name.n = 0;
}

static size_t open(const struct suit_envelope *e, struct scbor *c)
{
	scbor_init(c, e->whole);
	if (!e->untagged)
		scbor_tag(c, SUIT_TAG_ENVELOPE);
	return scbor_map(c, ENTRIES_MAX);
}

static void wrapper_put(struct scbor_out *o, const struct suit_envelope *e,
			const struct suit_change *change, size_t message_size)
{
	scbor_put_array(o, 1 + e->message_count + (change->put ? 1 : 0));
	scbor_put_bytes(o, e->digest_encoded);
	scbor_put_raw(o, e->messages);
	if (!change->put)
		return;
	scbor_put_bytes_head(o, message_size);
	change->put(o, change->arg);
}

static void auth_put(struct scbor_out *o, const struct suit_envelope *e,
		     const struct suit_change *change)
{
	struct scbor_out measure, message;

	scbor_out_init(&message, NULL, 0);
	if (change->put)
		change->put(&message, change->arg);
	scbor_out_init(&measure, NULL, 0);
	wrapper_put(&measure, e, change, message.n);
	scbor_put_int(o, AUTH);
	scbor_put_bytes_head(o, measure.n);
	wrapper_put(o, e, change, message.n);
}

enum suit_rc suit_envelope_rewrite(const struct suit_envelope *e,
				   const struct suit_change *change, uint8_t *buf, size_t size,
				   size_t *ret_n)
{
	struct suit_bytes entry;
	struct scbor_out o;
	struct scbor c;
	struct suit_payload add = change->add;
	size_t n = open(e, &c), kept = n + (add.name.n > 0);

	for (size_t i = 0; i < n; i++)
		if (is_dropped(change, entry_next(&c, &entry)))
			kept--;
	scbor_out_init(&o, buf, size);
	if (!e->untagged)
		scbor_put_tag(&o, SUIT_TAG_ENVELOPE);
	scbor_put_map(&o, kept);
	n = open(e, &c);
	for (size_t i = 0; i < n; i++) {
		int64_t key = entry_next(&c, &entry);
		added_put(&o, &add, &entry);
		if (key == AUTH)
			auth_put(&o, e, change);
		else if (!is_dropped(change, key))
			scbor_put_raw(&o, entry);
	}
	added_put(&o, &add, NULL);
	*ret_n = o.n;
	if (o.n > SUIT_ENVELOPE_MAX)
		return SUIT_TOO_LARGE;
	return scbor_out_fits(&o) ? SUIT_OK : SUIT_NO_SPACE;
}

enum suit_rc suit_envelope_integrate(const struct suit_envelope *e, struct suit_bytes name,
				     struct suit_bytes content, uint8_t *buf, size_t size,
				     size_t *ret_n)
{
	struct suit_change change = { .add = { name, content } };

	return suit_envelope_rewrite(e, &change, buf, size, ret_n);
}

enum suit_rc suit_envelope_sever(const struct suit_envelope *e, const uint8_t *keys,
				 size_t key_count, uint8_t *buf, size_t size, size_t *ret_n)
{
	struct suit_change change = { 0 };

	for (size_t i = 0; i < key_count; i++) {
		if (!is_severable(keys[i]))
			return SUIT_UNKNOWN;
		change.drop |= UINT32_C(1) << keys[i];
	}
	return suit_envelope_rewrite(e, &change, buf, size, ret_n);
}
