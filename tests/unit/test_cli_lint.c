/* suit/lint.h over sources that do one thing wrong each, and over the vectors. */

#include "cli/source.h"
#include "suit/encode.h"
#include "suit/lint.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_ring.h"

#define C (&suit_crypto_openssl)

static struct cli cli;

/* "rule rule", in the order of finding. */
static void names(const struct suit_lint *lint, char *ret, size_t size)
{
	size_t n = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < lint->count; i++)
		n += (size_t)snprintf(ret + n, size - n, "%s%s", i ? " " : "",
				      suit_rule_name(lint->finding[i].rule));
}

static void is_found(struct suit_bytes bytes, const struct suit_lint_limits *limits,
		     const char *wanted, const char *name)
{
	struct suit_envelope e;
	struct suit_lint lint;
	char got[1024];

	enum suit_rc rc = suit_envelope_decode(C, bytes, &e);
	if (!tap_ok(rc == SUIT_OK, "%s decodes: %s", name, suit_rc_text(rc)))
		return;
	is_int(suit_lint(C, &e, limits, &lint), SUIT_OK, "judged");
	names(&lint, got, sizeof(got));
	is_str(got, wanted, name);
}

#define DIGEST "0011223344556677889900112233445566778899001122334455667788990011"
#define IDS    "'vendor': 'a.example', 'class': 'b'"
#define VENDOR                                                                                 \
	"{'override': {'vendor_id': '00112233-4455-6677-8899-001122334455'}}, "                \
	"'condition-vendor'"
#define CLASS                                                                                  \
	"{'override': {'class_id': '00112233-4455-6677-8899-001122334455'}}, "                 \
	"'condition-class'"
#define IMAGE "'image': {'digest': '" DIGEST "', 'size': 5, 'uri': 'img/x'}"
#define SET   "{'override': {'digest': '" DIGEST "', 'size': 5, 'uri': 'img/x'}}"
#define SHARED                                                                                 \
	"'shared': [" VENDOR ", " CLASS "], 'validate': [" SET ", 'condition-image-match']"
#define ONE "'components': [{'id': 'm'}]"
/* The shared sequence and the validation are right; only this install is not. */
#define INSTALL(commands)                                                                      \
	"{'sequence': 9, " ONE ", 'sequences': {" SHARED ", 'install': [" commands "]}}"

