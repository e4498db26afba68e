/* A little world for tests of the domain on a real PostgreSQL: a fresh database, a roster, one
 * class, releases and devices that act through the same core functions as real ones.
 * MUSTER_TEST_DB names a server on which databases may be made. */
#pragma once

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/call.h"
#include "core/campaign.h"
#include "core/core.h"
#include "core/job.h"
#include "core/job_memo.h"
#include "core/offer.h"
#include "core/registration.h"
#include "core/roster_update.h"
#include "core/ticker.h"
#include "db/db.h"
#include "db/migrate.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <stdlib.h>

#define TENANT 1

struct world {
	struct db *admin, *db;
	struct db_pool *pool;
	struct core core;
	struct ticker *ticker;
	struct arena *mem;      /* for the whole test */
	struct arena *call_mem; /* of the last call */
	char name[64], conninfo[512];
	struct uuid vendor, class;
	enum err err; /* of the last call */
	const char *detail;
};

struct actor_device {
	struct world *w;
	const char *endpoint;
	struct uuid id;
	struct roster_device *entry;
	uint8_t runs;        /* every byte of the digest that it runs */
	const char *version; /* that it says instead of the digest; or NULL */
	uint32_t boot;
	struct uuid class;
	const char *formats[FORMATS_MAX]; /* sorted; up to a NULL */
	bool only_encrypted;
	int64_t max_envelope, max_image;
};

static inline void must(bool condition, const char *what)
{
	if (!condition) {
		printf("Bail out! %s\n", what);
		exit(1);
	}
}

__attribute__((format(printf, 2, 3))) static inline void sql(struct db *db, const char *fmt,
							     ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (db_exec(db, text) != RC_OK) {
		printf("# %s\n# %s\n", text, db_error(db));
		must(false, "a statement of the test failed");
	}
}

/* One number, n, from a query without parameters. */
static inline int64_t sql_i64(struct world *w, const char *query)
{
	struct db_stmt *stmt = arena_new(w->mem, struct db_stmt);
	struct db_args a = { 0 };
	struct db_rows *rows = NULL;
	static int number;

	/* A connection knows a statement by where it is: each gets a place of its own. */
	stmt->name = arena_printf(w->mem, "test_%d", ++number);
	stmt->sql = query;
	if (db_run(w->db, stmt, &a, &rows) != RC_OK) {
		printf("# %s\n# %s\n", query, db_error(w->db));
		must(false, "a query of the test failed");
	}
	int64_t n = db_rows_count(rows) ? db_row_i64(rows, 0, "n") : -1;
	db_rows_free(rows);
	return n;
}

static inline struct db_options world_options(const struct world *w)
{
	return (struct db_options){
		.conninfo = w->conninfo,
		.connections = 1,
		.statement_timeout_ms = 60000,
		.connect_timeout_s = 10,
	};
}

static inline struct db *world_connect(struct world *w)
{
	struct db_options o = world_options(w);
	struct db *db = NULL;

	must(db_connect(&o, &db) == RC_OK, "cannot connect to the test's database");
	return db;
}

static inline void world_open(struct world *w)
{
	const char *server = getenv("MUSTER_TEST_DB");
	struct uuid id;
	int applied;

	must(server, "MUSTER_TEST_DB is not set");
	*w = (struct world){ .mem = arena_create(), .call_mem = arena_create() };
	uuid_random(&id);
	snprintf(w->name, sizeof(w->name), "t%02x%02x%02x%02x%02x%02x", id.b[0], id.b[1],
		 id.b[2], id.b[3], id.b[4], id.b[5]);
	snprintf(w->conninfo, sizeof(w->conninfo), "%s", server);
	w->admin = world_connect(w);
	sql(w->admin, "CREATE DATABASE %s", w->name);
	snprintf(w->conninfo, sizeof(w->conninfo), "%s dbname=%s", server, w->name);
	w->db = world_connect(w);
	must(db_migrate(w->db, &applied) == RC_OK && applied > 0, "migration failed");
	struct db_options options = world_options(w);
	options.connections = 4;
	w->pool = db_pool_create(&options);
	uuid_random(&w->vendor);
	uuid_random(&w->class);
	w->core.roster = roster_create();
	w->core.jobs = job_memo_create();
	w->core.tenant_secret = bytes_of("secret of the test's tenant, 32b");
	w->core.options.checkin_interval_s = 60;
	uuid_random(&w->core.node_id);
	w->ticker =
		ticker_create(&w->core, w->pool, &(struct ticker_options){ TENANT, "test", 0 });
}

