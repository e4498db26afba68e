/* From a URI to a key in a token: driver, token, PIN, key, each with its own complaint. */

#include "suit/keeper_pkcs11.h"

#include "suit/keeper_pkcs11_token.h"
#include "suit/wipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 64
#define KEYS_MAX  16
#define LABEL_MAX 33

static void free_token(struct suit_pkcs11_token **t)
{
	suit_pkcs11_free(*t);
}
#define AUTO(kind) __attribute__((cleanup(free_##kind)))

bool suit_pkcs11_is_uri(const char *text)
{
	return strncmp(text, "pkcs11:", 7) == 0;
}

__attribute__((format(printf, 3, 4))) static enum suit_rc
fail(struct suit_pkcs11_why *why, enum suit_rc rc, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return rc;
}

/* --- the URI ------------------------------------------------------------------------------ */

static enum suit_rc uri_check(P11KitUri *uri, struct suit_pkcs11_why *why)
{
	const struct ck_attribute *class = p11_kit_uri_get_attribute(uri, CKA_CLASS);
	if (p11_kit_uri_get_pin_value(uri))
		return fail(why, SUIT_MALFORMED,
			    "a PIN does not belong in the URI, where others read it; name a "
			    "file that holds it by pin-source=FILE");
	if (p11_kit_uri_any_unrecognized(uri))
		return fail(why, SUIT_MALFORMED,
			    "the PKCS#11 URI has a part that is not known");
	if (class && *(const ck_object_class_t *)class->value != CKO_PRIVATE_KEY)
		return fail(why, SUIT_MALFORMED, "the PKCS#11 URI names no private key");
	return SUIT_OK;
}

static enum suit_rc uri_read(struct suit_pkcs11_token *t, const char *text,
			     struct suit_pkcs11_why *why)
{
	t->uri = p11_kit_uri_new();
	int bad = t->uri ? p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, t->uri)
			 : P11_KIT_URI_NO_MEMORY;
	if (bad)
		return fail(why, SUIT_MALFORMED, "this is no PKCS#11 URI (RFC 7512): %s",
			    p11_kit_uri_message(bad));
	return uri_check(t->uri, why);
}

/* --- the driver --------------------------------------------------------------------------- */

static enum suit_rc module_of_path(struct suit_pkcs11_token *t, const char *path,
				   struct suit_pkcs11_why *why)
{
	struct ck_function_list *module = p11_kit_module_load(path, 0);
	if (!module)
		return fail(why, SUIT_CRYPTO, "cannot load the PKCS#11 module %s", path);
	ck_rv_t rv = p11_kit_module_initialize(module);
	if (rv != CKR_OK) {
		p11_kit_module_release(module);
		return fail(why, SUIT_CRYPTO, "the PKCS#11 module %s does not start: %s", path,
			    p11_kit_strerror(rv));
	}
	t->module = module;
	return SUIT_OK;
}

static enum suit_rc modules_installed(struct suit_pkcs11_token *t, struct suit_pkcs11_why *why)
{
	const char *name = p11_kit_uri_get_module_name(t->uri);
	t->modules = p11_kit_modules_load_and_initialize(0);
	if (!t->modules || !t->modules[0])
		return fail(why, SUIT_CRYPTO,
			    "this system has no PKCS#11 module; name one by "
			    "module-path=FILE in the URI");
	if (name && !p11_kit_module_for_name(t->modules, name))
		return fail(why, SUIT_CRYPTO, "this system has no PKCS#11 module \"%s\"", name);
	return SUIT_OK;
}

/* --- the token ---------------------------------------------------------------------------- */

/* Where a token was found. */
struct place {
	struct ck_function_list *module;
	ck_slot_id_t slot;
	struct ck_token_info info;
	char label[LABEL_MAX];
	size_t count; /* of tokens that match */
};

static bool is_module(P11KitUri *uri, struct ck_function_list *module)
{
	struct ck_info about;
	return module->C_GetInfo(&about) == CKR_OK &&
	       p11_kit_uri_match_module_info(uri, &about);
}

