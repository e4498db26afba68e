/* Releases: a signed manifest goes through every check before anything is stored. */
#include "core/release.h"

#include "core/audit.h"
#include "core/job.h"
#include "core/release_check.h"
#include "core/release_rules.h"
#include "core/version.h"
#include "db/campaign_store.h"
#include "db/class_store.h"
#include "db/manifest_store.h"
#include "db/release_store.h"

#include <inttypes.h>
#include <string.h>

static const char *id_text(struct call *c, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	return arena_text(c->mem, uuid_format(id, text));
}

/* --- version and sequence --- */

static enum rc choose_version(struct call *c, const struct release_facts *f,
			      const struct release_new *in, struct release *r)
{
	if (!in->version && !f->version)
		return call_field(c, "/version", "the manifest does not carry it: say it here");
	r->version = in->version ? in->version : f->version;
	if (version_key(r->version, c->mem, &r->version_key) != RC_OK)
		return call_field(c, "/version", "is not a version such as 3.7 or 3.7.0-rc1");
	if (f->version && !release_versions_agree(r->version, f->version, c->mem))
		return call_field(c, "/version", "the manifest says %s", f->version);
	return RC_OK;
}

static enum rc not_higher(struct call *c, uint64_t sequence, int64_t last)
{
	return call_fail(c, ERR_SEQUENCE_NOT_HIGHER,
			 "sequence number %" PRIu64 " is not higher than %" PRId64
			 ", the last one of this class and these components",
			 sequence, last);
}

/* Even then room is left for the releases that follow. */
static enum rc check_jump(struct call *c, const struct release_facts *f, bool allow_jump)
{
	if (!allow_jump || f->sequence > SEQUENCE_MOST)
		return call_fail(c, ERR_SEQUENCE_TOO_FAR,
				 "sequence number %" PRIu64
				 " leaves too little room: the clock's "
				 "seconds, or the last number and 2^20, are the most",
				 f->sequence);
	if (c->actor.role != ROLE_ADMIN)
		return call_fail(c, ERR_DENIED, "allow_jump is for administrators");
	return RC_OK;
}

static enum rc take_sequence(struct call *c, const struct release_facts *f,
			     const struct release_new *in, struct release *r)
{
	struct class_sequence s = { .vendor_id = f->vendor_id,
				    .class_id = f->class_id,
				    .components = f->components };
	int64_t last = -1;

	enum rc rc = class_store_sequence(c->db, c->tenant, &s, &last);
	if (rc != RC_OK)
		return rc;
	switch (release_sequence_check(f->sequence, last, c->now / 1000000)) {
	case SEQUENCE_OK:
		break;
	case SEQUENCE_NOT_HIGHER:
		return not_higher(c, f->sequence, last);
	case SEQUENCE_TOO_FAR:
		rc = check_jump(c, f, in->allow_jump);
		if (rc != RC_OK)
			return rc;
		r->jumped = true;
		break;
	}
	s.sequence = r->sequence = (int64_t)f->sequence;
	rc = class_store_raise_sequence(c->db, c->tenant, &s);
	if (rc == RC_CONFLICT)
		return not_higher(c, f->sequence, s.sequence);
	return rc;
}

/* --- storing --- */

static enum rc fill(struct call *c, const struct release_facts *f, struct bytes envelope,
		    struct release *r)
{
	r->vendor_id = f->vendor_id;
	r->class_id = f->class_id;
	r->components = f->components;
	r->revision = 1;
	r->created_at = c->now;
	r->manifests = arena_new(c->mem, struct manifest);
	r->manifest_count = r->variant_count = 1;
	r->installed = f->installed;
	r->installed_count = f->installed_count;
	return release_manifest_of(c, f, envelope, &r->manifests[0]);
}

static enum rc note(struct call *c, const char *action, const struct release *r)
{
	char digest[DIGEST_TEXT_SIZE];
	struct audit_act act = { .action = action,
				 .object_kind = "release",
				 .object_id = id_text(c, &r->release_id) };

	act.detail = audit_detail(
		c->mem, "class_id", id_text(c, &r->class_id), "components", r->components,
		"manifest", digest_format(&r->manifests[0].digest, digest), "sequence",
		arena_printf(c->mem, "%" PRId64, r->sequence), "jump",
		r->jumped ? "true" : NULL, "vendor_id", id_text(c, &r->vendor_id), NULL);
	return audit_add(c, &act);
}

static enum rc store(struct call *c, struct release *r)
{
	uuid_random(&r->release_id);
	enum rc rc = release_store_insert(c->db, c->tenant, r, &c->actor.id);
	if (rc == RC_CONFLICT)
		return not_higher(c, (uint64_t)r->sequence, r->sequence);
	if (rc != RC_OK)
		return rc;
	rc = manifest_store_insert(c->db, c->tenant, &r->release_id, &r->manifests[0]);
	if (rc == RC_CONFLICT)
		return call_fail(c, ERR_ALREADY_EXISTS, "this manifest was uploaded before");
	if (rc != RC_OK)
		return rc;
	return note(c, "release.create", r);
}

