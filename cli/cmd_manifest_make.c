/* Making, judging and signing envelopes, offline.  What was made is decoded and verified again
 * before it is written. */

#include "cli/explain.h"
#include "cli/file.h"
#include "cli/manifest.h"
#include "cli/parse.h"
#include "cli/prompt.h"
#include "cli/signing.h"
#include "cli/source.h"
#include "cli/words.h"
#include "suit/cose.h"
#include "suit/dialect_riot.h"
#include "suit/encode.h"
#include "suit/lint.h"

#include <string.h>

/* --- the source ----------------------------------------------------------------------------
 */

static json_t *images_json(struct cli *c)
{
	const char *paths[ARGS_MAX];
	int count = args_values(&c->args, "image", paths);
	json_t *ret = json_array();
	for (int i = 0; i < count; i++) {
		json_t *image = json_pack("{s:s}", "file", paths[i]);
		if (count > 1)
			json_object_set_new(image, "slot", json_integer(i));
		json_array_append_new(ret, image);
	}
	return ret;
}

/* The same JSON that somebody would write for one component. */
static enum exit_code source_of_options(struct cli *c, struct suit_source *ret)
{
	const char *class_name = args_value(&c->args, "class"), *vendor, *name;
	const char *component = args_value(&c->args, "component");
	const char *version = args_value(&c->args, "version");
	const char *id = component ? component : "main";
	if (!class_name || !args_has(&c->args, "image"))
		return cli_fail(EXIT_FAILED,
				"manifest create needs SOURCE.json, or --class and --image");
	if (parse_class(class_name, c->mem, &vendor, &name) != RC_OK)
		return cli_fail(EXIT_FAILED,
				"\"%s\" is no class; write VENDOR/NAME, such as "
				"acme.example/lock-7",
				class_name);
	CLEAN(json)
	json_t *json = json_pack("{s:s, s:s, s:[{s:s, s:o}]}", "vendor", vendor, "class", name,
				 "components", "id", id, "images", images_json(c));
	if (!json)
		return cli_fail(EXIT_FAILED, "an option is not UTF-8");
	if (version) {
		json_t *text = json_pack("{s:{s:{s:{s:s, s:s, s:s}}}}", "en", "components", id,
					 "vendor_domain", vendor, "model_info", name, "version",
					 version);
		if (!text)
			return cli_fail(EXIT_FAILED, "an option is not UTF-8");
		json_object_set_new(json, "text", text);
	}
	return source_read_json(c, json, "options", "", ret);
}

static enum exit_code read_source(struct cli *c, struct suit_source *ret)
{
	static const char *const instead[] = { "class", "image", "component", "version" };
	const char *path = args_operand(&c->args, 0);
	const char *sequence = args_value(&c->args, "sequence");
	int64_t number;
	for (size_t i = 0; path && i < ARRAY_LEN(instead); i++)
		if (args_has(&c->args, instead[i]))
			return cli_fail(
				EXIT_FAILED,
				"--%s stands in for a source and cannot stand beside one",
				instead[i]);
	enum exit_code code = path ? source_read_file(c, path, ret) : source_of_options(c, ret);
	if (code != EXIT_DONE || !sequence)
		return code;
	if (parse_i64(bytes_of(sequence), 1, INT64_MAX, &number) != RC_OK)
		return cli_fail(EXIT_FAILED, "--sequence \"%s\": write a number from 1 on",
				sequence);
	ret->sequence = (uint64_t)number;
	return EXIT_DONE;
}

/* --- create --------------------------------------------------------------------------------
 */

static enum suit_rc make(struct cli *c, const struct suit_source *source,
			 const struct signing *by, struct bytes *ret)
{
	uint8_t *draft = arena_alloc(c->mem, SUIT_ENVELOPE_MAX);
	size_t n = 0;
	enum suit_rc rc =
		suit_encode(&suit_crypto_openssl, source, draft, SUIT_ENVELOPE_MAX, &n);
	return rc == SUIT_OK ? signing_apply(c, by, (struct suit_bytes){ draft, n }, ret) : rc;
}

static enum suit_rc make_riot(struct cli *c, const struct suit_source *source,
			      const struct suit_key *key, struct bytes *ret)
{
	uint8_t *out = arena_alloc(c->mem, SUIT_RIOT_MAX);
	size_t n = 0;
	enum suit_rc rc =
		suit_riot_encode(&suit_crypto_openssl, source, key, out, SUIT_RIOT_MAX, &n);
	if (rc == SUIT_OK && key)
		rc = suit_riot_verify(&suit_crypto_openssl, (struct suit_bytes){ out, n }, key);
	*ret = (struct bytes){ out, n };
	return rc;
}