static bool is_slot(P11KitUri *uri, struct ck_function_list *module, ck_slot_id_t slot)
{
	static const ck_slot_id_t any = (ck_slot_id_t)-1;
	ck_slot_id_t wanted = p11_kit_uri_get_slot_id(uri);
	struct ck_slot_info about;
	return (wanted == any || wanted == slot) &&
	       module->C_GetSlotInfo(slot, &about) == CKR_OK &&
	       p11_kit_uri_match_slot_info(uri, &about);
}

static bool is_other(const struct suit_pkcs11_token *t, const struct ck_token_info *info)
{
	return t->known && memcmp(info->serial_number, t->serial, sizeof(t->serial)) != 0;
}

static void tokens_match(const struct suit_pkcs11_token *t, struct ck_function_list *module,
			 struct place *ret)
{
	P11KitUri *uri = t->uri;
	ck_slot_id_t slots[SLOTS_MAX];
	struct ck_token_info info;
	unsigned long n = SLOTS_MAX;
	if (!is_module(uri, module) || module->C_GetSlotList(true, slots, &n) != CKR_OK)
		return;
	for (unsigned long i = 0; i < n; i++) {
		if (!is_slot(uri, module, slots[i]) ||
		    module->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
		    !(info.flags & CKF_TOKEN_INITIALIZED) ||
		    !p11_kit_uri_match_token_info(uri, &info) || is_other(t, &info))
			continue;
		ret->module = module;
		ret->slot = slots[i];
		ret->info = info;
		ret->count++;
	}
}

static void label_read(struct place *place)
{
	size_t n = sizeof(place->info.label);
	while (n > 0 && place->info.label[n - 1] == ' ')
		n--;
	snprintf(place->label, sizeof(place->label), "%.*s", (int)n,
		 (const char *)place->info.label);
}

static enum suit_rc token_find(const struct suit_pkcs11_token *t, struct place *ret,
			       struct suit_pkcs11_why *why)
{
	const char *name = p11_kit_uri_get_module_name(t->uri);
	*ret = (struct place){ 0 };
	if (!t->modules && t->module)
		tokens_match(t, t->module, ret);
	for (size_t i = 0; t->modules && t->modules[i]; i++)
		if (!name || t->modules[i] == p11_kit_module_for_name(t->modules, name))
			tokens_match(t, t->modules[i], ret);
	if (ret->count == 0)
		return fail(why, SUIT_MISSING, "no token is there that the PKCS#11 URI names");
	if (ret->count > 1)
		return fail(why, SUIT_KEY,
			    "%zu tokens are there that the PKCS#11 URI names; add token= or "
			    "serial=",
			    ret->count);
	label_read(ret);
	return SUIT_OK;
}

/* --- the PIN ------------------------------------------------------------------------------ */

/* pin-source is a file: URI or a path.  A program (|...) is not run: a URI may come from
 * somebody else.  NULL when it is something else. */
static const char *source_path(const char *source)
{
	const char *path = strncmp(source, "file:", 5) == 0 ? source + 5 : source;
	if (strncmp(path, "//", 2) == 0 && path[2] == '/')
		path += 2;
	if (source[0] == '|' || !path[0] || (path == source && strchr(source, ':')))
		return NULL;
	return path;
}

static enum suit_rc pin_take(struct suit_pkcs11_token *t, const struct place *place,
			     struct suit_pkcs11_why *why)
{
	const char *source = p11_kit_uri_get_pin_source(t->uri);
	const char *path = source ? source_path(source) : NULL;
	char pin[SUIT_PIN_MAX + 1];
	if (source && !path)
		return fail(why, SUIT_MALFORMED, "pin-source takes a file alone");
	if (!t->host.pin)
		return fail(why, SUIT_CRYPTO, "token %s wants a PIN now", place->label);
	why->text[0] = '\0';
	if (!t->host.pin(t->host.arg, path, place->label, pin))
		return SUIT_OPERATION;
	t->pin = strdup(pin);
	suit_wipe(pin, sizeof(pin));
	return t->pin ? SUIT_OK : fail(why, SUIT_CRYPTO, "no memory");
}

