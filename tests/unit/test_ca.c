/* The CA: what it signs has our profile and nothing that a request asked for. */

#include "base/clean.h"
#include "base/clock.h"
#include "certs/certs.h"
#include "certs/ossl.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <sys/stat.h>

static struct arena *mem;
static struct temp_dir dir;
static struct certs *certs;
static X509 *root, *issuing;

static const char *path_of(const char *sub)
{
	return arena_printf(mem, "%s/%s", dir.path, sub);
}

static X509 *read_cert(BIO *bio)
{
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	if (!x)
		exit(99);
	return x;
}

static X509 *parse(struct bytes der)
{
	const uint8_t *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);

	if (!x)
		exit(99);
	return x;
}

static int mode_of(const char *path)
{
	struct stat st = { 0 };

	return stat(path, &st) == 0 ? (int)(st.st_mode & 0777) : -1;
}

static void test_init(void)
{
	const char *why = NULL;

	is_int(certs_open(path_of("ca"), &certs), RC_NOT_FOUND, "there is no CA yet");
	is_int(ca_init(path_of("ca"), "Test", mem, &why), RC_OK, "made");
	is_int(temp_dir_count(&dir), 1, "and nothing else");
	is_int(temp_dir_entries(path_of("ca")), 4, "two keys, two certificates");
	is_int(mode_of(path_of("ca/root.key")), 0600, "the root's key is private");
	is_int(mode_of(path_of("ca/issuing.key")), 0600, "and the issuing CA's");
	is_int(mode_of(path_of("ca")), 0700, "and the folder");
	is_int(ca_init(path_of("ca"), "Other", mem, &why), RC_CONFLICT, "not made twice");
	ok(why && strstr(why, "already"), "and it says why: %s", why);
	is_int(temp_dir_count(&dir), 1, "nothing stays behind");
	is_int(ca_init(path_of("long"), arena_printf(mem, "%080d", 1), mem, &why), RC_INVALID,
	       "a name of 80 bytes is refused");
	is_int(temp_dir_count(&dir), 1, "nothing stays behind");
	is_int(certs_open(path_of("ca"), &certs), RC_OK, "opened");

	CLEAN(bio) BIO *bio = BIO_new_mem_buf(certs_chain_pem(certs), -1);
	issuing = read_cert(bio);
	root = read_cert(bio);
	is_int(X509_verify(root, X509_get0_pubkey(root)), 1, "the root signed itself");
	is_int(X509_verify(issuing, X509_get0_pubkey(root)), 1, "and the issuing CA");
	is_int(X509_get_extension_flags(issuing) & EXFLAG_CA, EXFLAG_CA, "which is a CA");
	is_int(X509_get_pathlen(issuing), 0, "with none below it");
	ok(strstr(certs_chain_pem(certs), certs_root_pem(certs)), "the chain ends at the root");
}

static void test_broken(void)
{
	struct certs *c = NULL;
	const char *why = NULL;

	is_int(ca_init(path_of("other"), "Other", mem, &why), RC_OK, "another CA");
	ok(rename(path_of("other/issuing.key"), path_of("ca2.key")) == 0,
	   "its key is taken away");
	is_int(certs_open(path_of("other"), &c), RC_NOT_FOUND, "nothing to sign with");
	ok(link(path_of("ca/issuing.key"), path_of("other/issuing.key")) == 0,
	   "a key of another CA in its place");
	is_int(certs_open(path_of("other"), &c), RC_INVALID, "does not fit");
	ok(unlink(path_of("ca/root.key")) == 0, "the root's key goes to a safe");
	is_int(certs_open(path_of("ca"), &c), RC_OK, "signing goes on");
	certs_free(c);
}

/* --- what a certificate has; each check is a line of the profile --- */

static int extension_count(X509 *x)
{
	return X509_get_ext_count(x);
}

