/* The dispatcher on a real PostgreSQL: batches in one commit, a result for each call, reruns
 * when the transaction is lost, deadlines, and its end.  The calls are registrations of real
 * devices; triggers of the test make the database fail in the middle. */

#include "api/dispatch.h"
#include "api/route.h"
#include "base/log.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <stdatomic.h>

#define DEVICES   120
#define QUEUE_MAX 400

struct answer {
	enum rc rc;
	enum err err;
	_Atomic int times;
};

struct bench {
	struct world w;
	struct dispatcher *d;
	struct actor_device devices[DEVICES];
	struct answer answers[QUEUE_MAX + 8];
	int sent;
	uint32_t boot;
	pthread_t workers[4];
	int worker_count;
};

static struct bench b;

/* --- requests --- */

static size_t put_head(uint8_t *p, int major, size_t n)
{
	if (n < 24) {
		p[0] = (uint8_t)(major << 5 | (int)n);
		return 1;
	}
	p[0] = (uint8_t)(major << 5 | 24);
	p[1] = (uint8_t)n;
	return 2;
}

static size_t put_bytes(uint8_t *p, int major, const void *bytes, size_t n)
{
	size_t head = put_head(p, major, n);

	memcpy(p + head, bytes, n);
	return head + n;
}

/* A registration as api/device.cddl says. */
static struct bytes body_of(struct arena *mem, const char *endpoint, uint32_t boot)
{
	uint8_t *p = arena_alloc(mem, 512), digest[32];
	size_t n = 0;

	memset(digest, 1, sizeof(digest));
	p[n++] = 0xa5;
	p[n++] = 1;
	n += put_bytes(p + n, 3, endpoint, strlen(endpoint));
	p[n++] = 2;
	n += put_bytes(p + n, 2, &b.w.vendor, 16);
	p[n++] = 3;
	n += put_bytes(p + n, 2, &b.w.class, 16);
	p[n++] = 4;
	p[n++] = 0xa1;
	n += put_bytes(p + n, 3, "main", 4);
	p[n++] = 0x82;
	n += put_bytes(p + n, 2, digest, 32);
	p[n++] = 0xf6;
	p[n++] = 5;
	n += put_bytes(p + n, 2, &boot, 4);
	return (struct bytes){ p, n };
}

static void on_done(struct req *req, struct res *res)
{
	struct answer *a = req->transport;

	a->rc = res->rc;
	a->err = res->err;
	req_free(req);
	atomic_fetch_add(&a->times, 1);
}

static struct answer *send_body(struct actor_device *d, const char *endpoint,
				int64_t patience_us)
{
	struct req *req = req_create();
	struct answer *a = &b.answers[b.sent++];

	must(req_set_path(req, "/register") == RC_OK, "no path");
	req->method = METHOD_POST;
	req->via = VIA_COAP;
	req->format = FORMAT_CBOR;
	req->body = endpoint ? body_of(req->mem, endpoint, b.boot) : bytes_of("no CBOR");
	req->actor =
		(struct actor){ ACTOR_DEVICE, ROLE_DEVICE, d->id, d->endpoint, d->entry, 0 };
	req->deadline = clock_monotonic() + patience_us;
	req->done = on_done;
	req->transport = a;
	atomic_store(&a->times, 0);
	dispatch(b.d, req);
	return a;
}

static struct answer *send_good(int i)
{
	return send_body(&b.devices[i], b.devices[i].endpoint, 60 * USEC_PER_SEC);
}

static void *work(void *arg)
{
	dispatch_work(b.d, (int)(intptr_t)arg);
	return NULL;
}

static void start_workers(int n)
{
	for (; b.worker_count < n; b.worker_count++)
		must(pthread_create(&b.workers[b.worker_count], NULL, work,
				    (void *)(intptr_t)b.worker_count) == 0,
		     "no thread");
}

static void wait_answers(void)
{
	for (int i = 0; i < b.sent; i++)
		for (int n = 0; atomic_load(&b.answers[i].times) == 0; n++) {
			must(n < 60000, "an answer did not come");
			usleep(1000);
		}
}