/* What nobody could use is not made: a MAC that the server cannot check, RIOT with more than
 * its one signature. */
static enum exit_code check_signing(struct cli *c, const struct signing *by, bool is_signed,
				    bool riot)
{
	if (riot && (by->count > 1 || by->mac.count > 0 || args_has(&c->args, "cert-chain")))
		return cli_fail(EXIT_FAILED, "RIOT takes one signature, without certificates");
	if (by->mac.count > 0 && !is_signed)
		return cli_fail(EXIT_FAILED, "a MAC stands beside a signature, which is what a "
					     "server verifies; give --key too");
	return EXIT_DONE;
}

static enum exit_code fail_to_make(enum suit_rc rc, bool riot)
{
	if (riot && rc == SUIT_TOO_LARGE)
		return cli_fail(EXIT_FAILED,
				"RIOT takes %d bytes and a sequence number of 32 bits at most",
				SUIT_RIOT_MAX);
	if (riot && rc == SUIT_UNSUPPORTED)
		return cli_fail(EXIT_FAILED, "RIOT cannot do everything that the source asks "
					     "for; see docs/manifest.md");
	if (riot && rc == SUIT_KEY)
		return cli_fail(EXIT_FAILED, "RIOT takes Ed25519 keys alone");
	return cli_fail(EXIT_FAILED, "cannot make the manifest: %s", suit_rc_text(rc));
}

enum exit_code manifest_create(struct cli *c)
{
	struct suit_source source;
	CLEAN(signing) struct signing by = { 0 };
	const char *out = args_value(&c->args, "out"), *form = args_value(&c->args, "dialect");
	bool riot = form && strcmp(form, "riot") == 0;
	struct bytes done;
	if (!out)
		return cli_fail(EXIT_FAILED, "manifest create needs --out");
	if (form && !riot)
		return cli_fail(EXIT_FAILED, "--dialect \"%s\": there is riot", form);
	enum exit_code code = read_source(c, &source);
	if (code == EXIT_DONE)
		code = signing_load(c, &by);
	if (code == EXIT_DONE)
		code = check_signing(c, &by, by.count > 0, riot);
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc =
		riot ? make_riot(c, &source, by.key[0], &done) : make(c, &source, &by, &done);
	if (rc != SUIT_OK)
		return fail_to_make(rc, riot);
	code = file_write_new(out, done, 0644);
	if (code == EXIT_DONE && riot)
		cli_say("Wrote %s (%zu bytes, for RIOT).", out, done.n);
	else if (code == EXIT_DONE)
		cli_say("Wrote %s (%zu bytes).  Next: muster manifest %s %s", out, done.n,
			by.count ? "lint" : "sign", out);
	return code;
}

