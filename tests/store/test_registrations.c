/* Registrations in batches.  The same random ones, of devices with jobs of every kind, are
 * carried out one by one and all at once over the same rows: what is written, answered and
 * remembered must be equal.  The seed is printed. */

#include "tests/dice.h"
#include "tests/store/world.h"

#define DEVICES  60
#define ROUNDS   10
#define JOBS     2
#define LABELS   50 /* by operators; with all of its own a device has too many attributes */
#define SESSION  7
#define BOOT_MAX 3

/* What one device says, and on which session. */
struct saying {
	struct registration registration;
	struct digest digest;
	uint64_t session;
	uint8_t boot[4];
};

struct said {
	struct world w;
	struct actor_device devices[DEVICES];
	struct saying says[DEVICES];
	int64_t jobs[DEVICES][JOBS];
	int64_t now;
};

/* --- the world --- */

static void campaign(struct said *s, uint8_t release, int number)
{
	static const struct stage all = { .share = SHARE_ALL,
					  .gate = { 10000, 10000, DEVICES, 0 } };
	struct campaign_new new = { .name = "registrations",
				    .release_id = world_release(&s->w, release, release),
				    .target = "{\"all\":true}",
				    .stages = &all,
				    .stage_count = 1,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	world_add_some_variants(&s->w, &new.release_id, release);
	must(world_campaign(&s->w, &new) == RC_OK, "no campaign");
	must(world_move(&s->w, &new.release_id, MOVE_START) == RC_OK, "no start");
	world_tick(&s->w, 1);
	for (int i = 0; i < DEVICES; i++) {
		struct offer o;
		roster_mark_work(s->devices[i].entry);
		must(device_ask(&s->devices[i], &o) == RC_OK && o.has_job, "no job");
		s->jobs[i][number] = o.job_id;
	}
	sql(s->w.db, "DELETE FROM slot");
	sql(s->w.db, "UPDATE job SET state = 12, deadline_at = 9223372036854775807");
	for (int i = 0; i < DEVICES; i++)
		roster_clear_job(s->devices[i].entry, s->jobs[i][number], 0);
}

/* Of each device the last job may be open. */
static void shuffle_jobs(struct said *s)
{
	static const int states[] = { 1, 1, 2, 3, 4, 5, 5, 15, 10, 10, 11, 12, 13, 14, 16 };
	static const int causes[] = { 0, 1, 11, 12 };

	sql(s->w.db, "DELETE FROM slot");
	for (int i = 0; i < DEVICES * JOBS; i++) {
		bool last = i % JOBS == JOBS - 1;
		uint32_t first = last ? 0 : 8;
		int state = states[first + random_below((uint32_t)ARRAY_LEN(states) - first)];
		bool open = job_state_is_open((enum job_state)state);
		sql(s->w.db,
		    "UPDATE job SET state = %d, cause = %d, attempt = %u, fell_back = %s, "
		    "deadline_at = %s, boot_id = decode('0000000%u', 'hex'), "
		    "manifest_digest = CASE WHEN %u = 0 THEN NULL ELSE (SELECT m.digest FROM "
		    "manifest m WHERE m.release_id = job.release_id ORDER BY m.bytes "
		    "OFFSET %u LIMIT 1) END WHERE job_id = %" PRId64,
		    state, open ? 0 : causes[random_below(4)], 1 + random_below(3),
		    random_below(4) ? "false" : "true", open ? "5" : "9223372036854775807",
		    random_below(BOOT_MAX), random_below(6), random_below(4),
		    s->jobs[i / JOBS][i % JOBS]);
	}
	sql(s->w.db, "INSERT INTO slot (tenant_id, device_id, component, job_id, campaign_id) "
		     "SELECT tenant_id, device_id, component, job_id, campaign_id FROM job "
		     "WHERE state IN (1, 2, 3, 4, 5, 15)");
}

/* Some devices are full of labels, one is revoked, one is gone. */
static void prepare(struct said *s)
{
	world_open(&s->w);
	for (int i = 0; i < DEVICES; i++) {
		struct actor_device *d = &s->devices[i];
		world_device(&s->w, arena_printf(s->w.mem, "r%d", i), d);
		d->runs = 1;
		world_formats(d, i);
		must(device_register(d) == RC_OK, "a device cannot register");
	}
	campaign(s, 2, 0);
	campaign(s, 3, 1);
	sql(s->w.db,
	    "UPDATE device SET attributes = (SELECT jsonb_object_agg('label' || n, 'x') FROM "
	    "generate_series(1, %d) n) WHERE endpoint LIKE '%%7'",
	    LABELS);
	sql(s->w.db, "UPDATE device SET lifecycle = 2 WHERE endpoint = 'r8'");
	sql(s->w.db, "DELETE FROM device WHERE endpoint = 'r18'");
}

/* --- what is said --- */

static void say_components(struct said *s, struct registration *r)
{
	static const char *const names[] = { "main", "0x2c/modem", "radio" };
	static const char *const versions[] = { NULL, "1.2.3", "2.0.0-rc.1", "not a version" };
	static const uint8_t digests[] = { 1, 2, 2, 3, 3, 9 };

	(void)s;
	r->component_count = (int)random_below(4);
	for (int i = 0; i < r->component_count; i++) {
		struct component *k = &r->components[i];
		k->name = names[i];
		k->has_digest = random_below(8) != 0;
		k->version = versions[random_below(4)];
		memset(k->digest.b, k->has_digest ? digests[random_below(6)] : 0,
		       sizeof(k->digest.b));
	}
}

static void say_attributes(struct said *s, struct registration *r)
{
	static const char *const values[] = { "",     "plain", "a,b",          "{\"q\": \\1}",
					      "NULL", " ",     "\u00e4\u20ac", "'); --" };
	int n = random_below(4) ? (int)random_below(4) : ATTRIBUTES_MAX;

	r->attribute_count = n;
	for (int i = 0; i < n; i++)
		r->attributes[i] = (struct attribute){ arena_printf(s->w.mem, "own_%d", i),
						       values[random_below(8)] };
}

static void say_formats(struct registration *r)
{
	static const char *const formats[] = { "aes-kw", "ctr", "lzma", "patch-heatshrink" };

	for (uint32_t i = 0; i < 4; i++)
		if (random_below(2))
			r->formats[r->format_count++] = formats[i];
	r->only_encrypted = random_below(8) == 0;
	r->max_image = random_below(4) ? 0 : 550;
	r->max_envelope = random_below(8) ? 0 : 15;
}

static void say(struct said *s, int i)
{
	struct saying *to = &s->says[i];
	struct registration *r = &to->registration;
	uint64_t unlike = dice_seed;

	*to = (struct saying){ .session = random_below(8) ? SESSION : SESSION - 1 };
	to->boot[3] = (uint8_t)random_below(BOOT_MAX);
	r->endpoint = random_below(12) ? s->devices[i].endpoint : "r1";
	r->vendor_id = s->w.vendor;
	r->class_id = s->w.class;
	r->boot_id = (struct bytes){ to->boot, sizeof(to->boot) };
	say_components(s, r);
	say_attributes(s, r);
	say_formats(r);
	r->next_wake_s = random_below(2) ? -1 : (int64_t)random_below(90);
	r->block_size = random_below(2) ? 0 : 512;
	if (random_below(4) == 0) {
		r->last_job = s->jobs[i][JOBS - 1];
		r->last_attempt = 1 + (int32_t)random_below(3);
		r->last_outcome = random_below(2) ? JOB_ROLLED_BACK : JOB_FAILED;
		r->last_text = "trial timed out";
	}
	sha256_of((struct bytes){ (uint8_t *)&unlike, sizeof(unlike) }, &to->digest);
}

/* One in eight says again what it said. */
static void say_all(struct said *s, bool again)
{
	for (int i = 0; i < DEVICES; i++)
		if (!again || random_below(8))
			say(s, i);
}

/* --- carrying it out --- */

static const char *const tables[] = {
	"SELECT md5(string_agg(t::text, '|' ORDER BY device_id)) AS t FROM device t",
	"SELECT md5(string_agg(t::text, '|' ORDER BY device_id, name)) AS t FROM component t",
	"SELECT md5(string_agg(t::text, '|' ORDER BY job_id)) AS t FROM job t",
	"SELECT md5(string_agg(t::text, '|' ORDER BY device_id, component)) AS t FROM slot t",
	"SELECT md5(string_agg(t::text, '|' ORDER BY campaign_id, stage, state, shard)) AS t "
	"FROM tally t",
	"SELECT md5(string_agg(concat_ws(',', device_id, at, kind, campaign_id, job_id, "
	"detail), '|' ORDER BY device_id, seq)) AS t FROM event",
	"SELECT md5(string_agg(concat_ws(',', device_id, kind, campaign_id), '|' "
	"ORDER BY device_id, outbox_id)) AS t FROM outbox",
};
#define TABLES ((int)ARRAY_LEN(tables))

struct outcome {
	enum rc rc[DEVICES];
	enum err err[DEVICES];
	const char *detail[DEVICES];
	const char *tables[TABLES];
	const char *memory[DEVICES];
};

static const char *table_text(struct world *w, int i)
{
	static struct db_stmt stmts[TABLES];
	CLEAN(rows) struct db_rows *rows = NULL;

	stmts[i] = (struct db_stmt){ arena_printf(w->mem, "table_%d", i), tables[i] };
	must(db_run(w->db, &stmts[i], NULL, &rows) == RC_OK, "a table cannot be read");
	return db_row_text(rows, 0, "t", w->mem);
}

/* As a daemon has it that has just started, but for the boots that it saw. */
static void forget(struct said *s)
{
	static const uint8_t key[32];
	struct core *core = &s->w.core;

	roster_free(core->roster);
	job_memo_free(core->jobs);
	core->roster = roster_create();
	core->jobs = job_memo_create();
	must(roster_load(core->roster, s->w.db, TENANT, (struct bytes){ key, sizeof(key) }) ==
		     RC_OK,
	     "no roster");
	for (int i = 0; i < DEVICES; i++) {
		struct actor_device *d = &s->devices[i];
		if (!roster_find(core->roster, &d->id))
			roster_put_device(core->roster,
					  &(struct roster_put){ .device_id = d->id });
		d->entry = roster_find(core->roster, &d->id);
		roster_set_boot_session(d->entry, SESSION);
	}
}

static const char *memory_text(struct said *s, int i)
{
	struct roster_view v;
	struct job job = { 0 };

	roster_view(s->devices[i].entry, &v);
	bool has = job_memo_get(s->w.core.jobs, &s->devices[i].id, s->jobs[i][JOBS - 1],
				s->now + DEVICES, s->w.mem, &job);
	return arena_printf(s->w.mem,
			    "%d %" PRIu64 " %d %" PRId64 " %d %" PRIu64 " %d %d %d %" PRId64,
			    v.lifecycle, v.registration, v.maybe_work, v.job_id, v.attempt,
			    roster_boot_session(s->devices[i].entry), has, job.state,
			    job.attempt, job.deadline_at);
}

static void prepare_calls(struct said *s, struct call *calls, struct registrant *list)
{
	for (int i = 0; i < DEVICES; i++) {
		struct actor_device *d = &s->devices[i];
		calls[i] = (struct call){
			.core = &s->w.core,
			.mem = s->w.mem,
			.db = s->w.db,
			.tenant = TENANT,
			.shard = 3,
			.now = s->now + i,
			.actor = { ACTOR_DEVICE, ROLE_DEVICE, d->id, d->endpoint, d->entry,
				   s->says[i].session },
		};
		list[i] = (struct registrant){ &calls[i], &s->says[i].registration,
					       s->says[i].digest, RC_INTERNAL };
	}
}

static void carry_out(struct said *s, bool many, struct registrant *list)
{
	if (many) {
		must(registration_commit_many(list, DEVICES) == RC_OK, "a batch is lost");
		return;
	}
	for (int i = 0; i < DEVICES; i++)
		list[i].rc = registration_commit(list[i].call, list[i].registration,
						 &list[i].digest);
	(void)s;
}

/* A refusal writes nothing, so all may share the transaction. */
static void run(struct said *s, bool many, bool keep, struct outcome *ret)
{
	struct call calls[DEVICES];
	struct registrant list[DEVICES];

	forget(s);
	prepare_calls(s, calls, list);
	must(db_begin(s->w.db) == RC_OK, "begin");
	carry_out(s, many, list);
	for (int i = 0; i < TABLES; i++)
		ret->tables[i] = table_text(&s->w, i);
	if (keep)
		must(db_commit(s->w.db) == RC_OK, "commit");
	else
		db_rollback(s->w.db);
	for (int i = 0; i < DEVICES; i++) {
		ret->rc[i] = list[i].rc;
		ret->err[i] = calls[i].err;
		ret->detail[i] = calls[i].detail ? calls[i].detail : "";
		call_before_commit(&calls[i]);
		if (list[i].rc == RC_OK)
			call_run_hooks(&calls[i]);
	}
	for (int i = 0; i < DEVICES; i++)
		ret->memory[i] = memory_text(s, i);
}

/* --- */

static void compare(struct said *s, const struct outcome *one, const struct outcome *all)
{
	int answers = 0, memory = 0;

	for (int i = 0; i < TABLES; i++)
		is_str(all->tables[i], one->tables[i], tables[i]);
	for (int i = 0; i < DEVICES; i++) {
		answers += one->rc[i] == all->rc[i] && one->err[i] == all->err[i] &&
			   strcmp(one->detail[i], all->detail[i]) == 0;
		memory += strcmp(one->memory[i], all->memory[i]) == 0;
		if (strcmp(one->memory[i], all->memory[i]) != 0)
			printf("# %s: %s | %s\n", s->devices[i].endpoint, one->memory[i],
			       all->memory[i]);
	}
	is_int(answers, DEVICES, "all are answered alike");
	is_int(memory, DEVICES, "memory follows alike");
}

#define ERRORS 256 /* more than there are */

static int seen[ERRORS];

/* Of those who were refused nothing is kept, of their components either. */
static void check_refused(struct said *s, const struct outcome *o)
{
	int64_t written = 0;

	for (int i = 0; i < DEVICES; i++) {
		char id[UUID_TEXT_SIZE];
		if (o->rc[i] == RC_OK)
			continue;
		written += sql_i64(&s->w,
				   arena_printf(s->w.mem,
						"SELECT count(*) AS n FROM component WHERE "
						"device_id = '%s' AND updated_at >= %" PRId64,
						uuid_format(&s->devices[i].id, id), s->now));
	}
	is_int(written, 0, "who is refused changes nothing");
}

static void count_answers(const struct outcome *o)
{
	for (int i = 0; i < DEVICES; i++)
		seen[o->err[i] % ERRORS]++;
}

/* Whether the dice have shown what is to be compared. */
static void check_variety(struct said *s)
{
	struct world *w = &s->w;

	ok(seen[ERR_NONE] > DEVICES, "many were good: %d", seen[ERR_NONE]);
	ok(seen[ERR_DENIED], "some had another's name: %d", seen[ERR_DENIED]);
	is_int(seen[ERR_REVOKED] > ROUNDS, 1, "some were not known any more");
	ok(seen[ERR_VALIDATION], "some had too many attributes: %d", seen[ERR_VALIDATION]);
	is_int(sql_i64(w, "SELECT count(DISTINCT detail::jsonb->>'state') AS n FROM event "
			  "WHERE kind = 8 AND detail::jsonb->>'state' IN ('succeeded', "
			  "'rolled_back', 'failed', 'offered')"),
	       4, "jobs went every way that a boot can send them");
}

int main(void)
{
	static struct said s;
	static struct outcome before, one, all, kept;

	dice_begin();
	prepare(&s);
	for (int n = 0; n < ROUNDS; n++) {
		s.now = clock_wall();
		shuffle_jobs(&s);
		say_all(&s, n > 0);
		for (int i = 0; i < TABLES; i++)
			before.tables[i] = table_text(&s.w, i);
		run(&s, false, false, &one);
		run(&s, true, false, &all);
		compare(&s, &one, &all);
		ok(strcmp(before.tables[0], all.tables[0]) != 0, "and something is written");
		run(&s, true, true, &kept);
		is_str(kept.tables[2], all.tables[2], "as often as it is done");
		check_refused(&s, &kept);
		count_answers(&kept);
	}
	check_variety(&s);
	world_close(&s.w);
	return tap_done();
}
