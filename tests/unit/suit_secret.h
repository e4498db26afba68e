/* The published secrets that open the vectors of tests/data/suit, and what a device does with
 * an encryption info. */
#pragma once

#include "suit/encrypt_stream.h"
#include "tests/unit/suit_data.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t suit_secret_kek[16] = "aaaaaaaaaaaaaaaa";

/* The device's key: its scalar as RFC 5915 wants it, the public half left out. */
static inline struct suit_key *suit_secret_device(void)
{
	static const uint8_t head[] = { 0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20 };
	static const uint8_t tail[] = { 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86,
					0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	struct suit_bytes hex = suit_data("keys/ecdh-device-scalar.hex");
	uint8_t der[sizeof(head) + 32 + sizeof(tail)], base64[128];
	struct suit_key *key = NULL;
	char pem[256];

	memcpy(der, head, sizeof(head));
	for (size_t i = 0; i < 32; i++) {
		char digits[3] = { 0 };
		memcpy(digits, hex.p + 2 * i, 2);
		der[sizeof(head) + i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	memcpy(der + sizeof(head) + 32, tail, sizeof(tail));
	EVP_EncodeBlock(base64, der, sizeof(der));
	snprintf(pem, sizeof(pem),
		 "-----BEGIN EC PRIVATE KEY-----\n%.64s\n%s\n-----END EC PRIVATE KEY-----\n",
		 (const char *)base64, (const char *)base64 + 64);
	if (suit_key_from_private_pem(suit_text(pem), NULL, &key) != SUIT_OK)
		abort();
	return key;
}

/* Info and ciphertext to plaintext, in pieces of `step` bytes; as suit_decrypt_finish. */
static inline enum suit_rc suit_secret_open(struct suit_bytes info, struct suit_bytes content,
					    const struct suit_party *party, size_t step,
					    uint8_t *out, uint64_t *ret_n)
{
	struct suit_content_key key;
	struct suit_encryption e;
	struct suit_decrypt d;
	size_t at = 0, n = 0;
	enum suit_rc rc = suit_encryption_decode(info, &e);

	if (rc == SUIT_OK)
		rc = suit_content_key_open(&suit_crypto_openssl, &e, party, &key);
	if (rc != SUIT_OK)
		return rc;
	rc = suit_decrypt_open(&d, &suit_crypto_openssl, &key);
	suit_content_key_wipe(&key);
	for (size_t done = 0; done < content.n && rc == SUIT_OK; done += step) {
		size_t left = content.n - done;
		struct suit_bytes piece = { content.p + done, left < step ? left : step };
		rc = suit_decrypt_update(&d, piece, out + at, &n);
		at += n;
	}
	if (rc == SUIT_OK)
		rc = suit_decrypt_finish(&d, ret_n);
	if (rc == SUIT_OK && *ret_n != at)
		abort();
	suit_decrypt_close(&d);
	return rc;
}
