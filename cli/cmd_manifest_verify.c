/* Whether an envelope is signed by those who are named, and for what. */

#include "base/clock.h"
#include "cli/author.h"
#include "cli/certificates.h"
#include "cli/manifest.h"
#include "cli/party.h"
#include "suit/survey.h"
#include "suit/trust.h"

#include <string.h>

/* Who is trusted, by the options. */
struct known {
	struct suit_key *key[SUIT_BLOCKS_MAX];
	const char *path[SUIT_BLOCKS_MAX];
	size_t count;
	struct party_list mac;
	struct suit_certificates anchors;
	/* Found on the way: a signer whose certificate leads to an anchor, by block. */
	const struct suit_envelope *envelope;
	struct suit_key *led[SUIT_BLOCKS_MAX];
};

static void clean_known(struct known *k)
{
	for (size_t i = 0; i < k->count; i++)
		suit_key_free(k->key[i]);
	for (size_t i = 0; i < SUIT_BLOCKS_MAX; i++)
		suit_key_free(k->led[i]);
	clean_party_list(&k->mac);
}

/* --- who is known ------------------------------------------------------------------------- */

static enum exit_code keys_load(struct cli *c, struct known *k)
{
	const char *values[ARGS_MAX];
	enum exit_code code = EXIT_DONE;
	int n = args_values(&c->args, "key", values);
	if (n > SUIT_BLOCKS_MAX)
		return cli_fail(EXIT_FAILED, "an envelope has at most %d signatures",
				SUIT_BLOCKS_MAX);
	for (int i = 0; i < n && code == EXIT_DONE; i++) {
		struct suit_key *key = NULL;
		code = author_key_load(c, values[i], &key);
		if (code != EXIT_DONE)
			return code;
		k->key[k->count] = key;
		k->path[k->count++] = values[i];
	}
	n = args_values(&c->args, "mac-key", values);
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		code = party_add_kek(c, &k->mac, values[i]);
	if (code == EXIT_DONE && args_has(&c->args, "anchor"))
		code = certificates_load(c, args_value(&c->args, "anchor"), &k->anchors);
	return code;
}

/* The chain that a block brings. */
static struct suit_certificates chain_of(const struct suit_block *block,
					 struct suit_bytes der[SUIT_CHAIN_MAX])
{
	size_t n = 0;
	while (n < SUIT_CHAIN_MAX) {
		der[n] = suit_block_certificate(block, n);
		if (der[n].n == 0)
			break;
		n++;
	}
	return (struct suit_certificates){ der, n };
}

/* Looked up once for all blocks: the keys live as long as the verification. */
static void chains_follow(struct known *k)
{
	struct suit_bytes der[SUIT_CHAIN_MAX];
	for (size_t i = 0; i < k->envelope->block_count && k->anchors.count > 0; i++) {
		struct suit_certificates chain = chain_of(&k->envelope->block[i], der);
		if (chain.count > 0 &&
		    suit_key_from_certificate(chain, k->anchors, clock_wall() / USEC_PER_SEC,
					      &k->led[i]) != SUIT_OK)
			k->led[i] = NULL;
	}
}

static bool may_be(const struct suit_block *block, const struct suit_key *key)
{
	uint8_t kid[SUIT_KID_SIZE];
	if (block->kid.n == 0)
		return true;
	struct suit_bytes named = { kid, sizeof(kid) };
	return suit_key_kid(key, kid) == SUIT_OK && suit_bytes_equal(block->kid, named);
}

static const struct suit_key *known_key(void *arg, const struct suit_block *block, size_t nth)
{
	const struct known *k = arg;
	const struct suit_key *led = k->led[block - k->envelope->block];
	if (led && nth-- == 0)
		return led;
	for (size_t i = 0; i < k->count; i++)
		if (may_be(block, k->key[i]) && nth-- == 0)
			return k->key[i];
	return NULL;
}

