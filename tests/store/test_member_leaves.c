/* A device that is revoked or deleted asks no more: no campaign waits for it, or misses it. */

#include "core/device.h"
#include "db/member_store.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <unistd.h>

static enum rc work_revoke(struct call *c, void *arg)
{
	const char **name = arg;
	struct device_item item;

	return device_revoke(c, *name, &item);
}

static enum rc work_delete(struct call *c, void *arg)
{
	const char **name = arg;
	struct device_item item;
	enum rc rc = device_get(c, *name, &item);

	return rc == RC_OK ? device_delete(c, *name, item.d.revision) : rc;
}

static void leave(struct world *w, world_work *how, const char *name)
{
	is_int(world_call(w, NULL, how, &name), RC_OK, name);
}

static struct uuid start_campaign(struct world *w, uint8_t digest, const struct stage *stages,
				  int stage_count, const char *target)
{
	struct campaign_new new = { .name = "leaves",
				    .release_id = world_release(w, digest, digest),
				    .target = target,
				    .stages = stages,
				    .stage_count = stage_count,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	return new.release_id;
}

static struct uuid run_campaign(struct world *w, uint8_t digest, const struct stage *stages,
				int stage_count, const char *target)
{
	struct uuid id = start_campaign(w, digest, stages, stage_count, target);

	world_tick(w, 1);
	return id;
}

static void join(struct world *w, const char *name, struct actor_device *d)
{
	world_device(w, name, d);
	d->runs = 1;
	must(device_register(d) == RC_OK, "the device cannot register");
}

/* All must succeed, so each that is missed would hold the gate. */
static const struct stage everybody = { .share = SHARE_ALL, .gate = { 10000, 1000, 10, 0 } };

static void test_those_that_were_never_asked(struct world *w)
{
	struct actor_device d[5];
	static const char *const names[] = { "stays", "revoked", "deleted", "parked", "begun" };

	for (int i = 0; i < 5; i++)
		join(w, names[i], &d[i]);
	struct uuid id = run_campaign(w, 2, &everybody, 1,
				      "{\"devices\":[\"stays\",\"revoked\",\"deleted\","
				      "\"parked\",\"begun\"]}");
	struct offer o;
	world_expose(w, d, 5);
	must(device_ask(&d[4], &o) == RC_OK && o.has_job, "no offer");
	leave(w, work_revoke, "revoked");
	leave(w, work_delete, "deleted");
	is_int(world_move(w, &id, MOVE_PAUSE), RC_OK, "also while it is paused:");
	leave(w, work_revoke, "parked");
	is_int(world_move(w, &id, MOVE_RESUME), RC_OK, "it goes on");
	leave(w, work_revoke, "begun");
	leave(w, work_revoke, "begun");
	is_int(world_count(w, &id, JOB_CANCELLED), 4, "four are cancelled, each once");
	is_int(world_count(w, &id, JOB_QUEUED), 1, "one is waited for");
	leave(w, work_delete, "begun");
	is_int(world_count(w, &id, JOB_CANCELLED), 4, "a deletion afterwards counts none anew");
	device_succeed(&d[0], 2);
	world_tick(w, 1);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_FINISHED, "it is finished");
}

/* In a stage that is not open yet, and in campaigns that are not the device's or are over. */
static void test_other_stages_and_campaigns(struct world *w)
{
	static const struct stage stages[] = {
		{ .count = 1, .gate = { 10000, 1000, 10, 0 } },
		{ .share = SHARE_ALL, .gate = { 10000, 1000, 10, 0 } },
	};
	struct actor_device d[3];
	join(w, "one", &d[0]);
	join(w, "two", &d[1]);
	join(w, "alone", &d[2]);
	struct uuid id = run_campaign(w, 3, stages, 2, "{\"devices\":[\"one\",\"two\"]}");
	struct uuid other = run_campaign(w, 4, &everybody, 1, "{\"devices\":[\"alone\"]}");
	struct uuid over = run_campaign(w, 5, &everybody, 1, "{\"devices\":[\"one\",\"two\"]}");
	is_int(world_move(w, &over, MOVE_ABORT), RC_OK, "one campaign is aborted");
	world_expose(w, d, 3);
	struct offer o;
	must(device_ask(&d[0], &o) == RC_OK, "no answer");
	bool first = o.has_job;
	leave(w, work_revoke, first ? "two" : "one");
	is_int(world_look(w, &id).counts[1].n[JOB_CANCELLED], 1, "it leaves its own stage");
	is_int(world_look(w, &id).counts[0].n[JOB_CANCELLED], 0, "and no other");
	is_int(world_count(w, &over, JOB_CANCELLED), 0, "nor one that is over");
	is_int(world_count(w, &other, JOB_CANCELLED), 0, "nor one that never was its own");
	device_succeed(first ? &d[0] : &d[1], 3);
	world_tick(w, 2);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_FINISHED, "it is finished");
}

static void *tick(void *arg)
{
	struct world *w = arg;

	must(ticker_tick(w->ticker) == RC_OK, "a tick failed");
	return NULL;
}

/* The members are written, and not yet there for others: that is a time of seconds where they
 * are a million. */
static void test_while_members_are_written(struct world *w)
{
	struct actor_device d[3];
	struct db *holder = world_connect(w);
	pthread_t thread;
	char text[UUID_TEXT_SIZE];

	join(w, "goes", &d[0]);
	join(w, "vanishes", &d[1]);
	join(w, "waits", &d[2]);
	struct uuid id = start_campaign(w, 6, &everybody, 1,
					"{\"devices\":[\"goes\",\"vanishes\",\"waits\"]}");
	sql(holder, "BEGIN; SELECT FROM stage WHERE campaign_id = '%s' FOR UPDATE",
	    uuid_format(&id, text));
	pthread_create(&thread, NULL, tick, w);
	usleep(500000);
	leave(w, work_revoke, "goes");
	leave(w, work_delete, "vanishes");
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_STARTING, "before it runs");
	sql(holder, "COMMIT");
	pthread_join(thread, NULL);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_RUNNING, "then it does");
	is_int(world_count(w, &id, JOB_CANCELLED), 2, "without those");
	is_int(world_count(w, &id, JOB_QUEUED), 1, "and waits for the third");
	world_expose(w, d, 3);
	device_succeed(&d[2], 6);
	world_tick(w, 1);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_FINISHED, "it is finished");
	db_close(holder);
}

/* Who revokes looks at members first and writes the audit last: a start must not hold the one
 * while it waits for the other. */
static void test_a_start_and_a_revocation_do_not_wait_for_each_other(struct world *w)
{
	struct actor_device d;
	struct db *revoker = world_connect(w);
	pthread_t thread;

	join(w, "last", &d);
	struct uuid id = start_campaign(w, 7, &everybody, 1, "{\"devices\":[\"last\"]}");
	sql(revoker, "BEGIN; SET LOCAL lock_timeout = '300ms'");
	must(member_store_look(revoker) == RC_OK, "a look");
	pthread_create(&thread, NULL, tick, w);
	usleep(500000);
	ok(db_exec(revoker, "SELECT FROM audit_head FOR UPDATE") == RC_OK,
	   "a start that waits does not hold the audit");
	sql(revoker, "COMMIT");
	pthread_join(thread, NULL);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_RUNNING, "and starts after it");
	db_close(revoker);
}

int main(void)
{
	struct world w;

	world_open(&w);
	test_those_that_were_never_asked(&w);
	test_other_stages_and_campaigns(&w);
	test_while_members_are_written(&w);
	test_a_start_and_a_revocation_do_not_wait_for_each_other(&w);
	world_close(&w);
	return tap_done();
}
