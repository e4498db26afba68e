/* What tests of campaigns share: plans, devices, and what devices do. */
#pragma once

#include "tests/store/world.h"

#define GATE                                                                                   \
	{                                                                                      \
		.success_share = 9500, .failure_share = 1000, .min_sample = 10                 \
	}

static const struct stage three_stages[] = {
	{ .count = 1, .gate = GATE },
	{ .share = 5000, .gate = GATE },
	{ .share = 10000, .gate = GATE },
};
static const struct stage one_stage[] = { { .share = 10000, .gate = GATE } };

static inline struct campaign_new plan(const struct uuid *release, const char *target)
{
	return (struct campaign_new){
		.name = "test",
		.release_id = *release,
		.target = target,
		.stages = three_stages,
		.stage_count = 3,
		.silent_after_s = 60,
		.max_attempts = 3,
	};
}

static inline void make_devices(struct world *w, const char *prefix, struct actor_device *ret,
				int n)
{
	for (int i = 0; i < n; i++) {
		world_device(w, arena_printf(w->mem, "%s-%02d", prefix, i), &ret[i]);
		ret[i].runs = 1;
		must(device_register(&ret[i]) == RC_OK, "a device cannot register");
	}
}

/* A started and running campaign. */
static inline struct uuid run_campaign(struct world *w, struct campaign_new new)
{
	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
	return new.release_id;
}

/* The whole way of an update, without reboot. */
static inline void fetch_and_install(struct actor_device *d, const struct offer *o)
{
	static const enum job_state way[] = { JOB_DOWNLOADING, JOB_DOWNLOADED, JOB_INSTALLING,
					      JOB_REBOOTING };

	for (size_t i = 0; i < ARRAY_LEN(way); i++)
		must(device_report(d, o, way[i], NULL) == RC_OK, "a report was refused");
}

static inline void boot(struct actor_device *d, uint8_t runs)
{
	d->runs = runs;
	d->boot++;
	must(device_register(d) == RC_OK, "a device cannot register");
}

/* Every device asks and does what it is told; returns how many had a job. */
static inline int everybody_updates(struct world *w, struct actor_device *devices, int n,
				    uint8_t to)
{
	int jobs = 0;

	world_expose(w, devices, n);
	for (int i = 0; i < n; i++) {
		struct offer o;
		must(device_ask(&devices[i], &o) == RC_OK, "a device was not answered");
		if (!o.has_job)
			continue;
		jobs++;
		fetch_and_install(&devices[i], &o);
		boot(&devices[i], to);
	}
	return jobs;
}

/* A target: those of make_devices(). */
static inline const char *named(struct world *w, const struct actor_device *d, int n)
{
	const char *names = "";

	for (int i = 0; i < n; i++)
		names = arena_printf(w->mem, "%s%s\"%s\"", names, i ? "," : "", d[i].endpoint);
	return arena_printf(w->mem, "{\"devices\":[%s]}", names);
}

static inline void tallies_are_the_jobs(struct world *w)
{
	is_int(sql_i64(w,
		       "SELECT count(*) AS n FROM (SELECT campaign_id, stage, state, count(*) "
		       "AS n "
		       "FROM job GROUP BY 1, 2, 3) j FULL JOIN (SELECT campaign_id, stage, "
		       "state, "
		       "sum(n) AS n FROM tally WHERE state < 100 GROUP BY 1, 2, 3 HAVING "
		       "sum(n) <> 0) t "
		       "USING (campaign_id, stage, state) WHERE j.n IS DISTINCT FROM t.n"),
	       0, "after all that the tallies are the jobs");
	is_int(sql_i64(w,
		       "SELECT count(*) AS n FROM slot l FULL JOIN (SELECT device_id, job_id "
		       "FROM job WHERE state IN (1, 2, 3, 4, 5, 15)) j "
		       "USING (device_id, job_id) "
		       "WHERE l.tenant_id IS NULL OR j.job_id IS NULL"),
	       0, "and every open job has its slot");
}
