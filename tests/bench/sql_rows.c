/* The daemon's SQL against the barest statement that does the same: signs of life, reports, the
 * start of a campaign, the opening of a stage.  Ours runs the daemon's own functions; the twin
 * is libpq and one prepared statement.
 *
 *     MUSTER_TEST_DB=CONNINFO sql_rows DEVICES
 *
 * Commands come by standard input, a line each: "seen ours|bare SECONDS", "report ours|bare",
 * "progress ours|bare", "start ours|bare", then "stage ours" and "abort ours".  Each answers a
 * line of JSON: how many, and the CPU seconds of this process and of its connection's backend.
 */

#include "api/dispatch.h"
#include "core/seen.h"
#include "db/conn.h"
#include "tests/bench/load.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <stdatomic.h>

#define BATCH     1000
#define REPORTERS 20000
#define WAITING   4000 /* reports under way */
/* Of their jobs: not due, and not so far that the ticker thinks that a clock was wrong. */
#define DEADLINE_US (INT64_C(300) * 86400 * USEC_PER_SEC)

static struct {
	struct world w;
	struct db_pool *one; /* of one connection, so that its backend is known */
	pid_t backend;
	struct uuid *ids;
	size_t count;
	PGconn *bare;
	struct dispatcher *d;
	pthread_t worker;
	_Atomic uint64_t answered, refused;
	struct uuid campaign;
	uint8_t releases;
} all;

static double cpu_begin(void)
{
	return load_cpu(getpid()) + load_cpu(all.backend);
}

static void answer(uint64_t count, double cpu_before, int64_t began)
{
	printf("{\"count\": %" PRIu64 ", \"cpu\": %.6f, \"seconds\": %.6f}\n", count,
	       cpu_begin() - cpu_before, (double)(load_now() - began) / 1e6);
	fflush(stdout);
}

/* Both sides use a backend of their own; its number is asked for before a measurement. */
static void use_ours(void)
{
	struct db *db;

	must(db_acquire(all.one, USEC_PER_SEC, &db) == RC_OK, "no connection");
	all.backend = PQbackendPID(db->conn);
	db_release(all.one, db);
}

static void use_bare(void)
{
	all.backend = PQbackendPID(all.bare);
}

static void bare_exec(const char *text)
{
	PGresult *r = PQexec(all.bare, text);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		printf("# %s\n", PQerrorMessage(all.bare));
	must(PQresultStatus(r) == PGRES_COMMAND_OK, "a bare statement failed");
	PQclear(r);
}

static void bare_run(const char *name, int n, const char *const *values)
{
	PGresult *r = PQexecPrepared(all.bare, name, n, values, NULL, NULL, 0);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		printf("# %s\n", PQerrorMessage(all.bare));
	must(PQresultStatus(r) == PGRES_COMMAND_OK, "a bare statement failed");
	PQclear(r);
}

static void bare_prepare(const char *name, const char *text)
{
	PGresult *r = PQprepare(all.bare, name, text, 0, NULL);

	must(PQresultStatus(r) == PGRES_COMMAND_OK, "a bare statement cannot be prepared");
	PQclear(r);
}

/* --- the world --- */

static bool take_id(void *arg, char *const *fields, int count)
{
	(void)arg;
	(void)count;
	must(uuid_parse(fields[0], &all.ids[all.count]) == RC_OK, "an id");
	roster_put_device(all.w.core.roster,
			  &(struct roster_put){ .device_id = all.ids[all.count],
						.lifecycle = DEVICE_ACTIVE });
	all.count++;
	return true;
}

static void make_devices(uint64_t devices)
{
	char vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];
	struct db *db = all.w.db;

	sql(db, "SET statement_timeout = 0");
	db->wait_us = -1;
	sql(db,
	    "INSERT INTO device (tenant_id, device_id, endpoint, hash, lifecycle, vendor_id, "
	    "class_id, created_at, registered_at) SELECT 1, gen_random_uuid(), 'device-' || i, "
	    "(random() * 2e18)::bigint, 1, '%s', '%s', 1, 1 FROM generate_series(1, %" PRIu64
	    ") i",
	    uuid_format(&all.w.vendor, vendor), uuid_format(&all.w.class, class), devices);
	sql(db, "INSERT INTO device_seen (tenant_id, device_id, seen_at) "
		"SELECT 1, device_id, 1 FROM device");
	sql(db, "CREATE TABLE bare_seen (device_id uuid PRIMARY KEY, seen_at bigint NOT NULL) "
		"WITH (fillfactor = 70)");
	sql(db, "INSERT INTO bare_seen SELECT device_id, 1 FROM device");
	sql(db,
	    "CREATE TABLE bare_job (device_id uuid, job_id bigint, state smallint NOT NULL, "
	    "bytes_done bigint NOT NULL, updated_at bigint NOT NULL, "
	    "PRIMARY KEY (device_id, job_id)) WITH (fillfactor = 70)");
	sql(db, "INSERT INTO bare_job SELECT device_id, 1, 1, 0, 1 FROM device LIMIT %d",
	    REPORTERS);
	sql(db, "VACUUM ANALYZE");
	all.ids = xcalloc(devices, sizeof(*all.ids));
	must(db_copy_out(db, "SELECT device_id FROM device", take_id, NULL) == RC_OK, "ids");
}

