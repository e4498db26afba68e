/* Registrations, one or many in a few statements: after a power cut a whole fleet has new boot
 * ids at once.  What they prove about jobs is in core/registration_jobs.c. */

#include "core/registration.h"

#include "base/hash.h"
#include "core/audit.h"
#include "core/core.h"
#include "core/registration_jobs.h"
#include "core/roster_update.h"
#include "core/version.h"
#include "db/event_store.h"
#include "db/outbox_store.h"
#include "db/registration_store.h"

static uint64_t digest_head(const struct digest *d)
{
	uint64_t head = 0;

	for (int i = 0; i < 8; i++)
		head = head << 8 | d->b[i];
	return head;
}

bool registration_is_known(const struct roster_device *d, const struct digest *digest)
{
	struct roster_view v;

	roster_view(d, &v);
	return v.lifecycle == DEVICE_ACTIVE && v.registration != 0 &&
	       v.registration == digest_head(digest);
}

struct registration_hook {
	struct roster_device *device;
	uint64_t registration;
};

static void roster_follow(struct call *c, void *arg)
{
	const struct registration_hook *hook = arg;

	roster_set_registration(hook->device, hook->registration, c->turn);
}

static void follow_after_commit(struct call *c, const struct digest *digest)
{
	struct registration_hook *hook = arena_new(c->mem, struct registration_hook);

	*hook = (struct registration_hook){ c->actor.device, digest_head(digest) };
	call_after_commit(c, roster_follow, hook);
}

/* --- those of a batch that are good so far --- */

struct standing {
	struct registrant **who;
	struct device_row *known;
	size_t count;
};

static void keep(struct standing *s, struct registrant *who, const struct device_row *known)
{
	s->known[s->count] = *known;
	s->who[s->count++] = who;
}

static struct uuid *ids_of(struct arena *mem, const struct standing *s)
{
	struct uuid *ids = arena_array(mem, s->count, sizeof(*ids));

	for (size_t i = 0; i < s->count; i++)
		ids[i] = s->who[i]->call->actor.id;
	return ids;
}

/* Leaves out who carries another's name. */
static struct standing stand(struct arena *mem, struct registrant *list, size_t n)
{
	struct standing s = { .who = arena_array(mem, n, sizeof(struct registrant *)),
			      .known = arena_array(mem, n, sizeof(*s.known)) };
	const struct device_row unknown = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct call *c = list[i].call;
		struct uuid named;
		device_id_derive(c->core->tenant_secret, list[i].registration->endpoint,
				 &named);
		list[i].rc = RC_OK;
		if (uuid_equal(&named, &c->actor.id))
			keep(&s, &list[i], &unknown);
		else
			list[i].rc =
				call_fail(c, ERR_DENIED, "the credential is another device's");
	}
	return s;
}

/* --- the registrations themselves --- */

/* A device that boots has lost its session: what says another boot than the one that we know,
 * on a session older than the one that brought that, was on its way when the device went down.
 * Boot ids have no order of their own. */
static bool is_of_the_past(const struct call *c, const struct registration *in,
			   const struct device_row *known)
{
	const struct actor *a = &c->actor;

	return known->boot_id.n && !bytes_equal(in->boot_id, known->boot_id) && a->session &&
	       a->session < roster_boot_session(a->device);
}

/* Is there something to write?  Sets its result. */
static bool admit(struct registrant *r, const struct device_row *known)
{
	struct call *c = r->call;

	if (uuid_is_zero(&known->device_id) || known->lifecycle == DEVICE_REVOKED) {
		r->rc = call_fail(c, ERR_REVOKED, "the device is not known any more");
		return false;
	}
	if (is_of_the_past(c, r->registration, known))
		return false;
	/* Before the commit, because whoever waits for the row must see it; should the commit
	 * fail, only a session that is older anyway is turned away. */
	if (!bytes_equal(r->registration->boot_id, known->boot_id))
		roster_set_boot_session(c->actor.device, c->actor.session);
	follow_after_commit(c, &r->digest);
	return known->lifecycle != DEVICE_ACTIVE ||
	       !digest_equal(&known->registration, &r->digest);
}

