/* Reading path: life_start, on_answer, then one function a state. */
#include "agent/life.h"

#include "agent/elsewhere.h"
#include "agent/log.h"
#include "suit/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FORMAT_CBOR    60
#define FORMAT_REPORT  270 /* application/suit-report+cose */
#define PAUSE_MAX_S    604800
#define REFUSED_WAIT_S 5     /* after 4.xx: the server's mind may change soon */
#define REST_MS        60000 /* let the session go when nothing is to be asked for so long */
#define QUARTERS       4     /* of a download are reported */
#define LOOK_S         60    /* the clock is looked at so often */
#define SPREAD_MAX_MS  60000

static void go_on(struct life *l, enum life_next next);

/* --- asking
 * ------------------------------------------------------------------------------------ */

static void ask_register(struct life *l)
{
	struct link_request r = { .method = LINK_POST, .format = FORMAT_CBOR };
	snprintf(r.path, sizeof(r.path), "register");
	r.body_n = proto_put_register(l->self, r.body, sizeof(r.body));
	l->state = LIFE_REGISTERING;
	link_ask(l->link, &r);
}

static void ask_update(struct life *l)
{
	struct link_request r = { .method = LINK_GET, .observe = l->config->observe };
	snprintf(r.path, sizeof(r.path), "update");
	l->state = LIFE_ASKING;
	link_ask(l->link, &r);
}

static void ask_block(struct life *l, enum life_state state)
{
	struct link_request r;
	fetch_request(&l->fetch, &r);
	l->state = state;
	link_ask(l->link, &r);
}

static void wait_ms(struct life *l, int64_t ms)
{
	l->state = LIFE_WAITING;
	l->wake_ms = link_now_ms() + ms;
	if (ms >= REST_MS && !l->link->observing)
		link_rest(l->link);
}

/* As the server says, but not all devices at the same moment: up to a tenth sooner. */
static void wait_s(struct life *l, uint64_t seconds)
{
	uint64_t most = l->config->poll_max_s ? l->config->poll_max_s : PAUSE_MAX_S;
	uint64_t ms = (seconds < most ? seconds : most) * 1000;
	ms = ms < 1000 ? 1000 : ms;
	wait_ms(l, (int64_t)(ms - link_random(&l->link->random, ms / 10 + 1)));
}

static void report_by(struct life *l, const struct proto_progress *p, enum life_next next,
		      bool once)
{
	struct link_request r = { .method = LINK_POST, .format = FORMAT_CBOR, .once = once };
	snprintf(r.path, sizeof(r.path), "report/%" PRIu64 "/%" PRIu64, l->update.job,
		 l->update.attempt);
	r.body_n = proto_put_progress(p, r.body, sizeof(r.body));
	l->state = LIFE_REPORTING;
	l->said = p->state;
	l->next = next;
	link_ask(l->link, &r);
}

static void report(struct life *l, const struct proto_progress *p, enum life_next next)
{
	report_by(l, p, next, false);
}

static void report_state(struct life *l, enum proto_state state, enum life_next next)
{
	struct proto_progress p = { .state = state };
	report(l, &p, next);
}

/* --- ends of a job
 * ----------------------------------------------------------------------------- */

static void drop_envelope(struct life *l)
{
	free(l->envelope);
	free(l->dependency);
	l->envelope = NULL;
	l->dependency = NULL;
	l->put_off = false;
}

/* The job ended badly by our own judgement: say why, and do not begin this attempt again. */
static void give_up(struct life *l, enum proto_state state, enum proto_cause cause,
		    const char *why)
{
	struct proto_progress p = { .state = state, .cause = cause, .text = why };
	log_line("job %" PRIu64 ": %s", l->update.job, why);
	drop_envelope(l);
	l->ops->call_off(l->machine);
	l->refused_job = l->update.job;
	l->refused_attempt = l->update.attempt;
	report(l, &p, LIFE_NEXT_ASK);
}

/* The server does not want it any more. */
static void forget_job(struct life *l, uint64_t pause_s)
{
	drop_envelope(l);
	l->ops->call_off(l->machine);
	if (pause_s)
		wait_ms(l, (int64_t)pause_s * 1000);
	else
		ask_update(l);
}

/* --- waiting
 * ----------------------------------------------------------------------------------- */

