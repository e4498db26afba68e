/* Two daemons' rosters against the database after random histories: devices come, register, are
 * given new credentials, revoked and deleted; campaigns run, pause and end; connections of the
 * notifiers break; hints are lost, and another program writes without any.  Whenever nothing is
 * left to follow, both rosters must say what the database says.  The seed is printed; with
 * MUSTER_PROVE the histories are long. */

#include "base/log.h"
#include "certs/seal.h"
#include "core/device.h"
#include "core/notifier.h"
#include "core/seen.h"
#include "tests/dice.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define DEVICES    12
#define CHECK_EACH 40
#define SETTLE_S   30
#define BURST      15 /* steps while a connection is away */

static const uint8_t seal_key[SEAL_KEY_SIZE] = { 7 };

/* One daemon, as far as its roster goes. */
struct node {
	const struct actor_device *devices;
	struct core core;
	struct notifier *notifier;
	pthread_t thread;
	_Atomic int evicted[DEVICES];
};

struct history {
	struct world *w;
	struct node nodes[2];
	struct node *node; /* where the next thing happens */
	struct actor_device devices[DEVICES];
	struct offer offers[DEVICES];
	struct uuid campaign;
	uint8_t release;
	int losses; /* of connections */
	const char *fault;
	char detail[256];
};

/* --- two daemons --- */

static void count_eviction(void *arg, struct roster_device *d)
{
	struct node *n = arg;
	struct roster_view v;

	roster_view(d, &v);
	for (int i = 0; i < DEVICES; i++)
		if (uuid_equal(&n->devices[i].id, &v.device_id))
			atomic_fetch_add(&n->evicted[i], 1);
}

static void *follow(void *arg)
{
	notifier_run(arg);
	return NULL;
}

static void node_start(struct history *h, struct node *n)
{
	struct notifier_options options = { .db = world_options(h->w),
					    .tenant = TENANT,
					    .seal_key = { seal_key, sizeof(seal_key) },
					    .poll_us = 300 * USEC_PER_MS };

	options.db.conninfo =
		arena_printf(h->w->mem, "%s application_name=notifier", h->w->conninfo);

	n->devices = h->devices;
	n->core = h->w->core;
	n->core.roster = roster_create();
	uuid_random(&n->core.node_id);
	roster_on_evict(n->core.roster, count_eviction, n);
	n->notifier = notifier_create(&n->core, &options);
	must(pthread_create(&n->thread, NULL, follow, n->notifier) == 0, "no thread");
	for (int tries = 0; !roster_ready(n->core.roster); tries++) {
		must(tries < 6000, "a roster was not loaded");
		usleep(10000);
	}
}

static void node_stop(struct node *n)
{
	notifier_stop(n->notifier);
	pthread_join(n->thread, NULL);
	notifier_free(n->notifier);
	roster_free(n->core.roster);
}

/* A function of ours stands before the server's, and swallows hints when told to. */
static void install_losses(struct world *w)
{
	sql(w->db, "CREATE TABLE hints (lost boolean NOT NULL)");
	sql(w->db, "INSERT INTO hints VALUES (false)");
	sql(w->db, "CREATE FUNCTION pg_notify(a text, b text) RETURNS void LANGUAGE plpgsql AS "
		   "$$ BEGIN IF NOT (SELECT lost FROM public.hints) THEN "
		   "PERFORM pg_catalog.pg_notify(a, b); END IF; END $$");
	sql(w->db, "ALTER DATABASE %s SET search_path = public, pg_catalog", w->name);
	db_close(w->db);
	w->db = world_connect(w);
}

/* --- what happens --- */

/* The device as the acting node knows it; NULL when it could not even open a session. */
static struct actor_device *speak(struct history *h, int i)
{
	struct actor_device *d = &h->devices[i];
	struct roster_view v;

