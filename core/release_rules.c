/* What a release may be.  Pure. */
#include "core/release_rules.h"

#include "base/hash.h"
#include "base/model/release.h"
#include "core/version.h"

#include <inttypes.h>
#include <stdio.h>
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

enum rc release_uri_digest(struct bytes uri, struct digest *ret)
{
	char hex[DIGEST_TEXT_SIZE], again[DIGEST_TEXT_SIZE];
	size_t skip = strlen(URI_PREFIX);
	struct digest d;

	if (uri.n != skip + sizeof(hex) - 1 || memcmp(uri.p, URI_PREFIX, skip) != 0)
		return RC_INVALID;
	memcpy(hex, uri.p + skip, sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	if (digest_parse(hex, &d) != RC_OK || strcmp(digest_format(&d, again), hex) != 0)
		return RC_INVALID;
	*ret = d;
	return RC_OK;
}

static bool is_format(struct bytes word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!(word.p[i] >= 'a' && word.p[i] <= 'z') &&
		    !(word.p[i] >= '0' && word.p[i] <= '9') && word.p[i] != '-')
			return false;
	return word.n >= 1 && word.n <= FORMAT_NAME_MAX;
}

/* It would be taken for the word of a device's own key. */
static bool is_key(struct bytes word)
{
	return word.n >= 4 && memcmp(word.p, "key-", 4) == 0;
}

enum area release_download_area(const struct bytes *segments, int count, struct bytes *ret_word)
{
	*ret_word = (struct bytes){ 0 };
	if (count == 0 || !bytes_equal_text(segments[0], "dl"))
		return AREA_NONE;
	if (count > 2 || (count == 2 && (!is_format(segments[1]) || is_key(segments[1]))))
		return AREA_INVALID;
	if (count == 2 && !bytes_equal_text(segments[1], "full"))
		*ret_word = segments[1];
	return AREA_YES;
}

const char *release_key_word(struct bytes kid, char ret[KEY_WORD_SIZE])
{
	char hex[DIGEST_TEXT_SIZE];
	struct digest digest;

	sha256_of(kid, &digest);
	digest_format(&digest, hex);
	snprintf(ret, KEY_WORD_SIZE, "key-%.24s", hex);
	return ret;
}

bool release_is_encrypted(const char *needs)
{
	static const char *const ciphers[] = { "gcm", "ctr", "chacha20" };

	while (*needs) {
		size_t n = strcspn(needs, ",");
		struct bytes word = { (const uint8_t *)needs, n };
		for (size_t i = 0; i < ARRAY_LEN(ciphers); i++)
			if (bytes_equal_text(word, ciphers[i]))
				return true;
		needs += n + (needs[n] == ',');
	}
	return false;
}

bool release_scope_covers(const char *scope, const char *component)
{
	size_t n = strlen(scope);

	return n == 0 || (strncmp(component, scope, n) == 0 &&
			  (component[n] == '\0' || component[n] == '/'));
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
