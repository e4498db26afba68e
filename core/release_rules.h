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

/* True when the URI is "img/" and the digest in lower-case hexadecimal: relative, so that no
 * host is frozen into a signed release and no device is sent elsewhere. */
bool release_uri_names(struct bytes uri, const struct digest *digest);

/* SUIT's set-version as text: numbers, then -1, -2, -3 for rc, beta, alpha and a number
 * (draft-37 section 8.4.6).  RC_INVALID for anything else. */
enum rc release_version_text(const int64_t *numbers, size_t count, struct arena *mem,
			     const char **ret) MUST_CHECK;
/* Both are versions, and at the same place in the order. */
bool release_versions_agree(const char *a, const char *b, struct arena *mem);