const struct option_def manifest_create_options[] = {
	{ "out", "FILE", "where the envelope goes (needed)", OPTION_VALUE, true },
	SIGNING_OPTIONS,
	{ "sequence", "NUMBER", "in place of the source's; default the clock's seconds",
	  OPTION_VALUE, false },
	{ "dialect", "NAME", "riot: the old form that RIOT-OS reads", OPTION_VALUE, false },
	{ "class", "VENDOR/NAME", "without a source: who may run it", OPTION_VALUE, false },
	{ "image", "FILE", "without a source: the image; several are one for each slot",
	  OPTION_MANY, true },
	{ "component", "NAME", "without a source: which part of the device; default main",
	  OPTION_VALUE, false },
	{ "version", "VERSION", "without a source: for the text", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

/* --- lint ----------------------------------------------------------------------------------
 */

static enum exit_code number_option(struct cli *c, const char *name, int64_t max, bool *ret_has,
				    int64_t *ret)
{
	const char *text = args_value(&c->args, name);
	*ret_has = text != NULL;
	*ret = 0;
	if (text && parse_i64(bytes_of(text), 0, max, ret) != RC_OK)
		return cli_fail(EXIT_FAILED, "--%s \"%s\": write a number", name, text);
	return EXIT_DONE;
}

static json_t *finding_json(struct cli *c, const struct suit_envelope *e,
			    const struct suit_finding *f)
{
	json_t *ret = json_pack("{s:s, s:s, s:s}", "rule", suit_rule_name(f->rule), "level",
				suit_rule_is_error(f->rule) ? "error" : "advice", "text",
				suit_rule_text(f->rule));
	if (!f->has_place)
		return ret;
	json_object_set_new(ret, "section", json_string(section_words[f->section]));
	json_object_set_new(ret, "component", json_string(explain_index(c->mem, e, f->index)));
	return ret;
}

static enum exit_code print_findings(struct cli *c, const struct suit_envelope *e,
				     const struct suit_lint *lint)
{
	static const struct column columns[] = {
		{ "Finding", "rule", NULL, false },
		{ "Level", "level", NULL, false },
		{ "Component", "component", NULL, false },
		{ "Section", "section", NULL, false },
		{ "Says", "text", NULL, false },
	};
	struct table t;
	bool bad = lint->more;
	CLEAN(json) json_t *items = json_array();
	for (size_t i = 0; i < lint->count; i++) {
		bad = bad || suit_rule_is_error(lint->finding[i].rule);
		json_array_append_new(items, finding_json(c, e, &lint->finding[i]));
	}
	if (lint->count > 0 || c->out.json) {
		table_begin(&t, &c->out, columns, ARRAY_LEN(columns));
		table_page(&t, items);
		table_end(&t);
	}
	if (lint->count == 0)
		cli_say("Nothing to say against it.");
	if (lint->more)
		cli_say("There are more findings.");
	return bad ? EXIT_FAILED : EXIT_DONE;
}

enum exit_code manifest_lint(struct cli *c)
{
	struct suit_envelope e;
	struct suit_lint_limits limits = { 0 };
	struct suit_lint lint;
	int64_t max, last;
	bool has_max;
	enum exit_code code = number_option(c, "max-bytes", SUIT_ENVELOPE_MAX, &has_max, &max);
	if (code == EXIT_DONE)
		code = number_option(c, "after", INT64_MAX, &limits.has_last, &last);
	if (code == EXIT_DONE)
		code = manifest_read(c, args_operand(&c->args, 0), &e);
	if (code != EXIT_DONE)
		return code;
	limits.envelope_max = (size_t)max;
	limits.last_sequence = (uint64_t)last;
	enum suit_rc rc = suit_lint(&suit_crypto_openssl, &e, &limits, &lint);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot judge it: %s", suit_rc_text(rc));
	return print_findings(c, &e, &lint);
}

const struct option_def manifest_lint_options[] = {
	{ "max-bytes", "NUMBER", "what the device can hold", OPTION_VALUE, false },
	{ "after", "NUMBER", "the sequence number that was published last", OPTION_VALUE,
	  false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

/* --- sign ----------------------------------------------------------------------------------
 */

static enum exit_code write_signed(struct cli *c, const struct suit_envelope *e,
				   const struct signing *by, const char *out)
{
	struct bytes done;
	size_t count = e->block_count + by->count + by->mac.count;
	enum suit_rc rc = signing_apply(c, by, e->whole, &done);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot sign it: %s", suit_rc_text(rc));
	enum exit_code code = file_write_new(out, done, 0644);
	if (code == EXIT_DONE)
		cli_say("Wrote %s (%zu bytes, %zu %s).", out, done.n, count,
			count > 1 ? "signatures" : "signature");
	return code;
}

static bool has_signature(const struct suit_envelope *e)
{
	for (size_t i = 0; i < e->block_count; i++)
		if (!suit_block_is_mac(&e->block[i]))
			return true;
	return false;
}

enum exit_code manifest_sign(struct cli *c)
{
	struct suit_envelope e;
	CLEAN(signing) struct signing by = { 0 };
	const char *path = args_operand(&c->args, 0), *out = args_value(&c->args, "out");
	if ((!args_has(&c->args, "key") && !args_has(&c->args, "mac-key")) || !out)
		return cli_fail(EXIT_FAILED,
				"manifest sign needs --out, and --key or --mac-key");
	enum exit_code code = manifest_read(c, path, &e);
	if (code == EXIT_DONE)
		code = signing_load(c, &by);
	if (code == EXIT_DONE)
		code = check_signing(c, &by, by.count > 0 || has_signature(&e), false);
	if (code != EXIT_DONE)
		return code;
	const char *already = signing_done(&by, &e);
	if (already)
		return cli_fail(EXIT_CONFLICT, "%s is signed by %s already", path, already);
	manifest_print(c, &e);
	if (!args_has(&c->args, "yes"))
		code = prompt_yes(c, arena_printf(c->mem, "Sign %s (yes/no)? ", path),
				  "say --yes");
	if (code == EXIT_DONE)
		code = write_signed(c, &e, &by, out);
	return code;
}

const struct option_def manifest_sign_options[] = {
	SIGNING_OPTIONS,
	{ "out", "FILE", "where the signed envelope goes (needed)", OPTION_VALUE, true },
	{ "yes", NULL, "do not ask", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};