static enum suit_rc login_fail(struct suit_pkcs11_token *t, const struct place *place,
			       ck_rv_t rv, struct suit_pkcs11_why *why)
{
	struct ck_token_info info = { 0 };
	place->module->C_GetTokenInfo(place->slot, &info);
	if (rv == CKR_PIN_LOCKED || (info.flags & CKF_USER_PIN_LOCKED))
		return fail(why, SUIT_CRYPTO, "token %s is locked after too many wrong PINs",
			    place->label);
	if (t->pin_refused)
		return fail(why, SUIT_CRYPTO, "the PIN does not open token %s%s", place->label,
			    info.flags & CKF_USER_PIN_FINAL_TRY ? "; one try is left" : "");
	return fail(why, SUIT_CRYPTO, "token %s lets nobody in: %s", place->label,
		    p11_kit_strerror(rv));
}

static enum suit_rc token_login(struct suit_pkcs11_token *t, const struct place *place,
				struct suit_pkcs11_why *why)
{
	enum suit_rc rc = SUIT_OK;
	if (!(place->info.flags & CKF_LOGIN_REQUIRED))
		return SUIT_OK;
	if (t->host.unattended && place->info.flags & CKF_USER_PIN_FINAL_TRY)
		return fail(why, SUIT_CRYPTO,
			    "token %s has one try left for its PIN, which is left to you",
			    place->label);
	/* Such a token has keys of its own for the PIN. */
	if (!t->pin && !(place->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH))
		rc = pin_take(t, place, why);
	if (rc != SUIT_OK)
		return rc;
	if (!suit_pkcs11_may_login(t))
		return fail(why, SUIT_CRYPTO, "token %s has refused its PIN before",
			    place->label);
	ck_rv_t rv = suit_pkcs11_login(t, CKU_USER);
	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? SUIT_OK
								: login_fail(t, place, rv, why);
}

static enum suit_rc session_open(struct suit_pkcs11_token *t, struct suit_pkcs11_why *why)
{
	struct place place;
	enum suit_rc rc = token_find(t, &place, why);
	if (rc != SUIT_OK || !place.module)
		return rc != SUIT_OK ? rc : SUIT_MISSING;
	t->module = place.module;
	ck_rv_t rv = t->module->C_OpenSession(place.slot, CKF_SERIAL_SESSION, NULL, NULL,
					      &t->session);
	if (rv != CKR_OK)
		return fail(why, SUIT_CRYPTO, "token %s does not answer: %s", place.label,
			    p11_kit_strerror(rv));
	t->open = true;
	rc = token_login(t, &place, why);
	if (rc == SUIT_OK) {
		memcpy(t->serial, place.info.serial_number, sizeof(t->serial));
		t->known = true;
	}
	return rc;
}

/* --- the key ------------------------------------------------------------------------------ */

static enum suit_rc key_search(const struct suit_pkcs11_token *t,
			       ck_object_handle_t found[KEYS_MAX], unsigned long *ret_count,
			       struct suit_pkcs11_why *why)
{
	struct ck_attribute want[8];
	ck_object_class_t class = CKO_PRIVATE_KEY;
	unsigned long given, n = 0;
	const struct ck_attribute *attributes = p11_kit_uri_get_attributes(t->uri, &given);
	want[n++] = (struct ck_attribute){ CKA_CLASS, &class, sizeof(class) };
	for (unsigned long i = 0; i < given && n < sizeof(want) / sizeof(*want); i++)
		if (attributes[i].type != CKA_CLASS)
			want[n++] = attributes[i];
	ck_rv_t rv = t->module->C_FindObjectsInit(t->session, want, n);
	if (rv == CKR_OK) {
		rv = t->module->C_FindObjects(t->session, found, KEYS_MAX, ret_count);
		t->module->C_FindObjectsFinal(t->session);
	}
	return rv == CKR_OK ? SUIT_OK
			    : fail(why, SUIT_CRYPTO, "the token cannot be searched: %s",
				   p11_kit_strerror(rv));
}

