/* Partitions are attached one behind the other while many connections look at members, at
 * random times: in the end each of them sees every member.  Without the lock of
 * db/member_store.c one attachment in seventy leaves a connection that keeps an older list of
 * partitions, and plans by it until the next.
 *
 * A sample of a few seconds; with MUSTER_PROVE a minute. */

#include "base/log.h"
#include "db/member_store.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOOKERS    12
#define PARTITIONS 4 /* of a round */
#define PAUSE_US   4000

static _Atomic int asked; /* the round whose answer is wanted; 0: none, look about */
static _Atomic bool ended;

struct looker {
	pthread_t thread;
	unsigned seed;
	struct db *db;
	_Atomic int answered; /* the last round */
	int64_t seen;         /* in that round */
};

/* How many members there are. */
static int64_t look(struct looker *l)
{
	static const struct db_stmt count = { "test_members",
					      "SELECT count(*) AS n FROM member" };
	CLEAN(rows) struct db_rows *rows = NULL;

	must(db_begin(l->db) == RC_OK && member_store_look(l->db) == RC_OK &&
		     db_run(l->db, &count, NULL, &rows) == RC_OK && db_commit(l->db) == RC_OK,
	     "a connection looks");
	return db_row_i64(rows, 0, "n");
}

static void *looking(void *arg)
{
	struct looker *l = arg;

	while (!atomic_load(&ended)) {
		int round = atomic_load(&asked);
		if (!round) {
			usleep((useconds_t)rand_r(&l->seed) % PAUSE_US);
			(void)look(l);
		} else if (atomic_load(&l->answered) != round) {
			l->seen = look(l);
			atomic_store(&l->answered, round);
		} else {
			usleep(200);
		}
	}
	return NULL;
}

/* As short as can be: what is held against the readers is the attachment alone. */
static void publish(struct db *db, int i)
{
	must(db_begin(db) == RC_OK, "begin");
	sql(db,
	    "CREATE TABLE member_%d (LIKE member); "
	    "INSERT INTO member_%d VALUES (1, '00000000-0000-0000-0000-%012d', "
	    "gen_random_uuid(), "
	    "0); "
	    "ALTER TABLE member ATTACH PARTITION member_%d FOR VALUES IN "
	    "('00000000-0000-0000-0000-%012d')",
	    i, i, i, i, i);
	must(member_store_publish(db) == RC_OK && db_commit(db) == RC_OK, "it is published");
}

/* Returns how many lookers do not see all.  The partitions go again. */
static int round_of(struct db *db, struct looker *lookers, int round)
{
	int blind = 0;

	for (int i = 0; i < PARTITIONS; i++)
		publish(db, i);
	atomic_store(&asked, round);
	for (int i = 0; i < LOOKERS; i++) {
		while (atomic_load(&lookers[i].answered) != round)
			usleep(200);
		blind += lookers[i].seen != PARTITIONS;
	}
	for (int i = 0; i < PARTITIONS; i++)
		sql(db, "DROP TABLE member_%d", i);
	atomic_store(&asked, 0);
	return blind;
}

int main(void)
{
	static struct looker lookers[LOOKERS];
	const char *prove = getenv("MUSTER_PROVE");
	int64_t length_s = prove && *prove && strcmp(prove, "0") != 0 ? 60 : 5;
	struct world w;
	int rounds = 0, blind = 0;

	world_open(&w);
	for (int i = 0; i < LOOKERS; i++) {
		lookers[i].seed = (unsigned)i + 1;
		lookers[i].db = world_connect(&w);
		pthread_create(&lookers[i].thread, NULL, looking, &lookers[i]);
	}
	for (int64_t until = clock_monotonic() + length_s * USEC_PER_SEC;
	     clock_monotonic() < until && !blind;)
		blind += round_of(w.db, lookers, ++rounds);
	atomic_store(&ended, true);
	for (int i = 0; i < LOOKERS; i++) {
		pthread_join(lookers[i].thread, NULL);
		db_close(lookers[i].db);
	}
	printf("# %d attachments\n", rounds * PARTITIONS);
	is_int(blind, 0, "every connection sees every member");
	world_close(&w);
	return tap_done();
}
