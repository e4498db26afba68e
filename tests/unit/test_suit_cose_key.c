/* COSE keys in and out: the same key as its SubjectPublicKeyInfo, and nothing else is taken. */

#include "suit/cbor.h"
#include "suit/cose_key.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#include <openssl/err.h>

static void test_there_and_back(enum suit_key_type type)
{
	struct suit_key *key = NULL, *again = NULL;
	uint8_t spki[SUIT_SPKI_MAX], cose[SUIT_COSE_KEY_MAX], back[SUIT_SPKI_MAX];
	size_t spki_n = 0, cose_n = 0, back_n = 0;
	size_t wrong = 0;

	is_int(suit_key_generate(type, &key), SUIT_OK, "a key");
	is_int(suit_key_spki(key, spki, sizeof(spki), &spki_n), SUIT_OK, "its SPKI");
	struct suit_bytes s = { spki, spki_n };
	is_int(suit_cose_key_from_spki(s, cose, &cose_n), SUIT_OK, "as COSE_Key");
	struct suit_bytes c = { cose, cose_n };
	is_int(suit_cose_key_to_spki(c, back, &back_n), SUIT_OK, "and back");
	is_bytes(back, back_n, spki, spki_n, "the same bytes");
	is_int(suit_key_from_cose(c, &again), SUIT_OK, "loads");
	ok(suit_key_type(again) == type && !suit_key_is_private(again), "its kind, no secret");
	for (size_t cut = 0; cut < cose_n; cut++)
		wrong += suit_cose_key_to_spki((struct suit_bytes){ cose, cut }, back,
					       &back_n) == SUIT_OK;
	is_int((int64_t)wrong, 0, "no truncation is taken");
	for (size_t cut = 0; cut < spki_n; cut++)
		wrong += suit_cose_key_from_spki((struct suit_bytes){ spki, cut }, cose,
						 &cose_n) == SUIT_OK;
	is_int((int64_t)wrong, 0, "nor one of the SPKI");
	suit_key_free(key);
	suit_key_free(again);
}

static void test_rsa_is_spki_only(void)
{
	uint8_t spki[SUIT_SPKI_MAX], cose[SUIT_COSE_KEY_MAX];
	struct suit_key *key = NULL, *again = NULL;
	size_t n = 0, m = 0;

	is_int(suit_key_generate_rsa(4096, &key), SUIT_OK, "the largest RSA key");
	is_int(suit_key_spki(key, spki, sizeof(spki), &n), SUIT_OK, "its SPKI fits");
	is_int(suit_cose_key_from_spki((struct suit_bytes){ spki, n }, cose, &m), SUIT_KEY,
	       "it has no COSE_Key");
	is_int(suit_key_from_spki((struct suit_bytes){ spki, n }, &again), SUIT_OK, "loads");
	suit_key_free(key);
	suit_key_free(again);
}

/* { 1: kty, ?3: alg, -1: curve, -2: x, ?-3: y, ?-4: d } with all bytes 1. */
struct made {
	int64_t kty, alg, curve;
	bool y, d;
	size_t x_size;
	enum suit_rc want;
	const char *name;
};

static void put_number(struct scbor_out *o, int64_t label, size_t n)
{
	uint8_t ones[64];

	memset(ones, 1, sizeof(ones));
	scbor_put_int(o, label);
	scbor_put_bytes(o, (struct suit_bytes){ ones, n });
}

