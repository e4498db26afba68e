/* What is told and judged of a manifest: the bytes are the manifest of an envelope whose digest
 * is right, so everything that decodes is told, and every line is clean text. */

#include "cli/explain.h"
#include "suit/lint.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_wrap.h"

#define MANIFEST_MAX 8192

/* In place of cli/fail.c. */
void cli_complain(const char *fmt, ...)
{
	check(fmt[0] != '\0');
}

void cli_say(const char *fmt, ...)
{
	check(fmt[0] != '\0');
}

static void check_line(const json_t *line)
{
	const char *text = json_string_value(line);

	check(text != NULL); /* malformed UTF-8 would be no string */
	for (; *text; text++)
		check((uint8_t)*text >= 0x20 && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[MANIFEST_MAX + 64];
	const struct suit_lint_limits limits = { .envelope_max = 100, .has_last = true };
	struct suit_envelope e;
	struct suit_lint lint;
	size_t i, k;
	json_t *section, *line;

	if (size > MANIFEST_MAX)
		return 0;
	struct suit_bytes bytes =
		suit_wrap((struct suit_bytes){ data, size }, buf, sizeof(buf));
	if (suit_envelope_decode(&suit_crypto_openssl, bytes, &e) != SUIT_OK)
		return 0;
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(json) json_t *told = explain_json(mem, &e);
	json_array_foreach(told, i, section)
		json_array_foreach(json_object_get(section, "does"), k, line) check_line(line);
	check(suit_lint(&suit_crypto_openssl, &e, &limits, &lint) == SUIT_OK);
	check(lint.count > 0 && lint.count <= SUIT_FINDINGS_MAX); /* nobody signed it */
	for (size_t f = 0; f < lint.count; f++)
		check(!lint.finding[f].has_place ||
		      explain_index(mem, &e, lint.finding[f].index)[0] != '\0');
	return 0;
}
