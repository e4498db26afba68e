/* Random histories of a small fleet: whatever devices, operators and time do, the tallies are
 * the jobs, every open job has its slots, nobody has two jobs of one campaign, and a success
 * that was not proved does not exist.  The seed is printed. */

#include "tests/dice.h"
#include "tests/store/world.h"

#define DEVICES   6
#define STEPS     400
#define HISTORIES 4

struct history {
	struct world *w;
	struct actor_device devices[DEVICES];
	struct offer offers[DEVICES]; /* the last one that each was given */
	bool proved[DEVICES];         /* ran the release in a boot after its offer */
	struct uuid campaign;
	uint8_t release;
	const char *fault;
};

static void prepare(struct history *h, struct world *w, int number)
{
	static const struct stage stages[] = {
		{ .count = 2, .gate = { 9000, 5000, 2, 0 } },
		{ .share = 10000, .gate = { 9000, 5000, 2, 0 } },
	};
	/* So that all devices go on with their deltas, whatever becomes of some. */
	static const struct stage lax[] = { { .share = 10000,
					      .gate = { 10000, 10000, 6, 0 } } };
	struct campaign_new new = { .name = "history",
				    .target = "{\"all\":true}",
				    .stages = stages,
				    .stage_count = 2,
				    .silent_after_s = 60,
				    .max_attempts = 3 };

	if (number == HISTORIES - 1) {
		new.stages = lax;
		new.stage_count = 1;
	}
	*h = (struct history){ .w = w, .release = (uint8_t)(2 + number) };
	sql(w->db, "UPDATE device SET lifecycle = 2");
	new.release_id = world_release(w, h->release, 2 + number);
	if (number > 0)
		world_add_some_variants(w, &new.release_id, h->release);
	for (int i = 0; i < DEVICES; i++) {
		world_device(w, arena_printf(w->mem, "h%d-%d", number, i), &h->devices[i]);
		h->devices[i].runs = 1;
		world_formats(&h->devices[i], number == HISTORIES - 1 ? 0 : i);
		must(device_register(&h->devices[i]) == RC_OK, "a device cannot register");
	}
	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	h->campaign = new.release_id;
	must(world_move(w, &h->campaign, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
}

static void expect_ok(struct history *h, enum rc rc, const char *what)
{
	if (rc != RC_OK && !h->fault)
		h->fault = what;
}

static void step_device(struct history *h, int i)
{
	struct actor_device *d = &h->devices[i];
	struct offer *o = &h->offers[i], asked;
	uint32_t what = random_below(10);

	if (what < 3) {
		roster_mark_work(d->entry);
		expect_ok(h, device_ask(d, &asked), "a device was not answered");
		if (asked.has_job)
			*o = asked;
	} else if (what < 8) {
		struct offer about = *o;
		about.attempt -= (int32_t)random_below(2);
		if (o->has_job)
			expect_ok(h,
				  device_report(d, &about, (enum job_state)random_below(19),
						NULL),
				  "a report was refused");
	} else {
		d->runs = random_below(2) ? h->release : 1;
		d->boot += random_below(3) != 0;
		if (d->runs == h->release && o->has_job)
			h->proved[i] = true;
		expect_ok(h, device_register(d), "a registration was refused");
	}
}

static void step_world(struct history *h)
{
	static const enum campaign_move moves[] = { MOVE_PAUSE, MOVE_RESUME, MOVE_RESUME };

	switch (random_below(4)) {
	case 0:
		world_later(random_below(50));
		return;
	case 1:
		(void)!world_move(h->w, &h->campaign, moves[random_below(3)]);
		return;
	default:
		world_tick(h->w, 1);
	}
}

/* What was saved and what fell back is what the jobs say, and nobody gets a second delta. */
static void check_variants(struct history *h)
{
	if (sql_i64(h->w, "SELECT count(*) AS n FROM (SELECT campaign_id, 101 AS state, "
			  "sum(bytes_saved) AS n FROM job WHERE state = 10 AND bytes_saved > 0 "
			  "GROUP BY "
			  "1 UNION ALL SELECT campaign_id, 102, count(*) FROM job WHERE "
			  "fell_back GROUP "
			  "BY 1) j FULL JOIN (SELECT campaign_id, state, sum(n) AS n FROM "
			  "tally WHERE "
			  "state > 100 GROUP BY 1, 2 HAVING sum(n) <> 0) t USING (campaign_id, "
			  "state) "
			  "WHERE j.n IS DISTINCT FROM t.n"))
		h->fault = "bytes saved or fallbacks are not those of the jobs";
	if (sql_i64(h->w, "SELECT count(*) AS n FROM job j JOIN manifest m ON m.digest = "
			  "j.manifest_digest WHERE m.release_id <> j.release_id "
			  "OR (j.fell_back AND m.base_digest IS NOT NULL)"))
		h->fault = "a manifest that the job must not have";
}

static void check(struct history *h)
{
	struct world *w = h->w;
	struct campaign_item item = world_look(w, &h->campaign);
	int64_t all = 0, proved = 0;

	for (int s = 0; s < JOB_STATE_END; s++)
		all += item.total.n[s];
	for (int i = 0; i < DEVICES; i++)
		proved += h->proved[i];
	if (all != DEVICES)
		h->fault = "the counters do not add up to the members";
	if (item.total.n[JOB_SUCCEEDED] > proved)
		h->fault = "a success without proof";
	if (sql_i64(w,
		    "SELECT count(*) AS n FROM (SELECT campaign_id, stage, state, count(*) AS "
		    "n "
		    "FROM job GROUP BY 1, 2, 3) j FULL JOIN (SELECT campaign_id, stage, state, "
		    "sum(n) AS n FROM tally WHERE state < 100 GROUP BY 1, 2, 3 HAVING sum(n) "
		    "<> 0) t "
		    "USING (campaign_id, stage, state) WHERE j.n IS DISTINCT FROM t.n"))
		h->fault = "tallies and jobs differ";
	if (sql_i64(w,
		    "SELECT count(*) AS n FROM slot l FULL JOIN (SELECT device_id, job_id "
		    "FROM job WHERE state IN (1, 2, 3, 4, 5, 15)) j USING (device_id, job_id) "
		    "WHERE l.tenant_id IS NULL OR j.job_id IS NULL"))
		h->fault = "slots and open jobs differ";
	check_variants(h);
	if (sql_i64(w, "SELECT count(*) AS n FROM (SELECT 1 FROM job "
		       "GROUP BY device_id, campaign_id HAVING count(*) > 1) x"))
		h->fault = "two jobs of one campaign";
}

/* The roster knows the same open job as the database, for each device. */
static void check_roster(struct history *h)
{
	for (int i = 0; i < DEVICES; i++) {
		struct roster_view v;
		char query[256], id[UUID_TEXT_SIZE];
		roster_view(h->devices[i].entry, &v);
		snprintf(
			query, sizeof(query),
			"SELECT coalesce(max(job_id), 0) AS n FROM slot WHERE device_id = '%s'",
			uuid_format(&h->devices[i].id, id));
		int64_t job = sql_i64(h->w, arena_text(h->w->mem, query));
		if (v.job_id && v.job_id != job)
			h->fault = "the roster offers a job that is over";
	}
}

int main(void)
{
	struct world w;

	dice_begin();
	world_open(&w);
	for (int n = 0; n < HISTORIES; n++) {
		struct history h;
		int i;
		prepare(&h, &w, n);
		for (i = 0; i < STEPS && !h.fault; i++) {
			if (random_below(5) == 0)
				step_world(&h);
			else
				step_device(&h, (int)random_below(DEVICES));
			if (i % 10 == 0)
				check(&h);
		}
		check(&h);
		check_roster(&h);
		struct campaign_item item = world_look(&w, &h.campaign);
		printf("# %" PRId64 " succeeded, %" PRId64 " failed, %" PRId64
		       " fell back, %" PRId64 " bytes saved, %s\n",
		       item.total.n[JOB_SUCCEEDED], counts_failed(&item.total),
		       item.bytes.fallbacks, item.bytes.saved,
		       campaign_state_name(item.row.campaign.state));
		ok(!h.fault, "history %d, %d steps: %s", n, i,
		   h.fault ? h.fault : "all is well");
	}
	world_close(&w);
	return tap_done();
}
