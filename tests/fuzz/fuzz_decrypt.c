/* Encrypted payloads in a stream.  What comes is taken when OpenSSL, asked at once and by
 * nobody of ours, takes it too, and gives the same bytes in pieces of any size.  And what we
 * make comes back, but not with anything changed. */

#include "suit/encrypt_stream.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_data.h"

#include <openssl/evp.h>
#include <string.h>

#define PAYLOAD_MAX 4096

struct kind {
	enum suit_alg alg;
	const EVP_CIPHER *(*cipher)(void);
	const char *aad; /* ["Encrypt", << {1: alg} >>, h''] */
	size_t aad_n;
};
#define AAD(text) (text), sizeof(text) - 1
static const struct kind kinds[] = {
	{ SUIT_ALG_A128GCM, EVP_aes_128_gcm,
	  AAD("\x83\x67"
	      "Encrypt\x43\xa1\x01\x01\x40") },
	{ SUIT_ALG_A256GCM, EVP_aes_256_gcm,
	  AAD("\x83\x67"
	      "Encrypt\x43\xa1\x01\x03\x40") },
	{ SUIT_ALG_A128CTR, EVP_aes_128_ctr, NULL, 0 },
	{ SUIT_ALG_A256CTR, EVP_aes_256_ctr, NULL, 0 },
	{ SUIT_ALG_CHACHA20, EVP_chacha20_poly1305,
	  AAD("\x83\x67"
	      "Encrypt\x44\xa1\x01\x18\x18\x40") },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* 0, 1, 2 ...: the corpus' payloads are of these keys. */
static enum suit_rc no_dice(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)i;
	return SUIT_OK;
}

static struct suit_crypto crypto;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	crypto = suit_crypto_openssl;
	crypto.random = no_dice;
	return 0;
}

static struct suit_content_key key_of(const struct kind *k)
{
	struct suit_content_key key = { .alg = suit_content_alg(k->alg) };

	check(key.alg && (key.alg->authenticated == (k->aad != NULL)));
	check(no_dice(key.key, key.alg->key_size) == SUIT_OK);
	check(no_dice(key.iv, key.alg->iv_size) == SUIT_OK);
	return key;
}

static uint32_t dice;

static size_t below(size_t n)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % n;
}

/* A piece of at most `most` bytes in memory of its own size, and room for just as many. */
static size_t feed(struct suit_decrypt *d, struct suit_bytes in, size_t most, uint8_t *out,
		   size_t *at)
{
	size_t n = below(most + 1), given = SIZE_MAX;

	n = n < in.n ? n : in.n;
	uint8_t *from = malloc(n + !n), *to = malloc(n + !n);
	check(from && to);
	memcpy(from, in.p, n);
	check(suit_decrypt_update(d, (struct suit_bytes){ from, n }, to, &given) == SUIT_OK);
	check(given <= n);
	memcpy(out + *at, to, given);
	*at += given;
	free(from);
	free(to);
	return n;
}

static enum suit_rc decrypt(const struct kind *k, struct suit_bytes in, size_t most,
			    uint8_t *out, size_t *ret_n)
{
	const struct suit_content_key key = key_of(k);
	struct suit_decrypt d;
	size_t done = 0, at = 0;
	uint64_t size = UINT64_MAX;
	uint8_t byte = 0, none;

	check(suit_decrypt_open(&d, &crypto, &key) == SUIT_OK);
	while (done < in.n) {
		done += feed(&d, (struct suit_bytes){ in.p + done, in.n - done }, most, out,
			     &at);
		/* All but what may be the tag is there at once. */
		check(at == (!k->aad ? done : done < SUIT_TAG_SIZE ? 0 : done - SUIT_TAG_SIZE));
	}
	enum suit_rc rc = suit_decrypt_finish(&d, &size);
	check(size == (rc == SUIT_OK ? at : UINT64_MAX));
	check(suit_decrypt_update(&d, (struct suit_bytes){ &byte, 1 }, &none, &done) ==
	      SUIT_MISSING);
	check(suit_decrypt_finish(&d, &size) == SUIT_MISSING);
	suit_decrypt_close(&d);
	*ret_n = at;
	return rc;
}

