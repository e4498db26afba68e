/* Versions: one grammar for SemVer, dotted numbers, dates, git-describe and Debian's style, and
 * one key for each version so that memcmp() of keys (bytea order in SQL) is the order of
 * versions.
 *
 *   version = ["v"] [number ":"] number *("." number) *suffix
 *   suffix  = letters at once, as in 1.0.2k                        after
 *           / "~" tokens                                           before
 *           / "-" number "-g" hexadecimal ["-dirty"] (git describe) after; the hash does not
 * order / "-" identifiers, when there are three numbers (SemVer) before, by SemVer section 11
 *           / "-" letter ...                                       before
 *           / "-" digit ...                                        after (a revision)
 *           / "+" tokens       ignored with three numbers (SemVer), else after
 *
 * 3.7 and 3.7.0 have the same key.  Keys order; whether two versions are the same thing is
 * asked of their texts.  The frozen corpus is tests/data/versions.tsv. */
#pragma once

#include "base/bytes.h"
#include "base/model/device.h"

/* Bounds the key of any version of VERSION_TEXT_MAX bytes. */
#define VERSION_KEY_MAX 256

/* RC_INVALID when text does not follow the grammar or is longer than VERSION_TEXT_MAX. */
enum rc version_key(const char *text, struct arena *mem, struct bytes *ret) MUST_CHECK;
/* -1, 0, 1: the order that bytea has. */
int version_key_compare(struct bytes a, struct bytes b);