/* A dispatcher of its own for each test; new boot ids, so that every registration counts. */
static void begin(void)
{
	struct dispatch_options options = { .queue_max = QUEUE_MAX, .tenant = TENANT };

	b.d = dispatcher_create(&b.w.core, b.w.pool, &options);
	b.sent = 0;
	b.worker_count = 0;
	b.boot++;
}

static void end(void)
{
	int wrong = 0;

	dispatcher_stop(b.d);
	for (int i = 0; i < b.worker_count; i++)
		pthread_join(b.workers[i], NULL);
	dispatcher_free(b.d);
	for (int i = 0; i < b.sent; i++)
		wrong += b.answers[i].times != 1;
	is_int(wrong, 0, "every call was answered exactly once");
}

static int count(enum rc rc)
{
	int n = 0;

	for (int i = 0; i < b.sent; i++)
		n += b.answers[i].rc == rc;
	return n;
}

static int64_t registered(void)
{
	return sql_i64(&b.w, arena_printf(b.w.mem,
					  "SELECT count(*) AS n FROM device WHERE boot_id = "
					  "decode('%02x%02x%02x%02x', 'hex')",
					  b.boot & 255, b.boot >> 8 & 255, b.boot >> 16 & 255,
					  b.boot >> 24));
}

static int64_t transactions(void)
{
	return sql_i64(&b.w, "SELECT count(DISTINCT xmin::text) AS n FROM device "
			     "WHERE registered_at IS NOT NULL");
}

/* --- tests --- */

/* Counts the statements that write a device, not the rows. */
static void count_statements(void)
{
	sql(b.w.db, "CREATE SEQUENCE statements");
	sql(b.w.db, "CREATE FUNCTION statement() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
		    "PERFORM nextval('statements'); RETURN NULL; END $$");
	sql(b.w.db, "CREATE TRIGGER statement AFTER UPDATE ON device "
		    "FOR EACH STATEMENT EXECUTE FUNCTION statement()");
}

static void test_batch(void)
{
	begin();
	count_statements();
	for (int i = 0; i < DEVICES; i++)
		send_good(i);
	struct answer *foreign =
		send_body(&b.devices[0], b.devices[1].endpoint, 60 * USEC_PER_SEC);
	struct answer *broken = send_body(&b.devices[2], NULL, 60 * USEC_PER_SEC);
	start_workers(1);
	wait_answers();
	is_int(count(RC_OK), DEVICES, "good ones are good");
	is_int(foreign->err, ERR_DENIED, "another's name is denied");
	is_int(broken->err, ERR_BAD_REQUEST, "what cannot be read is told");
	is_int(registered(), DEVICES, "all are stored");
	is_int(transactions(), 1, "in one transaction");
	is_int(sql_i64(&b.w, "SELECT last_value AS n FROM statements"), 2,
	       "the first few, and the rest with one stroke");
	sql(b.w.db, "DROP TRIGGER statement ON device");
	struct roster_view view;
	roster_view(b.devices[5].entry, &view);
	ok(view.registration != 0, "memory follows the commit");
	end();
}

/* Each hears what is its own, whoever stands beside it. */
static void test_bad_among_good(void)
{
	int wrong = 0, good = 0;

	begin();
	for (int i = 0; i < DEVICES; i++) {
		const char *name = b.devices[i].endpoint;
		if (i % 5 == 1)
			name = NULL;
		else if (i % 5 == 3)
			name = b.devices[i - 1].endpoint;
		send_body(&b.devices[i], name, 60 * USEC_PER_SEC);
	}
	start_workers(1);
	wait_answers();
	for (int i = 0; i < DEVICES; i++) {
		const struct answer *a = &b.answers[i];
		bool is_good = i % 5 != 1 && i % 5 != 3;
		good += is_good;
		wrong += (a->rc == RC_OK) != is_good ||
			 (i % 5 == 1 && a->err != ERR_BAD_REQUEST) ||
			 (i % 5 == 3 && a->err != ERR_DENIED);
	}
	is_int(wrong, 0, "everybody has the answer to what it said");
	is_int(registered(), good, "the good ones are stored");
	is_int(transactions(), 2, "in one transaction; the others are as they were");
	end();
}

