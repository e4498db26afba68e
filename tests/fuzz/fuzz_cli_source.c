/* Manifest sources: whatever is read is refused or encodes to something that decodes. */

#include "base/arena.h"
#include "base/bytes.h"
#include "cli/source.h"
#include "suit/crypto_openssl.h"
#include "suit/dialect_riot.h"
#include "suit/encode.h"
#include "tests/fuzz/target.h"

#include <string.h>

/* In place of cli/fail.c: nobody reads a million faults. */
void cli_complain(const char *fmt, ...)
{
	check(fmt[0] != '\0');
}

void cli_say(const char *fmt, ...)
{
	check(fmt[0] != '\0');
}

/* An input must not open files of this machine. */
static bool names_files(const uint8_t *data, size_t size)
{
	return memmem(data, size, "file", 4) || memmem(data, size, "\\u", 2);
}

static void encode(struct suit_source *source)
{
	static uint8_t buf[SUIT_ENVELOPE_MAX];
	struct suit_envelope e;
	size_t n = 0;

	if (suit_encode(&suit_crypto_openssl, source, buf, sizeof(buf), &n) == SUIT_OK) {
		struct suit_bytes b = { buf, n };
		check(n <= SUIT_ENVELOPE_MAX);
		check(suit_envelope_decode(&suit_crypto_openssl, b, &e) == SUIT_OK);
		check(e.sequence == source->sequence);
		check(e.component_count == source->component_count);
	}
	if (suit_riot_encode(&suit_crypto_openssl, source, NULL, buf, sizeof(buf), &n) ==
	    SUIT_OK)
		check(n <= SUIT_RIOT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cli cli;
	struct suit_source source;

	if (size > SOURCE_FILE_MAX || names_files(data, size))
		return 0;
	CLEAN(json)
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return 0;
	CLEAN(arena) struct arena *mem = arena_create();
	cli.mem = mem;
	if (source_read_json(&cli, json, "fuzz", "", &source) == EXIT_DONE)
		encode(&source);
	return 0;
}
