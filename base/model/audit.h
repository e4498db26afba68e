/* One entry of the audit.  Plain data. */
#pragma once

#include "base/bytes.h"
#include "base/model/actor.h"

struct audit_entry {
	int32_t tenant;
	int64_t seq; /* 1, 2, 3 ... without gaps */
	int64_t at;
	enum actor_kind actor_kind;
	struct uuid actor_id; /* zero: the server itself */
	const char *action;
	const char *object_kind;
	const char *object_id;
	const char *reason;
	const char *detail; /* canonical JSON object, or empty */
	struct digest prev; /* zero for the first */
	struct digest hash;
};