static void install(const char *when)
{
	sql(b.w.db, "CREATE SEQUENCE IF NOT EXISTS failures");
	sql(b.w.db,
	    "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
	    "IF NEW.device_id = '%s' THEN %s END IF; RETURN NEW; END $$",
	    uuid_format(&b.devices[DEVICES / 2].id, (char[UUID_TEXT_SIZE]){ 0 }), when);
	sql(b.w.db, "ALTER SEQUENCE failures RESTART");
	sql(b.w.db, "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON event "
		    "FOR EACH ROW EXECUTE FUNCTION fail()");
}

static void send_all(int workers)
{
	for (int i = 0; i < DEVICES; i++)
		send_good(i);
	start_workers(workers);
	wait_answers();
}

static void test_lost_race(void)
{
	begin();
	install("IF nextval('failures') <= 2 THEN RAISE EXCEPTION 'again' USING ERRCODE = "
		"'40001'; END IF;");
	send_all(1);
	is_int(count(RC_OK), DEVICES, "a lost race is run again");
	is_int(registered(), DEVICES, "and stored");
	is_int(transactions(), DEVICES, "each for itself");
	end();
}

static void test_one_never_wins(void)
{
	begin();
	install("PERFORM nextval('failures'); RAISE EXCEPTION 'never' USING ERRCODE = "
		"'40P01';");
	send_all(1);
	is_int(count(RC_OK), DEVICES - 1, "the others do not suffer");
	is_int(b.answers[DEVICES / 2].rc, RC_UNAVAILABLE,
	       "who never wins is told to come later");
	is_int(registered(), DEVICES - 1, "and is not stored");
	is_int(sql_i64(&b.w, "SELECT last_value AS n FROM failures"), 5,
	       "after the batch and four tries of its own");
	end();
}

static void test_one_breaks(void)
{
	begin();
	install("RAISE EXCEPTION 'a bug';");
	send_all(1);
	is_int(count(RC_OK), DEVICES - 1, "a bug in one call spares the others");
	is_int(b.answers[DEVICES / 2].rc, RC_INTERNAL, "and is told as ours");
	end();
}

static void test_lost_connection(void)
{
	begin();
	install("IF nextval('failures') = 1 THEN PERFORM "
		"pg_terminate_backend(pg_backend_pid()); "
		"PERFORM pg_sleep(1); END IF;");
	send_all(1);
	int good = count(RC_OK);
	is_int(good + count(RC_UNAVAILABLE), DEVICES, "done, or told to come later");
	ok(good > 0, "most are done over another connection: %d", good);
	ok(registered() >= good, "what was acknowledged is there");
	end();
	sql(b.w.db, "DROP TRIGGER fail ON event");
}

static void test_two_workers(void)
{
	begin();
	start_workers(4);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < DEVICES; i++)
			send_good((i * 7) % DEVICES);
	wait_answers();
	is_int(count(RC_OK), 3 * DEVICES, "equal registrations at once over four workers");
	is_int(registered(), DEVICES, "are stored once each");
	end();
}

static void test_deadlines(void)
{
	begin();
	struct answer *late = send_body(&b.devices[0], b.devices[0].endpoint, 1000);
	struct answer *good = send_good(1);
	usleep(5000);
	dispatch_expire(b.d);
	is_int(late->times, 1, "who waited too long is answered without a worker");
	is_int(late->rc, RC_UNAVAILABLE, "to come later");
	is_int(good->times, 0, "the others wait on");
	struct answer *next =
		send_body(&b.devices[2], b.devices[2].endpoint, 200 * USEC_PER_MS);
	ok(next->times == 0, "who has the patience waits");
	usleep(250000);
	start_workers(1);
	wait_answers();
	is_int(next->rc, RC_UNAVAILABLE, "a worker does not run it either");
	is_int(registered(), 1, "only the one in time was run");
	end();
}

