/* Sorted, as registrations list them. */
#include "agent/format.h"

#include <string.h>

static const char *const words[FORMAT_COUNT] = {
	[FORMAT_AES_KW] = "aes-kw",
	[FORMAT_CHACHA20] = "chacha20",
	[FORMAT_CTR] = "ctr",
	[FORMAT_ECDH_ES] = "ecdh-es",
	[FORMAT_GCM] = "gcm",
	[FORMAT_HEATSHRINK] = "heatshrink",
	[FORMAT_LZMA] = "lzma",
	[FORMAT_PATCH_HEATSHRINK] = "patch-heatshrink",
	[FORMAT_PATCH_LZMA] = "patch-lzma",
	[FORMAT_PATCH_ZSTD] = "patch-zstd",
	[FORMAT_ZSTD] = "zstd",
};

const char *format_word(enum format f)
{
	return f < FORMAT_COUNT ? words[f] : "full";
}

bool format_find(const char *word, size_t n, enum format *ret)
{
	for (int f = 0; f < FORMAT_COUNT; f++) {
		if (strlen(words[f]) != n || memcmp(words[f], word, n) != 0)
			continue;
		*ret = (enum format)f;
		return true;
	}
	return false;
}

bool format_parse(const char *text, format_set *ret)
{
	format_set set = 0;
	enum format f;
	for (;;) {
		text += strspn(text, " \t");
		size_t n = strcspn(text, " \t");
		if (n == 0)
			break;
		if (!format_find(text, n, &f))
			return false;
		set |= FORMAT_BIT(f);
		text += n;
	}
	*ret = set;
	return true;
}

bool format_is_patch(enum format f)
{
	return f == FORMAT_PATCH_HEATSHRINK || f == FORMAT_PATCH_LZMA || f == FORMAT_PATCH_ZSTD;
}