/* Is it the clock that is waited for? */
static bool still_waits(const struct life *l, int64_t *ret_moment)
{
	return update_next_wait(&l->update, ret_moment) == WAIT_ON;
}

/* Until the clock is worth a look.  The longest that it has seen of its wait says how far it
 * is spread: a clock that was not set shows nothing. */
static int64_t look_pause_ms(struct life *l, int64_t moment)
{
	int64_t left = moment - (int64_t)time(NULL);
	uint64_t tenth_ms = left > 0 ? (uint64_t)left * 100 : 0;
	if (tenth_ms > l->spread_ms)
		l->spread_ms = tenth_ms < SPREAD_MAX_MS ? tenth_ms : SPREAD_MAX_MS;
	if (moment < WAIT_CLOCK_SET_S || left > LOOK_S)
		return LOOK_S * 1000;
	return (left > 0 ? left : 0) * 1000 +
	       (int64_t)link_random(&l->link->random, l->spread_ms + 1);
}

static void wait_on(struct life *l)
{
	int64_t moment;
	l->look_ms = INT64_MAX;
	if (still_waits(l, &moment))
		l->look_ms = link_now_ms() + look_pause_ms(l, moment);
	wait_s(l, l->again_s);
}

/* Not now: the job stays, and so does what was fetched.  The server is told once. */
static void put_off(struct life *l, const char *why)
{
	struct proto_progress p = { .state = PROTO_DEFERRED, .text = why };
	if (l->put_off) {
		wait_on(l);
		return;
	}
	log_line("job %" PRIu64 ": put off: %s", l->update.job, why);
	l->put_off = true;
	l->spread_ms = 0;
	report(l, &p, LIFE_NEXT_WAIT);
}

static void put_off_until(struct life *l, int64_t moment)
{
	char why[WAIT_TEXT_SIZE];
	wait_text(moment, why);
	put_off(l, why);
}

static void judge_manifest(struct life *l);

/* Before this payload; false when nothing is to be waited for.  What was to be asked behind a
 * wait is asked now. */
static bool must_wait(struct life *l, size_t nth)
{
	struct update *u = &l->update;
	int64_t moment;
	while (u->waited < u->wait_count && u->wait[u->waited].before <= nth) {
		if (update_next_wait(u, &moment) != WAIT_OVER) {
			put_off_until(l, moment);
			return true;
		}
		update_wait_over(u);
		if (l->ops->wait_over)
			l->ops->wait_over(l->machine, u);
		if (u->ahead) {
			judge_manifest(l);
			return true;
		}
	}
	return false;
}

/* Nobody is asked before the clock says so. */
static void look_at_clock(struct life *l, int64_t now_ms)
{
	int64_t moment;
	if (now_ms < l->look_ms)
		return;
	l->look_ms = INT64_MAX;
	if (still_waits(l, &moment))
		l->look_ms = now_ms + look_pause_ms(l, moment);
	else
		l->wake_ms = 0;
}

/* --- registration and offers
 * ------------------------------------------------------------------- */

static void on_registered(struct life *l, const struct link_answer *a)
{
	uint64_t again_s;
	if (a->code != 204 || !proto_get_registered(a->body, &again_s)) {
		log_line("registration refused (%u.%02u)", a->code / 100, a->code % 100);
		wait_s(l, REST_MS / 1000);
		return;
	}
	l->is_registered = true;
	l->ops->registered(l->machine);
	/* whoever heard of it may have wanted something else by now */
	if (l->state == LIFE_REGISTERING)
		ask_update(l);
}

static bool may_pass(struct life *l, enum life_point point, enum life_next next)
{
	if (!l->ops->pass || l->ops->pass(l->machine, point))
		return true;
	l->state = LIFE_HELD;
	l->next = next;
	return false;
}

static bool is_put_off(const struct life *l, const struct proto_offer *o)
{
	return l->put_off && o->job == l->update.job && o->attempt == l->update.attempt &&
	       suit_digest_equal(&o->manifest, &l->update.manifest);
}