/* Its answer would come when nobody waits for it any more, and it would be asked again. */
static void test_R12_slow_queue(void)
{
	begin();
	is_int(dispatch_waits_us(b.d, clock_monotonic()), 0, "nobody waits");
	send_good(0);
	usleep(20000);
	ok(dispatch_waits_us(b.d, clock_monotonic()) >= 20000, "the first waits");
	struct answer *patient =
		send_body(&b.devices[1], b.devices[1].endpoint, 20 * USEC_PER_SEC);
	struct answer *hasty =
		send_body(&b.devices[2], b.devices[2].endpoint, 30 * USEC_PER_MS);
	is_int(patient->times, 0, "who has the patience for it waits");
	is_int(hasty->times, 1, "who has not is answered at once");
	is_int(hasty->rc, RC_UNAVAILABLE, "to come later");
	start_workers(1);
	wait_answers();
	is_int(registered(), 2, "the others are served");
	is_int(dispatch_waits_us(b.d, clock_monotonic()), 0, "nobody waits any more");
	end();
}

/* 120 calls that take 50 ms each, and nobody waits longer than 3 seconds. */
static void test_slow_database(void)
{
	begin();
	sql(b.w.db, "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
		    "$$ BEGIN PERFORM pg_sleep(0.05); "
		    "IF NEW.at < extract(epoch FROM now()) * 1000000 - 100000 THEN "
		    "PERFORM nextval('failures'); END IF; RETURN NEW; END $$");
	sql(b.w.db, "ALTER SEQUENCE failures RESTART");
	sql(b.w.db, "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON event "
		    "FOR EACH ROW EXECUTE FUNCTION fail()");
	int64_t before = clock_monotonic();
	for (int i = 0; i < DEVICES; i++)
		send_body(&b.devices[i], b.devices[i].endpoint, 3 * USEC_PER_SEC);
	start_workers(1);
	wait_answers();
	int64_t took = clock_monotonic() - before;
	int good = count(RC_OK);
	ok(good > 0 && good < DEVICES, "a slow database serves some: %d", good);
	is_int(good + count(RC_UNAVAILABLE), DEVICES, "the rest is told to come later");
	is_int(registered(), good, "and was not done in secret");
	ok(took < 6 * USEC_PER_SEC, "in time, not when the whole batch would be over");
	ok(transactions() > 1, "a batch that takes long is committed in parts");
	is_int(sql_i64(&b.w, "SELECT is_called::integer AS n FROM failures"), 0,
	       "whose events are none of before they began");
	end();
	sql(b.w.db, "DROP TRIGGER fail ON event");
}

static void test_full_and_stopped(void)
{
	begin();
	for (int i = 0; i < QUEUE_MAX; i++)
		send_good(i % DEVICES);
	struct answer *over = send_good(0);
	is_int(over->times, 1, "a full queue says so at once");
	is_int(over->rc, RC_UNAVAILABLE, "to come later");
	dispatcher_stop(b.d);
	struct answer *stopped = send_good(0);
	is_int(stopped->rc, RC_UNAVAILABLE, "no new calls at the end");
	start_workers(2);
	wait_answers();
	is_int(count(RC_OK), QUEUE_MAX, "but those that waited are run");
	end();
}

/* --- reports, which a batch writes in a few statements --- */

static struct offer offers[DEVICES];

/* Everybody gets a job. */
static void make_jobs(uint8_t number)
{
	static const struct stage all = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };
	struct campaign_new new = { .name = "reports",
				    .release_id = world_release(&b.w, number, number),
				    .target = "{\"all\":true}",
				    .stages = &all,
				    .stage_count = 1,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	must(world_campaign(&b.w, &new) == RC_OK, "no campaign");
	must(world_move(&b.w, &new.release_id, MOVE_START) == RC_OK, "no start");
	world_tick(&b.w, 1);
	for (int i = 0; i < DEVICES; i++) {
		roster_mark_work(b.devices[i].entry);
		must(device_ask(&b.devices[i], &offers[i]) == RC_OK && offers[i].has_job,
		     "no job");
	}
}

static struct answer *send_report(int i, int64_t job, int32_t attempt, uint8_t state)
{
	struct req *req = req_create();
	struct answer *a = &b.answers[b.sent++];
	struct actor_device *d = &b.devices[i];
	uint8_t body[] = { 0xa1, 1, state };
	char path[64];