static enum rc check_all(struct call *c, const struct release_new *in, struct release_facts *f,
			 struct release *r)
{
	struct device_class class;

	enum rc rc = release_check(c, in->envelope, f, &class);
	if (rc == RC_OK && f->delegated)
		rc = release_refuse(c, ERR_AUTHOR_NOT_ALLOWED,
				    "a delegate alone has signed it, who lets devices into a "
				    "release that is there: add it to that one");
	if (rc == RC_OK)
		rc = choose_version(c, f, in, r);
	if (rc == RC_OK)
		rc = take_sequence(c, f, in, r);
	if (rc == RC_OK && *class.name)
		r->class_name = class.name;
	return rc;
}

enum rc release_create(struct call *c, const struct release_new *in, struct release *ret)
{
	struct release_facts *f = arena_new(c->mem, struct release_facts);
	struct release r = { .notes = in->notes ? in->notes : "" };

	if (strlen(r.notes) > RELEASE_NOTES_MAX)
		return call_field(c, "/notes", "must have at most %d bytes", RELEASE_NOTES_MAX);
	enum rc rc = check_all(c, in, f, &r);
	if (rc == RC_OK)
		rc = fill(c, f, in->envelope, &r);
	if (rc == RC_OK)
		rc = store(c, &r);
	if (rc == RC_OK)
		*ret = r;
	return rc;
}

/* --- reading --- */

static enum rc load_manifests(struct call *c, int limit, struct release *r)
{
	enum rc rc = manifest_store_list(c->db, c->tenant, limit, c->mem, r);

	for (int i = 0; rc == RC_OK && i < r->manifest_count; i++)
		rc = release_signers(r->manifests[i].envelope, c->mem, &r->manifests[i].signers,
				     &r->manifests[i].signer_count);
	return rc;
}

enum rc release_get(struct call *c, const struct uuid *release_id, struct release *ret)
{
	struct release r;

	enum rc rc = release_store_get(c->db, c->tenant, release_id, c->mem, &r);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "there is no such release");
	if (rc == RC_OK)
		rc = load_manifests(c, RELEASE_VARIANTS_MAX, &r);
	if (rc == RC_OK)
		*ret = r;
	return rc;
}

enum rc release_list(struct call *c, const struct release *after, int limit,
		     struct release **ret, int *ret_count)
{
	struct release *list = NULL;
	int n = 0;

	enum rc rc = release_store_list(c->db, c->tenant, after, limit, c->mem, &list, &n);
	/* A thousand releases have up to 64,000 envelopes: a list has the first of each. */
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = load_manifests(c, 1, &list[i]);
	if (rc != RC_OK)
		return rc;
	*ret = list;
	*ret_count = n;
	return RC_OK;
}

enum rc release_manifest(struct call *c, const struct uuid *release_id,
			 const struct digest *digest, struct manifest *ret)
{
	struct release r = { 0 };

	enum rc rc = release_get(c, release_id, &r);
	if (rc != RC_OK)
		return rc;
	for (int i = 0; i < r.manifest_count; i++) {
		if (digest && !digest_equal(&r.manifests[i].digest, digest))
			continue;
		*ret = r.manifests[i];
		return RC_OK;
	}
	return digest ? call_fail(c, ERR_NOT_FOUND, "the release has no such manifest")
		      : RC_INTERNAL;
}

static enum rc cancel_unbegun(struct call *c, const struct uuid *campaigns, int n)
{
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = job_cancel_unbegun(c, &campaigns[i]);
	return rc;
}

enum rc release_take_back(struct call *c, const struct uuid *release_id)
{
	struct uuid *campaigns;
	int n;

	enum rc rc = campaign_store_stop_offers(c->db, c->tenant, release_id, c->mem,
						&campaigns, &n);
	return rc == RC_OK ? cancel_unbegun(c, campaigns, n) : rc;
}

enum rc release_take_back_since(struct call *c, int64_t since)
{
	struct uuid *campaigns;
	int n;

	enum rc rc = campaign_store_withdrawn(c->db, c->tenant, since, c->mem, &campaigns, &n);
	return rc == RC_OK ? cancel_unbegun(c, campaigns, n) : rc;
}

enum rc release_withdraw(struct call *c, const struct uuid *release_id, int64_t revision,
			 struct release *ret)
{
	struct release r = { 0 };

	enum rc rc = release_get(c, release_id, &r);
	if (rc != RC_OK)
		return rc;
	r.revision = revision;
	rc = release_store_withdraw(c->db, c->tenant, &r, c->now);
	if (rc == RC_STALE)
		return call_fail(c, ERR_PRECONDITION_FAILED,
				 "it has changed since you read it");
	if (rc == RC_OK)
		rc = release_take_back(c, release_id);
	if (rc == RC_OK)
		rc = note(c, "release.withdraw", &r);
	if (rc != RC_OK)
		return rc;
	r.revision++;
	if (!r.withdrawn_at)
		r.withdrawn_at = c->now;
	*ret = r;
	return RC_OK;
}
