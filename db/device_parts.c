/* What belongs to the devices of a page.  Rows come in the order of the device ids; each is
 * handed to its device, wherever that stands on the page. */
#include "db/device_parts.h"

#include "base/clean.h"

#include <stdlib.h>
#include <string.h>

enum { COMPONENTS, ATTRIBUTES, JOBS };

static const struct db_stmt stmts[] = {
	[COMPONENTS] = { "device_components",
			 "SELECT device_id, name, digest, version FROM component "
			 "WHERE tenant_id = $1 AND device_id = ANY($2::uuid[]) "
			 "ORDER BY device_id, name COLLATE \"C\"" },
	[ATTRIBUTES] = { "device_attributes",
			 "SELECT d.device_id, a.key AS name, a.value FROM device d, "
			 "LATERAL jsonb_each_text(d.attributes) a "
			 "WHERE d.tenant_id = $1 AND d.device_id = ANY($2::uuid[]) "
			 "ORDER BY d.device_id, a.key COLLATE \"C\"" },
	[JOBS] = { "device_open_jobs",
		   "SELECT DISTINCT ON (j.device_id) j.device_id, j.job_id, j.campaign_id, "
		   "j.release_id, j.component, j.state, j.cause, j.stage, j.attempt, "
		   "j.bytes_done, j.bytes_total, j.created_at, j.updated_at, j.deadline_at "
		   "FROM slot s JOIN job j ON j.tenant_id = s.tenant_id "
		   "AND j.device_id = s.device_id AND j.job_id = s.job_id "
		   "WHERE s.tenant_id = $1 AND s.device_id = ANY($2::uuid[]) "
		   "ORDER BY j.device_id, j.job_id" },
};
DB_STMTS(stmts)

typedef void read_parts(const struct db_rows *rows, int first, int count, struct arena *mem,
			struct device_item *item);

static void read_components(const struct db_rows *rows, int first, int count, struct arena *mem,
			    struct device_item *item)
{
	item->d.components = arena_array(mem, (size_t)count, sizeof(struct component));
	item->d.component_count = count;
	for (int i = 0; i < count; i++) {
		struct component *c = &item->d.components[i];
		c->name = db_row_text(rows, first + i, "name", mem);
		c->has_digest = !db_row_is_null(rows, first + i, "digest");
		c->digest = db_row_digest(rows, first + i, "digest");
		c->version = db_row_is_null(rows, first + i, "version")
				     ? NULL
				     : db_row_text(rows, first + i, "version", mem);
	}
}

static void read_attributes(const struct db_rows *rows, int first, int count, struct arena *mem,
			    struct device_item *item)
{
	item->d.attributes = arena_array(mem, (size_t)count, sizeof(struct attribute));
	item->d.attribute_count = count;
	for (int i = 0; i < count; i++) {
		item->d.attributes[i].name = db_row_text(rows, first + i, "name", mem);
		item->d.attributes[i].value = db_row_text(rows, first + i, "value", mem);
	}
}

static void read_job(const struct db_rows *rows, int first, int count, struct arena *mem,
		     struct device_item *item)
{
	struct job *j = &item->job;

	(void)count;
	item->has_job = true;
	j->job_id = db_row_i64(rows, first, "job_id");
	j->device_id = item->d.device_id;
	j->campaign_id = db_row_uuid(rows, first, "campaign_id");
	j->release_id = db_row_uuid(rows, first, "release_id");
	j->component = db_row_text(rows, first, "component", mem);
	j->state = (enum job_state)db_row_i64(rows, first, "state");
	j->cause = (enum job_cause)db_row_i64(rows, first, "cause");
	j->stage = (int32_t)db_row_i64(rows, first, "stage");
	j->attempt = (int32_t)db_row_i64(rows, first, "attempt");
	j->bytes_done = db_row_i64(rows, first, "bytes_done");
	j->bytes_total = db_row_i64(rows, first, "bytes_total");
	j->created_at = db_row_i64(rows, first, "created_at");
	j->updated_at = db_row_i64(rows, first, "updated_at");
	j->deadline_at = db_row_i64(rows, first, "deadline_at");
}

static int compare_items(const void *a, const void *b)
{
	const struct device_item *const *x = a, *const *y = b;

	return memcmp((*x)->d.device_id.b, (*y)->d.device_id.b, sizeof(struct uuid));
}

/* Both are in the order of the ids, so one walk over each is enough. */
static void hand_out(const struct db_rows *rows, struct device_item **sorted, read_parts *read,
		     struct arena *mem)
{
	int n = db_rows_count(rows);

	for (int first = 0, at = 0; first < n;) {
		struct uuid id = db_row_uuid(rows, first, "device_id");
		int end = first + 1;
		while (end < n) {
			struct uuid next = db_row_uuid(rows, end, "device_id");
			if (!uuid_equal(&next, &id))
				break;
			end++;
		}
		while (!uuid_equal(&sorted[at]->d.device_id, &id))
			at++;
		read(rows, first, end - first, mem, sorted[at]);
		first = end;
	}
}

static read_parts *const readers[] = {
	[COMPONENTS] = read_components,
	[ATTRIBUTES] = read_attributes,
	[JOBS] = read_job,
};

enum rc device_parts_load(struct db *db, int32_t tenant, struct device_page *page,
			  struct arena *mem)
{
	size_t n = (size_t)page->count;
	struct device_item **sorted = arena_array(mem, n, sizeof(struct device_item *));
	struct uuid *ids = arena_array(mem, n, sizeof(*ids));

	for (size_t i = 0; i < n; i++) {
		sorted[i] = &page->items[i];
		ids[i] = page->items[i].d.device_id;
	}
	if (n == 0)
		return RC_OK;
	qsort(sorted, n, sizeof(struct device_item *), compare_items);
	for (size_t i = 0; i < ARRAY_LEN(stmts); i++) {
		struct db_args a = { 0 };
		CLEAN(rows) struct db_rows *rows = NULL;
		db_arg_i64(&a, tenant);
		db_arg_uuids(&a, mem, ids, n);
		enum rc rc = db_run(db, &stmts[i], &a, &rows);
		if (rc != RC_OK)
			return rc;
		hand_out(rows, sorted, readers[i], mem);
	}
	return RC_OK;
}
