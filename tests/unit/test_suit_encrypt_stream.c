/* Streams there and back in pieces of any size, for one recipient and for many; what a stream
 * must refuse; and that its memory does not grow with the payload. */

#include "suit/cbor.h"
#include "tests/tap.h"
#include "tests/unit/suit_secret.h"

#include <openssl/crypto.h>

#define C (&suit_crypto_openssl)

static const enum suit_alg algs[] = { SUIT_ALG_A128GCM, SUIT_ALG_A256GCM, SUIT_ALG_A128CTR,
				      SUIT_ALG_A256CTR, SUIT_ALG_CHACHA20 };
#define ALGS (sizeof(algs) / sizeof(algs[0]))

/* --- what OpenSSL holds ------------------------------------------------------------------- */

static size_t live, peak;

static void *count_malloc(size_t n, const char *file, int line)
{
	size_t *p = malloc(n + 16);

	(void)file;
	(void)line;
	if (!p)
		return NULL;
	*p = n;
	live += n;
	peak = live > peak ? live : peak;
	return p + 2;
}

static void count_free(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	if (!at)
		return;
	size_t *p = (size_t *)at - 2;
	live -= *p;
	free(p);
}

static void *count_realloc(void *at, size_t n, const char *file, int line)
{
	void *ret = count_malloc(n, file, line);

	if (ret && at) {
		size_t old = ((size_t *)at)[-2];
		memcpy(ret, at, old < n ? old : n);
		count_free(at, file, line);
	}
	return ret;
}

/* --- there and back ----------------------------------------------------------------------- */

/* xorshift32: the same on every machine. */
static uint32_t below(uint32_t n)
{
	static uint32_t state = 20251129;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % n;
}

/* Encrypts; returns the ciphertext's size, with its tag. */
static size_t encrypt(enum suit_alg alg, struct suit_bytes in, uint8_t *out,
		      struct suit_content_key *ret)
{
	struct suit_encrypt s;
	size_t at = 0, tag_n = 0;

	if (suit_encrypt_open(&s, C, alg, ret) != SUIT_OK)
		return 0;
	while (at < in.n) {
		size_t n = 1 + below(40);
		n = n < in.n - at ? n : in.n - at;
		if (suit_encrypt_update(&s, (struct suit_bytes){ in.p + at, n }, out + at) !=
		    SUIT_OK)
			return 0;
		at += n;
	}
	if (suit_encrypt_finish(&s, out + at, &tag_n) != SUIT_OK)
		return 0;
	return at + tag_n;
}

/* Decrypts in random pieces, empty ones among them, each from and into memory of its own size,
 * so that a sanitizer sees a byte too many. */
static enum suit_rc decrypt(const struct suit_content_key *key, struct suit_bytes in,
			    uint8_t *out, uint64_t *ret_n)
{
	struct suit_decrypt d;
	size_t at = 0, done = 0;
	enum suit_rc rc = suit_decrypt_open(&d, C, key);

	while (done < in.n && rc == SUIT_OK) {
		size_t n = below(40), given = 0;
		n = n < in.n - done ? n : in.n - done;
		uint8_t *from = malloc(n + !n), *to = malloc(n + !n);
		memcpy(from, in.p + done, n);
		rc = suit_decrypt_update(&d, (struct suit_bytes){ from, n }, to, &given);
		memcpy(out + at, to, given);
		at += given;
		done += n;
		free(from);
		free(to);
	}
	if (rc == SUIT_OK)
		rc = suit_decrypt_finish(&d, ret_n);
	suit_decrypt_close(&d);
	return rc;
}

static void test_there_and_back(void)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 31, 32, 33, 1000 };
	uint8_t plain[1000], sealed[1016], out[1016];

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ALGS * sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct suit_content_alg *alg = suit_content_alg(algs[i % ALGS]);
		size_t size = sizes[i / ALGS], wrong = 0;
		struct suit_content_key key;
		uint64_t got = 0;
		size_t n = encrypt(alg->alg, (struct suit_bytes){ plain, size }, sealed, &key);

		tap_ok(n == size + (alg->authenticated ? SUIT_TAG_SIZE : 0),
		       "algorithm %d, %zu bytes: sealed", (int)alg->alg, size);
		ok(size < 16 || memcmp(sealed, plain, size) != 0, "is not the plaintext");
		for (int times = 0; times < 20; times++) {
			memset(out, 0, sizeof(out));
			got = UINT64_MAX;
			wrong += decrypt(&key, (struct suit_bytes){ sealed, n }, out, &got) !=
					 SUIT_OK ||
				 got != size || memcmp(out, plain, size) != 0;
		}
		is_int((int64_t)wrong, 0, "opens in pieces of any size");
		if (alg->authenticated && n > 0) {
			sealed[below((uint32_t)n)] ^= 1;
			is_int(decrypt(&key, (struct suit_bytes){ sealed, n }, out, &got),
			       SUIT_DECRYPT, "not with a bit changed");
			is_int(decrypt(&key, (struct suit_bytes){ sealed, n - 1 }, out, &got),
			       SUIT_DECRYPT, "nor cut");
		}
		suit_content_key_wipe(&key);
	}
}

