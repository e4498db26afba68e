/* Campaigns from plan to end, at the level of core, on a real PostgreSQL.  Answers must shows
 * 6, 8 and 9 there: wrong classes are named, each success is counted once, rolled back and
 * silent devices trip the gate. */

#include "core/campaign_explain.h"
#include "core/release.h"
#include "db/campaign_store.h"
#include "db/member_store.h"
#include "tests/store/campaigns.h"

static void test_to_the_end(struct world *w)
{
	struct actor_device d[8];
	struct uuid release = world_release(w, 2, 2);

	make_devices(w, "end", d, 8);
	struct uuid id = run_campaign(w, plan(&release, "{\"all\":true}"));
	struct campaign_item item = world_look(w, &id);
	is_int(item.row.campaign.state, CAMPAIGN_RUNNING, "it runs after a tick");
	is_int(item.row.campaign.members, 8, "it has eight members");
	is_int(item.row.campaign.stages[0].members, 1, "one in the first stage");
	is_int(item.row.campaign.stages[1].members, 3, "three in the second");
	is_int(item.row.campaign.stages[2].members, 4, "four in the last");
	is_int(item.bound, 1, "the bound is the first stage");

	is_int(everybody_updates(w, d, 8, 2), 1, "exactly one device was offered the release");
	world_tick(w, 1);
	is_int(everybody_updates(w, d, 8, 2), 3, "three when the second stage is open");
	world_tick(w, 1);
	is_int(everybody_updates(w, d, 8, 2), 4, "four when the last one is open");
	is_int(everybody_updates(w, d, 8, 2), 0, "nobody is offered it twice");
	world_tick(w, 1);
	item = world_look(w, &id);
	is_int(item.row.campaign.state, CAMPAIGN_FINISHED, "it is finished");
	is_int(item.total.n[JOB_SUCCEEDED], 8, "eight succeeded");
	is_int(item.total.n[JOB_QUEUED], 0, "nobody is left");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM slot"), 0, "no slot is held");
}

static void test_rollback_trips(struct world *w)
{
	struct actor_device d[8];
	struct uuid release = world_release(w, 3, 3);
	struct offer o = { 0 };
	int offered = -1;

	make_devices(w, "roll", d, 8);
	struct uuid id = run_campaign(
		w,
		plan(&release, "{\"devices\":[\"roll-00\",\"roll-01\",\"roll-02\",\"roll-03\","
			       "\"roll-04\",\"roll-05\",\"roll-06\",\"roll-07\"]}"));
	world_expose(w, d, 8);
	for (int i = 0; i < 8; i++) {
		struct offer one;
		must(device_ask(&d[i], &one) == RC_OK, "a device was not answered");
		if (one.has_job) {
			o = one;
			offered = i;
		}
	}
	must(offered >= 0, "nobody was offered the release");
	fetch_and_install(&d[offered], &o);
	boot(&d[offered], 1);
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 1,
	       "a device on the old digest rolled back");
	world_tick(w, 1);
	struct campaign_item item = world_look(w, &id);
	is_int(item.row.campaign.state, CAMPAIGN_PAUSED, "the gate paused the campaign");
	is_str(item.row.campaign.pause_reason,
	       "stage 1 tripped: 1 of 1 rolled back, limit 10 %", "and says why");
	is_int(everybody_updates(w, d, 8, 3), 0, "nobody is offered it while it is paused");

	is_int(world_move(w, &id, MOVE_RESUME), RC_OK, "an operator resumes it");
	world_tick(w, 2);
	item = world_look(w, &id);
	is_int(item.row.campaign.state, CAMPAIGN_RUNNING,
	       "the forgiven failure does not trip it");
	is_int(item.row.campaign.stage, 1, "the next stage opened");
	is_int(everybody_updates(w, d, 8, 3), 3, "three more are offered it");
	is_int(world_move(w, &id, MOVE_ABORT), RC_OK, "it is aborted");
}