static struct suit_bytes known_mac(void *arg, const struct suit_block *block, size_t nth)
{
	const struct known *k = arg;
	for (size_t i = 0; i < k->mac.count; i++) {
		const struct suit_party *p = &k->mac.party[i];
		bool fits = block->kid.n == 0 || p->kid.n == 0 ||
			    suit_bytes_equal(block->kid, p->kid);
		if (fits && nth-- == 0)
			return p->secret;
	}
	return (struct suit_bytes){ 0 };
}

/* --- has each of them signed? ------------------------------------------------------------- */

static bool has_key(const struct suit_envelope *e, const struct suit_key *key)
{
	for (size_t b = 0; b < e->block_count; b++)
		if (suit_block_verify(&suit_crypto_openssl, e, &e->block[b], key) == SUIT_OK)
			return true;
	return false;
}

static bool has_mac(const struct suit_envelope *e, struct suit_bytes key)
{
	for (size_t b = 0; b < e->block_count; b++)
		if (suit_block_mac(&suit_crypto_openssl, e, &e->block[b], key) == SUIT_OK)
			return true;
	return false;
}

static bool has_led(const struct known *k)
{
	for (size_t b = 0; b < k->envelope->block_count; b++)
		/* a chain alone proves nothing: it stands outside of what is signed */
		if (k->led[b] &&
		    suit_block_verify(&suit_crypto_openssl, k->envelope, &k->envelope->block[b],
				      k->led[b]) == SUIT_OK)
			return true;
	return false;
}

static const char *joined(struct cli *c, const char *before, const char *what)
{
	return before ? arena_printf(c->mem, "%s and %s", before, what) : what;
}

/* ret_all: everybody who was named; ret_missing: the first who has not signed, or NULL. */
static void ask_each(struct cli *c, const struct known *k, const char **ret_all,
		     const char **ret_missing)
{
	const char *anchor = args_value(&c->args, "anchor"), *values[ARGS_MAX];
	const char *all = NULL, *missing = NULL;
	args_values(&c->args, "mac-key", values);
	for (size_t i = 0; i < k->count; i++) {
		all = joined(c, all, k->path[i]);
		if (!missing && !has_key(k->envelope, k->key[i]))
			missing = k->path[i];
	}
	if (anchor) {
		const char *what = arena_printf(c->mem, "somebody of %s", anchor);
		all = joined(c, all, what);
		if (!missing && !has_led(k))
			missing = what;
	}
	for (size_t i = 0; i < k->mac.count; i++) {
		const char *what = arena_printf(c->mem, "the MAC key %s", values[i]);
		all = joined(c, all, what);
		if (!missing && !has_mac(k->envelope, k->mac.party[i].secret))
			missing = what;
	}
	*ret_all = all;
	*ret_missing = missing;
}

/* --- for what ----------------------------------------------------------------------------- */

static bool names(const struct suit_survey *s, enum suit_parameter key, const struct uuid *id)
{
	uint8_t encoded[1 + sizeof(id->b)] = { 0x40 | sizeof(id->b) };
	memcpy(encoded + 1, id->b, sizeof(id->b));
	for (size_t i = 0; i < s->identity_count; i++)
		if (s->identity[i].key == key && s->identity[i].id.n == sizeof(encoded) &&
		    memcmp(s->identity[i].id.p, encoded, sizeof(encoded)) == 0)
			return true;
	return false;
}

static enum exit_code check_class(struct cli *c, const struct suit_survey *s)
{
	struct class_ids ids;
	const char *class_name = args_value(&c->args, "class");
	if (!class_name)
		return EXIT_DONE;
	enum exit_code code = class_ids_of(class_name, c->mem, &ids);
	if (code != EXIT_DONE)
		return code;
	if (s->vendor_class && names(s, SUIT_PARAM_VENDOR, &ids.vendor) &&
	    names(s, SUIT_PARAM_CLASS, &ids.class))
		return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "it is not for %s", class_name);
}

