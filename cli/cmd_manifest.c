/* Manifests, offline: what an envelope says, and whether it is signed by a key. */

#include "cli/author.h"
#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/file.h"
#include "cli/manifest.h"
#include "cli/words.h"
#include "suit/cose.h"
#include "suit/ids.h"
#include "suit/plan.h"
#include "suit/trust.h"

#include <string.h>

enum exit_code manifest_read(struct cli *c, const char *path, struct suit_envelope *ret)
{
	struct bytes content;
	enum exit_code code = file_read(path, SUIT_ENVELOPE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc = suit_envelope_decode(
		&suit_crypto_openssl, (struct suit_bytes){ content.p, content.n }, ret);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is no valid envelope: %s", path,
				suit_rc_text(rc));
	return EXIT_DONE;
}

static const char *hex_text(struct cli *c, const uint8_t *p, size_t n)
{
	return hex_encode(c->mem, (struct bytes){ p, n });
}

static json_t *signers_json(struct cli *c, const struct suit_envelope *e)
{
	json_t *ret = json_array();
	for (size_t i = 0; i < e->block_count; i++) {
		const struct suit_block *b = &e->block[i];
		json_array_append_new(ret, json_pack("{s:s, s:I}", "kid",
						     hex_text(c, b->kid.p, b->kid.n),
						     "algorithm", (json_int_t)b->alg));
	}
	return ret;
}

static json_t *images_json(struct cli *c, const struct suit_plan *plans, size_t count)
{
	json_t *ret = json_array();
	for (size_t i = 0; i < count; i++) {
		const struct suit_plan *p = &plans[i];
		const char *uri = arena_printf(c->mem, "%.*s", (int)p->uri.n,
					       p->uri.p ? (const char *)p->uri.p : "");
		json_t *image =
			json_pack("{s:s, s:I, s:s}", "digest",
				  hex_text(c, p->digest.b, sizeof(p->digest.b)), "size",
				  (json_int_t)p->size, "uri", output_clean(c->mem, uri));
		if (p->slot_matters)
			json_object_set_new(image, "slot", json_integer((json_int_t)p->slot));
		json_array_append_new(ret, image);
	}
	return ret;
}

static void add_plan(struct cli *c, const struct suit_envelope *e, json_t *item)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	size_t count;
	char vendor[SUIT_UUID_TEXT_SIZE], class[SUIT_UUID_TEXT_SIZE];
	enum suit_rc rc = suit_plan_all(e, plans, &count);
	if (rc != SUIT_OK || count == 0) {
		json_object_set_new(item, "note", json_string(suit_rc_text(rc)));
		return;
	}
	suit_uuid_format(&plans[0].vendor_id, vendor);
	suit_uuid_format(&plans[0].class_id, class);
	json_object_set_new(item, "vendor_id", json_string(vendor));
	json_object_set_new(item, "class_id", json_string(class));
	json_object_set_new(item, "images", images_json(c, plans, count));
}

static json_t *envelope_json(struct cli *c, const struct suit_envelope *e)
{
	json_t *components = json_array();
	for (size_t i = 0; i < e->component_count; i++)
		json_array_append_new(components,
				      json_string(component_text(c->mem, &e->component[i])));
	json_t *ret = json_pack("{s:s, s:I, s:I, s:o, s:o}", "digest",
				hex_text(c, e->digest.b, sizeof(e->digest.b)), "size",
				(json_int_t)e->whole.n, "sequence", (json_int_t)e->sequence,
				"components", components, "signatures", signers_json(c, e));
	struct suit_bytes version = { NULL, 0 };
	if (e->component_count > 0)
		version = suit_text_version(e, &e->component[0]);
	if (version.n > 0)
		json_object_set_new(ret, "version",
				    json_stringn((const char *)version.p, version.n));
	if (e->version_count > 0)
		json_object_set_new(
			ret, "set_version",
			json_string(version_text(c->mem, e->version, e->version_count)));
	add_plan(c, e, ret);
	json_object_set_new(ret, "steps", explain_json(c->mem, e));
	return ret;
}

void manifest_print(struct cli *c, const struct suit_envelope *e)
{
	static const struct column card[] = {
		{ "Manifest", "digest", NULL, false },
		{ "Bytes", "size", NULL, false },
		{ "Version", "version", NULL, false },
		{ "Set version", "set_version", NULL, false },
		{ "Sequence", "sequence", NULL, false },
		{ "Component", "components", NULL, false },
		{ "Vendor id", "vendor_id", NULL, false },
		{ "Class id", "class_id", NULL, false },
		{ "Image", "images", NULL, false },
		{ "Signature", "signatures", NULL, false },
		{ "Note", "note", NULL, false },
	};
	CLEAN(json) json_t *item = envelope_json(c, e);
	output_object(&c->out, card, ARRAY_LEN(card), item);
	if (!c->out.json && !c->out.plain)
		explain_print(c->out.to, json_object_get(item, "steps"));
}

static enum exit_code run_manifest_show(struct cli *c)
{
	struct suit_envelope e;
	enum exit_code code = manifest_read(c, args_operand(&c->args, 0), &e);
	if (code == EXIT_DONE)
		manifest_print(c, &e);
	return code;
}

