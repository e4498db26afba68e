/* Whether the database is where this daemon left it.  Pure. */

#include "core/witness_rules.h"

#include <string.h>

static const char *why_behind(const struct witness_mark *mark, const struct witness_row *row)
{
	if (!uuid_equal(&mark->instance_id, &row->instance_id))
		return "this is another database than the one that this daemon knew";
	if (row->epoch < mark->epoch)
		return "the database is from before the last fence";
	if (!row->has_counter || row->counter < mark->counter)
		return "the database is older than what this daemon has seen";
	if (mark->audit_seq > 0 &&
	    (!row->has_audit || !digest_equal(&mark->audit_hash, &row->audit_hash)))
		return "the audit is not the one that this daemon has seen";
	return NULL;
}

enum witness_verdict witness_judge(const struct witness_mark *mark,
				   const struct witness_row *row, const char **ret_why)
{
	if (uuid_equal(&mark->instance_id, &row->instance_id) && row->epoch > mark->epoch)
		return WITNESS_FENCED;
	const char *why = why_behind(mark, row);
	if (!why)
		return WITNESS_SAME;
	*ret_why = why;
	return WITNESS_BEHIND;
}

struct kept {
	const char *action;
	enum witness_kind kind;
};

static const struct kept kept[] = {
	{ "release.create", ACT_SEQUENCE },         { "release.sequence", ACT_SEQUENCE },
	{ "device.revoke", ACT_DEVICE_REVOKE },     { "device.delete", ACT_DEVICE_REVOKE },
	{ "device.credential", ACT_CREDENTIAL },    { "author-key.revoke", ACT_AUTHOR_KEY },
	{ "release.withdraw", ACT_RELEASE },        { "operator.update", ACT_OPERATOR },
	{ "operator.delete", ACT_OPERATOR_DELETE }, { "token.delete", ACT_TOKEN },
};

enum witness_kind witness_kind_of(const char *action)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (strcmp(kept[i].action, action) == 0)
			return kept[i].kind;
	return ACT_NONE;
}
