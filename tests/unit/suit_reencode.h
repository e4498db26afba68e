/* An envelope written again from what the decoder keeps of it, item by item: what the decoder
 * loses or changes makes other bytes. */
#pragma once

#include "suit/cbor.h"
#include "suit/command.h"
#include "suit/manifest.h"

#include <stdlib.h>

#define REENCODE_MAX 16384

/* Any item, read and written. */
static inline void reencode_item(struct scbor *c, struct scbor_out *o)
{
	static const uint8_t no = 0xf4, yes = 0xf5;
	size_t n;

	switch (scbor_peek(c)) {
	case SCBOR_UINT:
		scbor_put_uint(o, scbor_uint(c));
		return;
	case SCBOR_NEGATIVE:
		scbor_put_int(o, scbor_int(c));
		return;
	case SCBOR_BYTES:
		scbor_put_bytes(o, scbor_bytes(c));
		return;
	case SCBOR_TEXT:
		scbor_put_text(o, scbor_text(c));
		return;
	case SCBOR_ARRAY:
		n = scbor_array(c, 1000);
		scbor_put_array(o, n);
		while (n-- > 0)
			reencode_item(c, o);
		return;
	case SCBOR_MAP:
		n = 2 * scbor_map(c, 1000);
		scbor_put_map(o, n / 2);
		while (n-- > 0)
			reencode_item(c, o);
		return;
	case SCBOR_TAG:
		scbor_tag(c, 112); /* the only one of a parameter that is not wrapped */
		scbor_put_tag(o, 112);
		reencode_item(c, o);
		return;
	case SCBOR_SIMPLE:
		if (*c->p == 0xf6) {
			scbor_null(c);
			scbor_put_null(o);
		} else {
			scbor_put_raw(o, (struct suit_bytes){ scbor_bool(c) ? &yes : &no, 1 });
		}
		return;
	case SCBOR_END:
		abort();
	}
}

static inline void reencode_whole(struct suit_bytes in, struct scbor_out *o)
{
	struct scbor c;

	scbor_init(&c, in);
	reencode_item(&c, o);
	if (!scbor_done(&c))
		abort();
}

static inline void reencode_sequence(struct suit_bytes in, struct scbor_out *o)
{
	struct suit_bytes arg;
	struct scbor c;
	int64_t command;
	size_t n = 0;

	suit_sequence_open(&c, in);
	while (suit_sequence_next(&c, &command, &arg))
		n++;
	scbor_put_array(o, 2 * n);
	suit_sequence_open(&c, in);
	while (suit_sequence_next(&c, &command, &arg)) {
		scbor_put_int(o, command);
		reencode_whole(arg, o);
	}
}

static inline void reencode_digest(const struct suit_digest *d, struct scbor_out *o)
{
	scbor_put_array(o, 2);
	scbor_put_int(o, SUIT_ALG_SHA256);
	scbor_put_bytes(o, (struct suit_bytes){ d->b, sizeof(d->b) });
}

static inline void reencode_id(const struct suit_component_id *id, struct scbor_out *o)
{
	scbor_put_array(o, id->count);
	for (size_t i = 0; i < id->count; i++)
		scbor_put_bytes(o, id->segment[i]);
}

/* An encoded id, by what it says. */
static inline void reencode_kept_id(struct suit_bytes encoded, struct scbor_out *o)
{
	struct suit_component_id id;

	if (suit_component_read(encoded, &id) != SUIT_OK)
		abort();
	reencode_id(&id, o);
}

/* What `put` writes, wrapped in a byte string. */
static inline void reencode_wrapped(struct scbor_out *o, const struct suit_envelope *e,
				    void (*put)(const struct suit_envelope *,
						struct scbor_out *))
{
	uint8_t *buf = malloc(REENCODE_MAX);
	struct scbor_out inner;

	scbor_out_init(&inner, buf, REENCODE_MAX);
	put(e, &inner);
	if (!scbor_out_fits(&inner))
		abort();
	scbor_put_bytes(o, scbor_out_bytes(&inner));
	free(buf);
}

static inline void reencode_common(const struct suit_envelope *e, struct scbor_out *o)
{
	scbor_put_map(o, (e->dependency_count > 0) + (e->component_count > 0) +
				 (e->section[SUIT_SHARED].p != NULL));
	if (e->dependency_count > 0) {
		scbor_put_int(o, 1);
		scbor_put_map(o, e->dependency_count);
	}
	for (size_t i = 0; i < e->dependency_count; i++) {
		bool has_prefix = e->dependency[i].prefix.n > 0;
		scbor_put_uint(o, e->dependency[i].index);
		scbor_put_map(o, has_prefix ? 1 : 0);
		if (has_prefix) {
			scbor_put_int(o, 1);
			reencode_kept_id(e->dependency[i].prefix, o);
		}
	}
	if (e->component_count > 0) {
		scbor_put_int(o, 2);
		scbor_put_array(o, e->component_count);
	}
	for (size_t i = 0; i < e->component_count; i++)
		reencode_id(&e->component[i], o);
	if (e->section[SUIT_SHARED].p) {
		uint8_t buf[4096];
		struct scbor_out inner;
		scbor_out_init(&inner, buf, sizeof(buf));
		reencode_sequence(e->section[SUIT_SHARED], &inner);
		scbor_put_int(o, 4);
		scbor_put_bytes(o, scbor_out_bytes(&inner));
	}
}

static inline void reencode_version(const struct suit_envelope *e, struct scbor_out *o)
{
	scbor_put_array(o, e->version_count);
	for (size_t i = 0; i < e->version_count; i++)
		scbor_put_int(o, e->version[i]);
}

