/* An operator aborts a campaign of very many open jobs: it takes them in pages, and what one
 * page needs is gone before the next. */

#include "tests/store/world.h"

#define JOBS 20000
/* What follows the commit, for each job: its device's entry is woken, its memory dropped. */
#define KEPT_MAX 128

static struct uuid start_campaign(struct world *w)
{
	static const struct stage all = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };
	struct campaign_new new = { .name = "large",
				    .release_id = world_release(w, 2, 2),
				    .target = "{\"all\":true}",
				    .stages = &all,
				    .stage_count = 1,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	must(world_campaign(w, &new) == RC_OK, "no campaign");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "no start");
	world_tick(w, 1);
	return new.release_id;
}

static void make_jobs(struct world *w, const struct uuid *campaign_id)
{
	char id[UUID_TEXT_SIZE];

	sql(w->db,
	    "INSERT INTO job (tenant_id, device_id, campaign_id, release_id, component, state, "
	    "stage, attempt, created_at, updated_at, deadline_at) "
	    "SELECT 1, gen_random_uuid(), campaign_id, release_id, 'main', 2, 0, 1, 1, 1, "
	    "9000000000000000000 FROM campaign, generate_series(1, %d) "
	    "WHERE campaign_id = '%s'",
	    JOBS, uuid_format(campaign_id, id));
	sql(w->db, "INSERT INTO slot SELECT tenant_id, device_id, component, job_id, "
		   "campaign_id FROM job");
}

static void test_abort(struct world *w)
{
	struct uuid id = start_campaign(w);

	make_jobs(w, &id);
	is_int(world_move(w, &id, MOVE_ABORT), RC_OK, "it is aborted");
	size_t used = arena_used(w->call_mem);
	ok(used < (size_t)JOBS * KEPT_MAX, "%zu bytes for each job stay", used / JOBS);
	is_int(sql_i64(w, "SELECT count(*) AS n FROM job WHERE state = 16"), JOBS,
	       "all of its jobs are cancelled");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM slot"), 0, "and hold no slot");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM outbox WHERE kind = 2"), JOBS,
	       "other daemons are told of each");
}

int main(void)
{
	struct world w;

	world_open(&w);
	struct actor_device d;
	world_device(&w, "member", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	sql(w.db, "DELETE FROM outbox");
	test_abort(&w);
	world_close(&w);
	return tap_done();
}