	snprintf(path, sizeof(path), "/report/%" PRId64 "/%d", job, attempt);
	must(req_set_path(req, path) == RC_OK, "no path");
	req->method = METHOD_POST;
	req->via = VIA_COAP;
	req->format = FORMAT_CBOR;
	req->body = (struct bytes){ arena_copy(req->mem, body, sizeof(body)), sizeof(body) };
	req->actor =
		(struct actor){ ACTOR_DEVICE, ROLE_DEVICE, d->id, d->endpoint, d->entry, 0 };
	req->deadline = clock_monotonic() + 60 * USEC_PER_SEC;
	req->done = on_done;
	req->transport = a;
	atomic_store(&a->times, 0);
	dispatch(b.d, req);
	return a;
}

static void send_reports(uint8_t state)
{
	for (int i = 0; i < DEVICES; i++)
		send_report(i, offers[i].job_id, 1, state);
}

static int64_t jobs_in(int state)
{
	return sql_i64(
		&b.w,
		arena_printf(b.w.mem, "SELECT count(*) AS n FROM job WHERE state = %d", state));
}

static int64_t events_of(const char *state)
{
	return sql_i64(&b.w, arena_printf(b.w.mem,
					  "SELECT count(*) AS n FROM event WHERE kind = 8 AND "
					  "detail::jsonb->>'state' = '%s'",
					  state));
}

/* Tallies, slots and jobs say the same. */
static void check_jobs(const char *when)
{
	is_int(sql_i64(&b.w,
		       "SELECT count(*) AS n FROM (SELECT state, count(*) AS n FROM job GROUP "
		       "BY 1) j FULL JOIN (SELECT state, sum(n) AS n FROM tally WHERE state < "
		       "100 GROUP BY 1 "
		       "HAVING sum(n) <> 0) t USING (state) WHERE j.n IS DISTINCT FROM t.n"),
	       0, arena_printf(b.w.mem, "%s: tallies are the jobs", when));
	is_int(sql_i64(&b.w, "SELECT count(*) AS n FROM slot l FULL JOIN (SELECT job_id FROM "
			     "job WHERE state IN (1, 2, 3, 4, 5, 15)) j USING (job_id) "
			     "WHERE l.tenant_id IS NULL OR j.job_id IS NULL"),
	       0, arena_printf(b.w.mem, "%s: slots are the open jobs", when));
}

static void test_reports(void)
{
	begin();
	struct answer *foreign = send_report(0, offers[1].job_id, 1, 2);
	struct answer *broken = send_report(1, offers[1].job_id, 1, 99);
	struct answer *old = send_report(2, offers[2].job_id, 9, 3);
	send_reports(2);
	send_report(3, offers[3].job_id, 1, 3);
	start_workers(1);
	wait_answers();
	is_int(foreign->err, ERR_NOT_FOUND, "another's job is not there");
	is_int(broken->err, ERR_BAD_REQUEST, "what cannot be read is told");
	is_int(old->rc, RC_OK, "a report of another attempt is no error");
	is_int(count(RC_OK), DEVICES + 2, "the others are good");
	is_int(jobs_in(2), DEVICES - 1, "all are stored");
	is_int(jobs_in(3), 1, "a device's second report after its first");
	is_int(sql_i64(&b.w, "SELECT count(DISTINCT xmin::text) AS n FROM job"), 2,
	       "in one transaction, and one for the second reports of devices");
	is_int(events_of("downloading"), DEVICES, "each with its event");
	check_jobs("after one batch");
	end();
}

