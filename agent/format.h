/* The words for what a device can read (docs/manifest.md): what a download area holds, who may
 * open what is encrypted, and by which cipher.  They are told at registration, in this order,
 * and an area's name ends with one of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum format {
	FORMAT_AES_KW,
	FORMAT_CHACHA20,
	FORMAT_CTR,
	FORMAT_ECDH_ES,
	FORMAT_GCM,
	FORMAT_HEATSHRINK,
	FORMAT_LZMA,
	FORMAT_PATCH_HEATSHRINK,
	FORMAT_PATCH_LZMA,
	FORMAT_PATCH_ZSTD,
	FORMAT_ZSTD,
	FORMAT_COUNT,
	FORMAT_PLAIN = FORMAT_COUNT, /* as it is: no word, and always there */
};

/* A bit for each. */
typedef uint32_t format_set;
#define FORMAT_BIT(f) (1u << (f))
#define FORMAT_STREAMS                                                                         \
	(FORMAT_BIT(FORMAT_HEATSHRINK) | FORMAT_BIT(FORMAT_LZMA) | FORMAT_BIT(FORMAT_ZSTD) |   \
	 FORMAT_BIT(FORMAT_PATCH_HEATSHRINK) | FORMAT_BIT(FORMAT_PATCH_LZMA) |                 \
	 FORMAT_BIT(FORMAT_PATCH_ZSTD))
#define FORMAT_CIPHERS                                                                         \
	(FORMAT_BIT(FORMAT_CHACHA20) | FORMAT_BIT(FORMAT_CTR) | FORMAT_BIT(FORMAT_GCM))

/* "aes-kw" and so on. */
const char *format_word(enum format f);
/* False for a word that is none of ours. */
bool format_find(const char *word, size_t n, enum format *ret);
/* Words with blanks between them. */
bool format_parse(const char *words, format_set *ret);
bool format_is_patch(enum format f);