static bool trusted(X509 *x, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *chain = sk_X509_new_null();

	X509_STORE_add_cert(store, root);
	sk_X509_push(chain, issuing);
	X509_STORE_CTX_init(ctx, store, x, chain);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
	bool good = X509_verify_cert(ctx) == 1;
	if (!good)
		printf("# %s\n", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	sk_X509_free(chain);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return good;
}

static const char *subject_of(X509 *x)
{
	char text[256];

	X509_NAME_oneline(X509_get_subject_name(x), text, sizeof(text));
	return arena_text(mem, text);
}

static void check_client(X509 *x, const char *subject)
{
	is_str(subject_of(x), subject, "the subject is ours");
	is_int(X509_get_version(x), X509_VERSION_3, "version 3");
	is_int(extension_count(x), 5, "five extensions and no more");
	is_int(X509_get_extension_flags(x) & EXFLAG_CA, 0, "not a CA");
	ok(X509_get_ext_by_NID(x, NID_basic_constraints, -1) >= 0, "and says so");
	is_int(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE, "key usage: digital signature");
	is_int(X509_get_extended_key_usage(x), XKU_SSL_CLIENT, "extended: client alone");
	is_int(X509_get_ext_by_NID(x, NID_subject_alt_name, -1), -1, "no other names");
	ok(X509_get0_subject_key_id(x) && X509_get0_authority_key_id(x), "both key ids");
	ok(trusted(x, X509_PURPOSE_SSL_CLIENT), "it verifies as a client, strictly");
	ok(!trusted(x, X509_PURPOSE_SSL_SERVER), "and not as a server");
	ok(X509_get_signature_nid(x) == NID_ecdsa_with_SHA256, "by ECDSA with SHA-256");
}

static void test_device(void)
{
	struct cert_request r = { .common_name = "lock-1", .days = 750 };
	const char *key = NULL, *why = NULL;
	struct bytes csr, der;

	is_int(cert_request_create("lock-1", mem, &key, &csr), RC_OK, "a request");
	is_int(certs_sign_device(certs, csr, &r, mem, &der, &why), RC_OK, "signed");
	CLEAN(x509) X509 *x = parse(der);
	check_client(x, "/OU=devices/CN=lock-1");
	is_int(certs_sign_operator(certs, csr, &r, mem, &der, &why), RC_OK,
	       "signed for an operator");
	CLEAN(x509) X509 *operator= parse(der);
	check_client(operator, "/OU=operators/CN=lock-1");
	CLEAN(bio) BIO *bio = BIO_new_mem_buf(cert_pem(mem, der), -1);
	CLEAN(x509) X509 *again = read_cert(bio);
	is_int(X509_cmp(operator, again), 0, "PEM and DER are the same certificate");
}

static void test_names(void)
{
	const char *const bad[] = { "", "a\nb", arena_printf(mem, "%065d", 1) };
	const char *key = NULL, *why = NULL;
	struct bytes csr, der;

	is_int(cert_request_create("x", mem, &key, &csr), RC_OK, "a request");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct cert_request r = { .common_name = bad[i], .days = 1 };
		is_int(certs_sign_device(certs, csr, &r, mem, &der, &why), RC_INVALID,
		       "a name that cannot be in a certificate");
	}
}

/* --- D02: a request that asks for more --- */

static X509_REQ *greedy_request(EVP_PKEY *key)
{
	static const struct {
		int nid;
		const char *value;
	} wishes[] = {
		{ NID_basic_constraints, "critical,CA:TRUE" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth,clientAuth,codeSigning" },
		{ NID_subject_alt_name,
		  "DNS:*.example.com,DNS:lock-2,IP:10.0.0.1,email:a@b.c" },
		{ NID_name_constraints, "permitted;DNS:example.com" },
		{ NID_subject_key_identifier, "00:11:22" },
	};
	X509_REQ *r = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();

	X509_REQ_set_version(r, X509_REQ_VERSION_1);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "CN", MBSTRING_UTF8,
				   (const uint8_t *)"lock-2", -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "OU", MBSTRING_UTF8,
				   (const uint8_t *)"operators", -1, -1, 0);
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++)
		sk_X509_EXTENSION_push(
			list, X509V3_EXT_conf_nid(NULL, NULL, wishes[i].nid, wishes[i].value));
	X509_REQ_add_extensions(r, list);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	X509_REQ_set_pubkey(r, key);
	bool own_hash = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
	X509_REQ_sign(r, key, own_hash ? NULL : EVP_sha256());
	return r;
}

static struct bytes req_der(X509_REQ *r)
{
	uint8_t *p = arena_alloc(mem, 16384), *end = p;
	int n = i2d_X509_REQ(r, &end);

	return (struct bytes){ p, (size_t)n };
}