/* The same key and IV as a published vector give the same bytes. */
static void test_equals_vector(void)
{
	struct suit_bytes want =
		suit_data("firmware-encryption/encrypted-payload-aes-kw-aes-gcm.cbor");
	struct suit_bytes text = suit_data("libcsuit/raw_image.bin");
	struct suit_party party = { .secret = { suit_secret_kek, sizeof(suit_secret_kek) } };
	static const uint8_t aad[] = "\x83\x67"
				     "Encrypt\x43\xa1\x01\x01\x40";
	struct suit_content_key key;
	struct suit_cipher *cipher = NULL;
	struct suit_encryption e;
	uint8_t out[64];

	is_int(suit_encryption_decode(
		       suit_data(
			       "firmware-encryption/suit-encryption-info-aes-kw-aes-gcm.cbor"),
		       &e),
	       SUIT_OK, "decodes");
	is_int(suit_content_key_open(C, &e, &party, &key), SUIT_OK, "opens");
	struct suit_cipher_setup setup = { .alg = SUIT_ALG_A128GCM,
					   .encrypt = true,
					   .key = { key.key, 16 },
					   .iv = { key.iv, 12 },
					   .aad = { aad, sizeof(aad) - 1 } };
	is_int(C->cipher_open(&setup, &cipher), SUIT_OK, "a cipher");
	is_int(C->cipher_update(cipher, text, out), SUIT_OK, "encrypts");
	is_int(C->cipher_tag(cipher, out + text.n), SUIT_OK, "its tag");
	C->cipher_close(cipher);
	is_bytes(out, text.n + 16, want.p, want.n, "byte for byte");

	size_t n = 0;
	struct suit_bytes info =
		suit_data("firmware-encryption/suit-encryption-info-aes-kw-aes-gcm.cbor");
	party.kid = suit_text("kid-1");
	uint8_t made[128];
	is_int(suit_encrypt_info_make(C, &key, &party, 1, made, sizeof(made), &n), SUIT_OK,
	       "its info");
	is_bytes(made, n, info.p, info.n, "byte for byte");
}

/* --- recipients --------------------------------------------------------------------------- */

#define MANY SUIT_RECIPIENTS_MAX

/* Every third has a shared key of 16 bytes, every third one of 32, the others one of their own.
 */
static void parties_make(struct suit_party *party, uint8_t kids[][2], uint8_t secrets[][32],
			 struct suit_key **keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		memset(secrets[i], (int)(i + 1), 32);
		kids[i][0] = 'k';
		kids[i][1] = (uint8_t)i;
		party[i] = (struct suit_party){ .kid = { kids[i], 2 },
						.secret = { secrets[i], i % 3 ? 32 : 16 } };
		if (i % 3 != 2)
			continue;
		if (suit_key_generate(SUIT_KEY_P256, &keys[i]) != SUIT_OK)
			abort();
		party[i].key = keys[i];
	}
}

