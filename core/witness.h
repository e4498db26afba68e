/* The witness: what this daemon keeps of the database outside of it, so that it notices when a
 * backup was restored.  A counter in the database grows every few seconds, and a file of the
 * state directory follows it; the file also names the last entry of the audit that was seen.
 * Acts that a restore must not undo are copied beside it.
 *
 * A lost file is no alarm: the daemon then begins anew and cannot tell. */
#pragma once

#include "core/call.h"
#include "core/witness_file.h"

struct witness_opening {
	struct witness_mark mark;
	bool fenced;     /* by another daemon's state; what only ours knew was done again */
	const char *why; /* with RC_CONFLICT: how it shows, in words */
};

/* In the caller's transaction, before serving.  RC_CONFLICT when the database went back. */
enum rc witness_open(struct call *c, const char *dir, struct witness_opening *ret) MUST_CHECK;
/* After the commit. */
enum rc witness_opened(const char *dir, const struct witness_opening *o,
		       struct arena *mem) MUST_CHECK;
/* A mark of a state directory that remembers nothing yet; in the caller's transaction. */
enum rc witness_begin(struct call *c, struct witness_mark *ret) MUST_CHECK;
/* Outside of a transaction: copies new acts and, with `step`, makes the counter grow; the mark
 * follows.  RC_CONFLICT when the database went back or was fenced: this daemon must end. */
enum rc witness_follow(struct call *c, const char *dir, struct witness_mark *mark,
		       bool step) MUST_CHECK;