static void test_silent_trips(struct world *w)
{
	struct actor_device d[4];
	struct uuid release = world_release(w, 4, 4);
	struct campaign_new new = plan(&release, "{\"devices\":[\"si-00\",\"si-01\",\"si-02\","
						 "\"si-03\"]}");
	struct offer o;

	make_devices(w, "si", d, 4);
	new.stages = one_stage;
	new.stage_count = 1;
	struct uuid id = run_campaign(w, new);
	is_int(everybody_updates(w, d + 1, 3, 4), 3, "three succeed");
	world_expose(w, d, 1);
	must(device_ask(&d[0], &o) == RC_OK && o.has_job, "the fourth is offered it");
	fetch_and_install(&d[0], &o);
	world_later(59);
	world_tick(w, 1);
	is_int(world_count(w, &id, JOB_SILENT), 0, "not silent before its time");
	world_later(3);
	world_tick(w, 2);
	struct campaign_item item = world_look(w, &id);
	is_int(item.total.n[JOB_SILENT], 1, "quiet after rebooting: silent");
	is_int(item.row.campaign.state, CAMPAIGN_PAUSED, "and the gate trips");
	is_str(item.row.campaign.pause_reason,
	       "stage 1 tripped: 1 of 4 fell silent, limit 10 %", "saying why");
	boot(&d[0], 4);
	item = world_look(w, &id);
	is_int(item.total.n[JOB_SILENT], 0, "a late proof");
	is_int(item.total.n[JOB_SUCCEEDED], 4, "is counted as a success");
	is_int(world_move(w, &id, MOVE_RESUME), RC_OK, "resumed");
	world_tick(w, 2);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_FINISHED, "it finishes");
	world_later(0);
}

static void test_stalled(struct world *w)
{
	struct actor_device d;
	struct uuid release = world_release(w, 5, 5);
	struct campaign_new new = plan(&release, "{\"devices\":[\"st-00\"]}");
	struct offer o;

	make_devices(w, "st", &d, 1);
	struct uuid id = run_campaign(w, new);
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "it is offered");
	for (int i = 0; i < 4; i++) {
		world_later(29);
		must(device_ask(&d, &o) == RC_OK && o.has_job, "it asks again");
		world_tick(w, 1);
	}
	is_int(world_count(w, &id, JOB_OFFERED), 1, "alive: not silent");
	world_later(10);
	must(device_ask(&d, &o) == RC_OK, "it asks again");
	world_tick(w, 1);
	is_int(world_count(w, &id, JOB_FAILED), 1, "alive without progress: stalled");
	must(device_ask(&d, &o) == RC_OK, "it asks again");
	ok(!o.has_job, "the job is no longer offered");
	world_later(0);
}

/* A clock was three years ahead when the job was written. */
static void test_deadline_too_far(struct world *w)
{
	struct actor_device d;
	struct uuid release = world_release(w, 17, 17);
	struct campaign_new new = plan(&release, "{\"devices\":[\"far-00\"]}");
	int64_t now = clock_wall(), years = 3 * INT64_C(365) * 86400 * USEC_PER_SEC;
	struct offer o;

	make_devices(w, "far", &d, 1);
	struct uuid id = run_campaign(w, new);
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "it is offered");
	sql(w->db,
	    "UPDATE job SET updated_at = updated_at + %" PRId64 ", deadline_at = deadline_at "
	    "+ %" PRId64 " WHERE job_id = %" PRId64,
	    years, years, o.job_id);
	world_tick(w, 1);
	is_int(sql_i64(w, arena_printf(w->mem,
				       "SELECT count(*) AS n FROM job WHERE job_id = %" PRId64
				       " AND deadline_at < %" PRId64,
				       o.job_id, now + 86400 * USEC_PER_SEC)),
	       1, "a deadline that is too far is looked at, and set anew");
	is_int(world_count(w, &id, JOB_OFFERED), 1, "the job goes on");
	is_int(world_move(w, &id, MOVE_ABORT), RC_OK, "it is aborted");
}