static void test_many_recipients(void)
{
	static uint8_t kids[MANY + 1][2], secrets[MANY + 1][32], info[16384];
	struct suit_party party[MANY + 1];
	struct suit_key *keys[MANY + 1] = { 0 };
	struct suit_recipient r, before = { 0 };
	size_t n = 0, want = 0, wrong = 0, same = 0;
	struct suit_content_key key, got;
	struct suit_encryption e;
	uint8_t sealed[32];

	parties_make(party, kids, secrets, keys, MANY + 1);
	encrypt(SUIT_ALG_A256GCM, suit_text("secret"), sealed, &key);
	is_int(suit_encrypt_info_make(C, &key, party, MANY, info, sizeof(info), &n), SUIT_OK,
	       "64 recipients");
	is_int(suit_encryption_decode((struct suit_bytes){ info, n }, &e), SUIT_OK, "decodes");
	is_int((int64_t)e.recipient_count, MANY, "64");
	for (size_t i = 0; i < MANY; i++) {
		wrong += suit_content_key_open(C, &e, &party[i], &got) != SUIT_OK ||
			 memcmp(got.key, key.key, 32) != 0 || memcmp(got.iv, key.iv, 12) != 0;
		wrong += suit_encryption_recipient(&e, i, &r) != SUIT_OK ||
			 !suit_bytes_equal(r.kid, party[i].kid);
		same += before.x.p && r.x.p && suit_bytes_equal(before.x, r.x);
		before = r.x.p ? r : before;
	}
	is_int((int64_t)wrong, 0, "each opens it, each by its kid");
	is_int((int64_t)same, 0, "each agreed on with a key of its own");
	is_int(suit_content_key_open(C, &e, &party[MANY], &got), SUIT_MISSING, "a stranger");
	is_int(suit_encryption_recipient(&e, MANY, &r), SUIT_MISSING, "no more");
	struct suit_party nameless = party[0];
	nameless.kid.n = 0;
	is_int(suit_content_key_open(C, &e, &nameless, &got), SUIT_MISSING, "no kid");
	nameless.kid = party[3].kid;
	is_int(suit_content_key_open(C, &e, &nameless, &got), SUIT_DECRYPT,
	       "under the kid of another");
	struct scbor c;
	scbor_init(&c, (struct suit_bytes){ info, n });
	scbor_any(&c);
	ok(scbor_done(&c), "is deterministic");

	is_int(suit_encrypt_info_make(C, &key, party, MANY + 1, info, sizeof(info), &want),
	       SUIT_TOO_LARGE, "65");
	is_int(suit_encrypt_info_make(C, &key, party, MANY, info, n - 1, &want), SUIT_NO_SPACE,
	       "a buffer too small by a byte");
	is_int((int64_t)want, (int64_t)n, "says the size");
	party[1].kid.n = 0;
	is_int(suit_encrypt_info_make(C, &key, party, 2, info, sizeof(info), &n), SUIT_MISSING,
	       "two, one of them without kid");
	is_int(suit_encrypt_info_make(C, &key, party, 0, info, sizeof(info), &n), SUIT_MISSING,
	       "nobody");
	party[1] = (struct suit_party){ .secret = { secrets[0], 24 } };
	is_int(suit_encrypt_info_make(C, &key, party + 1, 1, info, sizeof(info), &n), SUIT_KEY,
	       "a key of 24 bytes");
	party[1] = (struct suit_party){ .kid = { info, SUIT_KID_MAX + 1 },
					.secret = { secrets[0], 16 } };
	is_int(suit_encrypt_info_make(C, &key, party + 1, 1, info, sizeof(info), &n),
	       SUIT_TOO_LARGE, "a long kid");
	for (size_t i = 0; i <= MANY; i++)
		suit_key_free(keys[i]);
}

/* A kid need not be unique: every recipient of it is tried. */
static void test_one_kid_twice(void)
{
	static const uint8_t one[16] = { 1 }, two[16] = { 2 };
	struct suit_party party[2] = { { .kid = suit_text("k"), .secret = { one, 16 } },
				       { .kid = suit_text("k"), .secret = { two, 16 } } };
	struct suit_content_key key, got;
	struct suit_encryption e;
	uint8_t info[256], sealed[32];
	size_t n = 0;

	encrypt(SUIT_ALG_A128CTR, suit_text("secret"), sealed, &key);
	is_int(suit_encrypt_info_make(C, &key, party, 2, info, sizeof(info), &n), SUIT_OK,
	       "two of one kid");
	is_int(suit_encryption_decode((struct suit_bytes){ info, n }, &e), SUIT_OK, "decodes");
	for (int i = 0; i < 2; i++)
		is_int(suit_content_key_open(C, &e, &party[i], &got), SUIT_OK, "both open it");
	is_bytes(got.key, 16, key.key, 16, "to the same key");
}