static void test_D02_greedy(void)
{
	struct cert_request r = { .common_name = "lock-1", .days = 10000 };
	CLEAN(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
	CLEAN(x509_req) X509_REQ *req = greedy_request(key);
	const char *why = NULL;
	struct bytes der;
	int days = 0, seconds = 0;

	is_int(certs_sign_device(certs, req_der(req), &r, mem, &der, &why), RC_OK,
	       "a request that asks for a CA, other names and other uses is signed");
	CLEAN(x509) X509 *x = parse(der);
	check_client(x, "/OU=devices/CN=lock-1");
	is_int(EVP_PKEY_eq(X509_get0_pubkey(x), key), 1,
	       "nothing is taken from it but its key");
	ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(x), X509_get0_notAfter(x));
	ok(days <= 825, "10000 days become %d", days);
}

/* --- D03: keys and proofs that are not good --- */

static void refuse(EVP_PKEY *key, const char *what)
{
	struct cert_request r = { .common_name = "lock-1", .days = 1 };
	CLEAN(x509_req) X509_REQ *req = greedy_request(key);
	const char *why = NULL;
	struct bytes der;

	is_int(certs_sign_device(certs, req_der(req), &r, mem, &der, &why), RC_INVALID, what);
	EVP_PKEY_free(key);
}

static void test_D03_keys(void)
{
	refuse(EVP_RSA_gen(2048), "an RSA key is refused");
	refuse(EVP_EC_gen("P-384"), "P-384 is refused");
	refuse(EVP_EC_gen("secp256k1"), "secp256k1 is refused");
	refuse(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "Ed25519 is refused");
}

static void test_proof(void)
{
	struct cert_request r = { .common_name = "lock-1", .days = 1 };
	const char *key = NULL, *why = NULL;
	struct bytes csr, der;
	int wrong = 0;

	is_int(cert_request_create("lock-1", mem, &key, &csr), RC_OK, "a request");
	uint8_t *p = arena_copy(mem, csr.p, csr.n);
	for (size_t bit = 0; bit < 8 * csr.n; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wrong += certs_sign_device(certs, (struct bytes){ p, csr.n }, &r, mem, &der,
					   &why) == RC_OK;
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < csr.n; n++)
		wrong += certs_sign_device(certs, (struct bytes){ p, n }, &r, mem, &der,
					   &why) == RC_OK;
	is_int(wrong, 0, "no flipped bit and no truncation is signed: possession is proved");
	p = arena_alloc(mem, csr.n + 1);
	memcpy(p, csr.p, csr.n);
	is_int(certs_sign_device(certs, (struct bytes){ p, csr.n + 1 }, &r, mem, &der, &why),
	       RC_INVALID, "nor one with a byte behind it");
	p = arena_alloc(mem, 9000);
	is_int(certs_sign_device(certs, (struct bytes){ p, 9000 }, &r, mem, &der, &why),
	       RC_TOO_LARGE, "nor a very large one");
}

/* D04 and D09: serials differ and are long; lives differ by a tenth to either side. */
static void test_D04_serials(void)
{
	enum { COUNT = 300 };
	struct cert_request r = { .common_name = "lock-1", .days = 700 };
	const char *key = NULL, *why = NULL, *serials[COUNT];
	struct bytes csr, der;
	int least = 9999, most = 0, same = 0, longest = 0;

	if (cert_request_create("lock-1", mem, &key, &csr) != RC_OK)
		exit(99);
	for (int i = 0; i < COUNT; i++) {
		int days = 0, seconds = 0;
		if (certs_sign_device(certs, csr, &r, mem, &der, &why) != RC_OK)
			exit(99);
		CLEAN(x509) X509 *x = parse(der);
		CLEAN(bignum) BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
		char *hex = BN_bn2hex(n);
		serials[i] = arena_text(mem, hex);
		OPENSSL_free(hex);
		longest = BN_num_bits(n) > longest ? BN_num_bits(n) : longest;
		for (int j = 0; j < i; j++)
			same += strcmp(serials[i], serials[j]) == 0;
		ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(x), X509_get0_notAfter(x));
		least = days < least ? days : least;
		most = days > most ? days : most;
	}
	is_int(same, 0, "no serial twice");
	ok(longest > 120 && longest <= 128, "serials of up to %d bits", longest);
	ok(least >= 630 && least < 650 && most <= 770 && most > 750, "700 days become %d to %d",
	   least, most);
}