static void prepare_bare(void)
{
	all.bare = PQconnectdb(all.w.conninfo);
	must(PQstatus(all.bare) == CONNECTION_OK, "no bare connection");
	bare_prepare("seen",
		     "INSERT INTO bare_seen SELECT * FROM unnest($1::uuid[], $2::bigint[]) "
		     "ON CONFLICT (device_id) DO UPDATE SET seen_at = EXCLUDED.seen_at");
	bare_prepare(
		"report",
		"UPDATE bare_job b SET state = u.state, bytes_done = u.done, updated_at = u.at "
		"FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::bigint[], "
		"$5::bigint[]) AS u (device_id, job_id, state, done, at) "
		"WHERE b.device_id = u.device_id AND b.job_id = u.job_id");
}

/* --- signs of life --- */

/* The i-th of a walk that comes to every device before it comes to one twice. */
static const struct uuid *walk(uint64_t i)
{
	return &all.ids[i * 7919 % all.count];
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

/* A list as SQL's text form of an array. */
struct list {
	char *text;
	size_t n;
};

static void list_clear(struct list *l)
{
	if (!l->text)
		l->text = xmalloc(BATCH * 40 + 8);
	l->n = 0;
	l->text[l->n++] = '{';
}

static void list_end(struct list *l)
{
	l->text[l->n - 1] = '}';
	l->text[l->n] = '\0';
}

static void list_uuid(struct list *l, const struct uuid *id)
{
	uuid_format(id, l->text + l->n);
	l->n += UUID_TEXT_SIZE - 1;
	l->text[l->n++] = ',';
}

static void list_i64(struct list *l, int64_t v)
{
	l->n += (size_t)snprintf(l->text + l->n, 24, "%" PRId64 ",", v);
}

static void seen_bare(double seconds)
{
	static struct list ids, times;
	static uint64_t at;
	uint64_t done = 0;

	use_bare();
	double cpu = cpu_begin();
	int64_t began = load_now(), end = began + (int64_t)(seconds * 1e6);
	for (; load_now() < end; done += BATCH) {
		struct uuid batch[BATCH];
		for (size_t i = 0; i < BATCH; i++)
			batch[i] = *walk(at++);
		qsort(batch, BATCH, sizeof(*batch), by_id);
		list_clear(&ids);
		list_clear(&times);
		for (size_t i = 0; i < BATCH; i++) {
			list_uuid(&ids, &batch[i]);
			list_i64(&times, clock_wall());
		}
		list_end(&ids);
		list_end(&times);
		bare_run("seen", 2, (const char *[]){ ids.text, times.text });
	}
	answer(done, cpu, began);
}

/* As many at a time as come in between two flushes of a fleet that asks every five minutes. */
static void seen_ours(double seconds)
{
	static uint64_t at;
	CLEAN(arena) struct arena *mem = arena_create();
	size_t burst = all.count / 60 + 1;
	uint64_t done = 0;
	struct db *db;

	use_ours();
	must(db_acquire(all.one, USEC_PER_SEC, &db) == RC_OK, "no connection");
	double cpu = cpu_begin();
	int64_t began = load_now(), end = began + (int64_t)(seconds * 1e6);
	for (; load_now() < end; done += burst) {
		for (size_t i = 0; i < burst; i++)
			roster_seen(all.w.core.roster,
				    roster_find(all.w.core.roster, walk(at++)), clock_wall());
		must(seen_flush(all.w.core.roster, db, TENANT, mem) == RC_OK, "a flush");
	}
	answer(done, cpu, began);
	db_release(all.one, db);
}

/* --- reports --- */

static void on_done(struct req *req, struct res *res)
{
	if (res->rc == RC_OK)
		atomic_fetch_add(&all.answered, 1);
	else
		atomic_fetch_add(&all.refused, 1);
	req_free(req);
}

static void send_report(size_t i, int64_t job, int state, int64_t bytes)
{
	struct req *req = req_create();
	uint8_t *body = arena_alloc(req->mem, 16);
	char path[64];

	/* {1: state, 2: bytes, 3: 8192} */
	memcpy(body, "\xa3\x01\x00\x02\x19\x00\x00\x03\x19\x20\x00", 11);
	body[2] = (uint8_t)state;
	body[5] = (uint8_t)(bytes >> 8);
	body[6] = (uint8_t)bytes;
	snprintf(path, sizeof(path), "/report/%" PRId64 "/1", job);
	must(req_set_path(req, path) == RC_OK, "no path");
	req->method = METHOD_POST;
	req->via = VIA_COAP;
	req->format = FORMAT_CBOR;
	req->body = (struct bytes){ body, 11 };
	req->actor = (struct actor){ ACTOR_DEVICE,
				     ROLE_DEVICE,
				     all.ids[i],
				     "device",
				     roster_find(all.w.core.roster, &all.ids[i]),
				     0 };
	req->done = on_done;
	dispatch(all.d, req);
}

static struct uuid new_release(void)
{
	all.releases++;
	return world_release(&all.w, all.releases, all.releases);
}

/* An open job, number i + 1, for each of the reporters. */
static void make_jobs(void)
{
	char release[UUID_TEXT_SIZE], campaign[UUID_TEXT_SIZE];
	struct uuid id = new_release();

	uuid_random(&all.campaign);
	uuid_format(&all.campaign, campaign);
	uuid_format(&id, release);
	sql(all.w.db, "TRUNCATE job, slot, tally, event, outbox");
	sql(all.w.db,
	    "INSERT INTO campaign (tenant_id, campaign_id, name, release_id, state, target, "
	    "salt, silent_after_s, max_attempts, created_at) VALUES (1, '%s', 'bench', '%s', "
	    "3, "
	    "'{\"all\": true}', '{1,2,3,4,5,6}', 3600, 3, 1)",
	    campaign, release);
	for (size_t i = 0; i < REPORTERS; i += BATCH) {
		CLEAN(arena) struct arena *mem = arena_create();
		struct db_args a = { 0 };
		static const struct db_stmt insert = {
			"bench_jobs",
			"INSERT INTO job (tenant_id, device_id, job_id, campaign_id, "
			"release_id, "
			"component, state, stage, attempt, created_at, updated_at, "
			"deadline_at) "
			"SELECT 1, id, $2::bigint + n, $3::uuid, $4::uuid, 'main', 1, 0, 1, 1, "
			"1, "
			"$5 FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, n)"
		};
		db_arg_uuids(&a, mem, all.ids + i, BATCH);
		db_arg_i64(&a, (int64_t)i);
		db_arg_uuid(&a, &all.campaign);
		db_arg_uuid(&a, &id);
		db_arg_i64(&a, clock_wall() + DEADLINE_US);
		must(db_run(all.w.db, &insert, &a, NULL) == RC_OK, "jobs");
	}
	sql(all.w.db, "VACUUM ANALYZE job");
}

static void wait_answers(uint64_t count)
{
	while (atomic_load(&all.answered) + atomic_load(&all.refused) < count)
		usleep(200);
}

/* Each reporter says `each` things, in turns. */
static void report_ours(int each, bool moves)
{
	uint64_t sent = 0, wanted = (uint64_t)each * REPORTERS;

	make_jobs();
	use_ours();
	atomic_store(&all.answered, 0);
	atomic_store(&all.refused, 0);
	double cpu = cpu_begin();
	int64_t began = load_now();
	for (int k = 0; k < each; k++)
		for (size_t i = 0; i < REPORTERS; i++) {
			send_report(i, (int64_t)i + 1, moves ? 2 + k : 2, 100 + k);
			if (++sent > WAITING)
				wait_answers(sent - WAITING);
		}
	wait_answers(wanted);
	answer(wanted, cpu, began);
	must(atomic_load(&all.refused) == 0, "a report was refused");
	must(sql_i64(&all.w, arena_printf(all.w.mem,
					  "SELECT count(*) AS n FROM job WHERE state = %d AND "
					  "bytes_done = %d",
					  moves ? 1 + each : 2, 99 + each)) == REPORTERS,
	     "an acknowledged report is lost");
}

static void report_bare(int each)
{
	static struct list lists[5];

	use_bare();
	double cpu = cpu_begin();
	int64_t began = load_now();
	for (int k = 0; k < each; k++)
		for (size_t i = 0; i < REPORTERS; i += BATCH) {
			for (int l = 0; l < 5; l++)
				list_clear(&lists[l]);
			for (size_t n = i; n < i + BATCH; n++) {
				list_uuid(&lists[0], &all.ids[n]);
				list_i64(&lists[1], 1);
				list_i64(&lists[2], 2 + k);
				list_i64(&lists[3], 100 + k);
				list_i64(&lists[4], clock_wall());
			}
			for (int l = 0; l < 5; l++)
				list_end(&lists[l]);
			bare_run("report", 5,
				 (const char *[]){ lists[0].text, lists[1].text, lists[2].text,
						   lists[3].text, lists[4].text });
		}
	answer((uint64_t)each * REPORTERS, cpu, began);
}

static void *work(void *arg)
{
	dispatch_work(arg, 0);
	return NULL;
}

/* --- campaigns --- */

static void start_ours(void)
{
	static const struct stage stages[] = {
		{ .share = 100, .gate = { 9500, 1000, 10, 0 } },
		{ .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } },
	};
	struct campaign_new new = { .name = "start",
				    .target = "{\"all\":true}",
				    .stages = stages,
				    .stage_count = 2,
				    .silent_after_s = 3600,
				    .max_attempts = 3 };

	new.release_id = new_release();
	must(world_campaign(&all.w, &new) == RC_OK, "a campaign");
	all.campaign = new.release_id;
	must(world_move(&all.w, &all.campaign, MOVE_START) == RC_OK, "its start");
	use_ours();
	double cpu = cpu_begin();
	int64_t began = load_now();
	world_tick(&all.w, 1);
	answer(all.count, cpu, began);
	must(world_look(&all.w, &all.campaign).row.campaign.members == (int64_t)all.count,
	     "it does not hold all");
}