static const struct {
	const char *name, *json, *wanted;
} cases[] = {
	{ "as it should be", "{'sequence': 9, " IDS ", 'components': [{'id': 'm', " IMAGE "}]}",
	  "unsigned" },
	{ "the same by hand", INSTALL(SET ", 'fetch', 'condition-image-match'"), "unsigned" },
	{ "no vendor, no class", "{'sequence': 9, 'components': [{'id': 'm', " IMAGE "}]}",
	  "unsigned no-vendor no-class" },
	{ "no class",
	  "{'sequence': 9, 'vendor': 'a.example', 'components': [{'id': 'm', " IMAGE "}]}",
	  "unsigned no-class" },
	{ "a vendor that only one alternative asks for",
	  "{'sequence': 9, " ONE ", 'sequences': {'shared': [" CLASS ", {'try-each': [[" VENDOR
	  "], [{'override': {'size': 5}}]]}], 'validate': [" SET
	  ", 'condition-image-match'], 'install': [" SET
	  ", 'fetch', 'condition-image-match']}}",
	  "unsigned no-vendor" },
	{ "no digest",
	  INSTALL("{'override': {'size': 5, 'uri': 'img/x'}}, 'fetch', "
		  "'condition-image-match'"),
	  "unsigned no-digest" },
	{ "a digest in one of two alternatives",
	  INSTALL("{'try-each': [[" SET "], [{'override': {'size': 5}}]]}, 'fetch', "
		  "'condition-image-match'"),
	  "unsigned no-digest" },
	{ "a digest in both",
	  INSTALL("{'try-each': [[" SET "], [" SET "]]}, 'fetch', 'condition-image-match'"),
	  "unsigned" },
	{ "no size",
	  INSTALL("{'override': {'digest': '" DIGEST "', 'uri': 'img/x'}}, 'fetch', "
		  "'condition-image-match'"),
	  "unsigned no-size" },
	{ "validated, so it was matched", INSTALL(SET ", 'fetch'"), "unsigned" },
	{ "never matched",
	  "{'sequence': 9, " IDS ", 'components': [{'id': 'm', " IMAGE
	  "}], 'sequences': {'validate': [], 'install': [{'override': {'uri': 'img/x'}}, "
	  "'fetch']}}",
	  "unsigned no-match not-validated" },
	{ "not validated",
	  "{'sequence': 9, " IDS ", 'components': [{'id': 'm', " IMAGE
	  "}], 'sequences': {'validate': []}}",
	  "unsigned not-validated" },
	{ "written from the manifest: the signature is over it",
	  "{'sequence': 9, " IDS ", 'components': [{'id': 'm', 'install': 'write', 'image': "
	  "{'content': {'text': 'x'}}}]}",
	  "unsigned" },
	{ "a download area needs no validation",
	  "{'sequence': 9, " IDS
	  ", 'components': [{'id': 'm', 'install': 'copy', 'image': {'digest': '" DIGEST
	  "', 'size': 5, 'via': 'dl'}}, {'id': 'dl'}]}",
	  "unsigned" },
	{ "a digest that another manifest may replace",
	  INSTALL("{'set': {'digest': '" DIGEST "'}}, " SET
		  ", 'fetch', 'condition-image-match'"),
	  "unsigned replaceable-digest" },
	{ "a private command",
	  INSTALL(SET ", 'fetch', 'condition-image-match', {'custom': [-300, null]}"),
	  "unsigned custom-command" },
	{ "inside run-sequence",
	  INSTALL("{'run-sequence': [{'custom': [-300, null]}, 'fetch']}"),
	  "unsigned custom-command no-digest no-size" },
	{ "a host's name",
	  INSTALL(SET
		  ", {'override': {'uri': 'coap://h/x'}}, 'fetch', 'condition-image-match'"),
	  "unsigned names-host" },
	{ "text inside",
	  "{'sequence': 9, " IDS ", 'components': [{'id': 'm', " IMAGE
	  "}], 'sever': [], 'text': {'en': {'update_description': 'x'}}}",
	  "unsigned text-inside" },
	{ "text severed",
	  "{'sequence': 9, " IDS ", 'components': [{'id': 'm', " IMAGE
	  "}], 'text': {'en': {'update_description': 'x'}}}",
	  "unsigned" },
	{ "a payload that is not there",
	  INSTALL(SET ", {'override': {'uri': '#x'}}, 'fetch', 'condition-image-match'"),
	  "unsigned payload-missing" },
	{ "a payload of another digest",
	  "{'sequence': 9, " ONE ", 'payloads': {'#x': {'text': 'y'}}, 'sequences': {" SHARED
	  ", 'install': [" SET
	  ", {'override': {'uri': '#x'}}, 'fetch', 'condition-image-match']}}",
	  "unsigned payload-digest" },
	{ "a payload that nobody fetches",
	  "{'sequence': 9, " ONE ", 'payloads': {'#x': {'text': 'y'}}, 'sequences': {" SHARED
	  ", 'install': [" SET ", 'fetch', 'condition-image-match']}}",
	  "unsigned payload-unused" },
	{ "parameters by override-multiple",
	  INSTALL("{'override-multiple': {'0': {'digest': '" DIGEST
		  "', 'size': 5, 'uri': 'img/x'}}}, 'fetch', 'condition-image-match'"),
	  "unsigned" },
	{ "override-multiple sets the index: of the last",
	  "{'sequence': 9, 'components': [{'id': 'm'}, {'id': 'n'}], 'sequences': {'shared': "
	  "[{'index': true}, " VENDOR ", " CLASS "], 'install': [{'override-multiple': {"
	  "'0': {'digest': '" DIGEST "', 'size': 5}, "
	  "'1': {'digest': '" DIGEST "', 'size': 5, 'uri': 'img/x'}}}, 'fetch', "
	  "'condition-image-match'], 'validate': [{'index': 1}, " SET
	  ", 'condition-image-match']}}",
	  "unsigned" },
	{ "parameters copied from another component",
	  "{'sequence': 9, 'components': [{'id': 'm'}, {'id': 'n'}], 'sequences': {'shared': "
	  "[{'index': [0, 1]}, " VENDOR ", " CLASS "], 'validate': [{'index': 0}, " SET
	  ", 'condition-image-match'], 'install': [{'index': 1}, " SET
	  ", {'index': 0}, {'copy-params': {'1': ['digest', 'size', 'uri']}}, 'fetch', "
	  "'condition-image-match']}}",
	  "unsigned" },
	{ "of all components, one is not validated",
	  "{'sequence': 9, 'components': [{'id': 'm'}, {'id': 'n'}], 'sequences': {'shared': "
	  "[{'index': true}, " VENDOR ", " CLASS "], 'validate': [{'index': 0}, " SET
	  ", 'condition-image-match'], 'install': [{'index': true}, " SET
	  ", 'fetch', 'condition-image-match']}}",
	  "unsigned not-validated" },
};

