/* A release of several manifests and a fleet of many kinds, on a real PostgreSQL: each device
 * gets the smallest that fits, may fetch that and nothing else, from any daemon; after a delta
 * that failed it gets none again; who can take none is told why; and the totals add up. */

#include "core/campaign_explain.h"
#include "core/variant_rules.h"
#include "tests/dice.h"
#include "tests/store/world.h"

#define PLAIN "", 0, 1000, 11 /* world_release()'s own: 'an envelope' */

/* Of every release: by the last byte of its digest. */
enum { WHOLE, LZMA, DELTA_1, DELTA_2, DELTA_3, SECRET };
static const struct world_variant variants[] = {
	[WHOLE] = { WHOLE, PLAIN },
	[LZMA] = { LZMA, "lzma", 0, 600, 20 },
	[DELTA_1] = { DELTA_1, "patch-heatshrink", 1, 100, 20 },
	[DELTA_2] = { DELTA_2, "patch-heatshrink", 2, 120, 20 },
	[DELTA_3] = { DELTA_3, "patch-heatshrink", 3, 140, 20 },
	[SECRET] = { SECRET, "aes-kw,ctr", 0, 1016, 40 },
};

static const struct stage everybody[] = {
	{ .share = SHARE_ALL, .gate = { 9500, 9000, 100, 0 } },
};

static struct uuid add_release(struct world *w, uint8_t digest, unsigned set)
{
	struct uuid release = world_release(w, digest, digest);

	for (uint8_t i = LZMA; i <= SECRET; i++)
		if (set & 1U << i)
			world_add_variant(w, &release, digest, &variants[i]);
	if (set & 1U << WHOLE)
		return release;
	char id[UUID_TEXT_SIZE];
	sql(w->db, "DELETE FROM manifest WHERE release_id = '%s' AND envelope = 'an envelope'",
	    uuid_format(&release, id));
	return release;
}

static struct uuid start_with(struct world *w, const struct uuid *release, int32_t max_attempts)
{
	struct campaign_new new = { .name = "variants",
				    .release_id = *release,
				    .target = "{\"all\":true}",
				    .stages = everybody,
				    .stage_count = 1,
				    .silent_after_s = 60,
				    .max_attempts = max_attempts };

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
	return new.release_id;
}

static struct uuid start(struct world *w, const struct uuid *release)
{
	return start_with(w, release, 3);
}

/* Nobody from before belongs to what follows. */
static void only(struct world *w, struct actor_device *devices, int n)
{
	sql(w->db, "UPDATE device SET lifecycle = 2 WHERE lifecycle = 1");
	for (int i = 0; i < n; i++)
		must(device_register(&devices[i]) == RC_OK, "a device cannot register");
}

static struct actor_device device_of(struct world *w, const char *name, uint8_t runs,
				     const char *first, const char *second)
{
	struct actor_device d;

	world_device(w, name, &d);
	d.runs = runs;
	d.formats[0] = first;
	d.formats[1] = second;
	return d;
}

static bool is_offered(const struct offer *o, uint8_t release, uint8_t id)
{
	struct digest wanted = world_manifest(release, id);

	return o->has_job && digest_equal(&o->release->manifest_digest, &wanted);
}

static void ask(struct actor_device *d, struct offer *ret)
{
	roster_mark_work(d->entry);
	must(device_ask(d, ret) == RC_OK, "a device was not answered");
}

static int64_t number(struct world *w, const struct actor_device *d, const char *what)
{
	char id[UUID_TEXT_SIZE];

	return sql_i64(w, arena_printf(w->mem,
				       "SELECT %s AS n FROM job WHERE device_id = '%s' "
				       "ORDER BY job_id DESC LIMIT 1",
				       what, uuid_format(&d->id, id)));
}

/* Does the column of the device's last job hold this text? */
static bool says(struct world *w, const struct actor_device *d, const char *column,
		 const char *text)
{
	bool said =
		number(w, d, arena_printf(w->mem, "(%s = '%s')::integer", column, text)) == 1;

	if (!said)
		printf("# wanted: %s\n", text);
	return said;
}

/* --- the mixed fleet --- */

