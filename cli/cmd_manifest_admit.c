/* Letting devices into an encrypted update without its author: a manifest of its own that holds
 * nothing but their encryption info, and the author's envelope, untouched, as its dependency.
 * Whoever signs it decides who can read, never what is installed: digests stay the author's. */

#include "base/clock.h"
#include "cli/file.h"
#include "cli/manifest.h"
#include "cli/signing.h"
#include "cli/source.h"
#include "cli/words.h"
#include "suit/command.h"
#include "suit/encode.h"
#include "suit/ids.h"

#include <string.h>

#define CLASSES_MAX   8
#define PARAMETER_MAX 32

/* What the author's manifest says, by a walk over its commands. */
struct found {
	size_t index;     /* component under way */
	size_t component; /* that is encrypted */
	struct suit_bytes info;
	size_t infos; /* different ones */
	bool fixed;   /* one of them cannot be replaced */
	struct suit_bytes vendor, class[CLASSES_MAX];
	size_t vendors, classes;
};

static void info_add(struct found *f, struct suit_bytes info, bool replaceable)
{
	f->fixed = f->fixed || !replaceable;
	if (f->infos > 0 && suit_bytes_equal(f->info, info) && f->component == f->index)
		return;
	f->info = info;
	f->component = f->index;
	f->infos++;
}

static void class_add(struct found *f, struct suit_bytes id)
{
	for (size_t i = 0; i < f->classes; i++)
		if (suit_bytes_equal(f->class[i], id))
			return;
	if (f->classes < CLASSES_MAX)
		f->class[f->classes++] = id;
}

static void parameters_walk(struct found *f, struct suit_bytes map, bool replaceable)
{
	struct scbor c;
	scbor_init(&c, map);
	size_t n = scbor_map(&c, PARAMETER_MAX);
	for (size_t i = 0; i < n && scbor_ok(&c); i++) {
		int64_t key = scbor_int(&c);
		if (key == SUIT_PARAM_ENCRYPTION) {
			info_add(f, scbor_bytes(&c), replaceable);
		} else if (key == SUIT_PARAM_CLASS) {
			class_add(f, scbor_bytes(&c));
		} else if (key == SUIT_PARAM_VENDOR) {
			struct suit_bytes value = scbor_any(&c);
			f->vendors += !suit_bytes_equal(f->vendor, value);
			f->vendor = value;
		} else {
			scbor_any(&c);
		}
	}
}

static void sequence_walk(struct found *f, struct suit_bytes sequence);

/* Sequences, of which one or all may run. */
static void nested_walk(struct found *f, struct suit_bytes arg, bool many)
{
	struct scbor c;
	scbor_init(&c, arg);
	size_t n = many ? scbor_array(&c, SUIT_COMMANDS_MAX) : 1;
	for (size_t i = 0; i < n && scbor_ok(&c); i++) {
		size_t index = f->index;
		if (scbor_peek(&c) == SCBOR_SIMPLE)
			scbor_null(&c);
		else
			sequence_walk(f, scbor_bytes(&c));
		f->index = index;
	}
}

static void index_walk(struct found *f, struct suit_bytes arg)
{
	struct scbor c;
	scbor_init(&c, arg);
	uint64_t index = scbor_uint(&c);
	f->index = scbor_ok(&c) ? (size_t)index : SUIT_COMPONENTS_MAX;
}

static void sequence_walk(struct found *f, struct suit_bytes sequence)
{
	struct scbor c;
	struct suit_bytes arg;
	int64_t command;
	suit_sequence_open(&c, sequence);
	while (suit_sequence_next(&c, &command, &arg)) {
		if (command == SUIT_SET_COMPONENT_INDEX)
			index_walk(f, arg);
		else if (command == SUIT_SET_PARAMETERS || command == SUIT_OVERRIDE_PARAMETERS)
			parameters_walk(f, arg, command == SUIT_SET_PARAMETERS);
		else if (command == SUIT_TRY_EACH || command == SUIT_RUN_SEQUENCE)
			nested_walk(f, arg, command == SUIT_TRY_EACH);
		else if (command == SUIT_OVERRIDE_MULTIPLE)
			f->fixed = true; /* whatever it holds */
	}
}

static enum exit_code look(const char *path, const struct suit_envelope *e, struct found *f)
{
	*f = (struct found){ 0 };
	sequence_walk(f, e->section[SUIT_SHARED]);
	for (int s = SUIT_SHARED; s < SUIT_SECTIONS; s++) {
		f->index = 0;
		if (s != SUIT_SHARED)
			sequence_walk(f, e->section[s]);
	}
	if (f->infos == 0)
		return cli_fail(EXIT_FAILED, "nothing in %s is encrypted", path);
	if (f->infos > 1)
		return cli_fail(EXIT_FAILED,
				"%s has several encrypted payloads; one info cannot open them",
				path);
	if (f->fixed)
		return cli_fail(EXIT_FAILED,
				"the author of %s lets no other encryption info in "
				"(encryption_info_replaceable)",
				path);
	if (f->component >= e->component_count)
		return cli_fail(EXIT_FAILED, "%s encrypts for several components at once",
				path);
	if (f->vendors != 1 || f->classes == 0)
		return cli_fail(EXIT_FAILED, "%s does not name one vendor and its class", path);
	return EXIT_DONE;
}

/* --- the manifest ------------------------------------------------------------------------- */

static json_t *uuid_json(struct suit_bytes id)
{
	struct suit_uuid uuid;
	char text[SUIT_UUID_TEXT_SIZE];
	if (id.n != sizeof(uuid.b))
		return NULL;
	memcpy(uuid.b, id.p, sizeof(uuid.b));
	suit_uuid_format(&uuid, text);
	return json_string(text);
}

