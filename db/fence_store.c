/* What the fence changes. */

#include "db/fence_store.h"

#include "base/clean.h"

/* More than anybody can have used since the backup. */
#define JOB_GAP      "4294967296"
#define SEQUENCE_GAP "65536"
/* Sequence numbers from here on are seconds of a clock, which have run on. */
#define SEQUENCE_CLOCK "1000000000"
#define OPEN_STATES    "(1, 2, 3, 4, 5, 15)"

#define ACT                                                                                    \
	"WITH act AS (SELECT $1::integer AS tenant_id, $2::text AS id, "                       \
	"nullif($3::text, '')::jsonb AS detail, $4::bigint AS now) "
/* Nobody becomes an administrator by this. */
#define ROLE_LOST                                                                              \
	"CASE act.detail ->> 'role' WHEN 'viewer' THEN 1 WHEN 'publisher' THEN 2 "             \
	"WHEN 'operator' THEN 4 ELSE o.role END"
#define NO_CREDENTIAL "credential = 0, psk_sealed = NULL, certificate = NULL, "

static const struct db_stmt again[] = {
	[FENCE_SEQUENCE] = { "fence_sequence",
			     ACT "INSERT INTO class_sequence AS s (tenant_id, vendor_id, "
				 "class_id, components, sequence) "
				 "SELECT tenant_id, (detail ->> 'vendor_id')::uuid, "
				 "(detail ->> 'class_id')::uuid, detail ->> 'components', "
				 "(detail ->> 'sequence')::bigint FROM act "
				 "WHERE detail ->> 'components' IS NOT NULL "
				 "ON CONFLICT (tenant_id, vendor_id, class_id, components) "
				 "DO UPDATE SET sequence = excluded.sequence "
				 "WHERE s.sequence < excluded.sequence" },
	[FENCE_DEVICE] = { "fence_device",
			   ACT "UPDATE device d SET lifecycle = 2, " NO_CREDENTIAL
			       "revision = d.revision + 1 FROM act "
			       "WHERE d.tenant_id = act.tenant_id AND "
			       "d.device_id = act.id::uuid AND d.lifecycle <> 2" },
	[FENCE_CREDENTIAL] = { "fence_credential",
			       ACT "UPDATE device d SET " NO_CREDENTIAL
				   "revision = d.revision + 1 FROM act "
				   "WHERE d.tenant_id = act.tenant_id AND "
				   "d.device_id = act.id::uuid AND d.credential <> 0" },
	[FENCE_AUTHOR_KEY] = { "fence_author_key",
			       ACT "UPDATE author_key k SET revoked_at = act.now FROM act "
				   "WHERE k.tenant_id = act.tenant_id AND "
				   "k.author_key_id = act.id::uuid AND k.revoked_at IS NULL" },
	[FENCE_RELEASE] = { "fence_release",
			    ACT "UPDATE release r SET withdrawn_at = act.now, "
				"revision = r.revision + 1 FROM act "
				"WHERE r.tenant_id = act.tenant_id AND "
				"r.release_id = act.id::uuid AND r.withdrawn_at IS NULL" },
	[FENCE_OPERATOR] = { "fence_operator",
			     ACT "UPDATE operator o SET role = " ROLE_LOST ", "
				 "disabled = o.disabled OR act.detail ->> 'disabled' = 'true', "
				 "revision = o.revision + 1 FROM act "
				 "WHERE o.tenant_id = act.tenant_id AND "
				 "o.operator_id = act.id::uuid AND (o.role <> " ROLE_LOST
				 " OR NOT o.disabled AND act.detail ->> 'disabled' = 'true')" },
	[FENCE_OPERATOR_DELETE] = { "fence_operator_delete",
				    ACT "UPDATE operator o SET disabled = true, "
					"revision = o.revision + 1 FROM act "
					"WHERE o.tenant_id = act.tenant_id AND "
					"o.operator_id = act.id::uuid AND NOT o.disabled" },
	[FENCE_TOKEN] = { "fence_token", ACT "DELETE FROM token t USING act "
					     "WHERE t.tenant_id = act.tenant_id AND "
					     "t.token_id = act.id::uuid" },
};
DB_STMTS(again)

enum { DONE, SEQUENCES, JOB_NUMBERS, JOBS, OUTBOX_NUMBERS, OUTBOX, LEASE, LOCK, RAISE };