static void image_of(const struct digest *manifest, struct digest *ret)
{
	char text[DIGEST_TEXT_SIZE], reversed[DIGEST_TEXT_SIZE] = "";

	digest_format(manifest, text);
	for (size_t i = 0; i < 64; i++)
		reversed[i] = text[63 - i];
	must(digest_parse(reversed, ret) == RC_OK, "no digest");
}

/* Of the whole release it may fetch its own manifest and image alone. */
static bool fetches_its_own(struct roster *r, const struct actor_device *d, uint8_t release,
			    uint8_t id)
{
	const struct roster_device *entry = roster_find(r, &d->id);
	bool good = true;

	for (uint8_t i = LZMA; i <= SECRET; i++) {
		struct digest manifest = world_manifest(release, i), image;
		image_of(&manifest, &image);
		good &= roster_may_fetch(entry, &manifest) == (i == id);
		good &= roster_may_fetch(entry, &image) == (i == id);
	}
	return good;
}

struct kind {
	const char *name;
	uint8_t runs;
	const char *first, *second;
	bool only_encrypted;
	uint8_t gets;
	int64_t saves;
};

static const struct kind kinds[] = {
	{ "one", 1, "lzma", "patch-heatshrink", false, DELTA_1, 900 },
	{ "two", 2, "lzma", "patch-heatshrink", false, DELTA_2, 880 },
	{ "three", 3, "lzma", "patch-heatshrink", false, DELTA_3, 860 },
	{ "unknown", 9, "lzma", "patch-heatshrink", false, LZMA, 400 },
	{ "no-delta", 1, "lzma", NULL, false, LZMA, 400 },
	{ "secret", 1, "aes-kw", "ctr", true, SECRET, 0 },
};
#define KINDS ((int)ARRAY_LEN(kinds))

/* What another daemon's roster says, loaded from the database now. */
static void check_elsewhere(struct world *w, const struct actor_device *d, uint8_t release)
{
	static const uint8_t key[32];
	struct roster *other = roster_create();
	int good = 0, fetch = 0;

	must(roster_load(other, w->db, TENANT, (struct bytes){ key, sizeof(key) }) == RC_OK,
	     "a roster cannot be loaded");
	for (int i = 0; i < KINDS; i++) {
		struct roster_view here, there;
		roster_view(d[i].entry, &here);
		roster_view(roster_find(other, &d[i].id), &there);
		good += here.job_id && here.job_id == there.job_id && there.release &&
			digest_equal(&here.release->manifest_digest,
				     &there.release->manifest_digest) &&
			bytes_equal(here.release->envelope, there.release->envelope);
		fetch += fetches_its_own(other, &d[i], release, kinds[i].gets);
	}
	is_int(good, KINDS, "another daemon serves the manifests that the jobs name");
	is_int(fetch, KINDS, "and no others");
	roster_free(other);
}

static void check_preview(struct world *w, const struct uuid *release);