	d->entry = roster_find(h->node->core.roster, &d->id);
	if (!d->entry)
		return NULL;
	roster_view(d->entry, &v);
	return v.lifecycle == DEVICE_REVOKED ? NULL : d;
}

static enum rc work_provision(struct call *c, void *arg)
{
	struct device_new in = { .endpoint = arg,
				 .credential = { .source = CREDENTIAL_MAKE_PSK } };
	struct credential_issued issued;
	struct device_item item;

	return device_create(c, &in, &item, &issued);
}

static enum rc work_replace(struct call *c, void *arg)
{
	struct credential_new in = { .source = CREDENTIAL_MAKE_PSK };
	struct credential_issued issued;
	struct device_item item;

	return device_replace_credential(c, arg, &in, &item, &issued);
}

static enum rc work_revoke(struct call *c, void *arg)
{
	struct device_item item;

	return device_revoke(c, arg, &item);
}

static enum rc work_delete(struct call *c, void *arg)
{
	struct device_item item;

	enum rc rc = device_get(c, arg, &item);
	return rc == RC_OK ? device_delete(c, arg, item.d.revision) : rc;
}

/* What no rule forbids may be refused, but never breaks. */
static void tried(struct history *h, enum rc rc, const char *what)
{
	if (rc == RC_INTERNAL || rc == RC_UNAVAILABLE)
		h->fault = what;
}

static void step_operator(struct history *h, int i)
{
	static world_work *const works[] = { work_provision, work_provision, work_provision,
					     work_replace,   work_revoke,    work_delete };

	char *name = arena_text(h->w->mem, h->devices[i].endpoint);

	tried(h, world_call(h->w, NULL, works[random_below(ARRAY_LEN(works))], name),
	      "an operator's doing broke");
}

/* Another program gives it a certificate, and leaves an outbox row but no hint. */
static void step_stranger(struct history *h, int i)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&h->devices[i].id, id);
	sql(h->w->db,
	    "BEGIN; UPDATE device SET credential = 2, psk_sealed = NULL, certificate = "
	    "decode(repeat('%02x', 32), 'hex') WHERE device_id = '%s' AND lifecycle <> 2; "
	    "INSERT INTO outbox (tenant_id, kind, device_id, at) VALUES (1, 3, '%s', %" PRId64
	    "); COMMIT",
	    1 + random_below(255), id, id, clock_wall());
}

static void step_device(struct history *h, int i)
{
	struct actor_device *d = speak(h, i);
	struct offer *o = &h->offers[i], asked;
	uint32_t what = random_below(10);

	if (!d)
		return;
	if (what < 4) {
		d->boot += random_below(4) == 0;
		d->runs = random_below(3) ? 1 : h->release;
		tried(h, device_register(d), "a registration broke");
	} else if (what < 7) {
		enum rc rc = device_ask(d, &asked);
		tried(h, rc, "a device was not answered");
		if (rc == RC_OK && asked.has_job)
			*o = asked;
	} else if (o->has_job) {
		tried(h, device_report(d, o, (enum job_state)random_below(19), NULL),
		      "a report broke");
	}
}

static void new_campaign(struct history *h)
{
	static const struct stage stages[] = {
		{ .count = 7, .gate = { 5000, 9000, 7, 0 } },
		{ .share = SHARE_ALL, .gate = { 9000, 9000, 2, 0 } },
	};
	struct campaign_new new = { .name = "history",
				    .target = "{\"all\":true}",
				    .stages = stages,
				    .stage_count = 2,
				    .silent_after_s = 60,
				    .max_attempts = 3 };

	h->release++;
	new.release_id = world_release(h->w, h->release, h->release);
	world_add_some_variants(h->w, &new.release_id, h->release);
	if (world_campaign(h->w, &new) != RC_OK)
		return;
	h->campaign = new.release_id;
	tried(h, world_move(h->w, &h->campaign, MOVE_START), "a start broke");
}