/* The 65th is refused also when somebody else wrote it. */
static void test_too_many(void)
{
	uint8_t info[8192], wrapped[24] = { 0 };
	struct suit_encryption e;

	for (size_t count = MANY; count <= MANY + 1; count++) {
		struct scbor_out o;
		scbor_out_init(&o, info, sizeof(info));
		scbor_put_raw(&o,
			      (struct suit_bytes){ (const uint8_t *)"\xd8\x60\x84\x43\xa1\x01"
								    "\x01\xa1\x05\x4c",
						   10 });
		scbor_put_raw(&o, (struct suit_bytes){ wrapped, 12 });
		scbor_put_null(&o);
		scbor_put_array(&o, count);
		for (size_t i = 0; i < count; i++) {
			scbor_put_raw(&o, (struct suit_bytes){
						  (const uint8_t *)"\x83\x40\xa1\x01\x22", 5 });
			scbor_put_bytes(&o, (struct suit_bytes){ wrapped, 24 });
		}
		is_int(suit_encryption_decode(scbor_out_bytes(&o), &e),
		       count == MANY ? SUIT_OK : SUIT_MALFORMED, "64, and 65 recipients");
	}
}

/* --- what a stream refuses ---------------------------------------------------------------- */

static bool is_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		if (b[i])
			return false;
	return true;
}

static void test_order(void)
{
	struct suit_content_key key;
	struct suit_decrypt d = { 0 };
	struct suit_encrypt s = { 0 };
	uint8_t sealed[64], out[64];
	uint64_t size = 77;
	size_t n = encrypt(SUIT_ALG_A128GCM, suit_text("0123456789"), sealed, &key), given = 0;
	struct suit_bytes all = { sealed, n };

	is_int(suit_decrypt_update(&d, all, out, &given), SUIT_MISSING, "not open");
	is_int(suit_decrypt_finish(&d, &size), SUIT_MISSING, "not open");
	is_int(suit_encrypt_update(&s, all, out), SUIT_MISSING, "not open");
	is_int(suit_encrypt_finish(&s, out, &given), SUIT_MISSING, "not open");
	suit_decrypt_close(&d);
	suit_encrypt_close(&s);

	is_int(suit_decrypt_open(&d, C, &key), SUIT_OK, "open");
	is_int(suit_decrypt_update(&d, all, out, &given), SUIT_OK, "all");
	is_int((int64_t)given, 10, "the tag is held back");
	is_int(suit_decrypt_finish(&d, &size), SUIT_OK, "holds");
	is_int((int64_t)size, 10, "its size");
	ok(is_zero(&d, sizeof(d)), "nothing is left in memory");
	size = 77;
	is_int(suit_decrypt_finish(&d, &size), SUIT_MISSING, "once");
	is_int(suit_decrypt_update(&d, all, out, &given), SUIT_MISSING, "it is over");

	sealed[3] ^= 4;
	is_int(suit_decrypt_open(&d, C, &key), SUIT_OK, "open");
	is_int(suit_decrypt_update(&d, all, out, &given), SUIT_OK, "not seen yet");
	is_int(suit_decrypt_finish(&d, &size), SUIT_DECRYPT, "does not hold");
	is_int((int64_t)size, 77, "no size is told");

	is_int(suit_decrypt_open(&d, C, &key), SUIT_OK, "open");
	d.size = SUIT_CONTENT_MAX - 9;
	is_int(suit_decrypt_update(&d, all, out, &given), SUIT_TOO_LARGE, "64 GiB are enough");
	is_int(suit_decrypt_update(&d, (struct suit_bytes){ sealed, 1 }, out, &given),
	       SUIT_TOO_LARGE, "and it stays so");
	is_int(suit_decrypt_finish(&d, &size), SUIT_TOO_LARGE, "to the end");
	suit_content_key_wipe(&key);
	ok(is_zero(&key, sizeof(key)), "a wiped key");
	is_int(suit_encrypt_open(&s, C, SUIT_ALG_A128KW, &key), SUIT_UNSUPPORTED, "no cipher");
}

/* What is cut off is not taken for zeros: of a tag that ends with one, here. */
static void test_cut_tag(void)
{
	struct suit_content_key key;
	uint8_t tag[SUIT_TAG_SIZE] = { 0 }, out[1];
	uint64_t size;
	int tries = 0;

	do
		encrypt(SUIT_ALG_A128GCM, suit_text(""), tag, &key);
	while (tag[15] != 0 && ++tries < 100000);
	is_int(decrypt(&key, (struct suit_bytes){ tag, 16 }, out, &size), SUIT_OK, "whole");
	is_int(decrypt(&key, (struct suit_bytes){ tag, 15 }, out, &size), SUIT_DECRYPT, "cut");
}

