/* R27: what must not hide that a release does harm, at the level of core, on a real PostgreSQL.
 */

#include "tests/store/campaigns.h"

/* Those that are offered the release install it and reboot; how many. */
static int install_all(struct world *w, struct actor_device *d, int n,
		       struct actor_device **ret)
{
	struct offer o;
	int jobs = 0;

	world_expose(w, d, n);
	for (int i = 0; i < n; i++) {
		must(device_ask(&d[i], &o) == RC_OK, "a device was not answered");
		if (!o.has_job)
			continue;
		fetch_and_install(&d[i], &o);
		ret[jobs++] = &d[i];
	}
	return jobs;
}

/* Two of a stage of four fall silent, are forgiven, and come back good.  Then the other two
 * fail. */
static void test_R27_forgiven_and_back(struct world *w, uint8_t number, bool paused)
{
	static const struct stage stages[] = { { .count = 4, .gate = GATE },
					       { .share = 10000, .gate = GATE } };
	struct actor_device d[8], *first[8];
	struct uuid release = world_release(w, number, number);
	struct offer o;

	make_devices(w, arena_printf(w->mem, "back-%d", number), d, 8);
	struct campaign_new new = plan(&release, named(w, d, 8));
	new.stages = stages;
	new.stage_count = 2;
	struct uuid id = run_campaign(w, new);
	must(install_all(w, d, 8, first) == 4, "four are offered it");
	world_later(61);
	must(device_ask(first[2], &o) == RC_OK && device_ask(first[3], &o) == RC_OK, "two ask");
	world_tick(w, 2);
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_PAUSED, "two silent: it trips");
	must(world_move(w, &id, MOVE_RESUME) == RC_OK, "it is resumed");
	if (paused)
		must(world_move(w, &id, MOVE_PAUSE) == RC_OK, "and paused");
	boot(first[0], number);
	boot(first[1], number);
	is_int(world_count(w, &id, JOB_SUCCEEDED), 2, "both come back good");
	world_tick(w, 1);
	boot(first[2], 1);
	boot(first[3], 1);
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 2, "the other two roll back");
	if (paused)
		must(world_move(w, &id, MOVE_RESUME) == RC_OK, "it is resumed again");
	world_tick(w, 1);
	struct campaign_item item = world_look(w, &id);
	is_int(item.row.campaign.state, CAMPAIGN_PAUSED,
	       "what was forgiven to others does not hide them");
	is_int(item.row.campaign.stage, 0, "no further stage opened");
	is_int(world_move(w, &id, MOVE_ABORT), RC_OK, "it is aborted");
	world_later(0);
}

static void say(struct actor_device *d, const char *version)
{
	d->version = version;
	boot(d, 0);
}

/* Devices of a class that proves itself by versions need not say digests. */
static void test_R27_success_of_a_version_is_lost_again(struct world *w)
{
	struct actor_device d[3];
	struct uuid release = world_release(w, 20, 20);
	struct offer o;

	sql(w->db, "UPDATE class SET confirm = 1");
	make_devices(w, "ver", d, 3);
	struct campaign_new new = plan(&release, named(w, d, 3));
	new.stages = one_stage;
	new.stage_count = 1;
	for (int i = 0; i < 3; i++)
		say(&d[i], "3.0");
	struct uuid id = run_campaign(w, new);
	world_expose(w, d, 3);
	for (int i = 0; i < 3; i++) {
		must(device_ask(&d[i], &o) == RC_OK && o.has_job, "it is offered");
		fetch_and_install(&d[i], &o);
		say(&d[i], "20.0");
	}
	is_int(world_count(w, &id, JOB_SUCCEEDED), 3, "the version proves it");
	say(&d[0], "20.1");
	is_int(world_count(w, &id, JOB_SUCCEEDED), 3, "something newer takes nothing back");
	say(&d[1], "3.0");
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 1, "the old version again: rolled back");
	say(&d[2], "factory");
	is_int(world_count(w, &id, JOB_ROLLED_BACK), 2,
	       "so is what has no order, and is not the release");
	is_int(world_move(w, &id, MOVE_ABORT), RC_OK, "it is aborted");
	sql(w->db, "UPDATE class SET confirm = 0");
}

/* Six of eight run the release already: they may be all of the first two stages. */
static void test_R27_current_ones_empty_stages(struct world *w)
{
	struct actor_device d[8];
	struct uuid release = world_release(w, 21, 21);

	make_devices(w, "empty", d, 8);
	for (int i = 0; i < 6; i++)
		boot(&d[i], 21);
	struct campaign_new new = plan(&release, named(w, d, 8));
	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	struct uuid id = new.release_id;
	is_int(world_look(w, &id).bound, 2, "the bound is not the first stage, but the others");
	boot(&d[5], 1);
	must(world_move(w, &id, MOVE_START) == RC_OK, "it cannot be started");
	is_int(world_look(w, &id).bound, 3, "which are counted again at its start");
	d[4].version = "21.0";
	boot(&d[4], 0);
	world_tick(w, 1);
	is_int(world_look(w, &id).bound, 4, "and when its members are written");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "it is aborted");

	sql(w->db, "UPDATE class SET confirm = 1");
	new = plan(&release, named(w, d, 8));
	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	is_int(world_look(w, &new.release_id).bound, 3,
	       "where versions prove an update, they tell who is current");
	sql(w->db, "UPDATE class SET confirm = 0");
}

int main(void)
{
	struct world w;

	world_open(&w);
	test_R27_forgiven_and_back(&w, 2, false);
	test_R27_forgiven_and_back(&w, 3, true);
	test_R27_success_of_a_version_is_lost_again(&w);
	test_R27_current_ones_empty_stages(&w);
	tallies_are_the_jobs(&w);
	world_close(&w);
	return tap_done();
}
