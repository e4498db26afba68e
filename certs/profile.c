/* Certificate profiles: every field and extension of what our CA signs is decided here and
 * nowhere else, so nothing a request asks for can slip through. */
#include "certs/profile.h"

#include "base/hash.h"

#include <openssl/ec.h>
#include <openssl/rand.h>

#include <arpa/inet.h>
#include <string.h>

#define SECONDS_PER_DAY 86400
#define SERIAL_BITS     128
#define COMMON_NAME_MAX 64 /* RFC 5280, ub-common-name */
/* A peer whose clock is a little behind must not refuse a certificate made just now. */
#define NOT_BEFORE_SLACK_S 3600
#define HOSTS_MAX          16

struct profile_form {
	const char *unit; /* organisational unit: what kind of peer it is, NULL for a CA */
	const char *basic, *usage, *extended;
	bool spread; /* life varies by a tenth, so that a fleet does not expire in one night */
};

static const struct profile_form forms[] = {
	[PROFILE_ROOT] = { NULL, "critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign",
			   NULL, false },
	[PROFILE_ISSUING] = { NULL, "critical,CA:TRUE,pathlen:0",
			      "critical,keyCertSign,cRLSign", NULL, false },
	[PROFILE_SERVER] = { "servers", "critical,CA:FALSE", "critical,digitalSignature",
			     "serverAuth", false },
	[PROFILE_OPERATOR] = { "operators", "critical,CA:FALSE", "critical,digitalSignature",
			       "clientAuth", false },
	[PROFILE_DEVICE] = { "devices", "critical,CA:FALSE", "critical,digitalSignature",
			     "clientAuth", true },
};

EVP_PKEY *profile_make_key(void)
{
	return EVP_EC_gen("P-256");
}

bool profile_key_ok(EVP_PKEY *key)
{
	char group[32];
	size_t n = 0;

	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	    EVP_PKEY_get_group_name(key, group, sizeof(group), &n) != 1 ||
	    strcmp(group, "prime256v1") != 0)
		return false;
	CLEAN(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	return ctx && EVP_PKEY_public_check(ctx) == 1;
}

static bool set_serial(X509 *x)
{
	CLEAN(bignum) BIGNUM *n = BN_new();

	return n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
	       !BN_is_zero(n) && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
}

static int64_t life_s(const struct profile *p)
{
	int64_t s = (int64_t)p->request->days * SECONDS_PER_DAY;
	uint64_t r;

	if (!forms[p->kind].spread)
		return s;
	random_bytes(&r, sizeof(r));
	return s - s / 10 + (int64_t)(r % (uint64_t)(s / 5 + 1));
}

static bool set_times(X509 *x, const struct profile *p)
{
	int64_t life = life_s(p);

	if (!X509_gmtime_adj(X509_getm_notBefore(x), -NOT_BEFORE_SLACK_S) ||
	    !X509_time_adj_ex(X509_getm_notAfter(x), (int)(life / SECONDS_PER_DAY),
			      (long)(life % SECONDS_PER_DAY), NULL))
		return false;
	/* Nothing outlives its issuer. */
	if (p->issuer &&
	    ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(p->issuer)) > 0)
		return X509_set1_notAfter(x, X509_get0_notAfter(p->issuer)) == 1;
	return true;
}

static bool add_name(X509_NAME *name, int nid, const char *text)
{
	return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const uint8_t *)text,
					  (int)strlen(text), -1, 0) == 1;
}

static bool set_names(X509 *x, const struct profile *p)
{
	X509_NAME *subject = X509_get_subject_name(x);
	const char *unit = forms[p->kind].unit;

	if (unit && !add_name(subject, NID_organizationalUnitName, unit))
		return false;
	if (!add_name(subject, NID_commonName, p->request->common_name))
		return false;
	return X509_set_issuer_name(x, p->issuer ? X509_get_subject_name(p->issuer)
						 : subject) == 1;
}

static bool add_extension(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	CLEAN(x509_ext) X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

	return e && X509_add_ext(x, e, -1) == 1;
}

/* A host is an address when it reads as one. */
static bool add_host(GENERAL_NAMES *names, const char *host)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *dns = ip ? NULL : ASN1_IA5STRING_new();

	if (!name || (!ip && (!dns || ASN1_STRING_set(dns, host, -1) != 1))) {
		ASN1_IA5STRING_free(dns);
		ASN1_OCTET_STRING_free(ip);
		GENERAL_NAME_free(name);
		return false;
	}
	GENERAL_NAME_set0_value(name, ip ? GEN_IPADD : GEN_DNS, ip ? (void *)ip : (void *)dns);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool add_hosts(X509 *x, const struct cert_request *r)
{
	CLEAN(names) GENERAL_NAMES *names = GENERAL_NAMES_new();

	if (!r->host_count)
		return true;
	for (int i = 0; names && i < r->host_count; i++)
		if (!add_host(names, r->hosts[i]))
			return false;
	return names &&
	       X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
}

static bool set_extensions(X509 *x, const struct profile *p)
{
	const struct profile_form *f = &forms[p->kind];
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, p->issuer ? p->issuer : x, x, NULL, NULL, 0);
	return add_extension(x, &ctx, NID_basic_constraints, f->basic) &&
	       add_extension(x, &ctx, NID_key_usage, f->usage) &&
	       (!f->extended || add_extension(x, &ctx, NID_ext_key_usage, f->extended)) &&
	       add_extension(x, &ctx, NID_subject_key_identifier, "hash") &&
	       (!p->issuer ||
		add_extension(x, &ctx, NID_authority_key_identifier, "keyid:always")) &&
	       (p->kind != PROFILE_SERVER || add_hosts(x, p->request));
}

static bool request_ok(const struct cert_request *r)
{
	size_t n = strlen(r->common_name);

	if (n == 0 || n > COMMON_NAME_MAX || !text_is_clean(bytes_of(r->common_name)))
		return false;
	return r->days > 0 && r->host_count >= 0 && r->host_count <= HOSTS_MAX;
}

enum rc profile_sign(const struct profile *p, X509 **ret)
{
	CLEAN(x509) X509 *x = X509_new();

	if (!request_ok(p->request))
		return RC_INVALID;
	if (!x || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
	    !set_times(x, p) || !set_names(x, p) || X509_set_pubkey(x, p->subject_key) != 1 ||
	    !set_extensions(x, p) || X509_sign(x, p->issuer_key, EVP_sha256()) <= 0)
		return RC_INTERNAL;
	*ret = TAKE(x);
	return RC_OK;
}