static void step_campaign(struct history *h)
{
	static const enum campaign_move moves[] = { MOVE_PAUSE, MOVE_RESUME, MOVE_RESUME };

	if (uuid_is_zero(&h->campaign)) {
		new_campaign(h);
		return;
	}
	switch (random_below(20)) {
	case 0:
		tried(h, world_move(h->w, &h->campaign, MOVE_ABORT), "an abort broke");
		if (h->release < 120)
			new_campaign(h);
		return;
	case 1:
	case 2:
	case 3:
		tried(h, world_move(h->w, &h->campaign, moves[random_below(3)]),
		      "a move broke");
		return;
	case 4:
		world_later(1 + random_below(50)); /* with 0 the clock would go back */
		return;
	default:
		world_tick(h->w, 1);
	}
}

static void step_doing(struct history *h)
{
	uint32_t what = random_below(95);
	int i = (int)random_below(DEVICES);

	h->node = &h->nodes[random_below(2)];
	h->w->core.roster = h->node->core.roster;
	if (what < 9)
		step_operator(h, i);
	else if (what < 11)
		step_stranger(h, i);
	else if (what < 70)
		step_device(h, i);
	else
		step_campaign(h);
}

/* The notifiers' connections, one or both, while much happens; or only the hints. */
static void step_trouble(struct history *h)
{
	switch (random_below(3)) {
	case 0:
		h->losses++;
		sql(h->w->db,
		    "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
		    "datname = current_database() AND application_name = 'notifier' LIMIT %d; "
		    "END $$",
		    1 + (int)random_below(2));
		for (int i = 0; i < BURST && !h->fault; i++)
			step_doing(h);
		return;
	case 1:
		sql(h->w->db, "UPDATE hints SET lost = true");
		return;
	default:
		sql(h->w->db, "UPDATE hints SET lost = false");
	}
}

static void step(struct history *h)
{
	if (random_below(100) < 4)
		step_trouble(h);
	else
		step_doing(h);
}

/* --- the comparison --- */

static const struct db_stmt look = {
	"look",
	"SELECT d.lifecycle, d.credential, d.psk_sealed, d.certificate, d.registration, "
	"d.created_at, s.seen_at, j.job_id, j.attempt, j.release_id, j.manifest_digest, EXISTS "
	"(SELECT 1 FROM campaign c, stage t, member m WHERE c.state = 2 AND t.campaign_id = "
	"c.campaign_id AND t.stage = c.stage "
	"AND m.campaign_id = c.campaign_id AND m.device_id = d.device_id AND m.bucket < "
	"t.threshold AND NOT EXISTS (SELECT 1 FROM job o WHERE o.device_id = d.device_id AND "
	"o.campaign_id = c.campaign_id)) AS exposed FROM device d LEFT JOIN device_seen s "
	"USING (device_id) LEFT JOIN slot l USING (device_id) LEFT JOIN job j ON j.job_id = "
	"l.job_id WHERE d.device_id = $1"
};

/* What proves the device now; empty when nothing does. */
static struct bytes proof_of(struct roster *r, const struct uuid *id, struct arena *mem)
{
	uint8_t psk[PSK_MAX];
	struct digest certificate;
	size_t n = roster_psk(r, id, psk);

	if (roster_certificate(r, id, &certificate))
		return (struct bytes){ arena_copy(mem, certificate.b, 32), 32 };
	return (struct bytes){ arena_copy(mem, psk, n), n };
}

static struct bytes proof_in(const struct db_rows *rows, struct arena *mem)
{
	struct bytes key = { seal_key, sizeof(seal_key) }, plain = { 0 };
	struct bytes sealed = db_row_bytes(rows, 0, "psk_sealed", mem);

	if (db_row_i64(rows, 0, "lifecycle") == DEVICE_REVOKED)
		return plain;
	if (db_row_i64(rows, 0, "credential") == CREDENTIAL_CERT)
		return db_row_bytes(rows, 0, "certificate", mem);
	if (sealed.n)
		must(unseal(key, "psk", sealed, mem, &plain) == RC_OK, "a key is not sealed");
	return plain;
}

