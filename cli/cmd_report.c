/* SUIT reports that devices sign: the key that the server expects, and what it kept of a job,
 * whose signature is verified here.  A server that lies about a report cannot make one. */

#include "base/clean.h"
#include "cli/author.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/report.h"
#include "suit/block.h"
#include "suit/cose.h"
#include "suit/report.h"

#include <inttypes.h>
#include <string.h>

#define REPORT_MAX 65536

/* --- the key ------------------------------------------------------------------------------ */

enum exit_code report_key_pem(struct cli *c, const char *path, const char **ret)
{
	char pem[SUIT_PEM_MAX];
	CLEAN(suit_key) struct suit_key *key = NULL;
	enum exit_code code = author_key_public(c, path, &key);
	if (code != EXIT_DONE)
		return code;
	if (suit_key_public_pem(key, pem, sizeof(pem)) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot write the key as PEM");
	*ret = arena_text(c->mem, pem);
	return EXIT_DONE;
}

static const char *key_text(struct arena *mem, const json_t *item)
{
	const char *pem = json_string_value(json_object_get(item, "report_key_pem"));
	CLEAN(suit_key) struct suit_key *key = NULL;
	char kid[KID_TEXT_SIZE];
	if (!pem ||
	    suit_key_from_public_pem((struct suit_bytes){ (const uint8_t *)pem, strlen(pem) },
				     &key) != SUIT_OK)
		return "-";
	return author_key_kid(key, kid) == EXIT_DONE ? arena_text(mem, kid) : "-";
}

static const struct column key_card[] = {
	{ "Device", "endpoint", NULL, false },
	{ "Report key", "report_key_pem", key_text, false },
};

static const char *device_path(struct cli *c, const char *rest)
{
	return arena_printf(c->mem, "/v1/devices/%s%s",
			    client_escape(c->mem, args_operand(&c->args, 0)), rest);
}

static enum exit_code key_body(struct cli *c, json_t **ret)
{
	const char *path = args_operand(&c->args, 1), *pem = NULL;
	if (args_has(&c->args, "clear") == (path != NULL))
		return cli_fail(EXIT_FAILED, "report key needs either KEY or --clear");
	if (path) {
		enum exit_code code = report_key_pem(c, path, &pem);
		if (code != EXIT_DONE)
			return code;
	}
	*ret = json_pack("{s:s?}", "report_key_pem", pem);
	return EXIT_DONE;
}

static enum exit_code run_report_key(struct cli *c)
{
	struct client *client;
	CLEAN(json) json_t *body = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	const char *name = args_operand(&c->args, 0);
	enum exit_code code = key_body(c, &body);
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	struct request in = { .method = "PATCH", .path = device_path(c, ""), .body = body };
	code = client_change(client, in.path, &in, &reply);
	if (code != EXIT_DONE)
		return code;
	output_object(&c->out, key_card, ARRAY_LEN(key_card), reply.json);
	cli_say(args_has(&c->args, "clear")
			? "Reports of %s need no signature any more."
			: "From now on reports of %s count only when this key signed them.",
		name);
	return EXIT_DONE;
}

/* --- what a report says ------------------------------------------------------------------- */

static const char *reason_text(struct arena *mem, uint64_t reason)
{
	static const char *const texts[] = {
		[SUIT_REASON_OK] = "no reason",
		[SUIT_REASON_CBOR] = "the manifest cannot be parsed",
		[SUIT_REASON_COSE_UNSUPPORTED] = "a form of signature that it does not know",
		[SUIT_REASON_ALG_UNSUPPORTED] = "an algorithm that it does not know",
		[SUIT_REASON_UNAUTHORISED] = "the signature is not good",
		[SUIT_REASON_COMMAND] = "a command that it does not know",
		[SUIT_REASON_COMPONENT] = "a component that it does not have",
		[SUIT_REASON_COMPONENT_UNAUTHORISED] = "the author may not touch a component",
		[SUIT_REASON_PARAMETER] = "a parameter that it does not know",
		[SUIT_REASON_SEVERING] = "a section that is severed away",
		[SUIT_REASON_CONDITION] = "a condition does not hold",
		[SUIT_REASON_OPERATION] = "an operation failed",
		[SUIT_REASON_INVOKE_PENDING] = "the image is still to be started",
	};
	if (reason < ARRAY_LEN(texts))
		return texts[reason];
	return arena_printf(mem, "reason %" PRIu64, reason);
}

/* A report, verified. */
struct report {
	struct suit_report suit;
	char kid[KID_TEXT_SIZE];
	const char *device; /* NULL: not known */
	int64_t job;        /* 0: not known */
};

static json_t *report_json(struct cli *c, const struct report *r)
{
	const struct suit_report *s = &r->suit;
	struct suit_bytes uri = s->reference_uri;
	struct bytes digest = { s->manifest_digest.b, sizeof(s->manifest_digest.b) };
	json_t *o = json_pack("{s:s*, s:s, s:s, s:s}", "endpoint", r->device, "manifest_digest",
			      hex_encode(c->mem, digest), "result",
			      s->success ? "success" : "failure", "signed_by", r->kid);
	if (r->job)
		json_object_set_new(o, "job_id", json_integer(r->job));
	if (uri.n)
		json_object_set_new(o, "reference_uri",
				    json_stringn((const char *)uri.p, uri.n));
	if (s->success)
		return o;
	json_object_set_new(o, "reason", json_string(reason_text(c->mem, s->reason)));
	json_object_set_new(o, "result_code", json_integer(s->result_code));
	json_object_set_new(o, "section", json_integer((json_int_t)s->failed.section));
	json_object_set_new(o, "offset", json_integer((json_int_t)s->failed.offset));
	return o;
}

static const struct column report_card[] = {
	{ "Device", "endpoint", NULL, false },
	{ "Job", "job_id", NULL, false },
	{ "Manifest", "manifest_digest", NULL, false },
	{ "Result", "result", NULL, false },
	{ "Reason", "reason", NULL, false },
	{ "Code", "result_code", NULL, false },
	{ "Section", "section", NULL, false },
	{ "Reference", "reference_uri", NULL, false },
	{ "Signed by", "signed_by", NULL, false },
};

/* --- verifying ---------------------------------------------------------------------------- */

/* what: names the report for people. */
static enum exit_code check_signature(const struct suit_block *block, struct suit_bytes payload,
				      const struct suit_key *key, const char *what,
				      struct cli *c)
{
	uint8_t kid[SUIT_KID_SIZE];
	struct suit_bytes own = { kid, sizeof(kid) };
	if (suit_key_kid(key, kid) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the key has no id");
	if (block->kid.n && !suit_bytes_equal(block->kid, own))
		return cli_fail(
			EXIT_FAILED, "%s is signed under key id %s, and the key given has %s",
			what, hex_encode(c->mem, (struct bytes){ block->kid.p, block->kid.n }),
			hex_encode(c->mem, (struct bytes){ kid, sizeof(kid) }));
	if (suit_signature_verify(&suit_crypto_openssl, block, payload, key) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is not signed by this key", what);
	return EXIT_DONE;
}

/* ret points into the message. */
static enum exit_code report_verify(struct cli *c, struct bytes message,
				    const struct suit_key *key, const char *what,
				    struct report *ret)
{
	struct suit_block block;
	struct suit_bytes payload, whole = { message.p, message.n };
	if (suit_block_attached(whole, &block, &payload) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is no signed report (COSE_Sign1)", what);
	enum exit_code code = check_signature(&block, payload, key, what, c);
	if (code == EXIT_DONE)
		code = author_key_kid(key, ret->kid);
	if (code == EXIT_DONE && suit_report_decode(payload, &ret->suit) != SUIT_OK)
		code = cli_fail(EXIT_FAILED, "%s is signed, and no SUIT report", what);
	return code;
}

static void report_print(struct cli *c, const struct report *r)
{
	CLEAN(json) json_t *o = report_json(c, r);
	output_object(&c->out, report_card, ARRAY_LEN(report_card), o);
}

static enum exit_code run_report_verify(struct cli *c)
{
	struct bytes message;
	struct report r = { 0 };
	CLEAN(suit_key) struct suit_key *key = NULL;
	const char *path = args_operand(&c->args, 0), *by = args_value(&c->args, "key");
	if (!by)
		return cli_fail(EXIT_FAILED, "report verify needs --key");
	enum exit_code code = author_key_public(c, by, &key);
	if (code == EXIT_DONE)
		code = file_read(path, REPORT_MAX, c->mem, &message);
	if (code == EXIT_DONE)
		code = report_verify(c, message, key, path, &r);
	if (code != EXIT_DONE)
		return code;
	report_print(c, &r);
	cli_say("%s is signed by %s.", path, by);
	return EXIT_DONE;
}

/* --- fetching ----------------------------------------------------------------------------- */

/* Oldest first: the last one that has a job stays. */
static enum exit_code last_job(void *ctx, const json_t *items)
{
	int64_t *ret = ctx;
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
	{
		const json_t *job = json_object_get(item, "job_id");
		if (json_is_integer(job))
			*ret = json_integer_value(job);
	}
	return EXIT_DONE;
}

static enum exit_code find_job(struct cli *c, struct client *client, int64_t *ret)
{
	const char *text = args_operand(&c->args, 1);
	uint64_t n;
	if (text) {
		if (parse_u64(bytes_of(text), INT64_MAX, &n) != RC_OK || n == 0)
			return cli_fail(EXIT_FAILED, "\"%s\" is no job's number", text);
		*ret = (int64_t)n;
		return EXIT_DONE;
	}
	*ret = 0;
	enum exit_code code =
		client_each_page(client, device_path(c, "/events"), last_job, ret);
	if (code == EXIT_DONE && *ret == 0)
		code = cli_fail(EXIT_NOT_FOUND, "%s has had no job yet",
				args_operand(&c->args, 0));
	return code;
}

/* The key that is given, or else the one that the server names. */
static enum exit_code find_key(struct cli *c, struct client *client, struct suit_key **ret)
{
	CLEAN(reply) struct reply reply = { 0 };
	const char *by = args_value(&c->args, "key"), *name = args_operand(&c->args, 0);
	if (by)
		return author_key_public(c, by, ret);
	enum exit_code code = client_get(client, device_path(c, ""), &reply);
	if (code != EXIT_DONE)
		return code;
	const char *pem = json_string_value(json_object_get(reply.json, "report_key_pem"));
	if (!pem)
		return cli_fail(EXIT_NOT_FOUND,
				"the server knows no report key of %s; give it with --key",
				name);
	if (suit_key_from_public_pem((struct suit_bytes){ (const uint8_t *)pem, strlen(pem) },
				     ret) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the server's report key of %s is none", name);
	return EXIT_DONE;
}

static enum exit_code keep(struct cli *c, struct bytes message)
{
	const char *out = args_value(&c->args, "out");
	return out ? file_write_new(out, message, 0644) : EXIT_DONE;
}

static enum exit_code get(struct cli *c, struct client *client, const struct suit_key *key,
			  struct report *r)
{
	CLEAN(reply) struct reply reply = { 0 };
	const char *what = arena_printf(c->mem, "the report about job %" PRId64, r->job);
	const char *path = arena_printf(c->mem, "/jobs/%" PRId64 "/report", r->job);
	enum exit_code code = client_get(client, device_path(c, path), &reply);
	struct bytes message = { reply.data, reply.size };
	if (code == EXIT_DONE)
		code = report_verify(c, message, key, what, r);
	if (code == EXIT_DONE)
		code = keep(c, message);
	if (code == EXIT_DONE)
		report_print(c, r);
	return code;
}

static enum exit_code run_report_get(struct cli *c)
{
	struct client *client;
	const char *by = args_value(&c->args, "key");
	struct report r = { .device = args_operand(&c->args, 0) };
	CLEAN(suit_key) struct suit_key *key = NULL;
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = find_key(c, client, &key);
	if (code == EXIT_DONE)
		code = find_job(c, client, &r.job);
	if (code == EXIT_DONE)
		code = get(c, client, key, &r);
	if (code != EXIT_DONE)
		return code;
	if (by)
		cli_say("It is signed by %s.", by);
	else
		cli_say("It is signed by the key that the server names for %s; --key FILE "
			"holds it against one of yours.",
			r.device);
	return EXIT_DONE;
}

static const struct option_def key_options[] = {
	{ "clear", NULL, "reports need no signature any more", OPTION_FLAG, false },
	{ "passphrase-file", "FILE", "read a token's PIN from a file instead of asking",
	  OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def get_options[] = {
	{ "key", "KEY", "the device's public report key; default the one that the server names",
	  OPTION_VALUE, true },
	{ "out", "FILE", "keep the report as it came", OPTION_VALUE, true },
	{ "passphrase-file", "FILE", "read a token's PIN from a file instead of asking",
	  OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def verify_options[] = {
	{ "key", "KEY", "the device's public report key (needed)", OPTION_VALUE, true },
	{ "passphrase-file", "FILE", "read a token's PIN from a file instead of asking",
	  OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_report[] = {
	{ "report key", "NAME [KEY]", 1, 2, "Say which key signs a device's reports",
	  "KEY is the public key's file or a PKCS#11 URI. With it the server takes no SUIT "
	  "report of the device that the key has not signed.",
	  "muster report key lock-0815 lock-0815.report.pub", key_options, run_report_key },
	{ "report get", "NAME [JOB]", 1, 2, "Fetch what a device signed about a job",
	  "The last report that the server kept, of the device's last job unless JOB is given. "
	  "Its signature is verified here; what does not verify is not shown and not kept. "
	  "The manifest and the result are signed; which device and job it is about only the "
	  "server says.",
	  "muster report get lock-0815 --key lock-0815.report.pub --out lock-0815.report",
	  get_options, run_report_get },
	{ "report verify", "FILE", 1, 1, "Verify a signed report, offline", NULL,
	  "muster report verify lock-0815.report --key lock-0815.report.pub", verify_options,
	  run_report_verify },
	{ 0 },
};
