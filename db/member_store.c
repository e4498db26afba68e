/* Members.  The partition is filled before it is indexed and attached: that is several times
 * faster, and readers of other campaigns' members do not wait.  Its name and bounds are made
 * from the campaign's id alone. */

#include "db/member_store.h"

#include "base/clean.h"
#include "db/target_sql.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Why looking at members and starting a campaign exclude each other: ATTACH PARTITION takes no
 * lock that readers wait for.  A backend that reads the list of partitions may learn in the
 * middle of it that the list is out of date, and then keeps the old one until the next
 * attachment (PostgreSQL 15, RelationBuildPartitionDesc()); its plans do not have the new
 * partition, and a campaign's devices are never told.  One in seventy attachments did that to
 * one of twelve busy readers. */

/* A start that cannot have the lock lets the others go first, and is done again. */
#define HOLD_TIMEOUT_MS "2000" /* longer than a batch of offers takes */

enum { BUCKET_AT, BUCKET_FROM_END, HOLD, LOOK, IS_RUNNING };

static const struct db_stmt stmts[] = {
	[BUCKET_AT] = { "member_bucket_at", "SELECT bucket FROM member WHERE campaign_id = $1 "
					    "ORDER BY bucket OFFSET $2 LIMIT 1" },
	[BUCKET_FROM_END] = { "member_bucket_from_end",
			      "SELECT bucket FROM member WHERE campaign_id = $1 "
			      "ORDER BY bucket DESC OFFSET $2 LIMIT 1" },
	[HOLD] = { "member_hold", "SELECT pg_advisory_xact_lock" MEMBER_LOCK },
	[LOOK] = { "member_look", "SELECT pg_advisory_xact_lock_shared" MEMBER_LOCK },
	/* Asked of a running campaign alone: the name is there as soon as that is seen. */
	[IS_RUNNING] = { "member_is_running", "SELECT to_regclass($3) IS NOT NULL AS filled "
					      "FROM campaign WHERE tenant_id = $1 "
					      "AND campaign_id = $2 AND state = 2" },
};
DB_STMTS(stmts)

#define SQL_MAX 4096

static void sql_printf(char ret[SQL_MAX], const char *fmt, va_list ap) PRINTF(2, 0);
static void sql_printf(char ret[SQL_MAX], const char *fmt, va_list ap)
{
	int n = vsnprintf(ret, SQL_MAX, fmt, ap);

	assert(n > 0 && n < SQL_MAX);
}

static enum rc exec_printf(struct db *db, const char *fmt, ...) PRINTF(2, 3);
static enum rc exec_printf(struct db *db, const char *fmt, ...)
{
	char sql[SQL_MAX];
	va_list ap;

	va_start(ap, fmt);
	sql_printf(sql, fmt, ap);
	va_end(ap);
	return db_exec(db, sql);
}

/* The same, and how many rows it touched. */
static enum rc count_printf(struct db *db, int64_t *ret, const char *fmt, ...) PRINTF(3, 4);
static enum rc count_printf(struct db *db, int64_t *ret, const char *fmt, ...)
{
	char sql[SQL_MAX];
	const struct db_stmt once = { "", sql };
	va_list ap;

	va_start(ap, fmt);
	sql_printf(sql, fmt, ap);
	va_end(ap);
	return db_run_count(db, &once, NULL, ret);
}

/* "member_" and the hexadecimal digits of the id. */
static void partition_name(const struct uuid *campaign_id, char ret[48])
{
	char *p = ret + snprintf(ret, 48, "member_");

	for (size_t i = 0; i < sizeof(campaign_id->b); i++)
		p += snprintf(p, 3, "%02x", campaign_id->b[i]);
}

static enum rc fill(struct db *db, const char *name, const char *id,
		    const struct bucket_salt *salt, int64_t *ret)
{
	const int64_t *s = salt->s;

	return count_printf(
		db, ret,
		"INSERT INTO %s (tenant_id, campaign_id, device_id, bucket) "
		"SELECT c.tenant_id, c.campaign_id, t.device_id, bucket_hash(t.hash, %" PRId64
		", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
		") FROM campaign c CROSS JOIN LATERAL " TARGET_DEVICES(
			"c.tenant_id",
			"(SELECT target FROM campaign WHERE campaign_id = '%s')") " t WHERE "
										  "c.campaign_"
										  "id = '%s'",
		name, s[0], s[1], s[2], s[3], s[4], s[5], id, id, id, id, id);
}

/* The device comes first in the key: a sort of ids by their first bytes takes half the time of
 * one that has to look behind a number that all have in common. */
static enum rc attach(struct db *db, const char *name, const char *id)
{
	enum rc rc =
		exec_printf(db, "ALTER TABLE %s ADD PRIMARY KEY (device_id, tenant_id)", name);

