/* Keys in and out, ids, and the check values of the drafts. */

#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define C (&suit_crypto_openssl)

static void test_ids(void)
{
	struct suit_uuid vendor, class_, parsed;
	char text[SUIT_UUID_TEXT_SIZE];

	is_int(suit_vendor_id(C, "arm.com", &vendor), SUIT_OK, "vendor");
	suit_uuid_format(&vendor, text);
	is_str(text, "fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe", "arm.com");
	is_int(suit_class_id(C, &vendor, "suit", &class_), SUIT_OK, "class");
	suit_uuid_format(&class_, text);
	is_str(text, "1492af14-2569-5e48-bf42-9b2d51f2ab45", "suit");
	is_int(suit_uuid_parse("1492AF14-2569-5e48-bf42-9b2d51f2ab45", &parsed), SUIT_OK,
	       "either case");
	ok(suit_uuid_equal(&parsed, &class_), "the same");
	static const char *const bad[] = { "",
					   "1492af14",
					   "1492af14-2569-5e48-bf42-9b2d51f2ab4",
					   "1492af14-2569-5e48-bf42-9b2d51f2ab455",
					   "1492af1422569-5e48-bf42-9b2d51f2ab45",
					   "g492af14-2569-5e48-bf42-9b2d51f2ab45" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(suit_uuid_parse(bad[i], &parsed), SUIT_MALFORMED, bad[i]);
}

static void test_key_files(enum suit_key_type type)
{
	struct suit_key *key = NULL, *again = NULL, *public = NULL;
	uint8_t kid[SUIT_KID_SIZE], kid2[SUIT_KID_SIZE], spki[SUIT_SPKI_MAX];
	char pem[SUIT_PEM_MAX], locked[SUIT_PEM_MAX], pub[SUIT_PEM_MAX];
	size_t n = 0;

	is_int(suit_key_generate(type, &key), SUIT_OK, "generate");
	is_int(suit_key_kid(key, kid), SUIT_OK, "kid");
	is_int(suit_key_private_pem(key, NULL, pem, sizeof(pem)), SUIT_OK, "plain");
	ok(strstr(pem, "BEGIN PRIVATE KEY") != NULL, "PKCS#8");
	is_int(suit_key_private_pem(key, "secret", locked, sizeof(locked)), SUIT_OK,
	       "encrypted");
	ok(strstr(locked, "BEGIN ENCRYPTED PRIVATE KEY") != NULL, "says so");
	is_int(suit_key_from_private_pem(suit_text(locked), NULL, &again), SUIT_KEY,
	       "no passphrase");
	is_int(suit_key_from_private_pem(suit_text(locked), "Secret", &again), SUIT_KEY,
	       "a wrong one");
	is_int(suit_key_from_private_pem(suit_text(locked), "secret", &again), SUIT_OK,
	       "the right one");
	is_int(suit_key_kid(again, kid2), SUIT_OK, "kid");
	is_bytes(kid, sizeof(kid), kid2, sizeof(kid2), "the same key");
	is_int(suit_key_public_pem(key, pub, sizeof(pub)), SUIT_OK, "public");
	is_int(suit_key_from_public_pem(suit_text(pub), &public), SUIT_OK, "read back");
	ok(!suit_key_is_private(public), "has no secret");
	is_int(suit_key_private_pem(public, NULL, pem, sizeof(pem)), SUIT_KEY,
	       "and gives none");
	is_int(suit_key_spki(public, spki, sizeof(spki), &n), SUIT_OK, "spki");
	suit_key_free(public);
	public = NULL;
	is_int(suit_key_from_spki((struct suit_bytes){ spki, n }, &public), SUIT_OK,
	       "read back");
	is_int(suit_key_from_spki((struct suit_bytes){ spki, n - 1 }, &again), SUIT_KEY, "cut");
	is_int(suit_key_public_pem(key, pub, 20), SUIT_NO_SPACE, "too small a buffer");
	suit_key_free(key);
	suit_key_free(again);
	suit_key_free(public);
}

/* test_A01: the algorithm must be the key's own. */
static void test_no_confusion(void)
{
	struct suit_key *ec = NULL, *ed = NULL;
	struct suit_message m = { .piece = { suit_text("message") }, .count = 1 };
	uint8_t sig[64];

	is_int(suit_key_generate(SUIT_KEY_P256, &ec), SUIT_OK, "P-256");
	is_int(suit_key_generate(SUIT_KEY_ED25519, &ed), SUIT_OK, "Ed25519");
	is_int(C->sign(ec, SUIT_ALG_ED25519, &m, sig), SUIT_KEY, "P-256 does not sign Ed25519");
	is_int(C->sign(ed, SUIT_ALG_ESP256, &m, sig), SUIT_KEY, "nor the other way");
	is_int(C->sign(ec, SUIT_ALG_SHA256, &m, sig), SUIT_KEY, "a digest is no signature");
	is_int(C->sign(ec, SUIT_ALG_ESP256, &m, sig), SUIT_OK, "ESP256");
	struct suit_bytes s = { sig, sizeof(sig) };
	is_int(C->verify(ec, SUIT_ALG_ESP256, &m, s), SUIT_OK, "verifies");
	is_int(C->verify(ec, SUIT_ALG_ES256, &m, s), SUIT_OK,
	       "ES256 is the same thing for P-256");
	is_int(C->verify(ed, SUIT_ALG_ESP256, &m, s), SUIT_KEY, "not with Ed25519");
	is_int(C->verify(ec, SUIT_ALG_ESP256, &m, (struct suit_bytes){ sig, 63 }),
	       SUIT_SIGNATURE, "cut");
	memset(sig, 0, sizeof(sig));
	is_int(C->verify(ec, SUIT_ALG_ESP256, &m, s), SUIT_SIGNATURE, "zeros");
	suit_key_free(ec);
	suit_key_free(ed);
}

int main(void)
{
	test_ids();
	test_key_files(SUIT_KEY_P256);
	test_key_files(SUIT_KEY_ED25519);
	test_no_confusion();
	return tap_done();
}