static void start_bare(void)
{
	use_bare();
	double cpu = cpu_begin();
	int64_t began = load_now();
	bare_exec("BEGIN");
	bare_exec("CREATE TABLE bare_member (tenant_id integer NOT NULL, campaign_id uuid NOT "
		  "NULL, device_id uuid NOT NULL, bucket bigint NOT NULL)");
	bare_exec("INSERT INTO bare_member SELECT tenant_id, '"
		  "11111111-1111-1111-1111-111111111111', device_id, hash FROM device");
	bare_exec("ALTER TABLE bare_member ADD PRIMARY KEY (tenant_id, device_id)");
	bare_exec("COMMIT");
	answer(all.count, cpu, began);
	bare_exec("DROP TABLE bare_member");
}

/* The first stage of the campaign that was started last has succeeded; the next one opens. */
static void stage_ours(void)
{
	char id[UUID_TEXT_SIZE];

	use_ours();
	world_tick(&all.w, 2); /* whatever else is due, and the lease after a long start */
	sql(all.w.db,
	    "INSERT INTO tally SELECT 1, campaign_id, 0, 10, 0, members FROM stage WHERE "
	    "campaign_id = '%s' AND stage = 0",
	    uuid_format(&all.campaign, id));
	double cpu = cpu_begin();
	int64_t began = load_now();
	world_tick(&all.w, 1);
	answer(1, cpu, began);
	must(world_look(&all.w, &all.campaign).row.campaign.stage == 1, "no stage was opened");
}