/* Leaves out who has nothing to write. */
static enum rc lock(struct call *c, struct standing *s)
{
	size_t n = s->count;

	enum rc rc = registration_store_lock(c->db, c->tenant, c->mem, ids_of(c->mem, s), n,
					     s->known);
	if (rc != RC_OK)
		return rc;
	s->count = 0;
	for (size_t i = 0; i < n; i++)
		if (admit(s->who[i], &s->known[i]))
			keep(s, s->who[i], &s->known[i]);
	return RC_OK;
}

static struct bytes *version_keys(struct arena *mem, const struct registration *in)
{
	struct bytes *keys = arena_array(mem, COMPONENTS_MAX, sizeof(*keys));

	for (int i = 0; i < in->component_count; i++)
		if (in->components[i].version &&
		    version_key(in->components[i].version, mem, &keys[i]) != RC_OK)
			keys[i] = (struct bytes){ 0 };
	return keys;
}

/* Leaves out whose attributes have no room. */
static enum rc store(struct call *c, struct standing *s)
{
	struct registration_put *puts = arena_array(c->mem, s->count, sizeof(*puts));
	size_t n = s->count;

	for (size_t i = 0; i < n; i++)
		puts[i] = (struct registration_put){
			.device_id = &s->known[i].device_id,
			.registration = s->who[i]->registration,
			.digest = &s->who[i]->digest,
			.version_keys = version_keys(c->mem, s->who[i]->registration),
			.now = s->who[i]->call->now,
		};
	enum rc rc = registration_store_put(c->db, c->tenant, c->mem, puts, n);
	if (rc != RC_OK)
		return rc;
	s->count = 0;
	for (size_t i = 0; i < n; i++) {
		struct registrant *r = s->who[i];
		if (puts[i].stored)
			keep(s, r, &s->known[i]);
		else
			r->rc = call_fail(r->call, ERR_VALIDATION,
					  "the device would have too many attributes");
	}
	return RC_OK;
}

static enum rc tell(struct call *c, const struct standing *s)
{
	struct event *events = arena_array(c->mem, s->count, sizeof(*events));
	int64_t *at = arena_array(c->mem, s->count, sizeof(*at));

	for (size_t i = 0; i < s->count; i++) {
		struct bytes boot = s->who[i]->registration->boot_id;
		bool booted = !bytes_equal(boot, s->known[i].boot_id);
		at[i] = s->who[i]->call->now;
		events[i] = (struct event){
			.device_id = s->known[i].device_id,
			.kind = booted ? EVENT_BOOTED : EVENT_REGISTERED,
			.detail = audit_detail(c->mem, "boot", hex_encode(c->mem, boot), NULL),
		};
	}
	return event_store_add(c->db, c->tenant, c->mem, events, at, s->count);
}

enum rc registration_commit_many(struct registrant *list, size_t n)
{
	struct call *c = list[0].call;
	struct standing s = stand(c->mem, list, n);

	enum rc rc = s.count ? lock(c, &s) : RC_OK;
	if (rc == RC_OK && s.count)
		rc = store(c, &s);
	if (rc != RC_OK || !s.count)
		return rc;
	rc = tell(c, &s);
	if (rc == RC_OK)
		rc = registration_judge(s.who, s.count);
	if (rc == RC_OK)
		rc = outbox_store_add_devices(c->db, c->tenant, c->mem, ids_of(c->mem, &s),
					      s.count, c->now);
	return rc;
}

enum rc registration_commit(struct call *c, const struct registration *in,
			    const struct digest *digest)
{
	struct registrant one = { c, in, *digest, RC_OK };

	enum rc rc = registration_commit_many(&one, 1);
	return rc == RC_OK ? one.rc : rc;
}