/* Of any component, at the end of any way. */
static enum exit_code check_image(struct cli *c, const struct suit_survey *s)
{
	struct digest digest;
	int64_t size;
	const char *path = args_value(&c->args, "image");
	if (!path)
		return EXIT_DONE;
	CLEAN(file) FILE *from = fopen(path, "re");
	if (!from)
		return cli_fail(EXIT_NOT_FOUND, "cannot open %s", path);
	enum exit_code code = author_hash(path, from, &digest, &size);
	if (code != EXIT_DONE)
		return code;
	for (size_t i = 0; i < s->installed_count; i++)
		if (memcmp(s->installed[i].digest.b, digest.b, sizeof(digest.b)) == 0)
			return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "%s is not the image that the manifest names", path);
}

/* What it does to devices, as far as its own bytes tell. */
static enum exit_code check_what(struct cli *c, const struct suit_envelope *e)
{
	struct suit_survey *s = arena_new(c->mem, struct suit_survey);
	if (!args_has(&c->args, "class") && !args_has(&c->args, "image"))
		return EXIT_DONE;
	enum suit_rc rc = suit_survey(e, NULL, NULL, s);
	if (rc != SUIT_OK && e->dependency_count > 0)
		return cli_fail(EXIT_FAILED, "what it is for depends on other manifests; they "
					     "can be checked one by one");
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "no device can carry it out: %s",
				suit_rc_text(rc));
	enum exit_code code = check_class(c, s);
	return code == EXIT_DONE ? check_image(c, s) : code;
}

/* --- the command -------------------------------------------------------------------------- */

static void say_signed(const char *path, const char *by, const struct suit_verdict *v)
{
	size_t others = v->unknown + v->macs_unread;
	if (others == 0)
		cli_say("%s is signed by %s.", path, by);
	else
		cli_say("%s is signed by %s; %zu more by others, not checked.", path, by,
			others);
}

static enum exit_code verify(struct cli *c, struct known *k)
{
	struct suit_verdict verdict;
	const char *path = args_operand(&c->args, 0), *all, *missing;
	struct suit_trust trust = { .key = known_key,
				    .mac_key = k->mac.count > 0 ? known_mac : NULL,
				    .arg = k,
				    .pass_unknown = true };
	chains_follow(k);
	enum suit_rc rc =
		suit_envelope_verify(&suit_crypto_openssl, k->envelope, &trust, &verdict);
	ask_each(c, k, &all, &missing);
	if (missing || rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is not signed by %s", path,
				missing ? missing : all);
	enum exit_code code = check_what(c, k->envelope);
	if (code == EXIT_DONE)
		say_signed(path, all, &verdict);
	return code;
}

enum exit_code manifest_verify(struct cli *c)
{
	struct suit_envelope e;
	CLEAN(known) struct known k = { .envelope = &e };
	if (!args_has(&c->args, "key") && !args_has(&c->args, "anchor") &&
	    !args_has(&c->args, "mac-key"))
		return cli_fail(EXIT_FAILED,
				"manifest verify needs --key, --anchor or --mac-key");
	enum exit_code code = manifest_read(c, args_operand(&c->args, 0), &e);
	if (code == EXIT_DONE)
		code = keys_load(c, &k);
	return code == EXIT_DONE ? verify(c, &k) : code;
}

const struct option_def manifest_verify_options[] = {
	{ "key", "KEY", "signed by this public key (file or PKCS#11 URI)", OPTION_MANY, true },
	{ "anchor", "FILE", "signed by somebody whose certificates lead to one of these (PEM)",
	  OPTION_VALUE, true },
	{ "mac-key", "[KID=]FILE", "with a MAC by this key", OPTION_MANY, true },
	{ "passphrase-file", "FILE", "read passphrase or PIN of a key from a file",
	  OPTION_VALUE, true },
	{ "class", "VENDOR/NAME", "check also that it is for this class", OPTION_VALUE, false },
	{ "image", "FILE", "check also that this is the image it names", OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};