static void test_lies_and_power_cuts(struct world *w)
{
	struct actor_device d[2];
	struct uuid release = world_release(w, 6, 6);
	struct campaign_new new = plan(&release, "{\"devices\":[\"lie-00\",\"lie-01\"]}");
	struct offer o;
	bool stop;

	make_devices(w, "lie", d, 2);
	new.stages = one_stage;
	new.stage_count = 1;
	struct uuid id = run_campaign(w, new);
	world_expose(w, d, 2);
	must(device_ask(&d[0], &o) == RC_OK && o.has_job, "it is offered");
	fetch_and_install(&d[0], &o);
	d[0].runs = 6;
	must(device_register(&d[0]) == RC_OK, "it registers the new digest in the old boot");
	is_int(world_count(w, &id, JOB_SUCCEEDED), 0, "the old boot id proves nothing");
	boot(&d[0], 1);
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 1,
	       "then it boots the old image: rolled back");
	is_int(device_report(&d[0], &o, JOB_DOWNLOADING, &stop), RC_OK,
	       "a late report is taken");
	ok(stop, "and told to stop");
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 1, "it changes nothing");

	must(device_ask(&d[1], &o) == RC_OK && o.has_job, "the other is offered it");
	must(device_report(&d[1], &o, JOB_DOWNLOADING, NULL) == RC_OK, "it reports");
	boot(&d[1], 1);
	is_int(world_count(w, &id, JOB_DOWNLOADING), 1,
	       "a power cut in the download is normal");
	must(device_report(&d[1], &o, JOB_INSTALLING, NULL) == RC_OK, "it reports");
	boot(&d[1], 1);
	must(device_ask(&d[1], &o) == RC_OK && o.has_job, "it asks again");
	is_int(o.attempt, 2, "a power cut while installing is a new attempt");
	struct offer old = o;
	old.attempt = 1;
	must(device_report(&d[1], &old, JOB_FAILED, &stop) == RC_OK,
	     "a report of the old attempt");
	ok(!stop, "is harmless");
	is_int(world_count(w, &id, JOB_FAILED), 0, "and changes nothing");
	for (int i = 0; i < 2; i++) {
		must(device_report(&d[1], &o, JOB_INSTALLING, NULL) == RC_OK, "it installs");
		boot(&d[1], 1);
		must(device_ask(&d[1], &o) == RC_OK, "it asks again");
	}
	is_int(world_count(w, &id, JOB_FAILED), 1, "the third interruption is the last");
	ok(!o.has_job, "it is no longer offered");
	is_int(device_report(&d[0], &o, JOB_DOWNLOADING, NULL), RC_NOT_FOUND, "no job 0");
}

static void test_success_is_lost_again(struct world *w)
{
	struct actor_device d[2];
	struct uuid release = world_release(w, 7, 7);
	struct campaign_new new = plan(&release, "{\"devices\":[\"lost-00\",\"lost-01\"]}");

	make_devices(w, "lost", d, 2);
	new.stages = one_stage;
	new.stage_count = 1;
	struct uuid id = run_campaign(w, new);
	is_int(everybody_updates(w, d, 1, 7), 1, "one updates");
	is_int(world_count(w, &id, JOB_SUCCEEDED), 1, "and succeeds");
	boot(&d[0], 7);
	is_int(world_count(w, &id, JOB_SUCCEEDED), 1, "another boot of it counts nothing");
	boot(&d[0], 1);
	struct campaign_item item = world_look(w, &id);
	is_int(item.total.n[JOB_ROLLED_BACK], 1, "the old image again: rolled back");
	is_int(item.total.n[JOB_SUCCEEDED], 0, "the count moved");
	is_int(device_register_with(&d[0], 12345, 1), RC_OK,
	       "a verdict on a foreign job is nothing");
}

static void test_launcher_verdict(struct world *w)
{
	struct actor_device d;
	struct uuid release = world_release(w, 8, 8);
	struct campaign_new new = plan(&release, "{\"devices\":[\"la-00\"]}");
	struct offer o;

	make_devices(w, "la", &d, 1);
	struct uuid id = run_campaign(w, new);
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "it is offered");
	must(device_report(&d, &o, JOB_INSTALLING, NULL) == RC_OK, "it installs");
	d.boot++;
	is_int(device_register_with(&d, o.job_id, o.attempt), RC_OK, "the launcher fell back");
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 1,
	       "its verdict counts, whatever the state");
}

