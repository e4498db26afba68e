/* Manifests that were stored before the server noted what a device needs for them. */
#include "core/release_resurvey.h"

#include "base/log.h"
#include "core/release_check.h"
#include "db/manifest_store.h"

#define BATCH 16 /* an envelope has up to ENVELOPE_MAX bytes; nothing else waits for long */

static void tell(const struct manifest *m, const char *why)
{
	char hex[DIGEST_TEXT_SIZE];

	log_warn("a stored manifest cannot be read by the rules of today: what a device needs "
		 "for it stays as it was noted",
		 "manifest", digest_format(&m->digest, hex), "why", why);
}

static enum rc resurvey_one(struct call *c, struct manifest *m)
{
	struct release_facts *f = arena_new(c->mem, struct release_facts);
	struct release_refusal why = { 0 };

	enum rc rc = release_read_stored(c, m->envelope, f, &why);
	if (rc == RC_OK) {
		m->needs = f->needs;
		m->base_component = f->base_component;
		m->base_digest = f->base_digest;
		m->bytes = f->bytes;
		m->image_bytes = f->image_bytes;
	} else if (why.why) {
		tell(m, why.why);
	} else if (rc == RC_INTERNAL) {
		tell(m, "it cannot be gone through"); /* or all others would wait for it */
	} else {
		return rc;
	}
	return manifest_store_surveyed(c->db, c->tenant, m);
}

enum rc release_resurvey(struct call *c, bool *ret_more)
{
	struct manifest *list;
	int n = 0;

	enum rc rc = manifest_store_unsurveyed(c->db, c->tenant, BATCH, c->mem, &list, &n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = resurvey_one(c, &list[i]);
	if (rc == RC_OK)
		*ret_more = n > 0;
	return rc;
}
