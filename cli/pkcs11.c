/* From a URI to a key in a token: driver, token, PIN, key, each with its own complaint. */

#include "cli/pkcs11.h"

#include "base/clean.h"
#include "base/memory.h"
#include "cli/file.h"
#include "cli/pkcs11_token.h"
#include "cli/prompt.h"

#include <p11-kit/uri.h>

#include <string.h>

#define SLOTS_MAX    64
#define KEYS_MAX     16
#define PIN_VARIABLE "MUSTER_PIN"

CLEAN_DEFINE(uri, P11KitUri *, p11_kit_uri_free)
CLEAN_DEFINE(pkcs11_token, struct pkcs11_token *, pkcs11_token_free)

bool pkcs11_is_uri(const char *path)
{
	return strncmp(path, "pkcs11:", 7) == 0;
}

/* --- the URI ------------------------------------------------------------------------------ */

static enum exit_code uri_check(P11KitUri *uri)
{
	const struct ck_attribute *class = p11_kit_uri_get_attribute(uri, CKA_CLASS);
	if (p11_kit_uri_get_pin_value(uri))
		return cli_fail(EXIT_FAILED,
				"a PIN does not belong on the command line, where others read "
				"it; use pin-source=FILE, --passphrase-file or the question");
	if (p11_kit_uri_any_unrecognized(uri))
		return cli_fail(EXIT_FAILED, "the PKCS#11 URI has a part that is not known");
	if (class && *(const ck_object_class_t *)class->value != CKO_PRIVATE_KEY)
		return cli_fail(EXIT_FAILED, "the PKCS#11 URI names no private key");
	return EXIT_DONE;
}

static enum exit_code uri_read(const char *text, P11KitUri **ret)
{
	CLEAN(uri) P11KitUri *uri = p11_kit_uri_new();
	int bad =
		uri ? p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) : P11_KIT_URI_NO_MEMORY;
	if (bad)
		return cli_fail(EXIT_FAILED, "this is no PKCS#11 URI (RFC 7512): %s",
				p11_kit_uri_message(bad));
	enum exit_code code = uri_check(uri);
	if (code == EXIT_DONE)
		*ret = TAKE(uri);
	return code;
}

/* --- the driver --------------------------------------------------------------------------- */

static enum exit_code module_of_path(const char *path, struct pkcs11_token *t)
{
	struct ck_function_list *module = p11_kit_module_load(path, 0);
	if (!module)
		return cli_fail(EXIT_FAILED, "cannot load the PKCS#11 module %s", path);
	ck_rv_t rv = p11_kit_module_initialize(module);
	if (rv != CKR_OK) {
		p11_kit_module_release(module);
		return cli_fail(EXIT_FAILED, "the PKCS#11 module %s does not start: %s", path,
				p11_kit_strerror(rv));
	}
	t->module = module;
	return EXIT_DONE;
}

static enum exit_code modules_installed(P11KitUri *uri, struct pkcs11_token *t)
{
	const char *name = p11_kit_uri_get_module_name(uri);
	t->modules = p11_kit_modules_load_and_initialize(0);
	if (!t->modules || !t->modules[0])
		return cli_fail(EXIT_FAILED, "this system has no PKCS#11 module; name one by "
					     "module-path=FILE in the URI");
	if (name && !p11_kit_module_for_name(t->modules, name))
		return cli_fail(EXIT_FAILED, "this system has no PKCS#11 module \"%s\"", name);
	return EXIT_DONE;
}

/* --- the token ---------------------------------------------------------------------------- */

/* Where a token was found. */
struct place {
	struct ck_function_list *module;
	ck_slot_id_t slot;
	struct ck_token_info info;
	size_t count; /* of tokens that match */
};

static void tokens_match(P11KitUri *uri, struct ck_function_list *module, struct place *ret)
{
	ck_slot_id_t slots[SLOTS_MAX];
	struct ck_token_info info;
	unsigned long n = SLOTS_MAX;
	if (module->C_GetSlotList(true, slots, &n) != CKR_OK)
		return;
	for (unsigned long i = 0; i < n; i++) {
		if (module->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
		    !(info.flags & CKF_TOKEN_INITIALIZED) ||
		    !p11_kit_uri_match_token_info(uri, &info))
			continue;
		ret->module = module;
		ret->slot = slots[i];
		ret->info = info;
		ret->count++;
	}
}