/* The elements by key, and where the struct keeps their content. */
static inline struct suit_bytes reencode_content(const struct suit_envelope *e, uint8_t key)
{
	switch (key) {
	case 7:
		return e->section[SUIT_VALIDATE];
	case 8:
		return e->section[SUIT_LOAD];
	case 9:
		return e->section[SUIT_INVOKE];
	case 14:
		return e->coswid;
	case 15:
		return e->section[SUIT_DEPENDENCY_RESOLUTION];
	case 16:
		return e->section[SUIT_PAYLOAD_FETCH];
	case 18:
		return e->section[SUIT_CANDIDATE_VERIFICATION];
	case 20:
		return e->section[SUIT_INSTALL];
	case 23:
		return e->text;
	case 24:
		return e->section[SUIT_UNINSTALL];
	default:
		return (struct suit_bytes){ 0 };
	}
}

static inline void reencode_element(const struct suit_envelope *e, uint8_t key,
				    struct scbor_out *o)
{
	struct suit_bytes content = reencode_content(e, key);
	uint8_t buf[4096];
	struct scbor_out inner;

	scbor_out_init(&inner, buf, sizeof(buf));
	if (key == 14 || key == 23)
		reencode_whole(content, &inner);
	else
		reencode_sequence(content, &inner);
	if (!scbor_out_fits(&inner))
		abort();
	scbor_put_bytes(o, scbor_out_bytes(&inner));
}

static inline void reencode_manifest(const struct suit_envelope *e, struct scbor_out *o)
{
	struct suit_element element;
	size_t n = 3 + (e->reference_uri.p != NULL) + (e->own_id.p != NULL) +
		   (e->version_count > 0);

	for (uint8_t key = 7; key <= 24; key++)
		n += suit_envelope_element(e, key, &element) == SUIT_OK;
	scbor_put_map(o, n);
	scbor_put_int(o, 1);
	scbor_put_int(o, 1);
	scbor_put_int(o, 2);
	scbor_put_uint(o, e->sequence);
	scbor_put_int(o, 3);
	reencode_wrapped(o, e, reencode_common);
	if (e->reference_uri.p) {
		scbor_put_int(o, 4);
		scbor_put_text(o, e->reference_uri);
	}
	if (e->own_id.p) {
		scbor_put_int(o, 5);
		reencode_kept_id(e->own_id, o);
	}
	if (e->version_count > 0) {
		scbor_put_int(o, 6);
		reencode_wrapped(o, e, reencode_version);
	}
	for (uint8_t key = 7; key <= 24; key++) {
		if (suit_envelope_element(e, key, &element) != SUIT_OK)
			continue;
		scbor_put_int(o, key);
		if (element.severed)
			reencode_digest(&element.digest, o);
		else
			reencode_element(e, key, o);
	}
}

/* A COSE_Sign1 or COSE_Mac0 whose protected header holds the algorithm only. */
static inline void reencode_block(const struct suit_block *b, struct scbor_out *o)
{
	uint8_t header[8], buf[1024];
	struct scbor_out h, m;

	scbor_out_init(&h, header, sizeof(header));
	scbor_put_map(&h, 1);
	scbor_put_int(&h, 1);
	scbor_put_int(&h, b->alg);
	scbor_out_init(&m, buf, sizeof(buf));
	scbor_put_tag(&m, b->kind);
	scbor_put_array(&m, 4);
	scbor_put_bytes(&m, scbor_out_bytes(&h));
	scbor_put_map(&m, b->kid.n > 0 ? 1 : 0);
	if (b->kid.n > 0) {
		scbor_put_int(&m, 4);
		scbor_put_bytes(&m, b->kid);
	}
	scbor_put_null(&m);
	scbor_put_bytes(&m, b->signature);
	scbor_put_bytes(o, scbor_out_bytes(&m));
}

static inline void reencode_wrapped_digest(const struct suit_envelope *e, struct scbor_out *o)
{
	reencode_digest(&e->digest, o);
}

static inline void reencode_auth(const struct suit_envelope *e, struct scbor_out *o)
{
	scbor_put_array(o, 1 + e->block_count);
	reencode_wrapped(o, e, reencode_wrapped_digest);
	for (size_t i = 0; i < e->block_count; i++)
		reencode_block(&e->block[i], o);
}

static inline size_t reencode(const struct suit_envelope *e, uint8_t *buf, size_t size)
{
	struct suit_element element;
	struct scbor_out o;
	size_t severed = 0;

	for (uint8_t key = 7; key <= 24; key++)
		severed += suit_envelope_element(e, key, &element) == SUIT_OK &&
			   element.severed && element.content.p;
	scbor_out_init(&o, buf, size);
	if (!e->untagged)
		scbor_put_tag(&o, 107);
	scbor_put_map(&o, 2 + severed + e->payload_count);
	scbor_put_int(&o, 2);
	reencode_wrapped(&o, e, reencode_auth);
	scbor_put_int(&o, 3);
	reencode_wrapped(&o, e, reencode_manifest);
	for (uint8_t key = 7; key <= 24; key++) {
		if (suit_envelope_element(e, key, &element) != SUIT_OK || !element.severed ||
		    !element.content.p)
			continue;
		scbor_put_int(&o, key);
		reencode_element(e, key, &o);
	}
	for (size_t i = 0; i < e->payload_count; i++) {
		scbor_put_text(&o, e->payload[i].name);
		scbor_put_bytes(&o, e->payload[i].content);
	}
	return scbor_out_fits(&o) ? o.n : 0;
}