static void test_classes(struct world *w)
{
	struct actor_device d[3];
	struct uuid release = world_release(w, 9, 9);
	struct campaign_new new =
		plan(&release, "{\"devices\":[\"cl-00\",\"cl-01\",\"cl-02\"]}");
	struct offer o;

	make_devices(w, "cl", d, 3);
	uuid_random(&d[1].class);
	boot(&d[1], 1);
	is_int(world_campaign(w, &new), RC_CONFLICT, "test_A11: one device of another class");
	is_int(w->err, ERR_WRONG_CLASS, "is an error of its own");
	ok(w->detail && strstr(w->detail, "cl-01") && !strstr(w->detail, "cl-00"),
	   "that names it: %s", w->detail);
	d[1].class = w->class;
	boot(&d[1], 1);
	new = plan(&release, "{\"devices\":[\"cl-00\",\"cl-01\",\"cl-02\",\"none\"]}");
	is_int(world_campaign(w, &new), RC_UNPROCESSABLE,
	       "a name that is no device is refused");
	ok(w->detail && strstr(w->detail, "none"), "and named: %s", w->detail);

	new = plan(&release, "{\"devices\":[\"cl-00\",\"cl-01\",\"cl-02\"]}");
	new.stages = one_stage;
	new.stage_count = 1;
	must(world_campaign(w, &new) == RC_OK, "the campaign is made");
	uuid_random(&d[2].class);
	boot(&d[2], 1);
	is_int(world_move(w, &new.release_id, MOVE_START), RC_CONFLICT,
	       "it is checked again at start");
	d[2].class = w->class;
	boot(&d[2], 1);
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it starts");
	uuid_random(&d[2].class);
	boot(&d[2], 1);
	world_tick(w, 1);
	struct campaign_item item = world_look(w, &new.release_id);
	is_int(item.row.campaign.state, CAMPAIGN_DRAFT, "and again before members are written");
	ok(item.row.campaign.pause_reason && strstr(item.row.campaign.pause_reason, "cl-02"),
	   "naming it");
	d[2].class = w->class;
	boot(&d[2], 1);
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it starts");
	world_tick(w, 1);
	uuid_random(&d[2].class);
	boot(&d[2], 1);
	must(device_ask(&d[2], &o) == RC_OK, "it asks");
	ok(!o.has_job, "test_A11: a device whose class changed later is not offered");
	is_int(world_count(w, &new.release_id, JOB_CANCELLED), 1, "and leaves the sample");
}

static void test_current_and_newer(struct world *w)
{
	struct actor_device d[3];
	struct uuid old = world_release(w, 10, 10), release = world_release(w, 11, 11);
	struct campaign_new new = plan(&old, "{\"devices\":[\"cu-00\",\"cu-01\",\"cu-02\"]}");
	struct offer o;

	(void)release;
	make_devices(w, "cu", d, 3);
	new.stages = one_stage;
	new.stage_count = 1;
	boot(&d[0], 10);
	struct uuid id = run_campaign(w, new);
	boot(&d[1], 11); /* after the start: a campaign that holds one is refused */
	world_expose(w, d, 3);
	for (int i = 0; i < 3; i++) {
		must(device_ask(&d[i], &o) == RC_OK, "it asks");
		ok(o.has_job == (i == 2), "device %d is offered it: %d", i, o.has_job);
	}
	struct campaign_item item = world_look(w, &id);
	is_int(item.total.n[JOB_CURRENT], 1, "one runs it already");
	is_int(item.total.n[JOB_SUPERSEDED], 1, "one runs something newer: no downgrade");
	fetch_and_install(&d[2], &o);
	boot(&d[2], 10);
	world_tick(w, 2);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_FINISHED,
	       "both left the sample, so it finishes");
}

static void test_abort(struct world *w)
{
	struct actor_device d[2];
	struct uuid first = world_release(w, 12, 12), second = world_release(w, 13, 13);
	struct campaign_new new = plan(&first, "{\"devices\":[\"ab-00\",\"ab-01\"]}");
	struct offer o, other;
	bool stop;

	make_devices(w, "ab", d, 2);
	new.stages = one_stage;
	new.stage_count = 1;
	struct uuid id = run_campaign(w, new);
	world_expose(w, d, 2);
	must(device_ask(&d[0], &o) == RC_OK && o.has_job, "it is offered");
	new.release_id = second;
	struct uuid id2 = run_campaign(w, new);
	must(device_ask(&d[0], &other) == RC_OK, "it asks again");
	is_int(other.job_id, o.job_id, "two campaigns: still the one open job");
	ok(roster_may_fetch(d[0].entry, &o.release->manifest_digest),
	   "test_A19: it may fetch its manifest");
	ok(!roster_may_fetch(d[1].entry, &o.release->manifest_digest),
	   "test_A19: another device may not");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "the first is aborted");
	is_int(world_count(w, &id, JOB_CANCELLED), 1, "its job is cancelled");
	ok(!roster_may_fetch(d[0].entry, &o.release->manifest_digest),
	   "nothing to fetch any more");
	is_int(device_report(&d[0], &o, JOB_DOWNLOADED, &stop), RC_OK, "a report is answered");
	ok(stop, "with stop");
	must(device_ask(&d[0], &other) == RC_OK && other.has_job, "the second has its turn");
	ok(other.job_id != o.job_id, "with a job of its own");
	is_int(world_look(w, &id2).total.n[JOB_OFFERED], 1, "one offered");
}