static void test_csr_pem(void)
{
	const char *key = NULL;
	struct bytes csr, back;

	is_int(cert_request_create("lock-1", mem, &key, &csr), RC_OK, "a request");
	ok(strstr(key, "BEGIN PRIVATE KEY"), "with its key");
	CLEAN(bio) BIO *bio = BIO_new(BIO_s_mem());
	const uint8_t *p = csr.p;
	CLEAN(x509_req) X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)csr.n);
	PEM_write_bio_X509_REQ(bio, r);
	char *data = NULL;
	long n = BIO_get_mem_data(bio, &data);
	char *pem = arena_alloc(mem, (size_t)n + 1);
	memcpy(pem, data, (size_t)n);
	is_int(cert_csr_from_pem(pem, mem, &back), RC_OK, "PEM is read");
	ok(bytes_equal(back, csr), "to the same DER");
	is_int(cert_csr_from_pem("x", mem, &back), RC_INVALID, "anything else is not");
	is_int(cert_csr_from_pem(certs_root_pem(certs), mem, &back), RC_INVALID,
	       "nor a certificate");
}

/* --- the server's own --- */

static X509 *server_cert(void)
{
	CLEAN(bio) BIO *bio = BIO_new_file(path_of("server.crt"), "r");

	return read_cert(bio);
}

static void test_server(void)
{
	static const char *const hosts[] = { "muster.example", "127.0.0.1", "::1" };
	struct cert_request r = {
		.common_name = "muster.example", .hosts = hosts, .host_count = 2, .days = 398
	};
	const char *cert = path_of("server.crt"), *key = path_of("server.key");

	is_int(certs_ensure_server(certs, cert, key, &r), RC_OK, "made");
	is_int(mode_of(key), 0600, "its key is private");
	is_int(mode_of(cert), 0644, "the certificate is not");
	CLEAN(x509) X509 *x = server_cert();
	ok(trusted(x, X509_PURPOSE_SSL_SERVER), "it verifies as a server, strictly");
	ok(!trusted(x, X509_PURPOSE_SSL_CLIENT), "and not as a client");
	is_int(X509_check_host(x, "muster.example", 0, 0, NULL), 1, "for its name");
	is_int(X509_check_ip_asc(x, "127.0.0.1", 0), 1, "and its address");
	is_int(X509_check_host(x, "other.example", 0, 0, NULL), 0, "and no other");
	is_int(X509_get_extension_flags(x) & EXFLAG_CA, 0, "not a CA");

	is_int(certs_ensure_server(certs, cert, key, &r), RC_OK, "asked again");
	CLEAN(x509) X509 *same = server_cert();
	is_int(X509_cmp(x, same), 0, "it is kept");
	r.host_count = 3;
	is_int(certs_ensure_server(certs, cert, key, &r), RC_OK, "asked for another address");
	CLEAN(x509) X509 *more = server_cert();
	is_int(X509_check_ip_asc(more, "::1", 0), 1, "it is made again");
	ok(truncate(key, 10) == 0, "a broken key");
	is_int(certs_ensure_server(certs, cert, key, &r), RC_OK, "asked again");
	CLEAN(x509) X509 *mended = server_cert();
	ok(X509_cmp(mended, more) != 0, "both are made again");
	int64_t end = 0;
	ok(certs_server_good(certs, cert, key, &r), "it is good");
	is_int(cert_file_end(cert, &end), RC_OK, "it has an end");
	int64_t days = (end - clock_wall()) / (86400 * USEC_PER_SEC);
	ok(days == 397 || days == 398, "in 398 days");
	is_int(cert_file_end(key, &end), RC_INVALID, "a key has none");
	r.days = 20;
	ok(unlink(cert) == 0, "lost");
	is_int(certs_ensure_server(certs, cert, key, &r), RC_OK, "made for 20 days");
	CLEAN(x509) X509 *brief = server_cert();
	ok(!certs_server_good(certs, cert, key, &r), "it is not good");
	is_int(certs_ensure_server(certs, cert, key, &r), RC_OK, "asked again");
	CLEAN(x509) X509 *fresh = server_cert();
	ok(X509_cmp(brief, fresh) != 0, "one that ends within 30 days is made again");
}

int main(void)
{
	mem = arena_create();
	dir = temp_dir_make();
	test_init();
	test_broken();
	test_device();
	test_names();
	test_D02_greedy();
	test_D03_keys();
	test_proof();
	test_D04_serials();
	test_csr_pem();
	test_server();
	X509_free(root);
	X509_free(issuing);
	certs_free(certs);
	clean_temp_dir(&dir);
	arena_free(mem);
	return tap_done();
}
