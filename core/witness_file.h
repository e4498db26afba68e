/* The two files of the witness in the state directory: `witness`, replaced as a whole, and
 * `witness.acts`, one line an act, only ever appended to between fences.  Every change is on
 * disk when a function returns RC_OK. */
#pragma once

#include "base/model/audit.h"
#include "base/model/witness.h"

/* RC_NOT_FOUND when there is none; RC_INVALID when it is damaged. */
enum rc witness_load(const char *dir, struct arena *mem, struct witness_mark *ret) MUST_CHECK;
enum rc witness_save(const char *dir, const struct witness_mark *mark) MUST_CHECK;

/* Appends those of the entries that are kept. */
enum rc witness_keep(const char *dir, const struct audit_entry *entries, int count,
		     struct arena *mem) MUST_CHECK;
/* In the order in which they were written; a line that a crash cut short is left out. */
enum rc witness_acts(const char *dir, struct arena *mem, struct witness_act **ret,
		     int *ret_count) MUST_CHECK;
/* Once they were done again: they are in the audit now, and come back from there.  The old file
 * stays as witness.acts.EPOCH. */
enum rc witness_put_away(const char *dir, int64_t epoch, struct arena *mem) MUST_CHECK;