/* One call of a batch: asks the database in the transaction that is open. */
static struct call ask_in(struct world *w, struct db *db, struct actor_device *d,
			  uint32_t clock, struct offer *ret)
{
	struct call c = {
		.core = &w->core,
		.mem = w->mem,
		.db = db,
		.tenant = TENANT,
		.work_clock = clock,
		.now = clock_wall(),
		.actor = { ACTOR_DEVICE, ROLE_DEVICE, d->id, d->endpoint, d->entry, 0 },
	};

	*ret = (struct offer){ 0 };
	must(offer_next(&c, ret) == RC_OK, "a device was not answered");
	return c;
}

/* Calls of one batch answer from one transaction, and tell the roster after its end.  A
 * campaign that is asked to start meanwhile waits until nobody looks at members any more; a
 * mark that its start leaves before the batch has told the roster "nothing" is not taken back
 * by that. */
static void test_asked_in_an_older_transaction(struct world *w)
{
	struct actor_device d[2];
	struct uuid release = world_release(w, 41, 41);
	struct campaign_new new = plan(&release, "{\"devices\":[\"older-01\"]}");
	struct db *db = world_connect(w);
	struct offer first, second, later;

	make_devices(w, "older", d, 2);
	uint32_t clock = roster_work_clock(w->core.roster);
	must(db_begin(db) == RC_OK, "begin");
	struct call c0 = ask_in(w, db, &d[0], clock, &first);
	struct uuid id = run_campaign(w, new);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_STARTING,
	       "a campaign does not start while somebody looks at members");
	struct call c1 = ask_in(w, db, &d[1], clock, &second);
	call_before_commit(&c0);
	call_before_commit(&c1);
	must(db_commit(db) == RC_OK, "commit");
	world_tick(w, 1);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_RUNNING, "then it does");
	world_expose(w, &d[1], 1);
	call_run_hooks(&c0);
	call_run_hooks(&c1);
	ok(!first.has_job && !second.has_job, "the older transaction has nothing for either");
	must(device_ask(&d[1], &later) == RC_OK, "a device was not answered");
	ok(later.has_job, "the member is offered its job when it asks again");
	must(device_ask(&d[0], &later) == RC_OK && !later.has_job, "the other one has a job");
	db_close(db);
}

/* Campaigns of a release that could still offer it, now or once they run, are held by whoever
 * withdraws it: otherwise one could begin before that is committed, and its offers stay. */
static void test_all_are_held_that_may_offer(struct world *w)
{
	static const char *const states[] = { "draft", "starting", "running", "paused" };
	struct uuid release = world_release(w, 55, 55), *ids;
	struct db *db = world_connect(w);
	struct actor_device d;
	int n;

	make_devices(w, "held", &d, 1);
	for (size_t i = 0; i <= ARRAY_LEN(states); i++) {
		struct campaign_new new = plan(&release, "{\"devices\":[\"held-00\"]}");
		char text[UUID_TEXT_SIZE];
		must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
		sql(w->db, "UPDATE campaign SET state = %zu WHERE campaign_id = '%s'", i,
		    uuid_format(&new.release_id, text));
	}
	must(db_begin(db) == RC_OK, "begin");
	must(campaign_store_stop_offers(db, TENANT, &release, w->mem, &ids, &n) == RC_OK,
	     "they cannot be held");
	is_int(n, ARRAY_LEN(states), "all but the one that is over");
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		is_int(sql_i64(w, arena_printf(w->mem,
					       "SELECT count(*) AS n FROM (SELECT 1 FROM "
					       "campaign WHERE state = %zu AND release_id = "
					       "(SELECT release_id FROM release WHERE sequence "
					       "= 55) FOR SHARE SKIP LOCKED) c",
					       i)),
		       0, arena_printf(w->mem, "%s: it waits", states[i]));
	must(db_commit(db) == RC_OK, "commit");
	db_close(db);
	sql(w->db, "UPDATE campaign SET state = 5 WHERE release_id = "
		   "(SELECT release_id FROM release WHERE sequence = 55)");
}