static void take_offer(struct life *l, const struct proto_offer *o)
{
	bool refused = o->job == l->refused_job && o->attempt == l->refused_attempt;
	int64_t moment;
	if (!o->offered || refused) {
		if (l->put_off) { /* not wanted any more */
			drop_envelope(l);
			l->ops->call_off(l->machine);
		}
		if (l->ops->idle)
			l->ops->idle(l->machine);
		wait_s(l, o->again_s);
		return;
	}
	l->again_s = o->again_s;
	if (is_put_off(l, o)) {
		if (still_waits(l, &moment))
			wait_on(l);
		else
			judge_manifest(l);
		return;
	}
	l->update = (struct update){ .job = o->job,
				     .attempt = o->attempt,
				     .manifest = o->manifest };
	if (l->ops->waited)
		l->ops->waited(l->machine, &l->update);
	l->judged = false;
	l->envelope_size = o->envelope_size;
	if (may_pass(l, LIFE_AT_OFFERED, LIFE_NEXT_MANIFEST))
		go_on(l, LIFE_NEXT_MANIFEST);
}

static void on_offer(struct life *l, const struct link_answer *a)
{
	struct proto_offer offer;
	l->heard += a->code == 205;
	if (a->code == 205 && proto_get_offer(a->body, &offer))
		take_offer(l, &offer);
	else
		wait_s(l, REST_MS / 1000);
}

/* --- manifest
 * ---------------------------------------------------------------------------------- */

/* Into memory that has room for all of it. */
static bool write_bytes(void *user, uint64_t offset, const uint8_t *p, size_t n)
{
	memcpy((uint8_t *)user + offset, p, n);
	return true;
}

static void begin_manifest(struct life *l)
{
	char path[LINK_PATH_MAX];
	char hex[SUIT_HEX_SIZE(32)];
	drop_envelope(l);
	if (l->envelope_size == 0 || l->envelope_size > l->config->envelope_max) {
		give_up(l, PROTO_REJECTED, PROTO_CAUSE_SPACE, "the envelope is too large");
		return;
	}
	suit_hex((struct suit_bytes){ l->update.manifest.b, 32 }, hex);
	snprintf(path, sizeof(path), "manifest/%s", hex);
	l->envelope = malloc(l->envelope_size);
	if (!l->envelope ||
	    !fetch_begin(&l->fetch, path, l->envelope_size, 0, l->config->block_size)) {
		give_up(l, PROTO_REJECTED, PROTO_CAUSE_SPACE, "no memory for the envelope");
		return;
	}
	ask_block(l, LIFE_MANIFEST);
}

static uint64_t bytes_done(const struct life *l)
{
	return update_bytes(&l->update, l->nth) + l->fetch.offset;
}

static uint64_t bytes_total(const struct life *l)
{
	return update_bytes(&l->update, l->update.payload_count);
}

/* The next payload, or what comes behind the last one. */
static void begin_payload(struct life *l, size_t nth)
{
	uint64_t have = 0;
	char path[UPDATE_PATH_MAX];
	l->nth = nth;
	if (nth < l->update.payload_count && must_wait(l, nth))
		return;
	l->put_off = false; /* the server hears something else now */
	if (nth == l->update.payload_count) {
		report_state(l, PROTO_DOWNLOADED, LIFE_NEXT_INSTALL);
		return;
	}
	enum proto_cause cause = l->ops->begin(l->machine, &l->update, nth, &have);
	if (cause != PROTO_CAUSE_NONE) {
		give_up(l, PROTO_FAILED, cause, "the slot cannot be written");
		return;
	}
	update_path(&l->update.payload[nth], path);
	if (!fetch_begin(&l->fetch, path, l->update.payload[nth].size, have,
			 l->config->block_size)) {
		give_up(l, PROTO_REJECTED, PROTO_CAUSE_SPACE,
			"blocks are too small for the image");
		return;
	}
	l->tell_at = bytes_done(l) + bytes_total(l) / QUARTERS;
	struct proto_progress p = { .state = PROTO_DOWNLOADING,
				    .counted = true,
				    .done = bytes_done(l),
				    .total = bytes_total(l) };
	report(l, &p, LIFE_NEXT_IMAGE);
}

static enum suit_rc look(struct life *l, struct platform_result *ret)
{
	struct facts facts;
	l->ops->facts(l->machine, &facts);
	return verify_envelope(l->verify, (struct suit_bytes){ l->envelope, l->envelope_size },
			       &facts, &l->update, ret);
}