/* JSON with single quotes, encoded. */
static struct suit_bytes made(const char *json_text)
{
	static uint8_t buf[8192];
	struct suit_source source;
	char *copy = arena_text(cli.mem, json_text);
	size_t n = 0;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	CLEAN(json) json_t *json = json_loads(copy, 0, NULL);
	if (!json || source_read_json(&cli, json, "test", "", &source) != EXIT_DONE ||
	    suit_encode(C, &source, buf, sizeof(buf), &n) != SUIT_OK)
		return (struct suit_bytes){ 0 };
	return (struct suit_bytes){ buf, n };
}

static void test_cases(void)
{
	const struct suit_lint_limits none = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_found(made(cases[i].json), &none, cases[i].wanted, cases[i].name);
}

static void test_limits(void)
{
	struct suit_bytes b = made(cases[0].json);
	struct suit_lint_limits limits = { .envelope_max = b.n };

	is_found(b, &limits, "unsigned", "exactly as large as may be");
	limits.envelope_max--;
	is_found(b, &limits, "unsigned too-large", "one byte more");
	limits = (struct suit_lint_limits){ .has_last = true, .last_sequence = 8 };
	is_found(b, &limits, "unsigned", "a higher sequence number");
	limits.last_sequence = 9;
	is_found(b, &limits, "unsigned sequence-not-higher", "the same again");
}

/* In one message by several, or by a MAC, which is no author's. */
static void test_signed(void)
{
	const struct suit_lint_limits none = { 0 };
	struct ring ring = { 0 };
	struct suit_signer by[2] = { 0 };
	struct suit_envelope e;
	uint8_t buf[4096];
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		ring_make(&ring, SUIT_KEY_P256);
		by[i] = (struct suit_signer){ .key = ring.own[i].key, .alg = SUIT_ALG_ESP256 };
	}
	is_int(suit_envelope_decode(C, made(cases[0].json), &e), SUIT_OK, "decodes");
	is_int(suit_envelope_cosign(C, by, 2, &e, buf, sizeof(buf), &n), SUIT_OK, "signed");
	is_found((struct suit_bytes){ buf, n }, &none, "", "by two in one COSE_Sign");
	is_int(suit_envelope_mac(C, suit_text("a key of at least 32 bytes, this"),
				 suit_text("k"), &e, buf, sizeof(buf), &n),
	       SUIT_OK, "with a MAC");
	is_found((struct suit_bytes){ buf, n }, &none, "unsigned", "a MAC is no signature");
	ring_finish(&ring);
}

static const struct {
	const char *file, *wanted;
} vectors[] = {
	{ "worked/ab-minimal.suit", "names-host" },
	{ "worked/ab-minimal-ed25519.suit", "names-host" },
	{ "worked/ab-minimal-eddsa.suit", "old-algorithm names-host" },
	{ "worked/ab-severable.suit", "names-host" },
	{ "worked/managed.suit", "names-host" },
	{ "worked/delta-component.suit", "names-host names-host" },
	{ "worked/delta-custom-directive.suit", "names-host custom-command" },
	{ "worked/encrypted-aeskw-gcm.suit", "names-host" },
	{ "worked/integrated.suit", "" },
	{ "manifest-draft37-es256/example1.signed.cbor", "old-algorithm names-host" },
	{ "manifest-draft37-es256/example2.severed-signed.cbor", "old-algorithm severed-away" },
	{ "firmware-encryption/suit-manifest-aes-kw.cbor",
	  "unsigned names-host no-vendor no-class no-digest no-vendor no-class no-match "
	  "no-match" },
};

static void test_vectors(void)
{
	const struct suit_lint_limits none = { 0 };

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		is_found(suit_data(vectors[i].file), &none, vectors[i].wanted, vectors[i].file);
}

static void test_every_rule_has_words(void)
{
	for (int rule = 0; rule < SUIT_RULES; rule++)
		tap_ok(suit_rule_name((enum suit_rule)rule) &&
			       suit_rule_text((enum suit_rule)rule),
		       "rule %d has a name and a text", rule);
	tap_ok(suit_rule_is_error(SUIT_RULE_NO_DIGEST), "no digest is an error");
	tap_ok(!suit_rule_is_error(SUIT_RULE_NAMES_HOST), "a host's name is advice");
}

int main(void)
{
	cli.mem = arena_create();
	test_cases();
	test_limits();
	test_signed();
	test_vectors();
	test_every_rule_has_words();
	arena_free(cli.mem);
	return tap_done();
}