static inline void world_close(struct world *w)
{
	clock_set_offset(0);
	ticker_free(w->ticker);
	db_pool_free(w->pool);
	job_memo_free(w->core.jobs);
	roster_free(w->core.roster);
	db_close(w->db);
	sql(w->admin, "DROP DATABASE %s WITH (FORCE)", w->name);
	db_close(w->admin);
	arena_free(w->call_mem);
	arena_free(w->mem);
}

/* A release whose only image and installed digest are bytes of one value. */
static inline struct uuid world_release(struct world *w, uint8_t digest, int64_t sequence)
{
	struct uuid id;
	char release[UUID_TEXT_SIZE], vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];

	uuid_random(&id);
	uuid_format(&id, release);
	uuid_format(&w->vendor, vendor);
	uuid_format(&w->class, class);
	sql(w->db,
	    "INSERT INTO class (tenant_id, vendor_id, class_id, created_at) "
	    "VALUES (1, '%s', '%s', 1) ON CONFLICT DO NOTHING",
	    vendor, class);
	sql(w->db,
	    "INSERT INTO release (tenant_id, release_id, vendor_id, class_id, components, "
	    "version, "
	    "version_key, sequence, created_at) "
	    "VALUES (1, '%s', '%s', '%s', 'main', '%" PRId64 ".0', '', %" PRId64 ", 1)",
	    release, vendor, class, sequence, sequence);
	sql(w->db,
	    "INSERT INTO manifest (tenant_id, digest, release_id, envelope, bytes, "
	    "image_bytes) "
	    "VALUES (1, decode(repeat('%02x', 32), 'hex'), '%s', 'an envelope', 1000, 1000)",
	    digest ^ 0x80, release);
	sql(w->db,
	    "INSERT INTO image (tenant_id, digest, size, created_at) "
	    "VALUES (1, decode(repeat('%02x', 32), 'hex'), 1000, 1)",
	    digest);
	sql(w->db,
	    "INSERT INTO manifest_image VALUES (1, decode(repeat('%02x', 32), 'hex'), "
	    "decode(repeat('%02x', 32), 'hex'))",
	    digest ^ 0x80, digest);
	sql(w->db,
	    "INSERT INTO release_installed VALUES (1, '%s', 'main', "
	    "decode(repeat('%02x', 32), 'hex'))",
	    release, digest);
	return id;
}

/* Another manifest of the release, of one image of its own. */
struct world_variant {
	uint8_t id;        /* last byte of its digest, the others are the release's */
	const char *needs; /* joined by a comma */
	int base;          /* every byte of the digest of main that it is from; 0: none */
	int64_t bytes, envelope_bytes;
};

static inline struct digest world_manifest(uint8_t release_digest, uint8_t id)
{
	struct digest d;

	memset(d.b, release_digest ^ 0x80, sizeof(d.b));
	if (id)
		d.b[31] = id;
	return d;
}

static inline void world_add_variant(struct world *w, const struct uuid *release,
				     uint8_t release_digest, const struct world_variant *v)
{
	struct digest digest = world_manifest(release_digest, v->id);
	char text[DIGEST_TEXT_SIZE], id[UUID_TEXT_SIZE], base[200] = "NULL, NULL";

	digest_format(&digest, text);
	if (v->base)
		snprintf(base, sizeof(base), "'main', decode(repeat('%02x', 32), 'hex')",
			 v->base);
	sql(w->db,
	    "INSERT INTO manifest (tenant_id, digest, release_id, envelope, needs, "
	    "base_component, base_digest, bytes, image_bytes) VALUES (1, decode('%s', 'hex'), "
	    "'%s', convert_to(repeat('x', %" PRId64 "), 'utf8'), "
	    "string_to_array('%s', ','), %s, %" PRId64 ", %" PRId64 ")",
	    text, uuid_format(release, id), v->envelope_bytes, v->needs, base, v->bytes,
	    v->bytes);
	/* The image's digest is the manifest's, the other way round. */
	sql(w->db,
	    "INSERT INTO image (tenant_id, digest, size, created_at) VALUES (1, "
	    "decode(reverse('%s'), 'hex'), %" PRId64 ", 1)",
	    text, v->bytes);
	sql(w->db,
	    "INSERT INTO manifest_image VALUES (1, decode('%s', 'hex'), "
	    "decode(reverse('%s'), 'hex'))",
	    text, text);
}

/* What random histories have besides the whole image: deltas from what devices ran before, and
 * a compressed image. */
static inline void world_add_some_variants(struct world *w, const struct uuid *release,
					   uint8_t release_digest)
{
	const struct world_variant some[] = {
		{ 1, "lzma", 0, 600, 20 },
		{ 2, "patch-heatshrink", 1, 100, 20 },
		{ 3, "patch-heatshrink", release_digest - 1, 90, 20 },
	};

	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		world_add_variant(w, release, release_digest, &some[i]);
}