static void test_reports_that_lose(void)
{
	begin();
	sql(b.w.db, "CREATE OR REPLACE FUNCTION fail_job() RETURNS trigger LANGUAGE plpgsql AS "
		    "$$ BEGIN IF nextval('failures') <= 2 THEN RAISE EXCEPTION 'again' USING "
		    "ERRCODE = '40001'; END IF; RETURN NEW; END $$");
	sql(b.w.db, "ALTER SEQUENCE failures RESTART");
	sql(b.w.db, "CREATE TRIGGER fail_job BEFORE UPDATE ON job FOR EACH ROW EXECUTE "
		    "FUNCTION fail_job()");
	send_reports(4);
	start_workers(1);
	wait_answers();
	sql(b.w.db, "DROP TRIGGER fail_job ON job");
	is_int(count(RC_OK), DEVICES, "a batch that lost is run again, one by one");
	is_int(jobs_in(4), DEVICES, "and stored");
	is_int(events_of("installing"), DEVICES, "once each");
	check_jobs("after a lost batch");
	end();
}

/* Somebody else changes a job between its reading and its writing. */
static void test_report_that_is_overtaken(void)
{
	struct db *other = world_connect(&b.w);

	begin();
	must(db_begin(other) == RC_OK, "begin");
	sql(other,
	    "UPDATE job SET bytes_done = 1, updated_at = updated_at + 1 WHERE job_id = "
	    "%" PRId64,
	    offers[7].job_id);
	send_report(7, offers[7].job_id, 1, 5);
	send_report(8, offers[8].job_id, 1, 5);
	start_workers(1);
	for (int n = 0; n < 500 && sql_i64(&b.w, "SELECT count(*) AS n FROM pg_locks WHERE NOT "
						 "granted") == 0;
	     n++)
		usleep(10000);
	must(db_commit(other) == RC_OK, "commit");
	wait_answers();
	is_int(count(RC_OK), 2, "both are answered");
	is_int(jobs_in(5), 2, "and both are stored");
	is_int(sql_i64(&b.w,
		       "SELECT count(*) AS n FROM job WHERE state = 5 AND bytes_done = 1"),
	       1, "over what was changed meanwhile");
	check_jobs("after a race");
	end();
	db_close(other);
}

static int64_t job_number(const char *column, int i)
{
	return sql_i64(&b.w,
		       arena_printf(b.w.mem, "SELECT %s AS n FROM job WHERE job_id = %" PRId64,
				    column, offers[i].job_id));
}

/* Another daemon ends a job: this one's memory does not follow. */
static void end_elsewhere(int i)
{
	sql(b.w.db,
	    "UPDATE job SET state = 13, deadline_at = 9223372036854775807 WHERE job_id = "
	    "%" PRId64,
	    offers[i].job_id);
	sql(b.w.db, "DELETE FROM slot WHERE job_id = %" PRId64, offers[i].job_id);
	sql(b.w.db,
	    "INSERT INTO tally SELECT tenant_id, campaign_id, stage, s, 77, d FROM job, "
	    "(VALUES (4, -1), (13, 1)) AS v (s, d) WHERE job_id = %" PRId64,
	    offers[i].job_id);
}

static void test_reports_from_memory(void)
{
	struct arena *mem = b.w.mem;
	struct job job;
	int64_t at = clock_wall(), moved = events_of("rebooting");

	begin();
	if (!ok(job_memo_get(b.w.core.jobs, &b.devices[20].id, offers[20].job_id, at, mem,
			     &job),
		"a job that was written is remembered"))
		return;
	is_int(job.row_version, job_number("xmin::text::bigint", 20), "as it is");
	job.bytes_total = 777;
	job_memo_put(b.w.core.jobs, &job, at);
	sql(b.w.db, "UPDATE job SET bytes_total = 5 WHERE job_id = %" PRId64,
	    offers[21].job_id);
	end_elsewhere(22);
	for (int i = 20; i < 24; i++)
		send_report(i, offers[i].job_id, 1, 5);
	start_workers(1);
	wait_answers();
	is_int(count(RC_OK), 4, "all are answered");
	is_int(job_number("bytes_total", 20), 777, "what is remembered is not read");
	is_int(job_number("bytes_total", 21), 5, "unless it is another version by now");
	is_int(job_number("state", 21), 5, "which moves on as well");
	is_int(job_number("state", 22), 13, "what is over stays over");
	is_int(events_of("rebooting"), moved + 3, "and has no event");
	is_int(sql_i64(&b.w, "SELECT count(DISTINCT xmin::text) AS n FROM job WHERE state = 5 "
			     "AND bytes_total IN (5, 777)"),
	       1, "in one transaction");
	check_jobs("after reports from memory");
	ok(job_memo_get(b.w.core.jobs, &b.devices[21].id, offers[21].job_id, clock_wall(), mem,
			&job) &&
		   job.bytes_total == 5 && job.state == JOB_REBOOTING,
	   "memory is right again");
	end();
}