static enum rc work_take_back(struct call *c, void *arg)
{
	const int64_t *since = arg;

	return release_take_back_since(c, *since);
}

/* A device that asks while a withdrawal is on its way may still be given another attempt, after
 * its job was passed over.  The ticker finds it. */
static void test_withdrawn_meanwhile(struct world *w)
{
	struct uuid release = world_release(w, 56, 56);
	struct campaign_new new = plan(&release, "{\"devices\":[\"meanwhile-00\"]}");
	int64_t late = clock_wall() + USEC_PER_SEC, all = 0;
	struct actor_device d;
	struct offer o;

	make_devices(w, "meanwhile", &d, 1);
	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it does not start");
	world_tick(w, 2);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "no offer");
	sql(w->db, "UPDATE release SET withdrawn_at = %" PRId64 " WHERE sequence = 56",
	    clock_wall());
	must(world_call(w, NULL, work_take_back, &late) == RC_OK, "it fails");
	is_int(world_count(w, &new.release_id, JOB_OFFERED), 1, "none was withdrawn since");
	must(world_call(w, NULL, work_take_back, &all) == RC_OK, "it fails");
	is_int(world_count(w, &new.release_id, JOB_OFFERED), 0, "the offer is taken back");
	must(device_ask(&d, &o) == RC_OK, "it is not answered");
	ok(!o.has_job, "and not made again");
	must(world_move(w, &new.release_id, MOVE_ABORT) == RC_OK, "no abort");
}

/* Only so many candidates are looked at. */
static void test_withdrawn_hide_no_other(struct world *w)
{
	struct uuid old = world_release(w, 57, 57), newer = world_release(w, 58, 58);
	struct campaign_new new = plan(&newer, "{\"devices\":[\"hidden-00\"]}");
	struct actor_device d;
	struct offer o;

	make_devices(w, "hidden", &d, 1);
	for (int i = 0; i < 16; i++)
		(void)run_campaign(w, plan(&old, "{\"devices\":[\"hidden-00\"]}"));
	sql(w->db, "UPDATE release SET withdrawn_at = 1 WHERE sequence = 57");
	(void)run_campaign(w, new);
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK, "it is not answered");
	ok(o.has_job, "sixteen campaigns of a withdrawn release hide no other");
	sql(w->db, "UPDATE campaign SET state = 5 WHERE release_id = "
		   "(SELECT release_id FROM release WHERE sequence = 57)");
}

/* A release of two components, of which `config` is the same in all of them. */
static struct uuid release_of_two(struct world *w, uint8_t digest)
{
	struct uuid id = world_release(w, digest, digest);
	char text[UUID_TEXT_SIZE];

	uuid_format(&id, text);
	sql(w->db, "UPDATE release SET components = 'config,main' WHERE release_id = '%s'",
	    text);
	sql(w->db,
	    "INSERT INTO release_installed VALUES (1, '%s', 'config', "
	    "decode(repeat('07', 32), 'hex'))",
	    text);
	return id;
}

static void has_config(struct world *w, const struct actor_device *d)
{
	char text[UUID_TEXT_SIZE];

	sql(w->db,
	    "INSERT INTO component (tenant_id, device_id, name, digest, updated_at) "
	    "VALUES (1, '%s', 'config', decode(repeat('07', 32), 'hex'), 1)",
	    uuid_format(&d->id, text));
}

/* What two releases have in common does not make a device run both. */
static void test_releases_that_share_a_component(struct world *w)
{
	struct actor_device d[2];
	struct uuid oldest = release_of_two(w, 61), older = release_of_two(w, 62),
		    newest = release_of_two(w, 63);
	struct campaign_new back = plan(&oldest, "{\"devices\":[\"two-00\"]}"),
			    other = plan(&oldest, "{\"devices\":[\"two-01\"]}");
	struct offer o;

	(void)older;
	make_devices(w, "two", d, 2);
	d[0].runs = 62;
	must(device_register(&d[0]) == RC_OK, "a device cannot register");
	has_config(w, &d[0]);
	has_config(w, &d[1]);
	ok(world_campaign(w, &back) != RC_OK,
	   "a device that runs a newer one is not taken back");
	is_int(world_campaign(w, &other), RC_OK, "one that shares a component with it may be");
	(void)run_campaign(w, plan(&newest, "{\"devices\":[\"two-00\"]}"));
	world_expose(w, d, 1);
	must(device_ask(&d[0], &o) == RC_OK, "a device was not answered");
	ok(o.has_job, "a device is offered what it has a component of");
}