/* A dependency's envelope that the manifest fetches. */
static void begin_dependency(struct life *l, const struct payload *p)
{
	char path[UPDATE_PATH_MAX];
	l->elsewhere = *p;
	uint64_t has = l->envelope_size + ELSEWHERE_MORE, most = l->config->envelope_max;
	if (has > most || p->size > most - has) {
		give_up(l, PROTO_REJECTED, PROTO_CAUSE_SPACE,
			"the envelope is too large, with its dependencies");
		return;
	}
	update_path(p, path);
	free(l->dependency);
	l->dependency = malloc(p->size);
	if (!l->dependency ||
	    !fetch_begin(&l->fetch, path, p->size, 0, l->config->block_size)) {
		give_up(l, PROTO_REJECTED, PROTO_CAUSE_SPACE, "no memory for a dependency");
		return;
	}
	ask_block(l, LIFE_DEPENDENCY);
}

static void refuse_manifest(struct life *l, const struct platform_result *result)
{
	if (result->elsewhere.size > 0) {
		begin_dependency(l, &result->elsewhere);
		return;
	}
	if (result->put_off) {
		put_off(l, result->why);
		return;
	}
	l->judged = true;
	if (l->ops->refused)
		l->ops->refused(l->machine,
				(struct suit_bytes){ l->envelope, l->envelope_size }, result);
	/* nothing is wrong with the manifest when the device itself cannot do its part */
	give_up(l, result->cause == PROTO_CAUSE_INSTALL ? PROTO_FAILED : PROTO_REJECTED,
		result->cause, result->why);
}

static void judge_manifest(struct life *l)
{
	struct suit_digest offered = l->update.manifest;
	struct platform_result result;
	enum suit_rc rc = look(l, &result);
	if (rc == SUIT_OK && !suit_digest_equal(&offered, &l->update.manifest)) {
		give_up(l, PROTO_REJECTED, PROTO_CAUSE_MANIFEST,
			"not the manifest that was offered");
		return;
	}
	if (rc == SUIT_OK)
		begin_payload(l, 0);
	else
		refuse_manifest(l, &result);
}

/* True when the download goes on or is over well; everything else is dealt with here. */
static bool take_block(struct life *l, const struct link_answer *a,
		       const struct fetch_sink *sink, bool *ret_done)
{
	switch (fetch_take(&l->fetch, a, sink)) {
	case FETCH_MORE:
		*ret_done = false;
		return true;
	case FETCH_DONE:
		*ret_done = true;
		return true;
	case FETCH_REFUSED:
		log_line("job %" PRIu64 ": %s refused (%u.%02u)", l->update.job, l->fetch.path,
			 a->code / 100, a->code % 100);
		forget_job(l, REFUSED_WAIT_S);
		return false;
	case FETCH_BAD:
		give_up(l, PROTO_FAILED, PROTO_CAUSE_DOWNLOAD,
			"a block is not what was asked for");
		return false;
	case FETCH_STORE:
		give_up(l, PROTO_FAILED, PROTO_CAUSE_STORAGE, "the slot cannot be written");
		return false;
	}
	return false;
}

/* A document that is kept in memory; what follows when it is whole. */
static void on_document(struct life *l, const struct link_answer *a, uint8_t *into,
			void (*follow)(struct life *))
{
	struct fetch_sink sink = { write_bytes, into };
	bool done;
	if (!take_block(l, a, &sink, &done))
		return;
	if (done)
		follow(l);
	else
		ask_block(l, l->state);
}

/* It lies in the envelope from now on. */
static void finish_dependency(struct life *l)
{
	uint8_t *whole = NULL;
	size_t n = 0;
	enum suit_rc rc = elsewhere_join(
		l->verify->can.crypto, (struct suit_bytes){ l->envelope, l->envelope_size },
		&l->elsewhere, (struct suit_bytes){ l->dependency, l->elsewhere.size }, &whole,
		&n);
	if (rc != SUIT_OK) {
		give_up(l, PROTO_FAILED,
			rc == SUIT_DIGEST ? PROTO_CAUSE_DIGEST : PROTO_CAUSE_MANIFEST,
			"a dependency is not what its address names");
		return;
	}
	bool waits = l->put_off;
	drop_envelope(l);
	l->put_off = waits;
	l->envelope = whole;
	l->envelope_size = n;
	judge_manifest(l);
}

/* --- image
 * ------------------------------------------------------------------------------------- */