/* Of every three devices one reads deltas, one compressed images, and one neither. */
static inline void world_formats(struct actor_device *d, int number)
{
	static const char *const formats[] = { "patch-heatshrink", "lzma", NULL };

	d->formats[0] = formats[number % 3];
}

static inline void world_device(struct world *w, const char *endpoint, struct actor_device *ret)
{
	char id[UUID_TEXT_SIZE];

	*ret = (struct actor_device){ .w = w,
				      .endpoint = endpoint,
				      .boot = 1,
				      .class = w->class };
	device_id_derive(w->core.tenant_secret, endpoint, &ret->id);
	sql(w->db,
	    "INSERT INTO device (tenant_id, device_id, endpoint, hash, credential, created_at) "
	    "VALUES (1, '%s', '%s', %" PRId64 ", 1, 1)",
	    uuid_format(&ret->id, id), endpoint, bucket_device_hash(&ret->id));
	roster_put_device(w->core.roster, &(struct roster_put){
						  .device_id = ret->id,
						  .credential = CREDENTIAL_PSK,
						  .psk = bytes_of("0123456789abcdef"),
					  });
	ret->entry = roster_find(w->core.roster, &ret->id);
}

/* --- calls: begin, work, commit, hooks; again when a race was lost --- */

typedef enum rc world_work(struct call *c, void *arg);

static inline enum rc world_call_on(struct world *w, struct db *db, struct actor_device *d,
				    world_work *work, void *arg)
{
	enum rc rc = RC_RETRY;

	for (int i = 0; i < 4 && rc == RC_RETRY; i++) {
		arena_reset(w->call_mem);
		struct call c = {
			.core = &w->core,
			.mem = w->call_mem,
			.db = db,
			.tenant = TENANT,
			.work_clock = roster_work_clock(w->core.roster),
			.now = clock_wall(),
			.actor = { .kind = ACTOR_OPERATOR, .role = ROLE_ADMIN },
		};
		if (d)
			c.actor = (struct actor){ ACTOR_DEVICE, ROLE_DEVICE, d->id,
						  d->endpoint,  d->entry,    0 };
		rc = db_begin(db);
		if (rc == RC_OK)
			rc = work(&c, arg);
		call_before_commit(&c);
		if (rc == RC_OK)
			rc = db_commit(db);
		else
			db_rollback(db);
		if (rc == RC_OK)
			call_run_hooks(&c);
		w->err = c.err;
		w->detail = c.detail ? c.detail : c.fields ? c.fields->detail : NULL;
	}
	if (rc == RC_INTERNAL)
		printf("# internal: %s\n", db_error(db));
	return rc;
}

static inline enum rc world_call(struct world *w, struct actor_device *d, world_work *work,
				 void *arg)
{
	return world_call_on(w, w->db, d, work, arg);
}

/* --- a device's doings --- */

struct registering {
	struct registration registration;
	struct digest digest;
};

static inline enum rc work_register(struct call *c, void *arg)
{
	struct registering *in = arg;

	return registration_commit(c, &in->registration, &in->digest);
}

static inline enum rc device_register_with(struct actor_device *d, int64_t last_job,
					   int32_t last_attempt)
{
	struct registering in = { 0 };
	struct registration *r = &in.registration;
	uint8_t boot[4] = { (uint8_t)(d->boot >> 24), (uint8_t)(d->boot >> 16),
			    (uint8_t)(d->boot >> 8), (uint8_t)d->boot };
	char body[128];

	r->endpoint = d->endpoint;
	r->vendor_id = d->w->vendor;
	r->class_id = d->class;
	r->components[0].name = "main";
	r->components[0].has_digest = !d->version;
	r->components[0].version = d->version;
	memset(r->components[0].digest.b, d->runs, sizeof(struct digest));
	r->component_count = 1;
	r->boot_id = (struct bytes){ boot, sizeof(boot) };
	r->max_envelope = d->max_envelope;
	r->max_image = d->max_image;
	r->only_encrypted = d->only_encrypted;
	for (int i = 0; i < FORMATS_MAX && d->formats[i]; i++)
		r->formats[r->format_count++] = d->formats[i];
	r->next_wake_s = -1;
	r->last_job = last_job;
	r->last_attempt = last_attempt;
	r->last_outcome = JOB_ROLLED_BACK;
	r->last_text = last_job ? "trial timed out" : NULL;
	snprintf(body, sizeof(body), "%s %u %u %02x %" PRId64 " %d %s %s", d->endpoint, d->boot,
		 d->runs, d->class.b[0], last_job, r->format_count,
		 r->format_count ? r->formats[r->format_count - 1] : "",
		 d->version ? d->version : "");
	sha256_of(bytes_of(body), &in.digest);
	roster_seen(d->w->core.roster, d->entry, clock_wall());
	if (registration_is_known(d->entry, &in.digest))
		return RC_OK;
	return world_call(d->w, d, work_register, &in);
}

