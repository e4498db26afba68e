/* A ring of keys and MAC keys with their ids, as a verifier looks them up. */
#pragma once

#include "suit/crypto_openssl.h"
#include "suit/trust.h"
#include "tests/unit/suit_data.h"

#define RING_MAX 4

struct ring {
	struct {
		struct suit_key *key;
		uint8_t kid[SUIT_KID_SIZE];
	} own[RING_MAX];
	size_t count;
	struct suit_bytes mac_key, mac_kid; /* n is 0: none */
};

static inline struct suit_bytes ring_kid(const struct ring *r, size_t i)
{
	return (struct suit_bytes){ r->own[i].kid, SUIT_KID_SIZE };
}

/* Takes the key over. */
static inline void ring_add(struct ring *r, struct suit_key *key)
{
	r->own[r->count].key = key;
	if (r->count == RING_MAX || suit_key_kid(key, r->own[r->count++].kid) != SUIT_OK)
		abort();
}

static inline void ring_make(struct ring *r, enum suit_key_type type)
{
	struct suit_key *key = NULL;
	enum suit_rc rc = type == SUIT_KEY_RSA ? suit_key_generate_rsa(2048, &key)
					       : suit_key_generate(type, &key);

	if (rc != SUIT_OK)
		abort();
	ring_add(r, key);
}

static inline void ring_finish(struct ring *r)
{
	for (size_t i = 0; i < r->count; i++)
		suit_key_free(r->own[i].key);
}

/* By its id; a signature that names none may be by any of ours. */
static inline const struct suit_key *ring_key(void *arg, const struct suit_block *block,
					      size_t nth)
{
	const struct ring *r = arg;

	for (size_t i = 0; i < r->count; i++)
		if ((block->kid.n == 0 || suit_bytes_equal(block->kid, ring_kid(r, i))) &&
		    nth-- == 0)
			return r->own[i].key;
	return NULL;
}

static inline struct suit_bytes ring_mac_key(void *arg, const struct suit_block *block,
					     size_t nth)
{
	const struct ring *r = arg;

	return nth == 0 && suit_bytes_equal(block->kid, r->mac_kid) ? r->mac_key
								    : (struct suit_bytes){ 0 };
}

static inline enum suit_rc ring_verify(struct ring *r, const struct suit_envelope *e,
				       bool pass_unknown, struct suit_verdict *ret)
{
	struct suit_trust trust = { .key = ring_key,
				    .mac_key = r->mac_key.n > 0 ? ring_mac_key : NULL,
				    .arg = r,
				    .pass_unknown = pass_unknown };

	return suit_envelope_verify(&suit_crypto_openssl, e, &trust, ret);
}

/* A small envelope that nobody has signed. */
static inline struct suit_bytes ring_plain(void)
{
	static uint8_t buf[2048];
	struct suit_build in = { .sequence = 7,
				 .image_count = 1,
				 .text_version = suit_text("2.0") };
	size_t n = 0;

	in.component.segment[0] = suit_text("main");
	in.component.count = 1;
	in.image[0] = (struct suit_build_image){ .size = 1000, .uri = suit_text("img/00") };
	if (suit_build(&suit_crypto_openssl, &in, buf, sizeof(buf), &n) != SUIT_OK)
		abort();
	return (struct suit_bytes){ buf, n };
}

/* Signs with some of the ring: one COSE_Sign1, or a COSE_Sign for several. */
static inline size_t ring_sign(const struct ring *r, size_t first, size_t count,
			       struct suit_bytes in, uint8_t *buf, size_t size)
{
	struct suit_signer signer[RING_MAX] = { { 0 } };
	struct suit_envelope e;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		signer[i] = (struct suit_signer){ .key = r->own[first + i].key,
						  .alg = suit_key_alg(r->own[first + i].key),
						  .kid = ring_kid(r, first + i) };
	if (suit_envelope_decode(&suit_crypto_openssl, in, &e) != SUIT_OK ||
	    suit_envelope_cosign(&suit_crypto_openssl, signer, count, &e, buf, size, &n) !=
		    SUIT_OK)
		abort();
	return n;
}

static inline size_t ring_mac(const struct ring *r, struct suit_bytes in, uint8_t *buf,
			      size_t size)
{
	struct suit_envelope e;
	size_t n = 0;

	if (suit_envelope_decode(&suit_crypto_openssl, in, &e) != SUIT_OK ||
	    suit_envelope_mac(&suit_crypto_openssl, r->mac_key, r->mac_kid, &e, buf, size,
			      &n) != SUIT_OK)
		abort();
	return n;
}