static void test_reports_that_end(void)
{
	begin();
	send_reports(11);
	start_workers(1);
	wait_answers();
	is_int(count(RC_OK), DEVICES, "everybody fails");
	is_int(jobs_in(11), DEVICES - 1, "and is stored, but one that was over");
	check_jobs("at the end");
	struct roster_view v;
	roster_view(b.devices[9].entry, &v);
	is_int(v.job_id, 0, "the roster follows");
	struct job job;
	ok(!job_memo_get(b.w.core.jobs, &b.devices[9].id, offers[9].job_id, clock_wall(),
			 b.w.mem, &job),
	   "nobody remembers what is over");
	is_int(sql_i64(&b.w, "SELECT count(*) AS n FROM job WHERE deadline_at < "
			     "9223372036854775807"),
	       0, "what is over has no deadline");
	end();
}

static enum rc lock_job(struct db *db, int i)
{
	return db_exec(db, arena_printf(b.w.mem,
					"SELECT FROM job WHERE job_id = %" PRId64 " FOR UPDATE",
					offers[i].job_id));
}

/* An operator's abort takes jobs in the order of devices.  It waits for what a worker has
 * begun, but never for a worker that waits for it. */
static void test_in_order_of_devices(void)
{
	struct db *abort = world_connect(&b.w);
	int first = 0, second = 1;

	begin();
	if (memcmp(&b.devices[0].id, &b.devices[1].id, sizeof(b.devices[0].id)) > 0)
		first = 1, second = 0;
	must(db_begin(abort) == RC_OK && lock_job(abort, first) == RC_OK, "the first job");
	send_good(second);
	send_report(first, offers[first].job_id, 1, 2);
	start_workers(1);
	usleep(1500 * USEC_PER_MS);
	is_int(atomic_load(&b.answers[1].times), 0, "the report waits for its job");
	is_int(lock_job(abort, second), RC_OK, "and holds no other one meanwhile");
	must(db_commit(abort) == RC_OK, "commit");
	wait_answers();
	is_int(count(RC_OK), 2, "then both are served");
	end();
	db_close(abort);
}

static void test_who_may(void)
{
	begin();
	struct req *req = req_create();

	must(req_set_path(req, "/register") == RC_OK, "no path");
	req->method = METHOD_POST;
	req->via = VIA_COAP;
	req->done = on_done;
	req->transport = &b.answers[b.sent++];
	atomic_store(&b.answers[0].times, 0);
	dispatch(b.d, req);
	is_int(b.answers[0].err, ERR_UNAUTHENTICATED, "without a device's identity");

	roster_revoke_device(b.w.core.roster, &b.devices[DEVICES - 1].id);
	struct answer *revoked = send_good(DEVICES - 1);
	is_int(revoked->err, ERR_REVOKED, "a revoked device, before any worker");
	end();
}

int main(void)
{
	log_init(LOG_LEVEL_ERROR);
	world_open(&b.w);
	for (int i = 0; i < DEVICES; i++)
		world_device(&b.w, arena_printf(b.w.mem, "dev-%03d", i), &b.devices[i]);
	test_batch();
	test_bad_among_good();
	test_lost_race();
	test_one_never_wins();
	test_one_breaks();
	test_lost_connection();
	test_two_workers();
	test_deadlines();
	test_R12_slow_queue();
	test_slow_database();
	test_full_and_stopped();
	make_jobs(2);
	test_reports();
	test_reports_that_lose();
	test_report_that_is_overtaken();
	test_reports_from_memory();
	test_reports_that_end();
	make_jobs(3);
	test_in_order_of_devices();
	test_who_may();
	world_close(&b.w);
	return tap_done();
}