static bool holds_look(struct world *w)
{
	return sql_i64(w, "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' "
			  "AND mode = 'ShareLock' AND granted AND classid = 1835363682 "
			  "AND pid = pg_backend_pid()") == 1;
}

struct held {
	struct world *w;
	struct uuid device, campaign;
	bool held;
};

static enum rc work_offer_held(struct call *c, void *arg)
{
	struct held *l = arg;
	struct offer o;

	enum rc rc = offer_next(c, &o);
	l->held = holds_look(l->w);
	return rc;
}

static enum rc work_explain_held(struct call *c, void *arg)
{
	struct held *l = arg;
	struct explanation e;

	enum rc rc = campaign_explain(c, &l->device, &l->campaign, &e);
	l->held = holds_look(l->w);
	return rc;
}

static enum rc work_jobs_held(struct call *c, void *arg)
{
	struct held *l = arg;
	struct job_item *items;
	int n;

	enum rc rc = campaign_jobs(
		c, &(struct job_filter){ l->campaign, -1, -1, { { 0 } }, 10 }, &items, &n);
	l->held = holds_look(l->w);
	return rc;
}

static enum rc work_end_held(struct call *c, void *arg)
{
	struct held *l = arg;

	enum rc rc = offer_end_device(c, &l->device, "it left");
	l->held = holds_look(l->w);
	return rc;
}

static void test_reload_looks(struct world *w, const struct uuid *device)
{
	struct db *holder = world_connect(w), *db = world_connect(w);
	struct roster *r = roster_create();
	uint8_t key[32] = { 0 };

	must(roster_load(r, db, TENANT, (struct bytes){ key, sizeof(key) }) == RC_OK, "a load");
	sql(db, "SET lock_timeout = '100ms'");
	sql(holder, "BEGIN; SELECT pg_advisory_xact_lock" MEMBER_LOCK);
	is_int(roster_reload(r, db, device, 1), RC_UNAVAILABLE, "a reload waits for a start");
	sql(holder, "COMMIT");
	is_int(roster_reload(r, db, device, 1), RC_OK, "and is done after it");
	roster_free(r);
	db_close(db);
	db_close(holder);
}

/* Everything that reads members shares the lock of db/member_store.c to the end of its
 * transaction; test_statements.c knows what reads them. */
static void test_who_looks_shares_the_lock(struct world *w)
{
	static world_work *const works[] = { work_offer_held, work_explain_held, work_jobs_held,
					     work_end_held };
	struct uuid release = world_release(w, 51, 51);
	struct held l = { .w = w };
	struct actor_device d;

	make_devices(w, "look", &d, 1);
	l.device = d.id;
	l.campaign = run_campaign(w, plan(&release, "{\"devices\":[\"look-00\"]}"));
	for (size_t i = 0; i < ARRAY_LEN(works); i++) {
		l.held = false;
		must(world_call(w, &d, works[i], &l) == RC_OK, "a call failed");
		ok(l.held, "who looks shares the lock: %zu", i);
	}
	ok(!holds_look(w), "until the transaction ends");
	test_reload_looks(w, &d.id);
}

int main(void)
{
	struct world w;

	world_open(&w);
	test_to_the_end(&w);
	test_rollback_trips(&w);
	test_silent_trips(&w);
	test_stalled(&w);
	test_deadline_too_far(&w);
	test_lies_and_power_cuts(&w);
	test_success_is_lost_again(&w);
	test_launcher_verdict(&w);
	test_classes(&w);
	test_current_and_newer(&w);
	test_abort(&w);
	test_withdrawn_meanwhile(&w);
	test_withdrawn_hide_no_other(&w);
	test_all_are_held_that_may_offer(&w);
	tallies_are_the_jobs(&w);
	test_asked_in_an_older_transaction(&w);
	test_releases_that_share_a_component(&w);
	test_who_looks_shares_the_lock(&w);
	world_close(&w);
	return tap_done();
}