static void test_mixed_fleet(struct world *w)
{
	static const uint8_t to = 0x20;
	struct uuid release = add_release(w, to, 0x3f);
	struct actor_device d[KINDS];
	struct offer o[KINDS];
	int64_t offered = 0, saved = 0, before = (int64_t)w->core.bytes_saved;

	for (int i = 0; i < KINDS; i++) {
		d[i] = device_of(w, kinds[i].name, kinds[i].runs, kinds[i].first,
				 kinds[i].second);
		d[i].only_encrypted = kinds[i].only_encrypted;
	}
	only(w, d, KINDS);
	check_preview(w, &release);
	struct uuid id = start(w, &release);
	for (int i = 0; i < KINDS; i++) {
		const struct world_variant *gets = &variants[kinds[i].gets];
		ask(&d[i], &o[i]);
		ok(is_offered(&o[i], to, gets->id), "%s gets the smallest that fits",
		   kinds[i].name);
		ok(o[i].has_job && (int64_t)o[i].release->envelope.n == gets->envelope_bytes,
		   "its envelope");
		is_int(number(w, &d[i], "bytes_total"), gets->bytes, "of so many bytes");
		is_int(number(w, &d[i], "bytes_saved"), kinds[i].saves, "that saves so many");
		ok(fetches_its_own(w->core.roster, &d[i], to, gets->id),
		   "test_A19: it may fetch that, and no other");
		offered += gets->bytes;
		saved += kinds[i].saves;
	}
	check_elsewhere(w, d, to);
	is_int(world_look(w, &id).bytes.offered, offered, "the campaign has offered so much");
	is_int(world_look(w, &id).bytes.saved, 0, "and saved nothing before somebody succeeds");
	for (int i = 0; i < KINDS; i++) {
		must(device_report(&d[i], &o[i], JOB_REBOOTING, NULL) == RC_OK, "no report");
		d[i].runs = to;
		d[i].boot++;
		must(device_register(&d[i]) == RC_OK, "no registration");
	}
	is_int(world_count(w, &id, JOB_SUCCEEDED), KINDS, "all have proved it");
	is_int(world_look(w, &id).bytes.saved, saved, "now it has");
	d[0].runs = 1;
	d[0].boot++;
	must(device_register(&d[0]) == RC_OK, "no registration");
	is_int(world_look(w, &id).bytes.saved, saved - kinds[0].saves, "not what is undone");
	is_int((int64_t)w->core.bytes_saved - before, saved, "a daemon's figure only grows");
	is_int(world_look(w, &id).bytes.fallbacks, 0, "no delta failed");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

static enum rc work_preview(struct call *c, void *arg)
{
	struct campaign_new *in = arg;
	struct campaign_preview p;

	enum rc rc = campaign_preview(c, in, &p);
	in->silent_after_s = (int32_t)p.deltas;
	in->max_attempts = (int32_t)p.bytes;
	return rc;
}

static void check_preview(struct world *w, const struct uuid *release)
{
	struct campaign_new new = { .name = "preview",
				    .release_id = *release,
				    .target = "{\"all\":true}",
				    .stages = everybody,
				    .stage_count = 1,
				    .silent_after_s = 60,
				    .max_attempts = 3 };

	must(world_call(w, NULL, work_preview, &new) == RC_OK, "no preview");
	is_int(new.silent_after_s, 3, "a dry run says how many a delta fits");
	is_int(new.max_attempts, KINDS * 1016, "and what it takes at most");
}

/* --- the same question in SQL and in C --- */

struct counting {
	struct campaign_new new;
	struct actor_device *devices;
	int count;
	int64_t in_sql, in_c;
};

static enum rc work_count(struct call *c, void *arg)
{
	struct counting *in = arg;
	struct campaign_preview p;
	struct variant *v;
	int n;

	enum rc rc = campaign_preview(c, &in->new, &p);
	if (rc == RC_OK)
		rc = offer_store_variants(c->db, c->tenant, &in->new.release_id, c->mem, &v,
					  &n);
	in->in_sql = p.deltas;
	for (int i = 0; rc == RC_OK && i < in->count; i++) {
		struct device_row row;
		bool fits = false;
		rc = registration_store_get(c->db, c->tenant, &in->devices[i].id, c->mem, &row);
		struct variant_device d = {
			row.formats,   row.only_encrypted, row.max_envelope,
			row.max_image, row.components,     row.component_count,
			false
		};
		for (int k = 0; rc == RC_OK && k < n; k++)
			fits |= v[k].base_component && variant_fits(&v[k], &d);
		in->in_c += fits;
	}
	return rc;
}

static void test_coverage(struct world *w)
{
	static const char *const sets[][3] = { { NULL },
					       { "patch-heatshrink", NULL },
					       { "aes-kw", "ctr", "patch-heatshrink" },
					       { "ctr", "ecdh-es", NULL } };
	static const struct world_variant more[] = {
		{ 6, "aes-kw,ctr,patch-heatshrink", 2, 90, 30 },
		{ 7, "ctr,patch-zstd", 0, 80, 30 },
		{ 8, "aes-kw|ecdh-es,ctr", 3, 85, 30 },
	};
	struct actor_device d[40];
	struct uuid release = add_release(w, 0x24, 0x1f);
	struct counting in = { .devices = d, .count = ARRAY_LEN(d) };

	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		world_add_variant(w, &release, 0x24, &more[i]);
	for (int i = 0; i < in.count; i++) {
		const char *const *set = sets[random_below(4)];
		d[i] = device_of(w, arena_printf(w->mem, "coverage-%d", i),
				 (uint8_t)(1 + random_below(4)), set[0],
				 set[0] ? set[1] : NULL);
		d[i].formats[2] = set[0] && set[1] ? set[2] : NULL;
		d[i].only_encrypted = random_below(4) == 0;
		d[i].max_envelope = random_below(3) ? 0 : 19 + random_below(3);
		d[i].max_image = random_below(3) ? 0 : 80 + random_below(50);
	}
	only(w, d, in.count);
	in.new = (struct campaign_new){ .name = "coverage",
					.release_id = release,
					.target = "{\"all\":true}",
					.stages = everybody,
					.stage_count = 1,
					.silent_after_s = 60,
					.max_attempts = 3 };
	must(world_call(w, NULL, work_count, &in) == RC_OK, "it cannot be counted");
	is_int(in.in_sql, in.in_c, "the dry run counts the deltas that the rules allow");
	ok(in.in_c > 0 && in.in_c < in.count, "%d of %d", (int)in.in_c, in.count);
}

/* --- a delta that fails --- */

struct saying {
	struct actor_device *d;
	const struct offer *o;
	enum job_state state;
	enum job_cause cause;
	const char *text;
};

static enum rc work_say(struct call *c, void *arg)
{
	const struct saying *s = arg;
	struct job_reported r = { .call = c,
				  .report = { .job_id = s->o->job_id,
					      .attempt = s->o->attempt,
					      .state = s->state,
					      .cause = s->cause,
					      .bytes_done = -1,
					      .bytes_total = -1,
					      .text = s->text } };

	enum rc rc = job_report_many(&r, 1);
	return rc == RC_OK ? r.rc : rc;
}

static void say(struct actor_device *d, const struct offer *o, enum job_state state,
		enum job_cause cause)
{
	struct saying s = { d, o, state, cause, "the patch does not apply" };

	must(world_call(d->w, d, work_say, &s) == RC_OK, "a report was refused");
}

static void test_fallback(struct world *w)
{
	static const uint8_t to = 0x28;
	struct uuid release = add_release(w, to, 0x3f);
	struct actor_device d = device_of(w, "fails", 1, "lzma", "patch-heatshrink");
	uint64_t fallbacks = w->core.delta_fallbacks;
	struct roster_view v;
	struct offer o, late;

	only(w, &d, 1);
	struct uuid id = start(w, &release);
	ask(&d, &o);
	ok(is_offered(&o, to, DELTA_1), "it is offered the delta");
	say(&d, &o, JOB_DOWNLOADING, CAUSE_NONE);
	say(&d, &o, JOB_FAILED, CAUSE_INSTALL);
	is_int(number(w, &d, "state"), JOB_OFFERED, "a delta that failed does not end the job");
	ok(says(w, &d, "text",
		"the delta failed (install: the patch does not apply); next without one"),
	   "which says why");
	is_int((int64_t)(w->core.delta_fallbacks - fallbacks), 1,
	       "it is counted for the daemon");
	is_int(world_look(w, &id).bytes.fallbacks, 1, "and for the campaign");
	roster_view(d.entry, &v);
	ok(!v.job_id && v.maybe_work, "there is nothing to fetch before it asks again");
	ok(fetches_its_own(w->core.roster, &d, to, 99), "nothing at all");
	late = o;
	ask(&d, &o);
	ok(is_offered(&o, to, LZMA), "the next offer is no delta");
	is_int(o.attempt, 2, "and another attempt");
	is_int(o.job_id, late.job_id, "of the same job");
	is_int(number(w, &d, "bytes_saved"), 400, "that saves less");
	is_int(number(w, &d, "bytes_total"), 600, "of more bytes");
	is_int(world_look(w, &id).bytes.offered, 700, "both were offered");
	ok(fetches_its_own(w->core.roster, &d, to, LZMA), "it may fetch the new one alone");
	say(&d, &late, JOB_FAILED, CAUSE_INSTALL);
	is_int(number(w, &d, "state"), JOB_OFFERED,
	       "a late word about the delta changes nothing");
	say(&d, &o, JOB_INSTALLING, CAUSE_NONE);
	d.boot++;
	must(device_register(&d) == RC_OK, "no registration");
	ask(&d, &o);
	ok(is_offered(&o, to, LZMA) && o.attempt == 3, "nor is the third attempt a delta");
	is_int(world_look(w, &id).bytes.fallbacks, 1, "it fell back once");
	say(&d, &o, JOB_FAILED, CAUSE_INSTALL);
	is_int(number(w, &d, "state"), JOB_FAILED, "what is no delta fails for good");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* What the device does with its delta, and what becomes of the job. */
static void test_ends(struct world *w)
{
	static const uint8_t to = 0x2c;
	struct uuid release = add_release(w, to, 0x3f);
	struct actor_device d = device_of(w, "ends", 1, "lzma", "patch-heatshrink");
	struct offer o;

	only(w, &d, 1);
	struct uuid id = start_with(w, &release, 1);
	ask(&d, &o);
	say(&d, &o, JOB_FAILED, CAUSE_INSTALL);
	is_int(number(w, &d, "state"), JOB_FAILED,
	       "the campaign allows one attempt: it is over");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");

	id = start(w, &release);
	ask(&d, &o);
	say(&d, &o, JOB_REJECTED, CAUSE_SEQUENCE);
	is_int(number(w, &d, "state"), JOB_REJECTED,
	       "another manifest would be refused as well");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");

	id = start(w, &release);
	ask(&d, &o);
	say(&d, &o, JOB_REJECTED, CAUSE_MANIFEST);
	ask(&d, &o);
	ok(is_offered(&o, to, LZMA), "a refused delta is followed by what is none");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");

	id = start(w, &release);
	ask(&d, &o);
	sql(w->db, "UPDATE job SET text = 'another version' WHERE job_id = %" PRId64, o.job_id);
	say(&d, &o, JOB_FAILED, CAUSE_DIGEST);
	is_int(number(w, &d, "fell_back::integer"), 1,
	       "so does one about a job that was another version than remembered");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");

	id = start(w, &release);
	ask(&d, &o);
	must(device_report(&d, &o, JOB_FAILED, NULL) == RC_OK, "no report");
	ask(&d, &o);
	ok(is_offered(&o, to, LZMA) && o.attempt == 2, "a report by itself does the same");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");

	id = start(w, &release);
	ask(&d, &o);
	say(&d, &o, JOB_INSTALLING, CAUSE_NONE);
	d.boot++;
	must(device_register(&d) == RC_OK, "no registration");
	ask(&d, &o);
	ok(is_offered(&o, to, LZMA) && o.attempt == 2,
	   "a boot in the middle of a delta's installation: no delta next");
	is_int(world_look(w, &id).bytes.fallbacks, 1, "that is a fallback too");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

static void test_other_base(struct world *w)
{
	static const uint8_t to = 0x30;
	struct uuid release = add_release(w, to, 0x3f);
	struct actor_device d = device_of(w, "reflashed", 1, "patch-heatshrink", NULL);
	struct offer o;

	only(w, &d, 1);
	struct uuid id = start(w, &release);
	ask(&d, &o);
	ok(is_offered(&o, to, DELTA_1), "a delta from what it runs");
	say(&d, &o, JOB_DOWNLOADING, CAUSE_NONE);
	d.runs = 3;
	d.boot++;
	must(device_register(&d) == RC_OK, "no registration");
	ask(&d, &o);
	ok(is_offered(&o, to, DELTA_3) && o.attempt == 2,
	   "it runs something else now: the choice is made anew");
	is_int(world_look(w, &id).bytes.fallbacks, 0, "no delta failed");
	is_int(number(w, &d, "(from_digest = decode(repeat('03', 32), 'hex'))::integer"), 1,
	       "and what it ran is what it runs now");
	d.runs = to;
	d.boot++;
	must(device_register(&d) == RC_OK, "no registration");
	is_int(world_look(w, &id).bytes.saved, 860, "the second delta is what saved");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* --- nothing fits --- */

struct explaining {
	const struct uuid *device, *campaign;
	bool offered;
	char code[32], text[VARIANT_LACK_MAX];
};

static enum rc work_explain(struct call *c, void *arg)
{
	struct explaining *in = arg;
	struct explanation e;

	enum rc rc = campaign_explain(c, in->device, in->campaign, &e);
	if (rc != RC_OK)
		return rc;
	in->offered = e.offered;
	snprintf(in->code, sizeof(in->code), "%s", e.reasons[e.count - 1].code);
	snprintf(in->text, sizeof(in->text), "%s", e.reasons[e.count - 1].text);
	return rc;
}

static void expect_unfit(struct world *w, struct actor_device *d, const struct uuid *campaign,
			 enum job_cause cause)
{
	struct explaining e = { .device = &d->id, .campaign = campaign };
	struct offer o;

	must(world_call(w, NULL, work_explain, &e) == RC_OK, "no explanation");
	ok(!e.offered, "it would not be offered");
	is_str(e.code, "variant", "because no manifest fits");
	printf("# %s\n", e.text);
	ask(d, &o);
	ok(!o.has_job, "nor is it");
	is_int(number(w, d, "state"), JOB_REJECTED, "its job is over");
	is_int(number(w, d, "cause"), cause, "with a cause");
	ok(says(w, d, "text", e.text), "and the words of the explanation");
	is_int(number(w, d, "(manifest_digest IS NULL)::integer"), 1, "nothing was offered");
}

static void test_unfit(struct world *w)
{
	struct uuid release = add_release(w, 0x34, 1U << LZMA | 1U << DELTA_1);
	struct actor_device d[3];

	d[0] = device_of(w, "reads-nothing", 1, NULL, NULL);
	d[1] = device_of(w, "small", 2, "lzma", NULL);
	d[1].max_image = 599;
	d[2] = device_of(w, "fits", 2, "lzma", NULL);
	d[2].max_image = 600;
	d[2].max_envelope = 20;
	only(w, d, 3);
	struct uuid id = start(w, &release);
	struct offer o;
	expect_unfit(w, &d[0], &id, CAUSE_MANIFEST);
	expect_unfit(w, &d[1], &id, CAUSE_SPACE);
	ask(&d[2], &o);
	ok(is_offered(&o, 0x34, LZMA), "the limits themselves fit");
	is_int(world_count(w, &id, JOB_REJECTED), 2, "two were rejected");
	is_int(world_look(w, &id).bytes.offered, 600, "what was not offered is not counted");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

static void test_nothing_after_the_delta(struct world *w)
{
	struct uuid release = add_release(w, 0x38, 1U << DELTA_1);
	struct actor_device d = device_of(w, "delta-only", 1, "patch-heatshrink", NULL);
	struct offer o;

	only(w, &d, 1);
	struct uuid id = start(w, &release);
	ask(&d, &o);
	ok(is_offered(&o, 0x38, DELTA_1), "a delta is all there is");
	for (int i = 1; i < 3; i++) { /* as often as start() lets it */
		say(&d, &o, JOB_FAILED, CAUSE_DIGEST);
		ask(&d, &o);
		ok(is_offered(&o, 0x38, DELTA_1),
		   "it is tried again, as there is nothing else");
	}
	say(&d, &o, JOB_FAILED, CAUSE_DIGEST);
	ask(&d, &o);
	ok(!o.has_job, "but not for ever");
	is_int(number(w, &d, "state"), JOB_FAILED, "it is a failure");
	is_int(number(w, &d, "cause"), CAUSE_DIGEST, "of the device's own cause");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM slot"), 0, "its component is free");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* Whoever comes back and reads less than before is offered what it can read. */
static void test_formats_that_are_gone(struct world *w)
{
	struct uuid release = add_release(w, 0x3a, 1U << WHOLE | 1U << LZMA);
	struct actor_device d = device_of(w, "forgot", 9, "lzma", NULL);
	struct offer o;

	only(w, &d, 1);
	struct uuid id = start(w, &release);
	ask(&d, &o);
	ok(is_offered(&o, 0x3a, LZMA), "it is offered what it reads");
	d.boot++;
	must(device_register(&d) == RC_OK, "it comes back");
	ask(&d, &o);
	ok(is_offered(&o, 0x3a, LZMA), "and is offered the same");
	d.formats[0] = NULL;
	d.boot++;
	must(device_register(&d) == RC_OK, "it comes back with another agent");
	ask(&d, &o);
	ok(is_offered(&o, 0x3a, WHOLE), "and is offered what that one reads");
	is_int(number(w, &d, "attempt"), 2, "by another attempt");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* The same without a boot: what has not begun is chosen again. */
static void test_says_something_else(struct world *w)
{
	struct uuid release = add_release(w, 0x3b, 1U << WHOLE | 1U << LZMA);
	struct actor_device d[3];
	struct offer o[3];

	d[0] = device_of(w, "learned", 9, NULL, NULL);
	d[1] = device_of(w, "learned-late", 9, NULL, NULL);
	d[2] = device_of(w, "puts-off", 9, "lzma", NULL);
	only(w, d, 3);
	struct uuid id = start_with(w, &release, 2);
	for (int i = 0; i < 3; i++)
		ask(&d[i], &o[i]);
	must(device_report(&d[1], &o[1], JOB_DOWNLOADING, NULL) == RC_OK, "no report");
	must(device_report(&d[2], &o[2], JOB_DEFERRED, NULL) == RC_OK, "no report");
	for (int i = 0; i < 3; i++) {
		d[i].formats[0] = i == 2 ? NULL : "lzma";
		must(device_register(&d[i]) == RC_OK, "no registration");
	}
	for (int i = 0; i < 3; i++)
		ask(&d[i], &o[i]);
	ok(is_offered(&o[0], 0x3b, LZMA) && o[0].attempt == 2,
	   "who reads more is offered less, by another attempt");
	ok(is_offered(&o[1], 0x3b, WHOLE) && o[1].attempt == 1, "who has begun goes on");
	ok(is_offered(&o[2], 0x3b, WHOLE) && o[2].attempt == 2,
	   "who put it off, and reads less, is offered what it can read");
	d[0].formats[0] = NULL;
	must(device_register(&d[0]) == RC_OK, "no registration");
	ask(&d[0], &o[0]);
	ok(is_offered(&o[0], 0x3b, WHOLE) && o[0].attempt == 2,
	   "when there is no other attempt, within this one");
	is_int(number(w, &d[0], "bytes_saved"), 0, "that saves nothing");
	d[0].formats[0] = "lzma";
	d[0].boot++;
	must(device_register(&d[0]) == RC_OK, "no registration");
	ask(&d[0], &o[0]);
	ok(is_offered(&o[0], 0x3b, LZMA), "in a new boot as well");
	sql(w->db, "DELETE FROM manifest WHERE envelope = 'an envelope'");
	d[0].formats[0] = NULL;
	must(device_register(&d[0]) == RC_OK, "no registration");
	ask(&d[0], &o[0]);
	ok(!o[0].has_job, "when nothing fits any more it is offered nothing");
	is_int(number(w, &d[0], "state"), JOB_REJECTED, "and the job says so");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* A withdrawn release is not offered for another attempt either. */
static void test_withdrawn(struct world *w)
{
	struct uuid release = add_release(w, 0x3e, 0x3f);
	struct actor_device d[3];
	struct offer o[3];

	d[0] = device_of(w, "withdrawn-failed", 1, "lzma", "patch-heatshrink");
	d[1] = device_of(w, "withdrawn-cut", 9, "lzma", NULL);
	d[2] = device_of(w, "withdrawn-goes-on", 9, "lzma", NULL);
	only(w, d, 3);
	struct uuid id = start(w, &release);
	for (int i = 0; i < 3; i++) {
		ask(&d[i], &o[i]);
		say(&d[i], &o[i], JOB_INSTALLING, CAUSE_NONE);
	}
	sql(w->db, "UPDATE release SET withdrawn_at = 1");
	say(&d[0], &o[0], JOB_FAILED, CAUSE_INSTALL);
	d[1].boot++;
	must(device_register(&d[1]) == RC_OK, "no registration");
	for (int i = 0; i < 2; i++) {
		ask(&d[i], &o[i]);
		ok(!o[i].has_job, "%s gets no other attempt", d[i].endpoint);
		is_int(number(w, &d[i], "state"), JOB_CANCELLED, "its job is cancelled");
		ok(says(w, &d[i], "text", "the release was withdrawn"), "and says why");
	}
	ask(&d[2], &o[2]);
	ok(o[2].has_job && o[2].attempt == 1, "who has begun goes on");
	d[2].runs = 0x3e;
	d[2].boot++;
	must(device_register(&d[2]) == RC_OK, "no registration");
	is_int(world_count(w, &id, JOB_SUCCEEDED), 1, "and succeeds");
	is_int(world_count(w, &id, JOB_CANCELLED), 2, "the others do not count");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM slot"), 0, "their components are free");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* A manifest that is added while the campaign runs is for those who come later. */
static void test_added_later(struct world *w)
{
	struct uuid release = add_release(w, 0x3c, 1U << WHOLE);
	struct actor_device d[2];
	struct offer o[2];

	d[0] = device_of(w, "early", 1, "patch-heatshrink", NULL);
	d[1] = device_of(w, "late", 1, "patch-heatshrink", NULL);
	only(w, d, 2);
	struct uuid id = start(w, &release);
	ask(&d[0], &o[0]);
	world_add_variant(w, &release, 0x3c, &variants[DELTA_1]);
	ask(&d[0], &o[0]);
	ask(&d[1], &o[1]);
	ok(is_offered(&o[0], 0x3c, WHOLE), "who was offered the whole image keeps it");
	ok(is_offered(&o[1], 0x3c, DELTA_1), "who asks later gets the delta");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

/* An open job of before variants: the migration names its manifest, or the next offer does. */
static void test_job_of_old(struct world *w)
{
	struct uuid release = add_release(w, 0x40, 1U << WHOLE);
	struct actor_device d = device_of(w, "old", 1, NULL, NULL);
	struct offer o, again;

	only(w, &d, 1);
	struct uuid id = start(w, &release);
	ask(&d, &o);
	sql(w->db, "UPDATE job SET manifest_digest = NULL WHERE job_id = %" PRId64, o.job_id);
	roster_clear_job(d.entry, o.job_id, 0);
	ask(&d, &again);
	ok(again.job_id == o.job_id && again.attempt == 1 && is_offered(&again, 0x40, WHOLE),
	   "a job without a manifest is given one");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "no abort");
}

static void test_totals(struct world *w)
{
	is_int(sql_i64(w,
		       "SELECT count(*) AS n FROM (SELECT campaign_id, sum(bytes_saved) AS n "
		       "FROM job WHERE state = 10 AND bytes_saved > 0 GROUP BY 1) j FULL JOIN "
		       "(SELECT campaign_id, sum(n) AS n FROM tally WHERE state = 101 GROUP BY "
		       "1 HAVING sum(n) <> 0) t USING (campaign_id) WHERE j.n IS DISTINCT FROM "
		       "t.n"),
	       0, "what is saved is what succeeded jobs save");
	is_int(sql_i64(w,
		       "SELECT count(*) AS n FROM (SELECT campaign_id, count(*) AS n FROM job "
		       "WHERE fell_back GROUP BY 1) j FULL JOIN (SELECT campaign_id, sum(n) AS "
		       "n FROM tally WHERE state = 102 GROUP BY 1) t USING (campaign_id) "
		       "WHERE j.n IS DISTINCT FROM t.n"),
	       0, "fallbacks are the jobs that fell back");
	is_int(sql_i64(w,
		       "SELECT count(*) AS n FROM job j JOIN manifest m ON m.digest = "
		       "j.manifest_digest WHERE j.fell_back AND m.base_digest IS NOT NULL "
		       "AND EXISTS (SELECT FROM manifest o WHERE o.release_id = m.release_id "
		       "AND o.base_digest IS NULL)"),
	       0, "and none of these is offered a delta where there is something else");
}

int main(void)
{
	struct world w;

	dice_begin();
	world_open(&w);
	test_mixed_fleet(&w);
	test_coverage(&w);
	test_fallback(&w);
	test_ends(&w);
	test_other_base(&w);
	test_unfit(&w);
	test_nothing_after_the_delta(&w);
	test_formats_that_are_gone(&w);
	test_says_something_else(&w);
	test_withdrawn(&w);
	test_added_later(&w);
	test_job_of_old(&w);
	test_totals(&w);
	world_close(&w);
	return tap_done();
}
