/* One call's beginning and end, wherever it runs. */

#include "api/dispatch_inner.h"

#include "api/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/images.h"

#define RETRY_AFTER_S 2

void call_prepare(struct dispatcher *d, const struct req *req, struct call *ret)
{
	*ret = (struct call){
		.core = d->core,
		.mem = req->mem,
		.tenant = d->options.tenant,
		.actor = req->actor,
		.now = req->came_wall ? req->came_wall : clock_wall(),
		.id = req->id,
		.reason = req->reason,
	};
}

bool call_expired(const struct req *req, int64_t now)
{
	return now > req->deadline;
}

static const char *actor_text(struct req *req)
{
	static const char *const kinds[] = { "none", "operator", "device", "system" };
	char id[UUID_TEXT_SIZE];

	if (req->actor.kind == ACTOR_NONE)
		return kinds[ACTOR_NONE];
	return arena_printf(req->mem, "%s:%s", kinds[req->actor.kind],
			    uuid_format(&req->actor.id, id));
}

/* Reads and anonymous failures are for debugging: a scanner must not fill the log.  So is what
 * devices say when all is well: there are many of them, and table event has it. */
static bool is_notable(const struct req *req, const struct res *res)
{
	if (res->rc != RC_OK)
		return req->actor.kind != ACTOR_NONE;
	return req->by_worker && req->method != METHOD_GET && req->actor.kind != ACTOR_DEVICE;
}

static void log_call(struct req *req, const struct res *res)
{
	enum log_level level = res->rc == RC_INTERNAL ? LOG_LEVEL_ERROR
			       : is_notable(req, res) ? LOG_LEVEL_INFO
						      : LOG_LEVEL_DEBUG;

	if (level > log_threshold())
		return;
	log_write(level, "call", "id",
		  arena_printf(req->mem, "%016llx", (unsigned long long)req->id), "operation",
		  req->route ? req->route->operation : "none", "actor", actor_text(req), "peer",
		  req->peer ? req->peer : "", "result", rc_name(res->rc), "error",
		  res->err ? err_code(res->err) : "", "us",
		  log_i64(clock_monotonic() - req->started), NULL);
}

static int64_t retry_after_s(struct dispatcher *d, const struct req *req)
{
	if (req->actor.kind != ACTOR_DEVICE)
		return RETRY_AFTER_S;
	return come_back_after_s(&d->come_back, &req->actor.id, clock_monotonic());
}

/* RC_RETRY means here that every rerun lost its race. */
static void fail(struct dispatcher *d, struct req *req, const struct call *c, enum rc rc)
{
	struct res *res = req->res;

	if (rc == RC_RETRY)
		rc = RC_UNAVAILABLE;
	bool said = c->err != ERR_NONE && err_rc(c->err) == rc;

	image_close(res->image);
	*res = (struct res){
		.rc = rc,
		.err = said ? c->err : err_of_rc(rc),
		.format = FORMAT_NONE,
		.detail = said ? c->detail : NULL,
		.fields = said ? c->fields : NULL,
		.allow = res->allow,
		.max_age_s = -1,
		.retry_after_s =
			rc == RC_UNAVAILABLE || rc == RC_LIMIT ? retry_after_s(d, req) : -1,
	};
}

void call_finish(struct dispatcher *d, struct req *req, struct call *c, enum rc rc)
{
	struct res *res = req->res;

	/* Whatever was wrong may come from it. */
	if (rc != RC_OK && memory_is_short())
		rc = RC_UNAVAILABLE;
	if (rc != RC_OK)
		fail(d, req, c, rc);
	else if (req->by_worker && req->actor.kind == ACTOR_DEVICE)
		come_back_answered(&d->come_back, 1, clock_monotonic());
	auth_after(d, req, res);
	if (!req->check_only || rc != RC_OK) {
		log_call(req, res);
		metrics_count_call(req->route, res->rc, clock_monotonic() - req->started);
	}
	req->done(req, res);
}

void call_refuse(struct dispatcher *d, struct req *req, enum err err, const char *detail)
{
	struct call c;

	call_prepare(d, req, &c);
	c.err = err;
	c.detail = detail;
	call_finish(d, req, &c, err_rc(err));
}
