/* What a key in a token does, by Cryptoki: it shows its public half, signs, and agrees with
 * another key. */

#include "suit/keeper_pkcs11_token.h"

#include "suit/wipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTE_MAX 1024 /* an RSA key's modulus has 512 bytes */

struct attribute {
	uint8_t b[ATTRIBUTE_MAX];
	size_t n;
};

bool suit_pkcs11_may_login(const struct suit_pkcs11_token *t)
{
	return !t->pin_refused && (!t->host.may_try || t->host.may_try(t->host.arg));
}

ck_rv_t suit_pkcs11_login(struct suit_pkcs11_token *t, ck_user_type_t user)
{
	ck_rv_t rv = t->module->C_Login(t->session, user, (unsigned char *)t->pin,
					t->pin ? strlen(t->pin) : 0);
	t->pin_refused = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID ||
			 rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_LOCKED;
	if (t->pin_refused && t->host.refused)
		t->host.refused(t->host.arg);
	return rv;
}

void suit_pkcs11_close(struct suit_pkcs11_token *t)
{
	if (t->open)
		t->module->C_CloseSession(t->session);
	t->open = false;
}

void suit_pkcs11_free(struct suit_pkcs11_token *t)
{
	if (!t)
		return;
	suit_pkcs11_close(t);
	if (t->modules) {
		p11_kit_modules_finalize_and_release(t->modules);
	} else if (t->module) {
		p11_kit_module_finalize(t->module);
		p11_kit_module_release(t->module);
	}
	if (t->pin)
		suit_wipe(t->pin, strlen(t->pin));
	free(t->pin);
	p11_kit_uri_free(t->uri);
	free(t);
}

