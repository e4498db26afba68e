/* Manifests, offline: what an envelope says, and whether it is signed by a key. */

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/file.h"
#include "cli/manifest.h"
#include "cli/words.h"
#include "suit/block.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"
#include "suit/plan.h"

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

/* A MAC is no signature: only who has the key can make it, or check it. */
static json_t *signers_json(struct cli *c, const struct suit_envelope *e)
{
	json_t *ret = json_array();
	for (size_t i = 0; i < e->block_count; i++) {
		const struct suit_block *b = &e->block[i];
		size_t certificates = 0;
		while (suit_block_certificate(b, certificates).n > 0)
			certificates++;
		json_t *block = json_pack("{s:s, s:s, s:I}", "kind",
					  suit_block_is_mac(b) ? "mac" : "signature", "kid",
					  hex_text(c, b->kid.p, b->kid.n), "algorithm",
					  (json_int_t)b->alg);
		if (certificates > 0)
			json_object_set_new(block, "certificates",
					    json_integer((json_int_t)certificates));
		json_array_append_new(ret, block);
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
	{ "manifest sign", "ENVELOPE", 1, 1, "Add signatures and MACs",
	  "All digests are computed again, the manifest is shown, and after the question is "
	  "answered it is signed and verified again. Signatures that are there stay. A server "
	  "verifies signatures and holds no MAC key, so a MAC stands beside a signature.",
	  "muster manifest sign lock.suit --key author.pem --out lock-signed.suit",
	  manifest_sign_options, manifest_sign },
	{ "manifest verify", "ENVELOPE", 1, 1,
	  "Check signature, class and image of an envelope",
	  "Everybody who is named must have signed. Signatures of others are counted.",
	  "muster manifest verify fw.suit --key author.pem.pub --image fw.bin",
	  manifest_verify_options, manifest_verify },
	{ "manifest admit", "ENVELOPE", 1, 1,
	  "Let further devices into an encrypted update, without its author",
	  "Opens the update's content key with a key that it is for, and writes a manifest "
	  "that "
	  "holds that key for the new devices alone, and the author's envelope as it is. --key "
	  "is "
	  "a delegate's: it says who can read, never what is installed. The author must have "
	  "said "
	  "encryption_info_replaceable.",
	  "muster manifest admit lock.suit --kek class-1=class.key --recipient new.pub --key "
	  "delegate.pem --out new.suit",
	  manifest_admit_options, manifest_admit },
	{ 0 },
};