/* The table's own functions, where suit/ never goes. */
static void test_backend_sizes(void)
{
	uint8_t bytes[64] = { 0 }, out[64];
	struct suit_cipher *cipher = NULL;
	struct suit_cipher_setup setup = { .alg = SUIT_ALG_A128GCM,
					   .key = { bytes, 32 },
					   .iv = { bytes, 12 } };

	is_int(C->aes_wrap((struct suit_bytes){ bytes, 24 }, (struct suit_bytes){ bytes, 16 },
			   out),
	       SUIT_KEY, "a wrapping key of 24 bytes");
	is_int(C->aes_unwrap((struct suit_bytes){ bytes, 16 }, (struct suit_bytes){ bytes, 8 },
			     out),
	       SUIT_DECRYPT, "nothing wrapped");
	is_int(C->cipher_open(&setup, &cipher), SUIT_KEY, "32 bytes for A128GCM");
	setup.key.n = 16;
	setup.iv.n = 13;
	is_int(C->cipher_open(&setup, &cipher), SUIT_KEY, "an IV of 13");
	setup.alg = SUIT_ALG_ESP256;
	is_int(C->cipher_open(&setup, &cipher), SUIT_UNSUPPORTED, "no cipher");
}

/* Two payloads never share a key or an IV. */
static void test_fresh(void)
{
	struct suit_content_key a, b;
	uint8_t out[64];

	for (size_t i = 0; i < ALGS; i++) {
		encrypt(algs[i], suit_text("x"), out, &a);
		encrypt(algs[i], suit_text("x"), out, &b);
		ok(memcmp(a.key, b.key, a.alg->key_size) != 0, "another key");
		ok(memcmp(a.iv, b.iv, a.alg->iv_size) != 0, "another IV");
	}
}

/* --- other backends ----------------------------------------------------------------------- */

static int good_updates;

static enum suit_rc failing_update(struct suit_cipher *c, struct suit_bytes in, uint8_t *out)
{
	return good_updates-- > 0 ? C->cipher_update(c, in, out) : SUIT_CRYPTO;
}

static void test_failing_backend(void)
{
	struct suit_crypto failing = *C;
	struct suit_content_key key;
	struct suit_encrypt s;
	struct suit_decrypt d;
	uint8_t sealed[64], out[64];
	uint64_t size;
	size_t given, n = encrypt(SUIT_ALG_A128CTR, suit_text("0123456789"), sealed, &key);
	struct suit_bytes some = { sealed, n / 2 };

	failing.cipher_update = failing_update;
	good_updates = 2; /* an update calls it for what is held, and for what comes */
	is_int(suit_decrypt_open(&d, &failing, &key), SUIT_OK, "open");
	is_int(suit_decrypt_update(&d, some, out, &given), SUIT_OK, "goes well");
	is_int(suit_decrypt_update(&d, some, out, &given), SUIT_CRYPTO, "fails");
	good_updates = 100;
	is_int(suit_decrypt_update(&d, some, out, &given), SUIT_CRYPTO, "stays failed");
	is_int(suit_decrypt_finish(&d, &size), SUIT_CRYPTO, "to the end");
	good_updates = 0;
	is_int(suit_encrypt_open(&s, &failing, SUIT_ALG_A128CTR, &key), SUIT_OK, "open");
	is_int(suit_encrypt_update(&s, some, out), SUIT_CRYPTO, "fails");
	good_updates = 100;
	is_int(suit_encrypt_update(&s, some, out), SUIT_CRYPTO, "stays failed");
	is_int(suit_encrypt_finish(&s, out, &given), SUIT_CRYPTO, "to the end");
}

