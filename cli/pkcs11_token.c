/* What a key in a token does, by Cryptoki: it shows its public half, signs, and agrees with
 * another key. */

#include "cli/pkcs11_token.h"

#include <stdlib.h>
#include <string.h>

#define ATTRIBUTE_MAX 1024 /* an RSA key's modulus has 512 bytes */

struct attribute {
	uint8_t b[ATTRIBUTE_MAX];
	size_t n;
};

void pkcs11_token_free(struct pkcs11_token *t)
{
	if (!t)
		return;
	if (t->open)
		t->module->C_CloseSession(t->session);
	if (t->modules) {
		p11_kit_modules_finalize_and_release(t->modules);
	} else if (t->module) {
		p11_kit_module_finalize(t->module);
		p11_kit_module_release(t->module);
	}
	if (t->pin)
		explicit_bzero(t->pin, strlen(t->pin));
	free(t->pin);
	free(t);
}

static bool attribute_get(const struct pkcs11_token *t, ck_object_handle_t object,
			  ck_attribute_type_t type, struct attribute *ret)
{
	struct ck_attribute a = { type, ret->b, sizeof(ret->b) };
	ret->n = 0;
	if (t->module->C_GetAttributeValue(t->session, object, &a, 1) != CKR_OK ||
	    a.value_len > sizeof(ret->b))
		return false;
	ret->n = a.value_len;
	return true;
}

/* --- the public half ---------------------------------------------------------------------- */

/* DER, written from its end to its beginning, so that lengths are known. */
struct der {
	uint8_t b[2 * ATTRIBUTE_MAX];
	size_t at;
};

static bool der_raw(struct der *d, const void *p, size_t n)
{
	if (n > d->at)
		return false;
	d->at -= n;
	memcpy(d->b + d->at, p, n);
	return true;
}

/* Tag and length before what was written since `end`. */
static bool der_head(struct der *d, uint8_t tag, size_t end)
{
	size_t n = end - d->at;
	uint8_t head[] = { tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n };
	if (n < 0x80)
		return der_raw(d, (uint8_t[]){ tag, (uint8_t)n }, 2);
	if (n < 0x100)
		return der_raw(d, (uint8_t[]){ tag, 0x81, (uint8_t)n }, 3);
	return der_raw(d, head, sizeof(head));
}

static bool der_number(struct der *d, const struct attribute *a)
{
	const uint8_t *p = a->b;
	size_t n = a->n, end = d->at;
	for (; n > 1 && p[0] == 0; n--)
		p++;
	return n > 0 && der_raw(d, p, n) && (p[0] < 0x80 || der_raw(d, "\0", 1)) &&
	       der_head(d, 0x02, end);
}

/* The algorithm, with its own tag, before the key's bits. */
static enum suit_rc der_key(struct der *d, const void *algorithm, size_t n,
			    struct suit_key **ret)
{
	if (!der_raw(d, "\0", 1) || !der_head(d, 0x03, sizeof(d->b)) ||
	    !der_raw(d, algorithm, n) || !der_head(d, 0x30, sizeof(d->b)))
		return SUIT_TOO_LARGE;
	return suit_key_from_spki((struct suit_bytes){ d->b + d->at, sizeof(d->b) - d->at },
				  ret);
}

static enum suit_rc rsa_key(const struct pkcs11_token *t, ck_object_handle_t object,
			    struct suit_key **ret)
{
	static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					     0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
	struct der d = { .at = sizeof(d.b) };
	struct attribute modulus, exponent;
	if (!attribute_get(t, object, CKA_MODULUS, &modulus) ||
	    !attribute_get(t, object, CKA_PUBLIC_EXPONENT, &exponent))
		return SUIT_MISSING;
	if (!der_number(&d, &exponent) || !der_number(&d, &modulus) ||
	    !der_head(&d, 0x30, sizeof(d.b)))
		return SUIT_TOO_LARGE;
	return der_key(&d, algorithm, sizeof(algorithm), ret);
}

/* The standard has the point in an OCTET STRING; some tokens leave that away.  The sizes that
 * our curves have tell the two apart. */
static struct suit_bytes point_bytes(const struct attribute *a)
{
	size_t wrapped = a->n == 67 || a->n == 99 || a->n == 34 ? 2 : 0;
	return (struct suit_bytes){ a->b + wrapped, a->n - wrapped };
}