static void abort_ours(void)
{
	must(world_move(&all.w, &all.campaign, MOVE_ABORT) == RC_OK, "the abort");
	printf("{}\n");
	fflush(stdout);
}

/* --- */

static void command(const char *what, bool ours, double seconds)
{
	if (strcmp(what, "seen") == 0)
		ours ? seen_ours(seconds) : seen_bare(seconds);
	else if (strcmp(what, "report") == 0)
		ours ? report_ours(4, true) : report_bare(4);
	else if (strcmp(what, "progress") == 0)
		ours ? report_ours(8, false) : report_bare(8);
	else if (strcmp(what, "start") == 0)
		ours ? start_ours() : start_bare();
	else if (strcmp(what, "stage") == 0)
		stage_ours();
	else if (strcmp(what, "abort") == 0)
		abort_ours();
	else
		must(false, "an unknown command");
}

int main(int argc, char **argv)
{
	struct dispatch_options options = { .queue_max = 2 * WAITING, .tenant = TENANT };
	char line[128], what[16], side[8];

	must(argc == 2 && load_number(argv[1]) >= REPORTERS, "see the head of its source");
	world_open(&all.w);
	/* Workers of an index build are processes of their own, whose time nobody would count.
	 */
	sql(all.w.admin, "ALTER DATABASE %s SET max_parallel_maintenance_workers = 0",
	    all.w.name);
	make_devices(load_number(argv[1]));
	prepare_bare();
	struct db_options one = world_options(&all.w);
	all.one = db_pool_create(&one);
	ticker_free(all.w.ticker);
	all.w.ticker = ticker_create(&all.w.core, all.one,
				     &(struct ticker_options){ TENANT, "bench", 0 });
	world_tick(&all.w, 1);
	all.d = dispatcher_create(&all.w.core, all.one, &options);
	pthread_create(&all.worker, NULL, work, all.d);
	printf("{\"ready\": %zu}\n", all.count);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		double seconds = 1;
		must(sscanf(line, "%15s %7s %lf", what, side, &seconds) >= 2, "a command");
		command(what, strcmp(side, "ours") == 0, seconds);
	}
	dispatcher_stop(all.d);
	pthread_join(all.worker, NULL);
	dispatcher_free(all.d);
	PQfinish(all.bare);
	db_pool_free(all.one);
	free(all.ids);
	world_close(&all.w);
	return 0;
}
