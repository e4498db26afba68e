/* Many daemons ask for one device at once: exactly one job is made.  Each thread has a
 * connection and a roster of its own, as a daemon has. */

#include "tests/store/world.h"

#include <pthread.h>

#define DAEMONS 8
#define ROUNDS  20

struct daemon_thread {
	pthread_t thread;
	struct world world; /* shares the database's name; own roster, connection, arena */
	struct actor_device device;
	pthread_barrier_t *start;
	struct offer offer;
	enum rc rc;
};

static void *ask(void *arg)
{
	struct daemon_thread *t = arg;

	pthread_barrier_wait(t->start);
	t->rc = world_call_on(&t->world, t->world.db, &t->device, work_offer, &t->offer);
	return NULL;
}

static void daemon_open(struct daemon_thread *t, const struct world *w)
{
	t->world = *w;
	t->world.call_mem = arena_create();
	t->world.core.roster = roster_create();
	t->world.db = world_connect(&t->world);
}

static void daemon_close(struct daemon_thread *t)
{
	db_close(t->world.db);
	roster_free(t->world.core.roster);
	arena_free(t->world.call_mem);
}

static void daemon_knows(struct daemon_thread *t, const struct actor_device *d)
{
	t->device = *d;
	t->device.w = &t->world;
	roster_put_device(t->world.core.roster, &(struct roster_put){
							.device_id = d->id,
							.lifecycle = DEVICE_ACTIVE,
							.credential = CREDENTIAL_PSK,
						});
	t->device.entry = roster_find(t->world.core.roster, &d->id);
}

/* Two campaigns for the same devices, so that there are two jobs to choose from. */
static void aim(struct world *w, const struct uuid *release)
{
	struct stage stage = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };
	struct campaign_new new = { .name = "race",
				    .release_id = *release,
				    .target = "{\"all\":true}",
				    .stages = &stage,
				    .stage_count = 1,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
}

int main(void)
{
	static struct daemon_thread daemons[DAEMONS];
	static struct actor_device devices[ROUNDS];
	pthread_barrier_t start;
	struct world w;
	int answered = 0, same = 0;

	world_open(&w);
	struct uuid first = world_release(&w, 2, 2), second = world_release(&w, 3, 3);
	for (int i = 0; i < ROUNDS; i++) {
		world_device(&w, arena_printf(w.mem, "race-%d", i), &devices[i]);
		devices[i].runs = 1;
		must(device_register(&devices[i]) == RC_OK, "a device cannot register");
	}
	aim(&w, &first);
	aim(&w, &second);
	pthread_barrier_init(&start, NULL, DAEMONS);
	for (int k = 0; k < DAEMONS; k++) {
		daemon_open(&daemons[k], &w);
		daemons[k].start = &start;
	}
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < DAEMONS; k++) {
			daemon_knows(&daemons[k], &devices[i]);
			pthread_create(&daemons[k].thread, NULL, ask, &daemons[k]);
		}
		for (int k = 0; k < DAEMONS; k++)
			pthread_join(daemons[k].thread, NULL);
		for (int k = 0; k < DAEMONS; k++) {
			answered += daemons[k].rc == RC_OK && daemons[k].offer.has_job;
			same += daemons[k].offer.job_id == daemons[0].offer.job_id;
		}
	}
	is_int(answered, DAEMONS * ROUNDS, "every daemon offers a job");
	is_int(same, DAEMONS * ROUNDS, "all of them the same one");
	is_int(sql_i64(&w, "SELECT count(*) AS n FROM job"), ROUNDS, "one job for each device");
	is_int(sql_i64(&w, "SELECT count(*) AS n FROM slot"), ROUNDS,
	       "one slot for each device");
	is_int(sql_i64(&w, "SELECT sum(n)::bigint AS n FROM tally WHERE state = 1"), ROUNDS,
	       "counted once");
	for (int k = 0; k < DAEMONS; k++)
		daemon_close(&daemons[k]);
	pthread_barrier_destroy(&start);
	world_close(&w);
	return tap_done();
}