static inline enum rc device_register(struct actor_device *d)
{
	return device_register_with(d, 0, 0);
}

static inline enum rc work_offer(struct call *c, void *arg)
{
	return offer_next(c, arg);
}

/* As the transport does it: from memory, else from the database. */
static inline enum rc device_ask(struct actor_device *d, struct offer *ret)
{
	roster_seen(d->w->core.roster, d->entry, clock_wall());
	enum rc rc = offer_from_memory(d->entry, ret);
	return rc == RC_RETRY ? world_call(d->w, d, work_offer, ret) : rc;
}

/* It is offered what it runs then, after a restart. */
static inline void device_succeed(struct actor_device *d, uint8_t runs)
{
	struct offer o;

	must(device_ask(d, &o) == RC_OK && o.has_job, "no offer");
	d->runs = runs;
	d->boot++;
	must(device_register(d) == RC_OK, "the device cannot register");
}

struct reporting {
	struct job_report report;
	bool stop;
};

static inline enum rc work_report(struct call *c, void *arg)
{
	struct reporting *in = arg;

	return job_report(c, &in->report, &in->stop);
}

static inline enum rc device_report(struct actor_device *d, const struct offer *o,
				    enum job_state state, bool *ret_stop)
{
	struct reporting in = { .report = { .job_id = o->job_id,
					    .attempt = o->attempt,
					    .state = state,
					    .cause = state == JOB_FAILED ? CAUSE_INSTALL
									 : CAUSE_NONE,
					    .bytes_done = -1,
					    .bytes_total = -1 } };

	roster_seen(d->w->core.roster, d->entry, clock_wall());
	enum rc rc = world_call(d->w, d, work_report, &in);
	if (ret_stop)
		*ret_stop = in.stop;
	return rc;
}

/* --- an operator's doings --- */

static inline enum rc work_create(struct call *c, void *arg)
{
	struct campaign_item item;
	struct campaign_new *in = arg;
	enum rc rc = campaign_create(c, in, &item);

	if (rc == RC_OK)
		in->release_id = item.row.campaign.campaign_id;
	return rc;
}

/* Replaces release_id by the campaign's id; what a list of stages is to a campaign of tests. */
static inline enum rc world_campaign(struct world *w, struct campaign_new *in)
{
	return world_call(w, NULL, work_create, in);
}

struct moving {
	struct uuid id;
	enum campaign_move move;
};

static inline enum rc work_move(struct call *c, void *arg)
{
	struct moving *in = arg;
	struct campaign_item item;
	enum rc rc = campaign_get(c, &in->id, &item);

	if (rc == RC_OK)
		rc = campaign_move(c, &in->id, in->move, item.row.campaign.revision, &item);
	return rc;
}

static inline enum rc world_move(struct world *w, const struct uuid *id,
				 enum campaign_move move)
{
	struct moving in = { *id, move };

	return world_call(w, NULL, work_move, &in);
}

struct looking {
	struct uuid id;
	struct campaign_item item;
};

static inline enum rc work_look(struct call *c, void *arg)
{
	struct looking *in = arg;

	return campaign_get(c, &in->id, &in->item);
}

/* Valid until the next call. */
static inline struct campaign_item world_look(struct world *w, const struct uuid *id)
{
	struct looking in = { .id = *id };

	must(world_call(w, NULL, work_look, &in) == RC_OK, "the campaign cannot be read");
	return in.item;
}

static inline int64_t world_count(struct world *w, const struct uuid *id, enum job_state state)
{
	return world_look(w, id).total.n[state];
}

/* Marks what the notifier would mark: members that are exposed and have no job. */
static inline void world_expose(struct world *w, struct actor_device *devices, int n)
{
	for (int i = 0; i < n; i++)
		if (w == devices[i].w)
			roster_mark_work(devices[i].entry);
}

static inline void world_tick(struct world *w, int times)
{
	for (int i = 0; i < times; i++)
		must(ticker_tick(w->ticker) == RC_OK, "a tick failed");
}

static inline void world_later(int64_t seconds)
{
	static int64_t offset;

	offset = seconds ? offset + seconds * USEC_PER_SEC : 0;
	clock_set_offset(offset);
}