static json_t *vendor_json(struct suit_bytes encoded)
{
	struct scbor c;
	scbor_init(&c, encoded);
	struct suit_bytes id = scbor_bytes(&c);
	return scbor_ok(&c) ? uuid_json(id) : NULL;
}

/* What somebody would write (docs/manifest.md): the info, then the author's own section. */
static json_t *install_json(struct cli *c, struct suit_bytes info)
{
	return json_pack("[{s:i}, {s:{s:{s:s}}}, {s:i}, s, s]", "index", 0, "override",
			 "encryption_info", "hex",
			 hex_encode(c->mem, (struct bytes){ info.p, info.n }), "index", 1,
			 "condition-dependency-integrity", "process-dependency");
}

static enum exit_code source_make(struct cli *c, const struct suit_envelope *e,
				  const struct found *f, struct suit_bytes info,
				  struct suit_source *ret)
{
	json_t *vendor = vendor_json(f->vendor), *classes = json_array();
	for (size_t i = 0; i < f->classes; i++)
		json_array_append_new(classes, uuid_json(f->class[i]));
	CLEAN(json)
	json_t *json =
		json_pack("{s:o, s:o, s:[{s:s}], s:[{s:s, s:s, s:b}], s:{s:o}}", "vendor_id",
			  vendor, "class_ids", classes, "components", "id",
			  component_text(c->mem, &e->component[f->component]), "dependencies",
			  "file", args_operand(&c->args, 0), "uri", "#update", "integrated",
			  true, "sequences", "install", install_json(c, info));
	int64_t sequence = clock_wall() / USEC_PER_SEC;
	const char *text = args_value(&c->args, "sequence");
	if (!json)
		return cli_fail(EXIT_FAILED, "its vendor is no UUID, or a name is not UTF-8");
	if (text && parse_i64(bytes_of(text), 1, INT64_MAX, &sequence) != RC_OK)
		return cli_fail(EXIT_FAILED, "--sequence \"%s\": write a number from 1 on",
				text);
	json_object_set_new(json, "sequence", json_integer((json_int_t)sequence));
	return source_read_json(c, json, "the admission", "", ret);
}

static enum exit_code info_make(struct cli *c, const struct found *f, uint8_t *buf,
				struct suit_bytes *ret)
{
	CLEAN(party_list) struct party_list list = { 0 };
	CLEAN(content_key) struct suit_content_key key = { 0 };
	struct suit_encryption info;
	enum suit_rc rc = suit_encryption_decode(f->info, &info);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "its encryption info is not right: %s",
				suit_rc_text(rc));
	enum exit_code code = party_key_open(c, &info, "device-key", &key);
	if (code == EXIT_DONE)
		code = party_add_all(c, &list, NULL, "recipient");
	return code == EXIT_DONE ? party_info_make(&list, &key, buf, ret) : code;
}

static enum exit_code admit(struct cli *c, const struct suit_envelope *e, const char *out)
{
	CLEAN(signing) struct signing by = { 0 };
	uint8_t *buf = arena_alloc(c->mem, PARTY_INFO_MAX);
	uint8_t *draft = arena_alloc(c->mem, SUIT_ENVELOPE_MAX);
	struct found found;
	struct suit_bytes info;
	struct suit_source source;
	struct bytes done;
	size_t n = 0;
	enum exit_code code = look(args_operand(&c->args, 0), e, &found);
	if (code == EXIT_DONE)
		code = info_make(c, &found, buf, &info);
	if (code == EXIT_DONE)
		code = source_make(c, e, &found, info, &source);
	if (code == EXIT_DONE)
		code = signing_load(c, &by);
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc =
		suit_encode(&suit_crypto_openssl, &source, draft, SUIT_ENVELOPE_MAX, &n);
	if (rc == SUIT_OK)
		rc = signing_apply(c, &by, (struct suit_bytes){ draft, n }, &done);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot make the manifest: %s", suit_rc_text(rc));
	code = file_write_new(out, done, 0644);
	if (code == EXIT_DONE)
		cli_say("Wrote %s (%zu bytes).  Next: muster manifest show %s", out, done.n,
			out);
	return code;
}

enum exit_code manifest_admit(struct cli *c)
{
	struct suit_envelope e;
	const char *out = args_value(&c->args, "out");
	if (!out || !args_has(&c->args, "recipient") || !args_has(&c->args, "key") ||
	    args_has(&c->args, "kek") == args_has(&c->args, "device-key"))
		return cli_fail(EXIT_FAILED, "manifest admit needs --recipient, --key, --out, "
					     "and either --kek or --device-key");
	enum exit_code code = manifest_read(c, args_operand(&c->args, 0), &e);
	return code == EXIT_DONE ? admit(c, &e, out) : code;
}

const struct option_def manifest_admit_options[] = {
	{ "kek", "[KID=]FILE", "a shared key that the update is encrypted for", OPTION_VALUE,
	  true },
	{ "device-key", "[KID=]KEY", "or a private P-256 key: a file or a PKCS#11 URI",
	  OPTION_VALUE, true },
	{ "recipient", "[KID=]FILE", "a further device's public P-256 key (PEM)", OPTION_MANY,
	  true },
	SIGNING_OPTIONS,
	{ "sequence", "NUMBER", "default the clock's seconds", OPTION_VALUE, false },
	{ "out", "FILE", "where the envelope goes (needed)", OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};