static void test_refused(void)
{
	static const struct made keys[] = {
		{ 1, 0, 6, false, false, 32, SUIT_OK, "Ed25519" },
		{ 1, SUIT_ALG_EDDSA, 6, false, false, 32, SUIT_OK, "with EdDSA" },
		{ 2, SUIT_ALG_ES256, 1, true, false, 32, SUIT_OK, "P-256 with ES256" },
		{ 1, SUIT_ALG_ESP256, 6, false, false, 32, SUIT_KEY, "Ed25519 for ESP256" },
		{ 2, SUIT_ALG_ED25519, 1, true, false, 32, SUIT_KEY, "P-256 for Ed25519" },
		{ 1, 0, 4, false, false, 32, SUIT_KEY, "X25519" },
		{ 2, SUIT_ALG_ES384, 2, true, false, 48, SUIT_OK, "P-384 with ES384" },
		{ 2, SUIT_ALG_ES256, 2, true, false, 48, SUIT_KEY, "P-384 for ES256" },
		{ 2, 0, 2, true, false, 32, SUIT_KEY, "P-384 with numbers of P-256" },
		{ 2, 0, 1, true, false, 48, SUIT_KEY, "P-256 with numbers of P-384" },
		{ 2, 0, 6, true, false, 32, SUIT_KEY, "a curve of the other kind" },
		{ 2, 0, 1, false, false, 32, SUIT_KEY, "P-256 without y" },
		{ 1, 0, 6, true, false, 32, SUIT_KEY, "Ed25519 with y" },
		{ 1, 0, 6, false, false, 31, SUIT_KEY, "a short x" },
		{ 1, 0, 6, false, false, 33, SUIT_KEY, "a long x" },
		{ 1, 0, 6, false, true, 32, SUIT_UNKNOWN, "a private key" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct made *k = &keys[i];
		uint8_t buf[256], spki[SUIT_SPKI_MAX];
		struct scbor_out o;
		size_t n = 0;

		scbor_out_init(&o, buf, sizeof(buf));
		scbor_put_map(&o, 3u + (k->alg != 0) + k->y + k->d);
		scbor_put_int(&o, 1);
		scbor_put_int(&o, k->kty);
		if (k->alg != 0) {
			scbor_put_int(&o, 3);
			scbor_put_int(&o, k->alg);
		}
		scbor_put_int(&o, -1);
		scbor_put_int(&o, k->curve);
		put_number(&o, -2, k->x_size);
		if (k->y)
			put_number(&o, -3, k->x_size);
		if (k->d)
			put_number(&o, -4, 32);
		is_int(suit_cose_key_to_spki(scbor_out_bytes(&o), spki, &n), k->want, k->name);
	}
}

/* (1, 1) repeated is no point of P-256: its form passes, the backend refuses it.  And what the
 * backend refuses leaves nothing in the thread's error queue, where a TLS session would find
 * it. */
static void test_backend_refuses_quietly(void)
{
	static const uint8_t head[] = { 0xa4, 0x01, 0x02, 0x20, 0x01, 0x21, 0x58, 0x20 };
	struct suit_message m = { .piece = { suit_text("message") }, .count = 1 };
	uint8_t buf[80], zeros[64] = { 0 };
	struct suit_key *key = NULL;

	ERR_clear_error();
	memset(buf, 1, sizeof(buf));
	memcpy(buf, head, sizeof(head));
	buf[40] = 0x22;
	buf[41] = 0x58;
	buf[42] = 0x20;
	is_int(suit_key_from_cose((struct suit_bytes){ buf, 75 }, &key), SUIT_KEY,
	       "a point beside the curve");
	is_int((int64_t)ERR_peek_error(), 0, "no error is left");
	is_int(suit_key_from_public_pem(suit_text("no PEM"), &key), SUIT_KEY, "no PEM");
	is_int((int64_t)ERR_peek_error(), 0, "no error is left");
	is_int(suit_key_from_public_pem((struct suit_bytes){ buf, SIZE_MAX }, &key), SUIT_KEY,
	       "an impossible length is not read");
	is_int(suit_key_generate(SUIT_KEY_P256, &key), SUIT_OK, "a key");
	is_int(suit_crypto_openssl.verify(key, SUIT_ALG_ESP256, &m,
					  (struct suit_bytes){ zeros, sizeof(zeros) }),
	       SUIT_SIGNATURE, "a signature of zeros");
	is_int((int64_t)ERR_peek_error(), 0, "no error is left");
	suit_key_free(key);
}

int main(void)
{
	test_there_and_back(SUIT_KEY_P256);
	test_there_and_back(SUIT_KEY_ED25519);
	test_there_and_back(SUIT_KEY_P384);
	test_rsa_is_spki_only();
	test_refused();
	test_backend_refuses_quietly();
	return tap_done();
}
