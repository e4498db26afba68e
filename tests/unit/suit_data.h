/* What the tests of suit/ share: files of tests/data/suit, and a freshly signed envelope. */
#pragma once

#include "suit/build.h"
#include "suit/cose.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads a whole file; n is 0 when it cannot. */
static inline struct suit_bytes suit_data(const char *name)
{
	static uint8_t buf[8][16384];
	static int turn;
	char path[256];
	uint8_t *p = buf[turn++ & 7];

	snprintf(path, sizeof(path), "tests/data/suit/%s", name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return (struct suit_bytes){ 0 };
	size_t n = fread(p, 1, sizeof(buf[0]), f);
	fclose(f);
	return (struct suit_bytes){ p, n };
}

static inline struct suit_key *suit_data_key(const char *name)
{
	struct suit_key *key = NULL;

	if (suit_key_from_public_pem(suit_data(name), &key) != SUIT_OK)
		abort();
	return key;
}

static inline struct suit_bytes suit_text(const char *text)
{
	return (struct suit_bytes){ (const uint8_t *)text, __builtin_strlen(text) };
}

/* A signed envelope of one image, with text; its size. */
static inline size_t suit_data_signed(const struct suit_key *key, uint8_t *buf, size_t size)
{
	struct suit_build in = { .sequence = 7,
				 .image_count = 1,
				 .text_version = suit_text("2.0") };
	struct suit_envelope e;
	uint8_t unsigned_[2048], kid[SUIT_KID_SIZE];
	size_t n = 0;

	if (suit_vendor_id(&suit_crypto_openssl, "example.com", &in.vendor_id) != SUIT_OK ||
	    suit_class_id(&suit_crypto_openssl, &in.vendor_id, "lamp", &in.class_id) != SUIT_OK)
		abort();
	in.component.segment[0] = suit_text("main");
	in.component.count = 1;
	in.image[0] = (struct suit_build_image){ .size = 1000, .uri = suit_text("img/00") };
	if (suit_build(&suit_crypto_openssl, &in, unsigned_, sizeof(unsigned_), &n) !=
		    SUIT_OK ||
	    suit_envelope_decode(&suit_crypto_openssl, (struct suit_bytes){ unsigned_, n },
				 &e) != SUIT_OK ||
	    suit_key_kid(key, kid) != SUIT_OK ||
	    suit_envelope_sign(&suit_crypto_openssl, key, suit_key_alg(key),
			       (struct suit_bytes){ kid, sizeof(kid) }, &e, buf, size,
			       &n) != SUIT_OK)
		abort();
	return n;
}
