/* Variants: further manifests of a release, for devices that can take less than the whole
 * image. They end as the others do, so what proves the update is the same. */
#include "core/release.h"

#include "core/audit.h"
#include "core/release_check.h"
#include "core/release_rules.h"
#include "db/manifest_store.h"
#include "db/release_store.h"

#include <inttypes.h>
#include <string.h>

static const char *id_text(struct call *c, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	return arena_text(c->mem, uuid_format(id, text));
}

/* --- the same release? --- */

static const char *installed_text(struct call *c, const struct release_installed *list, int n)
{
	const char *text = "";

	for (int i = 0; i < n; i++)
		text = arena_printf(c->mem, "%s%s%s %s", text, *text ? ", " : "",
				    list[i].component,
				    hex_encode(c->mem, (struct bytes){ list[i].digest.b, 6 }));
	return text;
}

static bool ends_alike(const struct release_facts *f, const struct release *r)
{
	if (f->installed_count != r->installed_count)
		return false;
	for (int i = 0; i < f->installed_count; i++)
		if (strcmp(f->installed[i].component, r->installed[i].component) != 0 ||
		    !digest_equal(&f->installed[i].digest, &r->installed[i].digest))
			return false;
	return true;
}

/* A field for each difference, so that the author sees them all at once. */
static void note_differences(struct call *c, const struct release_facts *f,
			     const struct release *r)
{
	if (!uuid_equal(&f->vendor_id, &r->vendor_id) ||
	    !uuid_equal(&f->class_id, &r->class_id))
		(void)call_field(c, "/envelope",
				 "class: it is for %s of vendor %s, the release for %s of %s",
				 id_text(c, &f->class_id), id_text(c, &f->vendor_id),
				 id_text(c, &r->class_id), id_text(c, &r->vendor_id));
	if (f->sequence != (uint64_t)r->sequence)
		(void)call_field(c, "/envelope",
				 "sequence number: it has %" PRIu64 ", the release %" PRId64,
				 f->sequence, r->sequence);
	if (strcmp(f->components, r->components) != 0)
		(void)call_field(c, "/envelope",
				 "components: it changes %s, the release changes %s",
				 f->components, r->components);
	else if (!ends_alike(f, r))
		(void)call_field(c, "/envelope",
				 "installed digests: it ends with %s, the release with %s",
				 installed_text(c, f->installed, f->installed_count),
				 installed_text(c, r->installed, r->installed_count));
	if (f->version && !release_versions_agree(f->version, r->version, c->mem))
		(void)call_field(c, "/envelope", "version: it says %s, the release is %s",
				 f->version, r->version);
}

static bool has_manifest(const struct release *r, const struct digest *digest)
{
	for (int i = 0; i < r->manifest_count; i++)
		if (digest_equal(&r->manifests[i].digest, digest))
			return true;
	return false;
}

/* In the envelope of another dependency: whoever signed that one has chosen it. */
static bool is_inside(const struct release_facts *f, int part)
{
	const uint8_t *bytes = f->parts.list[part]->envelope.whole.p;

	for (int i = 1; i < f->parts.count; i++) {
		const struct suit_envelope *outer = &f->parts.list[i]->envelope;
		for (size_t k = 0; k < outer->payload_count; k++)
			if (outer->payload[k].content.p == bytes)
				return true;
	}
	return false;
}

/* What a delegate lets devices into is this release. */
static enum rc check_admission(struct call *c, const struct release_facts *f,
			       const struct release *r)
{
	struct digest digest;

	for (int i = 1; i < f->parts.count; i++) {
		memcpy(digest.b, f->parts.list[i]->envelope.digest.b, sizeof(digest.b));
		if (!has_manifest(r, &digest) && !is_inside(f, i))
			return release_refuse(c, ERR_AUTHOR_NOT_ALLOWED,
					      "a delegate has signed it, and %s is no manifest "
					      "of this release",
					      release_part_name(f, i, c->mem));
	}
	return RC_OK;
}

static enum rc check_alike(struct call *c, const struct release_facts *f,
			   const struct release *r)
{
	note_differences(c, f, r);
	if (!c->fields)
		return RC_OK;
	return call_fail(
		c, ERR_VARIANT_DIFFERS,
		"it is no variant of this release: sign it again with the release's own "
		"values, or upload it as a release of its own");
}

/* --- storing --- */

static enum rc note(struct call *c, const struct release *r, const struct manifest *m)
{
	char digest[DIGEST_TEXT_SIZE], base[DIGEST_TEXT_SIZE];
	struct audit_act act = { .action = "release.add-manifest",
				 .object_kind = "release",
				 .object_id = id_text(c, &r->release_id) };

	act.detail = audit_detail(
		c->mem, "base", m->base_component ? digest_format(&m->base_digest, base) : NULL,
		"bytes", arena_printf(c->mem, "%" PRId64, m->bytes), "manifest",
		digest_format(&m->digest, digest), "needs", *m->needs ? m->needs : NULL, NULL);
	return audit_add(c, &act);
}

static enum rc store(struct call *c, const struct release *r, const struct manifest *m)
{
	enum rc rc = manifest_store_insert(c->db, c->tenant, &r->release_id, m);

	if (rc == RC_CONFLICT)
		return call_fail(c, ERR_ALREADY_EXISTS,
				 "this manifest belongs to another release");
	if (rc == RC_OK)
		rc = release_store_touch(c->db, c->tenant, &r->release_id);
	return rc == RC_OK ? note(c, r, m) : rc;
}

static enum rc add(struct call *c, const struct release *r, const struct release_facts *f,
		   struct bytes envelope)
{
	struct manifest m;

	if (r->withdrawn_at)
		return call_fail(
			c, ERR_RELEASE_WITHDRAWN,
			"the release was withdrawn and takes no manifests: make another "
			"one");
	if (r->manifest_count >= RELEASE_VARIANTS_MAX)
		return call_field(c, "/envelope", "a release has at most %d manifests",
				  RELEASE_VARIANTS_MAX);
	enum rc rc = check_alike(c, f, r);
	if (rc == RC_OK && f->delegated)
		rc = check_admission(c, f, r);
	if (rc == RC_OK)
		rc = release_manifest_of(c, f, envelope, &m);
	return rc == RC_OK ? store(c, r, &m) : rc;
}

enum rc release_add_manifest(struct call *c, const struct uuid *release_id,
			     struct bytes envelope, struct release *ret, bool *ret_new)
{
	struct release_facts *f = arena_new(c->mem, struct release_facts);
	struct device_class class;
	struct release r = { 0 };

	/* Those who add at the same time come one after the other. */
	enum rc rc = release_store_lock(c->db, c->tenant, release_id);
	if (rc == RC_OK || rc == RC_NOT_FOUND)
		rc = release_get(c, release_id, &r);
	if (rc == RC_OK)
		rc = release_check(c, envelope, f, &class);
	if (rc != RC_OK)
		return rc;
	bool is_new = !has_manifest(&r, &f->digest);
	if (is_new)
		rc = add(c, &r, f, envelope);
	if (rc == RC_OK)
		rc = release_get(c, release_id, ret);
	if (rc == RC_OK)
		*ret_new = is_new;
	return rc;
}