static bool at_once(const struct kind *k, struct suit_bytes in, uint8_t *out, size_t *ret_n)
{
	const struct suit_content_key key = key_of(k);
	uint8_t tag[SUIT_TAG_SIZE];
	int n = 0;

	if (k->aad && in.n < sizeof(tag))
		return false;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	*ret_n = k->aad ? in.n - sizeof(tag) : in.n;
	check(c && EVP_DecryptInit_ex(c, k->cipher(), NULL, key.key, key.iv) == 1);
	if (k->aad) {
		memcpy(tag, in.p + *ret_n, sizeof(tag));
		check(EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)k->aad, (int)k->aad_n) ==
		      1);
		check(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1);
	}
	if (*ret_n > 0)
		check(EVP_DecryptUpdate(c, out, &n, in.p, (int)*ret_n) == 1);
	bool good = EVP_DecryptFinal_ex(c, tag, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return good;
}

static void read_payload(const struct kind *k, struct suit_bytes in)
{
	static uint8_t one[PAYLOAD_MAX], other[PAYLOAD_MAX], theirs[PAYLOAD_MAX];
	size_t n, m, t = 0;
	enum suit_rc rc = decrypt(k, in, 40, one, &n);
	bool good = at_once(k, in, theirs, &t);

	check(rc == (good ? SUIT_OK : SUIT_DECRYPT));
	check(decrypt(k, in, 2 * PAYLOAD_MAX, other, &m) == rc);
	check(n == m && memcmp(one, other, n) == 0);
	check(n == t && memcmp(one, theirs, n) == 0);
}

/* --- our own ------------------------------------------------------------------------------ */

static size_t seal(const struct kind *k, struct suit_bytes in, uint8_t *out)
{
	struct suit_content_key key, want = key_of(k);
	struct suit_encrypt s;
	size_t n = 0, done = 0;

	check(suit_encrypt_open(&s, &crypto, k->alg, &key) == SUIT_OK);
	check(key.alg == want.alg && memcmp(key.key, want.key, sizeof(key.key)) == 0 &&
	      memcmp(key.iv, want.iv, sizeof(key.iv)) == 0);
	while (done < in.n) {
		n = below(100);
		n = n < in.n - done ? n : in.n - done;
		check(suit_encrypt_update(&s, (struct suit_bytes){ in.p + done, n },
					  out + done) == SUIT_OK);
		done += n;
	}
	check(suit_encrypt_finish(&s, out + done, &n) == SUIT_OK);
	check(n == (k->aad ? SUIT_TAG_SIZE : 0));
	return done + n;
}

/* A bit, a byte less, one more, or two that change places.  False: nothing is changed. */
static bool damage(uint8_t *p, size_t *n, uint8_t how, size_t at)
{
	if (*n == 0 && how % 4 != 2)
		return false;
	at %= *n + !*n;
	if (how % 4 == 0)
		p[at] ^= (uint8_t)(1u << (how >> 5));
	else if (how % 4 == 1)
		memmove(p + at, p + at + 1, --*n - at);
	else if (how % 4 == 2)
		p[(*n)++] = how;
	else if (at + 1 < *n && p[at] != p[at + 1]) {
		uint8_t byte = p[at];
		p[at] = p[at + 1];
		p[at + 1] = byte;
	} else {
		return false;
	}
	return true;
}

static void there_and_back(const struct kind *k, struct suit_bytes in, uint8_t how, size_t at)
{
	static uint8_t sealed[PAYLOAD_MAX + 17], out[PAYLOAD_MAX + 17];
	size_t n = seal(k, in, sealed), m;

	check(decrypt(k, (struct suit_bytes){ sealed, n }, 40, out, &m) == SUIT_OK);
	check(m == in.n && memcmp(out, in.p, m) == 0);
	if (!damage(sealed, &n, how, at))
		return;
	enum suit_rc rc = decrypt(k, (struct suit_bytes){ sealed, n }, 40, out, &m);
	check(rc == (k->aad ? SUIT_DECRYPT : SUIT_OK));
	check(k->aad || m != in.n || memcmp(out, in.p, m) != 0);
}

/* The algorithm, dice, and what is done to our own payload; the rest is a payload. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 5 || size - 5 > PAYLOAD_MAX)
		return 0;
	const struct kind *k = &kinds[data[0] % KINDS];
	struct suit_bytes in = { data + 5, size - 5 };
	dice = data[1];
	read_payload(k, in);
	there_and_back(k, in, data[2], (size_t)data[3] << 8 | data[4]);
	return 0;
}