static const char *compare_job(const struct db_rows *rows, const struct roster_view *v)
{
	int64_t job = db_row_i64(rows, 0, "job_id");
	struct uuid release = db_row_uuid(rows, 0, "release_id");
	struct digest manifest = db_row_digest(rows, 0, "manifest_digest");

	if (v->job_id && v->job_id != job)
		return "an open job that is not open";
	if (v->job_id && (v->attempt != db_row_i64(rows, 0, "attempt") || !v->release ||
			  !uuid_equal(&v->release->release_id, &release)))
		return "another attempt or release";
	if (v->job_id && !digest_equal(&v->release->manifest_digest, &manifest))
		return "another manifest";
	if (!v->job_id && job && !v->maybe_work)
		return "nothing of an open job";
	if (!v->job_id && db_row_bool(rows, 0, "exposed") && !v->maybe_work)
		return "nothing of a campaign that reaches it";
	return NULL;
}

static uint64_t head_of(struct bytes digest)
{
	uint64_t head = 0;

	for (size_t i = 0; i < 8 && i < digest.n; i++)
		head = head << 8 | digest.p[i];
	return head;
}

static const char *compare_row(struct node *n, const struct uuid *id,
			       const struct db_rows *rows, struct arena *mem)
{
	struct roster_device *d = roster_find(n->core.roster, id);
	struct roster_view v;

	if (!d)
		return "no such device";
	roster_view(d, &v);
	if (v.lifecycle != (enum device_lifecycle)db_row_i64(rows, 0, "lifecycle"))
		return "another lifecycle";
	if (!bytes_equal(proof_of(n->core.roster, id, mem), proof_in(rows, mem)))
		return "another credential";
	if (v.lifecycle == DEVICE_REVOKED)
		return v.job_id ? "a job of a revoked device" : NULL;
	if (v.lifecycle == DEVICE_ACTIVE &&
	    v.registration != head_of(db_row_bytes(rows, 0, "registration", mem)))
		return "another registration";
	/* One that was deleted and came back has no row, or one that a node wrote which had not
	 * heard of that yet; and what is in memory is of old. */
	if (!db_row_is_null(rows, 0, "seen_at") &&
	    v.last_seen >= db_row_i64(rows, 0, "created_at") &&
	    v.last_seen > db_row_i64(rows, 0, "seen_at"))
		return "a sign of life that the database has not";
	return v.lifecycle == DEVICE_ACTIVE ? compare_job(rows, &v) : NULL;
}

static const char *compare_gone(struct node *n, const struct uuid *id)
{
	struct roster_device *d = roster_find(n->core.roster, id);
	struct roster_view v;

	if (!d)
		return NULL;
	roster_view(d, &v);
	return v.lifecycle == DEVICE_REVOKED && v.job_id == 0 ? NULL : "a device that is gone";
}

/* NULL when the rosters and the database say the same. */
static const char *difference(struct history *h)
{
	CLEAN(arena) struct arena *mem = arena_create();
	const char *why = NULL;

	for (int i = 0; !why && i < DEVICES; i++)
		for (int k = 0; !why && k < 2; k++) {
			CLEAN(rows) struct db_rows *rows = NULL;
			struct db_args a = { 0 };
			const struct uuid *id = &h->devices[i].id;
			db_arg_uuid(&a, id);
			must(db_run(h->w->db, &look, &a, &rows) == RC_OK, "a look failed");
			why = db_rows_count(rows) ? compare_row(&h->nodes[k], id, rows, mem)
						  : compare_gone(&h->nodes[k], id);
			if (why)
				snprintf(h->detail, sizeof(h->detail), "node %d has, of %s, %s",
					 k, h->devices[i].endpoint, why);
		}
	return why ? h->detail : NULL;
}

