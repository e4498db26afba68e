/* What a release may be.  Pure. */
#include "core/release_rules.h"

#include "core/version.h"

#include <inttypes.h>
#include <string.h>

#define URI_PREFIX "img/"

enum sequence_verdict release_sequence_check(uint64_t sequence, int64_t last, int64_t now_s)
{
	int64_t base = last < 0 ? 0 : last;
	int64_t cap =
		base > INT64_MAX - SEQUENCE_JUMP_MAX ? INT64_MAX : base + SEQUENCE_JUMP_MAX;

	if (last >= 0 && sequence <= (uint64_t)last)
		return SEQUENCE_NOT_HIGHER;
	if (now_s > cap)
		cap = now_s;
	return sequence > (uint64_t)cap ? SEQUENCE_TOO_FAR : SEQUENCE_OK;
}

bool release_uri_names(struct bytes uri, const struct digest *digest)
{
	char hex[DIGEST_TEXT_SIZE];
	size_t skip = strlen(URI_PREFIX);

	digest_format(digest, hex);
	return uri.n == skip + strlen(hex) && memcmp(uri.p, URI_PREFIX, skip) == 0 &&
	       memcmp(uri.p + skip, hex, uri.n - skip) == 0;
}

enum rc release_version_text(const int64_t *numbers, size_t count, struct arena *mem,
			     const char **ret)
{
	static const char *const kinds[] = { "rc", "beta", "alpha" };
	const char *text = "";
	size_t i = 0;

	for (; i < count && numbers[i] >= 0; i++)
		text = arena_printf(mem, "%s%s%" PRId64, text, i ? "." : "", numbers[i]);
	if (i == 0)
		return RC_INVALID;
	if (i < count) {
		if (numbers[i] < -3)
			return RC_INVALID;
		/* "~" stands before the release whatever the count of its numbers. */
		text = arena_printf(mem, "%s%s%s", text, i == 3 ? "-" : "~",
				    kinds[-numbers[i] - 1]);
		i++;
	}
	if (i < count && numbers[i] >= 0) {
		text = arena_printf(mem, "%s.%" PRId64, text, numbers[i]);
		i++;
	}
	if (i < count || strlen(text) > VERSION_TEXT_MAX)
		return RC_INVALID;
	*ret = text;
	return RC_OK;
}

bool release_versions_agree(const char *a, const char *b, struct arena *mem)
{
	struct bytes x, y;

	return version_key(a, mem, &x) == RC_OK && version_key(b, mem, &y) == RC_OK &&
	       version_key_compare(x, y) == 0;
}
