/* The witness.  Files change after the database, so they are never ahead of it, but after a
 * restore. */

#include "core/witness.h"

#include "core/fence.h"
#include "core/witness_rules.h"
#include "db/audit_store.h"
#include "db/witness_store.h"

#define READ_LIMIT 1000

enum rc witness_begin(struct call *c, struct witness_mark *ret)
{
	struct witness_mark mark = { .counter = 1 };
	struct witness_row row;

	uuid_random(&mark.witness_id);
	enum rc rc = witness_store_read(c->db, c->tenant, &mark, &row);
	if (rc == RC_OK)
		rc = witness_store_put(c->db, &mark.witness_id, mark.counter, c->now);
	if (rc != RC_OK)
		return rc;
	mark.instance_id = row.instance_id;
	mark.epoch = row.epoch;
	*ret = mark;
	return RC_OK;
}

static enum rc judge(struct call *c, const char *dir, struct witness_opening *o)
{
	struct witness_row row;

	enum rc rc = witness_store_read(c->db, c->tenant, &o->mark, &row);
	if (rc != RC_OK)
		return rc;
	switch (witness_judge(&o->mark, &row, &o->why)) {
	case WITNESS_SAME:
		return RC_OK;
	case WITNESS_BEHIND:
		return RC_CONFLICT;
	case WITNESS_FENCED:
		o->fenced = true;
		return fence_join(c, dir, &o->mark);
	}
	return RC_INTERNAL;
}

enum rc witness_open(struct call *c, const char *dir, struct witness_opening *ret)
{
	*ret = (struct witness_opening){ 0 };
	enum rc rc = witness_load(dir, c->mem, &ret->mark);
	if (rc == RC_NOT_FOUND)
		return witness_begin(c, &ret->mark);
	if (rc == RC_INVALID) {
		ret->why = "the file `witness` of the state directory is damaged";
		return RC_CONFLICT;
	}
	return rc == RC_OK ? judge(c, dir, ret) : rc;
}

enum rc witness_opened(const char *dir, const struct witness_opening *o, struct arena *mem)
{
	enum rc rc = RC_OK;

	if (o->fenced)
		rc = witness_put_away(dir, o->mark.epoch, mem);
	return rc == RC_OK ? witness_save(dir, &o->mark) : rc;
}

/* New entries of the audit: their acts are kept before the mark moves past them. */
static enum rc follow_audit(struct call *c, const char *dir, struct witness_mark *mark,
			    bool *ret_moved)
{
	struct audit_page page = { mark->audit_seq, READ_LIMIT, c->mem };
	struct audit_entry *entries;
	int n;

	enum rc rc = audit_store_list(c->db, c->tenant, &page, &entries, &n);
	if (rc == RC_OK && n > 0)
		rc = witness_keep(dir, entries, n, c->mem);
	if (rc != RC_OK || n == 0)
		return rc;
	mark->audit_seq = entries[n - 1].seq;
	mark->audit_hash = entries[n - 1].hash;
	*ret_moved = true;
	return RC_OK;
}

enum rc witness_follow(struct call *c, const char *dir, struct witness_mark *mark, bool step)
{
	struct witness_mark next = *mark;
	bool moved = step;
	enum rc rc = RC_OK;

	/* First: after a restore nothing of the new audit may be taken for a continuation. */
	if (step)
		rc = witness_store_step(c->db, mark, c->now, &next.counter);
	if (rc == RC_OK)
		rc = follow_audit(c, dir, &next, &moved);
	if (rc == RC_OK && moved)
		rc = witness_save(dir, &next);
	if (rc == RC_OK)
		*mark = next;
	return rc;
}