static void flush(struct history *h, struct node *n)
{
	CLEAN(arena) struct arena *mem = arena_create();

	if (seen_flush(n->core.roster, h->w->db, TENANT, mem) != RC_OK)
		h->fault = "signs of life were not written";
}

/* Signs of life are written, the rest is followed by itself: by hints, by the next look, or by
 * the load after a reconnect. */
static void check(struct history *h)
{
	const char *why = NULL;
	time_t end = time(NULL) + SETTLE_S;

	for (int k = 0; k < 2; k++)
		flush(h, &h->nodes[k]);
	while (!h->fault && (why = difference(h)) && time(NULL) < end)
		usleep(20000);
	if (!h->fault)
		h->fault = why;
}

/* A credential that changes ends the sessions that both nodes hold. */
static void check_eviction(struct history *h)
{
	int i = (int)random_below(DEVICES), before[2];
	char *name = arena_text(h->w->mem, h->devices[i].endpoint);
	time_t end = time(NULL) + SETTLE_S;

	for (int k = 0; k < 2; k++)
		before[k] = atomic_load(&h->nodes[k].evicted[i]);
	if (h->fault || world_call(h->w, NULL, work_replace, name) != RC_OK)
		return;
	for (int k = 0; k < 2 && !h->fault; k++)
		while (atomic_load(&h->nodes[k].evicted[i]) == before[k] && !h->fault) {
			if (time(NULL) > end)
				h->fault = "sessions outlive their credential";
			usleep(5000);
		}
}

/* --- */

static void prepare(struct history *h, struct world *w, int number)
{
	*h = (struct history){ .w = w, .release = 2 };
	for (int i = 0; i < DEVICES; i++) {
		h->devices[i] = (struct actor_device){
			.w = w,
			.endpoint = arena_printf(w->mem, "h%d-%d", number, i),
			.boot = 1,
			.runs = 1,
			.class = w->class,
		};
		world_formats(&h->devices[i], i);
		device_id_derive(w->core.tenant_secret, h->devices[i].endpoint,
				 &h->devices[i].id);
	}
	for (int k = 0; k < 2; k++)
		node_start(h, &h->nodes[k]);
	h->node = &h->nodes[0];
	w->core.roster = h->node->core.roster;
	for (int i = 0; i < DEVICES; i++) {
		struct actor_device *d = &h->devices[i];
		char *name = arena_text(w->mem, d->endpoint);
		must(world_call(w, NULL, work_provision, name) == RC_OK, "no device");
		must(speak(h, i) && device_register(d) == RC_OK, "no registration");
	}
}

static void run(int number, int steps)
{
	struct world w;
	static struct history h;
	struct roster *own;
	int i;

	world_open(&w);
	own = w.core.roster;
	w.core.seal_key = (struct bytes){ seal_key, sizeof(seal_key) };
	install_losses(&w);
	prepare(&h, &w, number);
	for (i = 0; i < steps && !h.fault; i++) {
		step(&h);
		if (i % CHECK_EACH == CHECK_EACH - 1)
			check(&h);
	}
	check(&h);
	check_eviction(&h);
	printf("# %d releases, %d connections lost, %" PRId64 " jobs\n", h.release - 2,
	       h.losses, sql_i64(&w, "SELECT count(*) AS n FROM job"));
	ok(!h.fault, "history %d, %d steps: %s", number, i,
	   h.fault ? h.fault : "the rosters are the database");
	for (int k = 0; k < 2; k++)
		node_stop(&h.nodes[k]);
	w.core.roster = own;
	world_close(&w);
}

int main(void)
{
	const char *prove = getenv("MUSTER_PROVE");
	bool is_long = prove && strcmp(prove, "0") != 0 && *prove;

	log_init(LOG_LEVEL_ERROR);
	dice_begin();
	for (int n = 0; n < (is_long ? 10 : 2); n++)
		run(n, is_long ? 800 : 200);
	return tap_done();
}
