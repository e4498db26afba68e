/* The audit: what operators, publishers and the server itself did, in a hash chain
 * (docs/audit.md).  It holds ids, never names of people or devices.  The chain's head is a row
 * lock, so add the entry as the last thing that a call writes. */
#pragma once

#include "base/model/audit.h"
#include "core/call.h"

/* action is a verb such as "campaign.start", object_id its id as text, detail from
 * audit_detail() or NULL.  Actor, time and reason are the call's. */
struct audit_act {
	const char *action;
	const char *object_kind;
	const char *object_id;
	const char *detail;
};
enum rc audit_add(struct call *c, const struct audit_act *act) MUST_CHECK;

/* A canonical JSON object of texts: pairs of name and value, ended by NULL; a NULL value is
 * left out.  At most 16 pairs.  In the arena: audit_detail(c->mem, "release", id, "from",
 * "draft", NULL) */
const char *audit_detail(struct arena *mem, ...) __attribute__((sentinel));

/* Up to limit entries behind `after` (0: from the start), in order. */
enum rc audit_list(struct call *c, int64_t after, int limit, struct audit_entry **ret,
		   int *ret_count) MUST_CHECK;
