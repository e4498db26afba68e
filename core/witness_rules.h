/* Whether the database is where this daemon left it, and which acts must outlive it.  Pure. */
#pragma once

#include "base/model/witness.h"

enum witness_verdict {
	WITNESS_SAME,   /* the database is as far as the mark, or further */
	WITNESS_FENCED, /* it went back, and was fenced: what is ours alone must be done again
			 */
	WITNESS_BEHIND, /* it went back */
};

/* ret_why: with WITNESS_BEHIND, in words for the log and /readyz. */
enum witness_verdict witness_judge(const struct witness_mark *mark,
				   const struct witness_row *row, const char **ret_why);

/* What undoing an act would open again. */
enum witness_kind {
	ACT_NONE, /* nothing: it is not kept */
	ACT_SEQUENCE,
	ACT_DEVICE_REVOKE,
	ACT_CREDENTIAL,
	ACT_AUTHOR_KEY,
	ACT_RELEASE,
	ACT_OPERATOR,
	ACT_OPERATOR_DELETE,
	ACT_TOKEN,
};
#define WITNESS_KINDS (ACT_TOKEN + 1)

enum witness_kind witness_kind_of(const char *action);
