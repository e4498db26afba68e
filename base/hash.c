/* Digests, MACs and random numbers, by OpenSSL and the kernel. */

#include "base/hash.h"

#include "base/log.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Fetched once: a fetch by name for each digest costs more than the digest. */
static EVP_MD *algorithm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* OpenSSL without memory says so; a digest is needed even then. */
static void *library_alloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return memory_library_alloc(size);
}

static void *library_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return memory_library_realloc(p, size);
}

static void library_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

void hash_start(void)
{
	if (CRYPTO_set_mem_functions(library_alloc, library_realloc, library_free) != 1)
		log_warn("the cryptography library has its own memory already");
}

static void fetch(void)
{
	algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha256_algorithm(void)
{
	pthread_once(&once, fetch);
	return algorithm;
}

/* A digest that cannot be computed is a broken installation: nothing can go on safely. */
static void must(int ok)
{
	if (ok != 1) {
		log_error("the cryptography library failed");
		abort();
	}
}

void sha256_of(struct bytes b, struct digest *ret)
{
	static const uint8_t nothing;

	memory_insist(true);
	must(EVP_Digest(b.n ? b.p : &nothing, b.n, ret->b, NULL, sha256_algorithm(), NULL));
	memory_insist(false);
}

struct sha256 {
	EVP_MD_CTX *context;
};

struct sha256 *sha256_create(void)
{
	struct sha256 *s = xcalloc(1, sizeof(*s));

	memory_insist(true);
	s->context = EVP_MD_CTX_new();
	must(s->context != NULL);
	must(EVP_DigestInit_ex2(s->context, sha256_algorithm(), NULL));
	memory_insist(false);
	return s;
}

void sha256_update(struct sha256 *s, struct bytes b)
{
	if (b.n)
		must(EVP_DigestUpdate(s->context, b.p, b.n));
}

void sha256_finish(struct sha256 *s, struct digest *ret)
{
	must(EVP_DigestFinal_ex(s->context, ret->b, NULL));
	sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->context);
	free(s);
}

void hmac_sha256(struct bytes key, struct bytes b, struct digest *ret)
{
	static const uint8_t nothing;
	unsigned len = sizeof(ret->b);

	memory_insist(true);
	must(HMAC(sha256_algorithm(), key.n ? key.p : &nothing, (int)key.n,
		  b.n ? b.p : &nothing, b.n, ret->b, &len) != NULL);
	memory_insist(false);
}

void random_bytes(void *p, size_t n)
{
	uint8_t *out = p;

	while (n) {
		ssize_t got = getrandom(out, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		must(got > 0);
		out += got;
		n -= (size_t)got;
	}
}

void device_id_derive(struct bytes tenant_secret, const char *endpoint_name, struct uuid *ret)
{
	struct digest mac;

	hmac_sha256(tenant_secret, bytes_of(endpoint_name), &mac);
	memcpy(ret->b, mac.b, sizeof(ret->b));
}