static void finish_image(struct life *l)
{
	enum proto_cause cause = l->ops->check(l->machine, &l->update, l->nth);
	if (cause != PROTO_CAUSE_NONE)
		give_up(l, PROTO_FAILED, cause,
			cause == PROTO_CAUSE_DIGEST
				? "the image that was read back is not the signed one"
				: "the slot cannot be written");
	else
		begin_payload(l, l->nth + 1);
}

/* Told once: while the server cannot write it down, the download goes on all the same. */
static bool tell_progress(struct life *l)
{
	if (bytes_done(l) < l->tell_at)
		return false;
	l->tell_at = bytes_done(l) + bytes_total(l) / QUARTERS;
	struct proto_progress p = { .state = PROTO_DOWNLOADING,
				    .counted = true,
				    .done = bytes_done(l),
				    .total = bytes_total(l) };
	report_by(l, &p, LIFE_NEXT_IMAGE, true);
	return true;
}

static void on_block(struct life *l, const struct link_answer *a)
{
	struct fetch_sink sink = { l->ops->write, l->machine };
	bool done;
	uint64_t half = bytes_total(l) / 2;
	bool below = bytes_done(l) < half;
	if (!take_block(l, a, &sink, &done))
		return;
	if (done)
		finish_image(l);
	else if (below && bytes_done(l) >= half &&
		 !may_pass(l, LIFE_AT_DOWNLOADING, LIFE_NEXT_IMAGE))
		return;
	else if (!tell_progress(l))
		ask_block(l, LIFE_IMAGE);
}

/* All payloads are there.  What the device was asked when it began may be answered otherwise by
 * now; then an install that was begun would have failed. */
static void begin_install(struct life *l)
{
	struct update looked = l->update;
	struct platform_result result;
	if (must_wait(l, looked.payload_count))
		return;
	if (looked.asks && look(l, &result) != SUIT_OK) {
		refuse_manifest(l, &result);
		return;
	}
	if (!update_fetches_same(&looked, &l->update)) { /* it goes another way */
		begin_payload(l, 0);
		return;
	}
	if (must_wait(l, looked.payload_count))
		return;
	report_state(l, PROTO_INSTALLING, LIFE_NEXT_ACTIVATE);
}

static void activate(struct life *l)
{
	const char *why = "the slot cannot be made active";
	l->judged = true;
	enum proto_cause cause =
		l->ops->activate(l->machine, &l->update,
				 (struct suit_bytes){ l->envelope, l->envelope_size }, &why);
	if (cause == PROTO_CAUSE_NONE)
		report_state(l, PROTO_REBOOTING, LIFE_NEXT_REBOOT);
	else
		give_up(l, PROTO_FAILED, cause, why);
}

/* --- reports
 * ----------------------------------------------------------------------------------- */

/* All of them, or their next block. */
static void say_last_words(struct life *l)
{
	struct link_request r = { .method = LINK_POST, .format = FORMAT_REPORT, .once = true };
	snprintf(r.path, sizeof(r.path), "report/%" PRIu64 "/%" PRIu64, l->update.job,
		 l->update.attempt);
	upload_request(&l->upload, &r);
	link_ask(l->link, &r);
}

/* Told once: whatever becomes of it, the job's end was told before. */
static bool tell_last_words(struct life *l)
{
	if (!l->judged || !l->ops->last_words ||
	    !upload_begin(&l->upload, l->ops->last_words(l->machine), l->config->block_size))
		return false;
	l->last_words = true;
	say_last_words(l);
	return true;
}

static void end_job(struct life *l)
{
	if (l->next == LIFE_NEXT_ASK)
		forget_job(l, 0);
	else
		go_on(l, l->next);
}

static void on_last_words(struct life *l, const struct link_answer *a)
{
	if (upload_take(&l->upload, a) == UPLOAD_MORE) {
		say_last_words(l);
		return;
	}
	if (a->code != 204)
		log_line("job %" PRIu64 ": the SUIT report was not taken (%u.%02u)",
			 l->update.job, a->code / 100, a->code % 100);
	l->last_words = false;
	end_job(l);
}