static const struct db_stmt stmts[] = {
	[DONE] = { "fence_done",
		   "SELECT EXISTS (SELECT 1 FROM audit WHERE tenant_id = $1 AND action = $2 "
		   "AND object_id = $3 AND reason = $4) AS done" },
	[SEQUENCES] = { "fence_sequences",
			"UPDATE class_sequence SET sequence = greatest(least(sequence, "
			"9223372036854775807 - " SEQUENCE_GAP ") + " SEQUENCE_GAP ", "
			"CASE WHEN sequence >= " SEQUENCE_CLOCK " THEN $2::bigint ELSE 0 END) "
			"WHERE tenant_id = $1" },
	[JOB_NUMBERS] = { "fence_job_numbers",
			  "SELECT setval(s.name, nextval(s.name) + " JOB_GAP ") FROM "
			  "(SELECT pg_get_serial_sequence('job', 'job_id')::regclass) "
			  "AS s (name)" },
	[JOBS] = { "fence_jobs",
		   "WITH new AS (SELECT tenant_id, device_id, job_id, nextval("
		   "pg_get_serial_sequence('job', 'job_id')::regclass) AS number FROM job "
		   "WHERE tenant_id = $1 AND state IN " OPEN_STATES "), "
		   "held AS (UPDATE slot l SET job_id = new.number FROM new "
		   "WHERE l.tenant_id = new.tenant_id AND l.device_id = new.device_id "
		   "AND l.job_id = new.job_id) "
		   "UPDATE job j SET job_id = new.number FROM new "
		   "WHERE j.tenant_id = new.tenant_id AND j.device_id = new.device_id "
		   "AND j.job_id = new.job_id" },
	[OUTBOX_NUMBERS] = { "fence_outbox_numbers",
			     "SELECT setval(s.name, nextval(s.name) + " JOB_GAP ") FROM "
			     "(SELECT pg_get_serial_sequence('outbox', 'outbox_id')::regclass) "
			     "AS s (name)" },
	[OUTBOX] = { "fence_outbox", "DELETE FROM outbox" },
	[LEASE] = { "fence_lease", "UPDATE lease SET holder = NULL, until = 0, "
				   "fence = fence + 1048576" },
	[LOCK] = { "fence_lock", "SELECT instance_id, epoch FROM instance FOR UPDATE" },
	[RAISE] = { "fence_raise", "UPDATE instance SET epoch = $1, fenced_at = $2" },
};
DB_STMTS(stmts)

enum rc fence_store_again(struct db *db, int32_t tenant, const struct fence_again *in,
			  int64_t *ret_rows)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_text(&a, in->object_id);
	db_arg_text(&a, in->detail);
	db_arg_i64(&a, in->now);
	return db_run_count(db, &again[in->act], &a, ret_rows);
}

enum rc fence_store_done(struct db *db, int32_t tenant, const struct witness_act *act,
			 const char *reason, bool *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_text(&a, act->action);
	db_arg_text(&a, act->object_id);
	db_arg_text(&a, reason);
	enum rc rc = db_run(db, &stmts[DONE], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_bool(rows, 0, "done");
	return rc;
}

enum rc fence_store_burn_sequences(struct db *db, int32_t tenant, int64_t now,
				   int64_t *ret_rows)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, now / 1000000);
	return db_run_count(db, &stmts[SEQUENCES], &a, ret_rows);
}

enum rc fence_store_burn_jobs(struct db *db, int32_t tenant, int64_t *ret_rows)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	enum rc rc = db_run(db, &stmts[JOB_NUMBERS], NULL, NULL);
	return rc == RC_OK ? db_run_count(db, &stmts[JOBS], &a, ret_rows) : rc;
}

enum rc fence_store_burn_outbox(struct db *db)
{
	enum rc rc = db_run(db, &stmts[OUTBOX_NUMBERS], NULL, NULL);

	return rc == RC_OK ? db_run(db, &stmts[OUTBOX], NULL, NULL) : rc;
}

enum rc fence_store_burn_lease(struct db *db)
{
	return db_run(db, &stmts[LEASE], NULL, NULL);
}

enum rc fence_store_lock(struct db *db, struct uuid *ret_instance_id, int64_t *ret_epoch)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, &stmts[LOCK], NULL, &rows);
	if (rc != RC_OK)
		return rc;
	if (db_rows_count(rows) != 1)
		return RC_INTERNAL;
	*ret_instance_id = db_row_uuid(rows, 0, "instance_id");
	*ret_epoch = db_row_i64(rows, 0, "epoch");
	return RC_OK;
}

enum rc fence_store_raise(struct db *db, int64_t epoch, int64_t now)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, epoch);
	db_arg_i64(&a, now);
	return db_run(db, &stmts[RAISE], &a, NULL);
}
