/* What a release may be.  Pure: no database, no clock. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* A sequence number may run ahead of the last one by so many, or up to the seconds of the
 * clock: a number near the end would leave no room for the releases that follow. */
#define SEQUENCE_JUMP_MAX (INT64_C(1) << 20)

/* The most that an administrator may allow. */
#define SEQUENCE_MOST ((uint64_t)INT64_MAX - (uint64_t)SEQUENCE_JUMP_MAX * 1024)

enum sequence_verdict { SEQUENCE_OK, SEQUENCE_NOT_HIGHER, SEQUENCE_TOO_FAR };

/* last: -1 when there is none. */
enum sequence_verdict release_sequence_check(uint64_t sequence, int64_t last, int64_t now_s);

/* The digest of a URI that is "img/" and a digest in lower-case hexadecimal: relative, so that
 * no host is frozen into a signed release and no device is sent elsewhere.  RC_INVALID. */
enum rc release_uri_digest(struct bytes uri, struct digest *ret) MUST_CHECK;

/* A component for downloads: "dl" or "dl/full" takes plain images, "dl/FORMAT" what a device
 * unpacks or patches with when it is copied on. */
enum area { AREA_NONE, AREA_YES, AREA_INVALID };
/* ret_word: the format, empty for plain. */
enum area release_download_area(const struct bytes *segments, int count,
				struct bytes *ret_word);

/* How a device says at registration which own key it opens payloads with, and an admission says
 * whom it is for: "key-" and the first 12 bytes of the SHA-256 of the key's id, as digits. */
#define KEY_WORD_SIZE (4 + 2 * 12 + 1)
const char *release_key_word(struct bytes kid, char ret[KEY_WORD_SIZE]);

/* Do these words, joined by commas, name a cipher? */
bool release_is_encrypted(const char *needs);

/* May an author whose key is registered for `scope` touch the component?  Empty: any; else the
 * one of this name, and those below it. */
bool release_scope_covers(const char *scope, const char *component);

/* SUIT's set-version as text: numbers, then -1, -2, -3 for rc, beta, alpha and a number
 * (draft-37 section 8.4.6).  RC_INVALID for anything else. */
enum rc release_version_text(const int64_t *numbers, size_t count, struct arena *mem,
			     const char **ret) MUST_CHECK;
/* Both are versions, and at the same place in the order. */
bool release_versions_agree(const char *a, const char *b, struct arena *mem);