	if (rc == RC_OK)
		rc = exec_printf(db, "CREATE INDEX ON %s (bucket)", name);
	/* The constraint spares the attachment a scan. */
	if (rc == RC_OK)
		rc = exec_printf(db,
				 "ALTER TABLE %s ADD CONSTRAINT own CHECK (campaign_id = '%s')",
				 name, id);
	if (rc == RC_OK)
		rc = exec_printf(db,
				 "ALTER TABLE member ATTACH PARTITION %s FOR VALUES IN ('%s')",
				 name, id);
	if (rc == RC_OK)
		rc = exec_printf(db, "ALTER TABLE %s DROP CONSTRAINT own", name);
	return rc;
}

/* A small sample is enough: the ids are random, the buckets uniform. */
static enum rc analyze(struct db *db, const char *name)
{
	enum rc rc = db_exec(db, "SET LOCAL default_statistics_target = 10");

	return rc == RC_OK ? exec_printf(db, "ANALYZE %s", name) : rc;
}

enum rc member_store_create(struct db *db, const struct uuid *campaign_id,
			    const struct bucket_salt *salt, int64_t *ret_members)
{
	char name[48], id[UUID_TEXT_SIZE];

	partition_name(campaign_id, name);
	uuid_format(campaign_id, id);
	enum rc rc = exec_printf(db, "CREATE TABLE %s (LIKE member)", name);
	if (rc == RC_OK)
		rc = fill(db, name, id, salt, ret_members);
	if (rc == RC_OK)
		rc = attach(db, name, id);
	if (rc == RC_OK)
		rc = analyze(db, name);
	return rc;
}

enum rc member_store_publish(struct db *db)
{
	enum rc rc = db_exec(db, "SET LOCAL lock_timeout = " HOLD_TIMEOUT_MS);

	if (rc == RC_OK)
		rc = db_run(db, &stmts[HOLD], NULL, NULL);
	if (rc == RC_UNAVAILABLE && strcmp(db_sqlstate(db), "55P03") == 0)
		return RC_RETRY;
	return rc;
}

enum rc member_store_look(struct db *db)
{
	return db_run(db, &stmts[LOOK], NULL, NULL);
}

/* The index is walked from the nearer end, and not at all for a stage of everybody. */
enum rc member_store_bucket_at(struct db *db, const struct uuid *campaign_id, int64_t members,
			       int64_t rank, int64_t *ret)
{
	bool near_end = rank > members / 2;
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	if (rank >= members) {
		*ret = BUCKET_END;
		return RC_OK;
	}
	db_arg_uuid(&a, campaign_id);
	db_arg_i64(&a, near_end ? members - 1 - rank : rank);
	enum rc rc = db_run(db, &stmts[near_end ? BUCKET_FROM_END : BUCKET_AT], &a, &rows);
	if (rc == RC_OK)
		*ret = db_rows_count(rows) ? db_row_i64(rows, 0, "bucket") : BUCKET_END;
	return rc;
}

struct copy {
	member_store_row *row;
	void *arg;
};

static bool copy_row(void *arg, char *const *fields, int count)
{
	const struct copy *copy = arg;
	struct uuid id;

	if (count != 1 || !fields[0] || uuid_parse(fields[0], &id) != RC_OK)
		return false;
	return copy->row(copy->arg, &id);
}

static enum rc is_running(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			  const char *name, bool *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	db_arg_text(&a, name);
	enum rc rc = db_run(db, &stmts[IS_RUNNING], &a, &rows);
	if (rc == RC_OK)
		*ret = db_rows_count(rows) && db_row_bool(rows, 0, "filled");
	return rc;
}

/* From the partition by its own name, which needs no list: a million members take seconds, and
 * no start has to wait for that. */
enum rc member_store_exposed(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			     member_store_row *row, void *arg)
{
	struct copy copy = { row, arg };
	char sql[SQL_MAX], name[48], id[UUID_TEXT_SIZE];
	bool running = false;

	partition_name(campaign_id, name);
	uuid_format(campaign_id, id);
	snprintf(sql, sizeof(sql),
		 "SELECT m.device_id FROM campaign c "
		 "JOIN stage t ON t.tenant_id = c.tenant_id AND t.campaign_id = c.campaign_id "
		 "AND t.stage = c.stage JOIN %s m ON m.bucket < t.threshold "
		 "LEFT JOIN job j ON j.tenant_id = %d AND j.device_id = m.device_id "
		 "AND j.campaign_id = '%s' "
		 "WHERE c.tenant_id = %d AND c.campaign_id = '%s' AND c.state = 2 "
		 "AND j.job_id IS NULL",
		 name, tenant, id, tenant, id);
	enum rc rc = is_running(db, tenant, campaign_id, name, &running);
	return rc == RC_OK && running ? db_copy_out(db, sql, copy_row, &copy) : rc;
}