static enum exit_code token_find(P11KitUri *uri, const struct pkcs11_token *t,
				 struct place *ret)
{
	const char *name = p11_kit_uri_get_module_name(uri);
	*ret = (struct place){ 0 };
	if (!t->modules)
		tokens_match(uri, t->module, ret);
	for (size_t i = 0; t->modules && t->modules[i]; i++)
		if (!name || t->modules[i] == p11_kit_module_for_name(t->modules, name))
			tokens_match(uri, t->modules[i], ret);
	if (ret->count == 0)
		return cli_fail(EXIT_NOT_FOUND, "no token is there that the PKCS#11 URI names");
	if (ret->count > 1)
		return cli_fail(
			EXIT_FAILED,
			"%zu tokens are there that the PKCS#11 URI names; add token= or "
			"serial=",
			ret->count);
	return EXIT_DONE;
}

static const char *token_label(struct cli *c, const struct ck_token_info *info)
{
	size_t n = sizeof(info->label);
	while (n > 0 && info->label[n - 1] == ' ')
		n--;
	return arena_printf(c->mem, "%.*s", (int)n, (const char *)info->label);
}

/* --- the PIN ------------------------------------------------------------------------------ */

/* pin-source is a file: URI or a path.  A program (|...) is not run: a URI may come from
 * somebody else. */
static enum exit_code pin_of_source(struct cli *c, const char *source, const char **ret)
{
	const char *path = strncmp(source, "file:", 5) == 0 ? source + 5 : source;
	if (strncmp(path, "//", 2) == 0 && path[2] == '/')
		path += 2;
	if (source[0] == '|' || (path == source && strchr(source, ':')))
		return cli_fail(EXIT_FAILED, "pin-source takes a file alone");
	return file_read_secret(path, c->mem, ret);
}

static enum exit_code pin_take(struct cli *c, P11KitUri *uri, const char *label,
			       const char **ret)
{
	const char *source = p11_kit_uri_get_pin_source(uri);
	const char *file = args_value(&c->args, "passphrase-file");
	const char *variable = getenv(PIN_VARIABLE);
	if (source)
		return pin_of_source(c, source, ret);
	if (file)
		return file_read_secret(file, c->mem, ret);
	if (variable && *variable) {
		*ret = variable;
		return EXIT_DONE;
	}
	return prompt_secret(c, arena_printf(c->mem, "PIN of token %s: ", label), false, ret);
}

static enum exit_code login_fail(ck_rv_t rv, const char *label, const struct place *place)
{
	struct ck_token_info info = { 0 };
	place->module->C_GetTokenInfo(place->slot, &info);
	if (rv == CKR_PIN_LOCKED || (info.flags & CKF_USER_PIN_LOCKED))
		return cli_fail(EXIT_FAILED, "token %s is locked after too many wrong PINs",
				label);
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
		return cli_fail(EXIT_FAILED, "the PIN does not open token %s%s", label,
				info.flags & CKF_USER_PIN_FINAL_TRY ? "; one try is left" : "");
	return cli_fail(EXIT_FAILED, "token %s lets nobody in: %s", label,
			p11_kit_strerror(rv));
}

static enum exit_code token_login(struct cli *c, P11KitUri *uri, const struct place *place,
				  struct pkcs11_token *t)
{
	const char *label = token_label(c, &place->info), *pin = NULL;
	enum exit_code code = EXIT_DONE;
	if (!(place->info.flags & CKF_LOGIN_REQUIRED))
		return EXIT_DONE;
	/* Such a token has keys of its own for the PIN. */
	if (!(place->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH))
		code = pin_take(c, uri, label, &pin);
	if (code != EXIT_DONE)
		return code;
	t->pin = pin ? xstrdup(pin) : NULL;
	ck_rv_t rv = t->module->C_Login(t->session, CKU_USER, (unsigned char *)t->pin,
					t->pin ? strlen(t->pin) : 0);
	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? EXIT_DONE
								: login_fail(rv, label, place);
}

