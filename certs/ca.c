/* The embedded CA: a root, and below it the issuing CA that signs everything else.  All four
 * files appear at once, by the rename of their directory, or not at all. */
#include "certs/profile.h"

#include "base/hash.h"
#include "certs/encode.h"
#include "certs/pem_file.h"

#include <openssl/pem.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define ROOT_DAYS    (30 * 365)
#define ISSUING_DAYS (10 * 365)

struct authority {
	X509 *cert;
	EVP_PKEY *key;
};

static void clean_authority(struct authority *a)
{
	X509_free(a->cert);
	EVP_PKEY_free(a->key);
}

static enum rc authority_make(const char *common_name, struct authority *issuer,
			      struct authority *ret)
{
	struct cert_request r = { .common_name = common_name,
				  .days = issuer ? ISSUING_DAYS : ROOT_DAYS };
	struct profile p = { .kind = issuer ? PROFILE_ISSUING : PROFILE_ROOT, .request = &r };

	ret->key = profile_make_key();
	if (!ret->key)
		return RC_INTERNAL;
	p.subject_key = ret->key;
	p.issuer = issuer ? issuer->cert : NULL;
	p.issuer_key = issuer ? issuer->key : ret->key;
	return profile_sign(&p, &ret->cert);
}

static enum rc authority_write(const struct authority *a, const char *dir, const char *name,
			       struct arena *mem)
{
	char *key = encode_key_pem(mem, a->key), *cert = encode_cert_pem(mem, a->cert);

	if (!key || !cert)
		return RC_INTERNAL;
	enum rc rc =
		pem_file_write(arena_printf(mem, "%s/%s.key", dir, name), bytes_of(key), 0600);
	if (rc != RC_OK)
		return rc;
	return pem_file_write(arena_printf(mem, "%s/%s.crt", dir, name), bytes_of(cert), 0644);
}

static enum rc write_both(const char *dir, const char *name, struct arena *mem,
			  const char **ret_why)
{
	CLEAN(authority) struct authority root = { 0 };
	CLEAN(authority) struct authority issuing = { 0 };

	*ret_why = "the CA's name cannot be in a certificate";
	enum rc rc = authority_make(arena_printf(mem, "%s root", name), NULL, &root);
	if (rc == RC_OK)
		rc = authority_make(arena_printf(mem, "%s issuing", name), &root, &issuing);
	if (rc != RC_OK)
		return rc;

	*ret_why = arena_printf(mem, "cannot write into %s", dir);
	rc = authority_write(&root, dir, "root", mem);
	if (rc == RC_OK)
		rc = authority_write(&issuing, dir, "issuing", mem);
	return rc;
}

enum rc ca_init(const char *dir, const char *name, struct arena *mem, const char **ret_why)
{
	uint8_t tag[8];

	random_bytes(tag, sizeof(tag));
	char *temp = arena_printf(mem, "%s.%s.tmp", dir,
				  hex_encode(mem, (struct bytes){ tag, sizeof(tag) }));
	if (mkdir(temp, 0700) < 0) {
		*ret_why = arena_printf(mem, "cannot make %s: %s", temp, strerror(errno));
		return RC_INTERNAL;
	}

	enum rc rc = write_both(temp, name, mem, ret_why);
	/* Succeeds only where there is nothing, or an empty directory. */
	if (rc == RC_OK && rename(temp, dir) < 0) {
		rc = errno == ENOTEMPTY || errno == EEXIST ? RC_CONFLICT : RC_INTERNAL;
		*ret_why =
			rc == RC_CONFLICT
				? arena_printf(mem, "there is a CA in %s already", dir)
				: arena_printf(mem, "cannot make %s: %s", dir, strerror(errno));
	}
	if (rc == RC_OK)
		return pem_file_sync_dir(dir);
	for (size_t i = 0; i < 4; i++) {
		static const char *const files[] = { "root.key", "root.crt", "issuing.key",
						     "issuing.crt" };
		unlink(arena_printf(mem, "%s/%s", temp, files[i]));
	}
	rmdir(temp);
	return rc;
}

static enum rc load(const char *dir, const char *file, struct arena *mem, BIO **ret)
{
	struct bytes text;

	enum rc rc = pem_file_read(arena_printf(mem, "%s/%s", dir, file), mem, &text);
	if (rc != RC_OK)
		return rc;
	*ret = BIO_new_mem_buf(text.p, (int)text.n);
	return *ret ? RC_OK : RC_INTERNAL;
}

static enum rc load_cert(const char *dir, const char *file, struct arena *mem, X509 **ret)
{
	CLEAN(bio) BIO *bio = NULL;

	enum rc rc = load(dir, file, mem, &bio);
	if (rc != RC_OK)
		return rc;
	*ret = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	return *ret ? RC_OK : RC_INVALID;
}

static enum rc load_key(const char *dir, struct arena *mem, EVP_PKEY **ret)
{
	CLEAN(bio) BIO *bio = NULL;

	enum rc rc = load(dir, "issuing.key", mem, &bio);
	if (rc != RC_OK)
		return rc;
	*ret = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	return *ret ? RC_OK : RC_INVALID;
}

static enum rc certs_load(struct certs *c, const char *dir, struct arena *mem)
{
	enum rc rc = load_cert(dir, "root.crt", mem, &c->root);
	if (rc == RC_OK)
		rc = load_cert(dir, "issuing.crt", mem, &c->issuing);
	if (rc == RC_OK)
		rc = load_key(dir, mem, &c->key);
	if (rc != RC_OK)
		return rc;
	/* A key beside another certificate would sign what nobody can verify. */
	if (X509_check_private_key(c->issuing, c->key) != 1 ||
	    X509_verify(c->issuing, X509_get0_pubkey(c->root)) != 1)
		return RC_INVALID;

	char *root = encode_cert_pem(mem, c->root), *issuing = encode_cert_pem(mem, c->issuing);
	if (!root || !issuing)
		return RC_INTERNAL;
	c->root_pem = xstrdup(root);
	c->chain_pem = xstrdup(arena_printf(mem, "%s%s", issuing, root));
	return RC_OK;
}

enum rc certs_open(const char *dir, struct certs **ret)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct certs *c = xcalloc(1, sizeof(*c));

	enum rc rc = certs_load(c, dir, mem);
	if (rc != RC_OK) {
		certs_free(c);
		return rc;
	}
	*ret = c;
	return RC_OK;
}

void certs_free(struct certs *c)
{
	if (!c)
		return;
	X509_free(c->root);
	X509_free(c->issuing);
	EVP_PKEY_free(c->key);
	free(c->root_pem);
	free(c->chain_pem);
	free(c);
}

const char *certs_chain_pem(const struct certs *c)
{
	return c->chain_pem;
}

const char *certs_root_pem(const struct certs *c)
{
	return c->root_pem;
}