static enum suit_rc curve_key(const struct pkcs11_token *t, ck_object_handle_t object,
			      struct suit_key **ret)
{
	static const uint8_t ec[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
	static const uint8_t edwards[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };
	struct der algorithm = { .at = sizeof(algorithm.b) }, d = { .at = sizeof(d.b) };
	struct attribute point, curve;
	if (!attribute_get(t, object, CKA_EC_POINT, &point) ||
	    !attribute_get(t, object, CKA_EC_PARAMS, &curve))
		return SUIT_MISSING;
	struct suit_bytes bits = point_bytes(&point);
	if (!der_raw(&d, bits.p, bits.n))
		return SUIT_TOO_LARGE;
	if (t->key_type == CKK_EC_EDWARDS)
		return der_key(&d, edwards, sizeof(edwards), ret);
	if (!der_raw(&algorithm, curve.b, curve.n) || !der_raw(&algorithm, ec, sizeof(ec)) ||
	    !der_head(&algorithm, 0x30, sizeof(algorithm.b)))
		return SUIT_TOO_LARGE;
	return der_key(&d, algorithm.b + algorithm.at, sizeof(algorithm.b) - algorithm.at, ret);
}

/* The public key of the same id. */
static bool public_find(const struct pkcs11_token *t, ck_object_handle_t *ret)
{
	ck_object_class_t class = CKO_PUBLIC_KEY;
	ck_key_type_t type = t->key_type;
	struct attribute id;
	unsigned long n = 0;
	if (!attribute_get(t, t->key, CKA_ID, &id))
		return false;
	struct ck_attribute want[] = { { CKA_CLASS, &class, sizeof(class) },
				       { CKA_KEY_TYPE, &type, sizeof(type) },
				       { CKA_ID, id.b, id.n } };
	if (t->module->C_FindObjectsInit(t->session, want, 3) != CKR_OK)
		return false;
	ck_rv_t rv = t->module->C_FindObjects(t->session, ret, 1, &n);
	t->module->C_FindObjectsFinal(t->session);
	return rv == CKR_OK && n == 1;
}

enum suit_rc pkcs11_public_key(const struct pkcs11_token *t, struct suit_key **ret)
{
	ck_object_handle_t object;
	if (!public_find(t, &object))
		return SUIT_MISSING;
	return t->key_type == CKK_RSA ? rsa_key(t, object, ret) : curve_key(t, object, ret);
}

/* --- the private half --------------------------------------------------------------------- */

static enum suit_rc sign(void *arg, enum suit_key_type type, struct suit_bytes of,
			 uint8_t ret[SUIT_SIGNATURE_MAX], size_t *ret_n)
{
	const struct pkcs11_token *t = arg;
	struct ck_rsa_pkcs_pss_params pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
	struct ck_mechanism how = { CKM_ECDSA, NULL, 0 };
	unsigned long n = SUIT_SIGNATURE_MAX;
	if (type == SUIT_KEY_ED25519)
		how.mechanism = CKM_EDDSA;
	else if (type == SUIT_KEY_RSA)
		how = (struct ck_mechanism){ CKM_RSA_PKCS_PSS, &pss, sizeof(pss) };
	if (t->module->C_SignInit(t->session, &how, t->key) != CKR_OK)
		return SUIT_CRYPTO;
	if (t->always_ask &&
	    t->module->C_Login(t->session, CKU_CONTEXT_SPECIFIC, (unsigned char *)t->pin,
			       t->pin ? strlen(t->pin) : 0) != CKR_OK)
		return SUIT_CRYPTO;
	if (t->module->C_Sign(t->session, (unsigned char *)of.p, of.n, ret, &n) != CKR_OK)
		return SUIT_CRYPTO;
	*ret_n = n;
	return SUIT_OK;
}

static enum suit_rc ecdh(void *arg, const struct suit_point *peer, uint8_t ret[32])
{
	const struct pkcs11_token *t = arg;
	uint8_t point[65] = { 4 };
	ck_object_class_t class = CKO_SECRET_KEY;
	ck_key_type_t type = CKK_GENERIC_SECRET;
	unsigned char no = 0, yes = 1;
	unsigned long size = 32;
	struct ck_attribute want[] = {
		{ CKA_CLASS, &class, sizeof(class) },   { CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &no, sizeof(no) },         { CKA_SENSITIVE, &no, sizeof(no) },
		{ CKA_EXTRACTABLE, &yes, sizeof(yes) }, { CKA_VALUE_LEN, &size, sizeof(size) },
	};
	struct ck_ecdh1_derive_params with = { CKD_NULL, 0, NULL, sizeof(point), point };
	struct ck_mechanism how = { CKM_ECDH1_DERIVE, &with, sizeof(with) };
	struct ck_attribute value = { CKA_VALUE, ret, 32 };
	ck_object_handle_t secret;
	memcpy(point + 1, peer->x, 32);
	memcpy(point + 33, peer->y, 32);
	if (t->module->C_DeriveKey(t->session, &how, t->key, want, 6, &secret) != CKR_OK)
		return SUIT_KEY;
	ck_rv_t rv = t->module->C_GetAttributeValue(t->session, secret, &value, 1);
	t->module->C_DestroyObject(t->session, secret);
	return rv == CKR_OK && value.value_len == 32 ? SUIT_OK : SUIT_CRYPTO;
}

static void close_token(void *arg)
{
	pkcs11_token_free(arg);
}

const struct suit_key_keeper pkcs11_keeper = { sign, ecdh, close_token };
