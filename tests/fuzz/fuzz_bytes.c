/* Text forms of bytes and numbers: what is read is written out as it was. */

#include "base/bytes.h"
#include "tests/fuzz/target.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void check_ids(const char *text)
{
	char out[DIGEST_TEXT_SIZE];
	struct digest digest;
	struct uuid id;

	if (uuid_parse(text, &id) == RC_OK)
		check(strcasecmp(uuid_format(&id, out), text) == 0);
	if (digest_parse(text, &digest) == RC_OK)
		check(strcasecmp(digest_format(&digest, out), text) == 0);
}

static void check_numbers(struct bytes b)
{
	char out[32];
	int64_t i = 0;
	uint64_t u = 0;

	if (parse_i64(b, -1000, INT64_MAX, &i) == RC_OK) {
		check(i >= -1000 && b.n >= 1);
		snprintf(out, sizeof(out), "%lld", (long long)i);
		check(strlen(out) <= b.n);
	}
	if (parse_u64(b, 65535, &u) == RC_OK)
		check(u <= 65535 && b.p[0] >= '0' && b.p[0] <= '9');
}

static void check_codes(struct bytes b, struct arena *mem)
{
	struct bytes got;

	if (hex_decode(mem, b, &got) == RC_OK)
		check(got.n * 2 == b.n &&
		      strncasecmp(hex_encode(mem, got), (const char *)b.p, b.n) == 0);
	if (base64_decode(mem, b, &got) == RC_OK)
		check(bytes_equal_text(b, base64_encode(mem, got)));
	if (base64url_decode(mem, b, &got) == RC_OK)
		check(bytes_equal_text(b, base64url_encode(mem, got)));
	check(base64_decode(mem, bytes_of(base64_encode(mem, b)), &got) == RC_OK);
	check(bytes_equal(got, b));
	check(base64url_decode(mem, bytes_of(base64url_encode(mem, b)), &got) == RC_OK);
	check(bytes_equal(got, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct arena *mem = arena_create();

	if (text_is_clean(b))
		for (size_t i = 0; i < size; i++)
			check(data[i] >= 0x20 && data[i] != 0x7f);
	check_ids(bytes_text(mem, b));
	check_numbers(b);
	check_codes(b, mem);
	arena_free(mem);
	return 0;
}
