/* Secrets at rest: AES-256-GCM with one key from a file in the state directory. */
#include "certs/seal.h"

#include "base/hash.h"
#include "certs/ossl.h"
#include "certs/pem_file.h"

#include <openssl/crypto.h>

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#define SEAL_VERSION 1
#define NONCE_SIZE   12
#define TAG_SIZE     16
/* Bounds what OpenSSL gets as int.  Secrets are far smaller; the longest answer that is kept
 * for its Idempotency-Key is a campaign whose target fills a body of 8 MiB. */
#define SEAL_PLAIN_MAX (16 << 20)

static enum rc key_make(const char *path)
{
	uint8_t key[SEAL_KEY_SIZE];

	random_bytes(key, sizeof(key));
	enum rc rc = pem_file_write(path, (struct bytes){ key, sizeof(key) }, 0600);
	OPENSSL_cleanse(key, sizeof(key));
	return rc;
}

enum rc seal_key_load(const char *path, bool create, uint8_t ret[SEAL_KEY_SIZE])
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct bytes key;

	enum rc rc = pem_file_read(path, mem, &key);
	if (rc == RC_NOT_FOUND && create) {
		rc = key_make(path);
		if (rc == RC_OK)
			rc = pem_file_read(path, mem, &key);
	}
	if (rc != RC_OK)
		return rc;
	if (key.n != SEAL_KEY_SIZE)
		return RC_INVALID;
	memcpy(ret, key.p, SEAL_KEY_SIZE);
	OPENSSL_cleanse((void *)(uintptr_t)key.p, key.n);
	return RC_OK;
}

static bool aad_add(EVP_CIPHER_CTX *ctx, const char *context)
{
	int n = 0;

	return EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)context,
				(int)strlen(context)) == 1;
}

enum rc seal(struct bytes key, const char *context, struct bytes plain, struct arena *mem,
	     struct bytes *ret)
{
	CLEAN(cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, end = 0;

	assert(key.n == SEAL_KEY_SIZE);
	if (plain.n > SEAL_PLAIN_MAX)
		return RC_TOO_LARGE;
	uint8_t *out = arena_alloc(mem, plain.n + SEAL_OVERHEAD);
	uint8_t *nonce = out + 1, *text = nonce + NONCE_SIZE, *tag = text + plain.n;
	out[0] = SEAL_VERSION;
	random_bytes(nonce, NONCE_SIZE);

	if (!ctx || EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), key.p, nonce, NULL) != 1 ||
	    !aad_add(ctx, context) ||
	    EVP_EncryptUpdate(ctx, text, &n, plain.p, (int)plain.n) != 1 ||
	    EVP_EncryptFinal_ex(ctx, tag, &end) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) != 1)
		return RC_INTERNAL;
	*ret = (struct bytes){ out, plain.n + SEAL_OVERHEAD };
	return RC_OK;
}

enum rc unseal(struct bytes key, const char *context, struct bytes sealed, struct arena *mem,
	       struct bytes *ret)
{
	CLEAN(cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t tag[TAG_SIZE];
	int got = 0, end = 0;

	assert(key.n == SEAL_KEY_SIZE);
	if (sealed.n < SEAL_OVERHEAD || sealed.n > SEAL_PLAIN_MAX + SEAL_OVERHEAD ||
	    sealed.p[0] != SEAL_VERSION)
		return RC_INVALID;
	size_t n = sealed.n - SEAL_OVERHEAD;
	const uint8_t *nonce = sealed.p + 1, *text = nonce + NONCE_SIZE;
	memcpy(tag, text + n, TAG_SIZE);
	uint8_t *out = arena_alloc(mem, n + 1);

	if (!ctx || EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), key.p, nonce, NULL) != 1 ||
	    !aad_add(ctx, context) || EVP_DecryptUpdate(ctx, out, &got, text, (int)n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) != 1)
		return RC_INTERNAL;
	if (EVP_DecryptFinal_ex(ctx, out + got, &end) != 1) {
		OPENSSL_cleanse(out, n);
		return RC_INVALID;
	}
	*ret = (struct bytes){ out, n };
	return RC_OK;
}