/* A device's backend needs no more than the device does. */
static void test_small_backend(void)
{
	struct suit_crypto small = { .aes_unwrap = C->aes_unwrap,
				     .cipher_open = C->cipher_open,
				     .cipher_update = C->cipher_update,
				     .cipher_close = C->cipher_close };
	static const uint8_t secret[16] = { 1 };
	struct suit_party party = { .secret = { secret, 16 } }, own;
	struct suit_key *device = suit_secret_device();
	struct suit_content_key ctr, gcm, got;
	struct suit_encryption e, agreed;
	struct suit_encrypt s;
	struct suit_decrypt d;
	uint8_t sealed[64], out[64], info[256], info2[256];
	uint64_t size;
	size_t given, n = 0;

	own = (struct suit_party){ .key = device };
	size_t sealed_n = encrypt(SUIT_ALG_A128CTR, suit_text("0123456789"), sealed, &ctr);
	encrypt(SUIT_ALG_A128GCM, suit_text("0123456789"), out, &gcm);
	is_int(suit_encrypt_info_make(C, &ctr, &party, 1, info, sizeof(info), &n), SUIT_OK,
	       "an info");
	is_int(suit_encryption_decode((struct suit_bytes){ info, n }, &e), SUIT_OK, "decodes");
	is_int(suit_encrypt_info_make(C, &ctr, &own, 1, info2, sizeof(info2), &n), SUIT_OK,
	       "another info");
	is_int(suit_encryption_decode((struct suit_bytes){ info2, n }, &agreed), SUIT_OK,
	       "decodes");

	is_int(suit_content_key_open(&small, &e, &party, &got), SUIT_OK, "unwraps");
	is_int(suit_decrypt_open(&d, &small, &got), SUIT_OK, "decrypts");
	is_int(suit_decrypt_update(&d, (struct suit_bytes){ sealed, sealed_n }, out, &given),
	       SUIT_OK, "all of it");
	is_int(suit_decrypt_finish(&d, &size), SUIT_OK, "to the end");
	is_bytes(out, size, "0123456789", 10, "the plaintext");

	is_int(suit_content_key_open(&small, &agreed, &own, &got), SUIT_UNSUPPORTED,
	       "agrees on no key");
	is_int(suit_decrypt_open(&d, &small, &gcm), SUIT_UNSUPPORTED, "checks no tag");
	is_int(suit_encrypt_open(&s, &small, SUIT_ALG_A128CTR, &got), SUIT_UNSUPPORTED,
	       "has no random numbers");
	small.random = C->random;
	is_int(suit_encrypt_open(&s, &small, SUIT_ALG_A128GCM, &got), SUIT_UNSUPPORTED,
	       "makes no tag");
	is_int(suit_encrypt_info_make(&small, &ctr, &party, 1, info, sizeof(info), &n),
	       SUIT_UNSUPPORTED, "wraps no key");
	small.aes_wrap = C->aes_wrap;
	is_int(suit_encrypt_info_make(&small, &ctr, &own, 1, info, sizeof(info), &n),
	       SUIT_UNSUPPORTED, "agrees on no key");
	small.aes_unwrap = NULL;
	is_int(suit_content_key_open(&small, &e, &party, &got), SUIT_UNSUPPORTED,
	       "unwraps nothing");
	small.cipher_update = NULL;
	is_int(suit_decrypt_open(&d, &small, &ctr), SUIT_UNSUPPORTED, "has no cipher");
	suit_key_free(device);
}

/* --- memory ------------------------------------------------------------------------------- */

/* Decrypts `size` bytes and returns how much memory OpenSSL held for it at most. */
static size_t memory_of(enum suit_alg alg, size_t size)
{
	static uint8_t in[1024], out[1024];
	struct suit_content_key key;
	struct suit_decrypt d;
	size_t given, before;

	encrypt(alg, suit_text(""), out, &key);
	before = peak = live;
	if (suit_decrypt_open(&d, C, &key) != SUIT_OK)
		abort();
	for (size_t done = 0; done < size; done += sizeof(in))
		if (suit_decrypt_update(&d, (struct suit_bytes){ in, sizeof(in) }, out,
					&given) != SUIT_OK)
			abort();
	suit_decrypt_close(&d);
	tap_ok(live == before, "algorithm %d: everything is given back", (int)alg);
	return peak - before;
}

static void test_memory(void)
{
	for (size_t i = 0; i < ALGS; i++) {
		memory_of(algs[i], 1024); /* what OpenSSL keeps for ever */
		size_t little = memory_of(algs[i], 1024), much = memory_of(algs[i], 8 << 20);
		tap_ok(little == much && much < 2048,
		       "algorithm %d: %zu bytes of OpenSSL's for 1 KiB, %zu for 8 MiB",
		       (int)algs[i], little, much);
	}
	tap_ok(sizeof(struct suit_decrypt) <= 56, "a stream is %zu bytes",
	       sizeof(struct suit_decrypt));
}

int main(void)
{
	/* Before OpenSSL's first allocation, or not at all. */
	bool counts = CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) == 1;

	test_there_and_back();
	test_equals_vector();
	test_many_recipients();
	test_one_kid_twice();
	test_too_many();
	test_order();
	test_cut_tag();
	test_backend_sizes();
	test_fresh();
	test_failing_backend();
	test_small_backend();
	if (counts)
		test_memory();
	else
		tap_skip("memory", "a library has made OpenSSL allocate before main");
	return tap_done();
}