static enum exit_code session_open(struct cli *c, P11KitUri *uri, struct pkcs11_token *t)
{
	struct place place;
	enum exit_code code = token_find(uri, t, &place);
	if (code != EXIT_DONE)
		return code;
	t->module = place.module;
	ck_rv_t rv = t->module->C_OpenSession(place.slot, CKF_SERIAL_SESSION, NULL, NULL,
					      &t->session);
	if (rv != CKR_OK)
		return cli_fail(EXIT_FAILED, "token %s does not answer: %s",
				token_label(c, &place.info), p11_kit_strerror(rv));
	t->open = true;
	return token_login(c, uri, &place, t);
}

/* --- the key ------------------------------------------------------------------------------ */

static enum exit_code key_find(P11KitUri *uri, struct pkcs11_token *t)
{
	struct ck_attribute want[8];
	ck_object_handle_t found[KEYS_MAX];
	ck_object_class_t class = CKO_PRIVATE_KEY;
	unsigned long given, n = 0, count = 0;
	const struct ck_attribute *attributes = p11_kit_uri_get_attributes(uri, &given);
	want[n++] = (struct ck_attribute){ CKA_CLASS, &class, sizeof(class) };
	for (unsigned long i = 0; i < given && n < ARRAY_LEN(want); i++)
		if (attributes[i].type != CKA_CLASS)
			want[n++] = attributes[i];
	ck_rv_t rv = t->module->C_FindObjectsInit(t->session, want, n);
	if (rv == CKR_OK) {
		rv = t->module->C_FindObjects(t->session, found, KEYS_MAX, &count);
		t->module->C_FindObjectsFinal(t->session);
	}
	if (rv != CKR_OK)
		return cli_fail(EXIT_FAILED, "the token cannot be searched: %s",
				p11_kit_strerror(rv));
	if (count == 0)
		return cli_fail(EXIT_NOT_FOUND,
				"the token has no private key that the PKCS#11 URI names");
	if (count > 1)
		return cli_fail(
			EXIT_FAILED,
			"the token has %s%lu private keys that the PKCS#11 URI names; add "
			"id= or object=",
			count == KEYS_MAX ? "at least " : "", count);
	t->key = found[0];
	return EXIT_DONE;
}

static enum exit_code key_facts(struct pkcs11_token *t)
{
	unsigned char always = 0;
	struct ck_attribute type = { CKA_KEY_TYPE, &t->key_type, sizeof(t->key_type) };
	struct ck_attribute ask = { CKA_ALWAYS_AUTHENTICATE, &always, sizeof(always) };
	ck_rv_t rv = t->module->C_GetAttributeValue(t->session, t->key, &type, 1);
	if (rv != CKR_OK)
		return cli_fail(EXIT_FAILED, "the token does not show its key: %s",
				p11_kit_strerror(rv));
	/* A token without this attribute never asks. */
	if (t->module->C_GetAttributeValue(t->session, t->key, &ask, 1) == CKR_OK)
		t->always_ask = always != 0;
	return EXIT_DONE;
}

static enum exit_code key_make(struct pkcs11_token **taken, struct suit_key **ret)
{
	enum suit_rc rc = pkcs11_public_key(*taken, ret);
	if (rc == SUIT_MISSING)
		return cli_fail(EXIT_FAILED, "the token holds the private key, and no public "
					     "key of the same id");
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED,
				"the token's key is no P-256, P-384, Ed25519 or RSA key");
	suit_key_keep(*ret, &pkcs11_keeper, TAKE(*taken));
	return EXIT_DONE;
}

enum exit_code pkcs11_key_load(struct cli *c, const char *text, struct suit_key **ret)
{
	CLEAN(uri) P11KitUri *uri = NULL;
	CLEAN(pkcs11_token) struct pkcs11_token *t = xcalloc(1, sizeof(*t));
	enum exit_code code = uri_read(text, &uri);
	if (code != EXIT_DONE)
		return code;
	const char *path = p11_kit_uri_get_module_path(uri);
	code = path ? module_of_path(path, t) : modules_installed(uri, t);
	if (code == EXIT_DONE)
		code = session_open(c, uri, t);
	if (code == EXIT_DONE)
		code = key_find(uri, t);
	if (code == EXIT_DONE)
		code = key_facts(t);
	return code == EXIT_DONE ? key_make(&t, ret) : code;
}