static void on_reported(struct life *l, const struct link_answer *a)
{
	bool stop = true;
	if (l->last_words) {
		on_last_words(l, a);
		return;
	}
	if (a->code >= 500 || a->code == 429) { /* of a report that is told once */
		go_on(l, l->next);
		return;
	}
	if (a->code == 204 && l->ops->reported)
		l->ops->reported(l->machine, &l->update, l->said);
	if (l->state != LIFE_REPORTING)
		return;
	if (a->code == 204 && !proto_get_reported(a->body, &stop))
		stop = false;
	bool ends = l->next == LIFE_NEXT_ASK || (l->next == LIFE_NEXT_REBOOT && !stop);
	if (ends && tell_last_words(l))
		return;
	if (ends)
		end_job(l);
	else if (stop)
		forget_job(l, a->code == 204 ? 0 : REFUSED_WAIT_S);
	else if (l->said != PROTO_INSTALLING ||
		 may_pass(l, LIFE_AT_INSTALLING, LIFE_NEXT_ACTIVATE))
		go_on(l, l->next);
}

static void reboot(struct life *l)
{
	l->state = LIFE_OFF;
	l->is_registered = false;
	link_rest(l->link);
	l->ops->reboot(l->machine);
}

static void go_on(struct life *l, enum life_next next)
{
	switch (next) {
	case LIFE_NEXT_ASK:
		ask_update(l);
		break;
	case LIFE_NEXT_WAIT:
		if (l->config->observe && !l->link->observing) /* lost while it reported */
			ask_update(l);
		else
			wait_on(l);
		break;
	case LIFE_NEXT_MANIFEST:
		begin_manifest(l);
		break;
	case LIFE_NEXT_IMAGE:
		if (l->fetch.offset == l->fetch.size)
			finish_image(l);
		else
			ask_block(l, LIFE_IMAGE);
		break;
	case LIFE_NEXT_INSTALL:
		begin_install(l);
		break;
	case LIFE_NEXT_ACTIVATE:
		activate(l);
		break;
	case LIFE_NEXT_REBOOT:
		reboot(l);
		break;
	}
}

/* --- events
 * ------------------------------------------------------------------------------------ */

static void on_answer(void *user, const struct link_answer *a)
{
	struct life *l = user;
	/* A notification is news only to one that waits; the others ask when they are done. */
	if (a->told && l->state != LIFE_WAITING)
		return;
	switch (l->state) {
	case LIFE_REGISTERING:
		on_registered(l, a);
		break;
	case LIFE_WAITING:
		if (a->told && l->is_registered)
			on_offer(l, a);
		break;
	case LIFE_ASKING:
		on_offer(l, a);
		break;
	case LIFE_MANIFEST:
		on_document(l, a, l->envelope, judge_manifest);
		break;
	case LIFE_DEPENDENCY:
		on_document(l, a, l->dependency, finish_dependency);
		break;
	case LIFE_IMAGE:
		on_block(l, a);
		break;
	case LIFE_REPORTING:
		on_reported(l, a);
		break;
	case LIFE_OFF:
	case LIFE_HELD:
		break;
	}
}

static void on_unobserved(void *user)
{
	struct life *l = user;
	if (l->state == LIFE_WAITING)
		l->wake_ms = 0;
}

void life_init(struct life *l, struct link *link, const struct machine_ops *ops, void *machine)
{
	static const struct link_events events = { on_answer, on_unobserved };
	*l = (struct life){ .link = link, .ops = ops, .machine = machine };
	link_listen(link, &events, l);
}

void life_finish(struct life *l)
{
	drop_envelope(l);
	l->state = LIFE_OFF;
}

void life_start(struct life *l, const struct proto_register *self)
{
	drop_envelope(l);
	l->last_words = false;
	l->self = self;
	l->is_registered = false;
	ask_register(l);
}

void life_go_on(struct life *l)
{
	if (l->state == LIFE_HELD)
		go_on(l, l->next);
}

void life_wake(struct life *l)
{
	if (l->state == LIFE_WAITING)
		l->wake_ms = 0;
}

int64_t life_step(struct life *l, int64_t now_ms)
{
	if (l->state == LIFE_WAITING && l->put_off)
		look_at_clock(l, now_ms);
	if (l->state == LIFE_WAITING && now_ms >= l->wake_ms) {
		if (l->is_registered)
			ask_update(l);
		else
			ask_register(l);
	}
	int64_t next = link_step(l->link, now_ms);
	if (l->state != LIFE_WAITING)
		return next;
	if (l->put_off && l->look_ms < next)
		next = l->look_ms;
	return l->wake_ms < next ? l->wake_ms : next;
}