static enum suit_rc key_find(struct suit_pkcs11_token *t, struct suit_pkcs11_why *why)
{
	ck_object_handle_t found[KEYS_MAX];
	unsigned long count = 0;
	enum suit_rc rc = key_search(t, found, &count, why);
	if (rc != SUIT_OK)
		return rc;
	if (count == 0)
		return fail(why, SUIT_MISSING,
			    "the token has no private key that the PKCS#11 URI names");
	if (count > 1)
		return fail(why, SUIT_KEY,
			    "the token has %s%lu private keys that the PKCS#11 URI names; add "
			    "id= or object=",
			    count == KEYS_MAX ? "at least " : "", count);
	t->key = found[0];
	return SUIT_OK;
}

static enum suit_rc key_facts(struct suit_pkcs11_token *t, struct suit_pkcs11_why *why)
{
	unsigned char always = 0;
	struct ck_attribute type = { CKA_KEY_TYPE, &t->key_type, sizeof(t->key_type) };
	struct ck_attribute ask = { CKA_ALWAYS_AUTHENTICATE, &always, sizeof(always) };
	ck_rv_t rv = t->module->C_GetAttributeValue(t->session, t->key, &type, 1);
	if (rv != CKR_OK)
		return fail(why, SUIT_CRYPTO, "the token does not show its key: %s",
			    p11_kit_strerror(rv));
	/* A token without this attribute never asks. */
	if (t->module->C_GetAttributeValue(t->session, t->key, &ask, 1) == CKR_OK)
		t->always_ask = always != 0;
	return SUIT_OK;
}

static enum suit_rc key_make(struct suit_pkcs11_token **taken, struct suit_key **ret,
			     struct suit_pkcs11_why *why)
{
	enum suit_rc rc = suit_pkcs11_public(*taken, ret);
	if (rc == SUIT_MISSING)
		return fail(why, SUIT_KEY,
			    "the token holds the private key, and no public key of the same "
			    "id");
	if (rc != SUIT_OK)
		return fail(why, SUIT_KEY,
			    "the token's key is no P-256, P-384, Ed25519 or RSA key");
	(*taken)->host.pin = NULL; /* asked while the key is loaded, and not later */
	suit_key_keep(*ret, &suit_pkcs11_keeper, *taken);
	*taken = NULL;
	return SUIT_OK;
}

enum suit_rc suit_pkcs11_open(struct suit_pkcs11_token *t, struct suit_pkcs11_why *why)
{
	enum suit_rc rc = session_open(t, why);
	if (rc == SUIT_OK)
		rc = key_find(t, why);
	if (rc == SUIT_OK)
		rc = key_facts(t, why);
	if (rc != SUIT_OK)
		suit_pkcs11_close(t);
	return rc;
}

enum suit_rc suit_pkcs11_key_load(const char *uri, const struct suit_pkcs11_host *host,
				  struct suit_key **ret, struct suit_pkcs11_why *why)
{
	AUTO(token) struct suit_pkcs11_token *t = calloc(1, sizeof(*t));
	*why = (struct suit_pkcs11_why){ 0 };
	if (!t)
		return fail(why, SUIT_CRYPTO, "no memory");
	t->host = *host;
	enum suit_rc rc = uri_read(t, uri, why);
	if (rc != SUIT_OK)
		return rc;
	const char *path = p11_kit_uri_get_module_path(t->uri);
	rc = path ? module_of_path(t, path, why) : modules_installed(t, why);
	if (rc == SUIT_OK)
		rc = suit_pkcs11_open(t, why);
	return rc == SUIT_OK ? key_make(&t, ret, why) : rc;
}