static bool attribute_get(const struct suit_pkcs11_token *t, ck_object_handle_t object,
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

static enum suit_rc rsa_key(const struct suit_pkcs11_token *t, ck_object_handle_t object,
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

static enum suit_rc curve_key(const struct suit_pkcs11_token *t, ck_object_handle_t object,
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
static bool public_find(const struct suit_pkcs11_token *t, ck_object_handle_t *ret)
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

enum suit_rc suit_pkcs11_public(const struct suit_pkcs11_token *t, struct suit_key **ret)
{
	ck_object_handle_t object;
	if (!public_find(t, &object))
		return SUIT_MISSING;
	return t->key_type == CKK_RSA ? rsa_key(t, object, ret) : curve_key(t, object, ret);
}

/* --- the private half --------------------------------------------------------------------- */

/* Something to do with the key. */
struct task {
	ck_rv_t (*run)(struct suit_pkcs11_token *t, struct task *task);
	struct ck_mechanism *how;
	struct suit_bytes of; /* to be signed */
	uint8_t *ret;
	unsigned long n; /* room at ret, then what is there */
};

/* What a token says when it was pulled, was reset, or forgot who we are: worth a new session.
 */
static bool is_gone(ck_rv_t rv)
{
	static const ck_rv_t gone[] = {
		CKR_DEVICE_ERROR,
		CKR_DEVICE_REMOVED,
		CKR_TOKEN_NOT_PRESENT,
		CKR_TOKEN_NOT_RECOGNIZED,
		CKR_SESSION_CLOSED,
		CKR_SESSION_HANDLE_INVALID,
		CKR_OBJECT_HANDLE_INVALID,
		CKR_KEY_HANDLE_INVALID,
		CKR_USER_NOT_LOGGED_IN,
		CKR_SLOT_ID_INVALID,
		CKR_CRYPTOKI_NOT_INITIALIZED,
	};
	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		if (rv == gone[i])
			return true;
	return false;
}

/* The token is well, and this key is not for that. */
static bool is_unfit(ck_rv_t rv)
{
	return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
	       rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_KEY_TYPE_INCONSISTENT;
}

static enum suit_rc tell(const struct suit_pkcs11_token *t, const char *text)
{
	if (t->host.fault)
		t->host.fault(t->host.arg, text);
	return SUIT_CRYPTO;
}

static enum suit_rc reopen(struct suit_pkcs11_token *t)
{
	struct suit_pkcs11_why why;
	suit_pkcs11_close(t);
	return suit_pkcs11_open(t, &why) == SUIT_OK ? SUIT_OK : tell(t, why.text);
}

static enum suit_rc run(struct suit_pkcs11_token *t, struct task *task)
{
	char text[160];
	unsigned long room = task->n;
	ck_rv_t rv = t->open ? task->run(t, task) : CKR_SESSION_CLOSED;
	if (is_gone(rv)) {
		if (reopen(t) != SUIT_OK)
			return SUIT_CRYPTO;
		task->n = room;
		rv = task->run(t, task);
	}
	if (rv == CKR_OK)
		return SUIT_OK;
	snprintf(text, sizeof(text), "the token does not do its work: %.100s",
		 p11_kit_strerror(rv));
	tell(t, text);
	/* an operation may be half done in it, and not every driver says that a token is gone
	 */
	suit_pkcs11_close(t);
	return is_unfit(rv) ? SUIT_KEY : SUIT_CRYPTO;
}

/* For a key that wants its PIN each time. */
static ck_rv_t ask_again(struct suit_pkcs11_token *t)
{
	return suit_pkcs11_may_login(t) ? suit_pkcs11_login(t, CKU_CONTEXT_SPECIFIC)
					: CKR_PIN_INCORRECT;
}

static ck_rv_t run_sign(struct suit_pkcs11_token *t, struct task *task)
{
	ck_rv_t rv = t->module->C_SignInit(t->session, task->how, t->key);
	if (rv == CKR_OK && t->always_ask)
		rv = ask_again(t);
	return rv == CKR_OK ? t->module->C_Sign(t->session, (unsigned char *)task->of.p,
						task->of.n, task->ret, &task->n)
			    : rv;
}

static enum suit_rc sign(void *arg, enum suit_key_type type, struct suit_bytes of,
			 uint8_t ret[SUIT_SIGNATURE_MAX], size_t *ret_n)
{
	struct ck_rsa_pkcs_pss_params pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
	struct ck_mechanism how = { CKM_ECDSA, NULL, 0 };
	struct task task = { run_sign, &how, of, ret, SUIT_SIGNATURE_MAX };
	if (type == SUIT_KEY_ED25519)
		how.mechanism = CKM_EDDSA;
	else if (type == SUIT_KEY_RSA)
		how = (struct ck_mechanism){ CKM_RSA_PKCS_PSS, &pss, sizeof(pss) };
	if (run(arg, &task) != SUIT_OK)
		return SUIT_CRYPTO;
	*ret_n = task.n;
	return SUIT_OK;
}

static ck_rv_t run_derive(struct suit_pkcs11_token *t, struct task *task)
{
	ck_object_class_t class = CKO_SECRET_KEY;
	ck_key_type_t type = CKK_GENERIC_SECRET;
	unsigned char no = 0, yes = 1;
	unsigned long size = 32;
	struct ck_attribute want[] = {
		{ CKA_CLASS, &class, sizeof(class) },   { CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &no, sizeof(no) },         { CKA_SENSITIVE, &no, sizeof(no) },
		{ CKA_EXTRACTABLE, &yes, sizeof(yes) }, { CKA_VALUE_LEN, &size, sizeof(size) },
	};
	struct ck_attribute value = { CKA_VALUE, task->ret, task->n };
	ck_object_handle_t secret;
	ck_rv_t rv = t->module->C_DeriveKey(t->session, task->how, t->key, want, 6, &secret);
	if (rv != CKR_OK)
		return rv;
	rv = t->module->C_GetAttributeValue(t->session, secret, &value, 1);
	t->module->C_DestroyObject(t->session, secret);
	task->n = value.value_len;
	return rv;
}

static enum suit_rc ecdh(void *arg, const struct suit_point *peer, uint8_t ret[32])
{
	uint8_t point[65] = { 4 };
	struct ck_ecdh1_derive_params with = { CKD_NULL, 0, NULL, sizeof(point), point };
	struct ck_mechanism how = { CKM_ECDH1_DERIVE, &with, sizeof(with) };
	struct task task = { .run = run_derive, .how = &how, .ret = ret, .n = 32 };
	memcpy(point + 1, peer->x, 32);
	memcpy(point + 33, peer->y, 32);
	enum suit_rc rc = run(arg, &task);
	return rc == SUIT_OK && task.n != 32 ? SUIT_CRYPTO : rc;
}

static void close_token(void *arg)
{
	const struct suit_pkcs11_token *t = arg;
	struct suit_pkcs11_host host = t->host;
	suit_pkcs11_free(arg);
	if (host.end)
		host.end(host.arg);
}

const struct suit_key_keeper suit_pkcs11_keeper = { sign, ecdh, close_token };