static enum exit_code check_class(struct cli *c, const struct suit_envelope *e)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	size_t count;
	struct class_ids ids;
	const char *class_name = args_value(&c->args, "class");
	if (!class_name)
		return EXIT_DONE;
	enum exit_code code = class_ids_of(class_name, c->mem, &ids);
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc = suit_plan_all(e, plans, &count);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "no device can carry it out: %s",
				suit_rc_text(rc));
	for (size_t i = 0; i < count; i++)
		if (memcmp(plans[i].vendor_id.b, ids.vendor.b, sizeof(ids.vendor.b)) != 0 ||
		    memcmp(plans[i].class_id.b, ids.class.b, sizeof(ids.class.b)) != 0)
			return cli_fail(EXIT_FAILED, "it is not for %s", class_name);
	return EXIT_DONE;
}

static enum exit_code check_image(struct cli *c, const struct suit_envelope *e)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	size_t count;
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
	enum suit_rc rc = suit_plan_all(e, plans, &count);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "no device can carry it out: %s",
				suit_rc_text(rc));
	for (size_t i = 0; i < count; i++)
		if (memcmp(plans[i].digest.b, digest.b, sizeof(digest.b)) == 0 &&
		    plans[i].size == (uint64_t)size)
			return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "%s is not the image that the manifest names", path);
}

/* The one key that was given, for blocks that name it or nobody. */
static const struct suit_key *given_key(void *arg, const struct suit_block *block, size_t nth)
{
	const struct suit_key *key = arg;
	uint8_t kid[SUIT_KID_SIZE];
	if (nth > 0 || suit_key_kid(key, kid) != SUIT_OK)
		return NULL;
	struct suit_bytes named = { kid, sizeof(kid) };
	return block->kid.n == 0 || suit_bytes_equal(block->kid, named) ? key : NULL;
}

static void say_signed(const char *path, const char *key_path, const struct suit_verdict *v)
{
	size_t others = v->unknown + v->macs_unread;
	if (others == 0)
		cli_say("%s is signed by %s.", path, key_path);
	else
		cli_say("%s is signed by %s; %zu more by others, not checked.", path, key_path,
			others);
}

static enum exit_code run_manifest_verify(struct cli *c)
{
	struct suit_envelope e;
	struct suit_verdict verdict;
	CLEAN(suit_key) struct suit_key *key = NULL;
	const char *path = args_operand(&c->args, 0), *key_path = args_value(&c->args, "key");
	if (!key_path)
		return cli_fail(EXIT_FAILED, "manifest verify needs --key");
	enum exit_code code = manifest_read(c, path, &e);
	if (code == EXIT_DONE)
		code = author_key_load(c, key_path, &key);
	if (code != EXIT_DONE)
		return code;
	struct suit_trust trust = { .key = given_key, .arg = key, .pass_unknown = true };
	if (suit_envelope_verify(&suit_crypto_openssl, &e, &trust, &verdict) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is not signed by %s", path, key_path);
	code = check_class(c, &e);
	if (code == EXIT_DONE)
		code = check_image(c, &e);
	if (code == EXIT_DONE)
		say_signed(path, key_path, &verdict);
	return code;
}

static const struct option_def verify_options[] = {
	{ "key", "FILE", "the author's public key (needed)", OPTION_VALUE, true },
	{ "class", "VENDOR/NAME", "check also that it is for this class", OPTION_VALUE, false },
	{ "image", "FILE", "check also that this is the image it names", OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_manifest[] = {
	{ "manifest create", "[SOURCE.json]", 0, 1, "Make an envelope from a source",
	  "docs/manifest.md describes sources: slots, several components, deltas, encryption, "
	  "dependencies, conditions, text. Images that the source names are hashed. For one "
	  "component that is fetched, options can stand in for the source.",
	  "muster manifest create lock.json --key author.pem --out lock.suit",
	  manifest_create_options, manifest_create },
	{ "manifest show", "ENVELOPE", 1, 1,
	  "Show what an envelope says, and what a device would do, in plain words", NULL, NULL,
	  NULL, run_manifest_show },
	{ "manifest lint", "ENVELOPE", 1, 1, "Say what is unwise in an envelope",
	  "Every finding has a name, such as no-digest. With an error among them the exit code "
	  "is "
	  "1; advice alone gives 0.",
	  "muster manifest lint lock.suit --max-bytes 4096", manifest_lint_options,
	  manifest_lint },
	{ "manifest sign", "ENVELOPE", 1, 1, "Add a signature",
	  "All digests are computed again, the manifest is shown, and after the question is "
	  "answered it is signed and verified again. Signatures that are there stay.",
	  "muster manifest sign lock.suit --key author.pem --out lock-signed.suit",
	  manifest_sign_options, manifest_sign },
	{ "manifest verify", "ENVELOPE", 1, 1,
	  "Check signature, class and image of an envelope", NULL,
	  "muster manifest verify fw.suit --key author.pem.pub --image fw.bin", verify_options,
	  run_manifest_verify },
	{ 0 },
};
