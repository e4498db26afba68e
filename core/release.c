/* Releases: a signed manifest goes through every check before anything is stored. */
#include "core/release.h"

#include "core/audit.h"
#include "core/core.h"
#include "core/images.h"
#include "core/release_read.h"
#include "core/release_rules.h"
#include "core/version.h"
#include "db/author_key_store.h"
#include "db/class_store.h"
#include "db/image_store.h"
#include "db/manifest_store.h"
#include "db/release_store.h"

#include <inttypes.h>
#include <string.h>

static const char *id_text(struct call *c, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	return arena_text(c->mem, uuid_format(id, text));
}

static enum rc check_class(struct call *c, const struct release_facts *f,
			   struct device_class *ret)
{
	struct device_class key = { .vendor_id = f->vendor_id, .class_id = f->class_id };

	enum rc rc = class_store_get(c->db, c->tenant, &key, c->mem, ret);
	if (rc == RC_NOT_FOUND)
		return call_fail(
			c, ERR_VALIDATION,
			"the manifest is for class %s of vendor %s, which is not known "
			"here: create the class first",
			id_text(c, &f->class_id), id_text(c, &f->vendor_id));
	return rc;
}

/* --- signatures: every one must be by a registered author --- */

static enum rc check_signature(struct call *c, const struct release_facts *f,
			       const struct suit_block *block)
{
	struct author_key key = { .vendor_id = f->vendor_id,
				  .class_id = f->class_id,
				  .component = f->component,
				  .kid = { block->kid.p, block->kid.n } };
	struct author_key *keys = NULL;
	int n = 0;

	enum rc rc = author_key_store_find(c->db, c->tenant, &key, c->mem, &keys, &n);
	if (rc != RC_OK)
		return rc;
	if (n == 0)
		return call_fail(c, ERR_AUTHOR_KEY_UNKNOWN,
				 "no author key with id %s is registered for component %s of "
				 "class %s",
				 hex_encode(c->mem, key.kid), f->component,
				 id_text(c, &f->class_id));
	for (int i = 0; i < n; i++)
		if (release_signed_by(f, block, keys[i].public_key))
			return RC_OK;
	return call_fail(c, ERR_SIGNATURE_INVALID,
			 "the signature under key id %s does not verify",
			 hex_encode(c->mem, key.kid));
}

/* A MAC is for devices that hold its key; the server never does, and passes over it. */
static enum rc check_signatures(struct call *c, const struct release_facts *f)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < f->envelope.block_count; i++)
		if (!suit_block_is_mac(&f->envelope.block[i]))
			rc = check_signature(c, f, &f->envelope.block[i]);
	return rc;
}

/* --- images: here, whole, and as large as the manifest says --- */

static enum rc check_image(struct call *c, const struct image_item *wanted)
{
	char hex[DIGEST_TEXT_SIZE];
	struct image_item have;
	struct image *open = NULL;

	digest_format(&wanted->digest, hex);
	enum rc rc = image_store_get(c->db, c->tenant, &wanted->digest, &have);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_IMAGE_MISSING, "image %s was not uploaded", hex);
	if (rc != RC_OK)
		return rc;
	if (have.size != wanted->size)
		return call_fail(c, ERR_IMAGE_MISSING,
				 "image %s has %" PRId64 " bytes, the manifest says %" PRId64,
				 hex, have.size, wanted->size);
	if (images_open(c->core->images, &wanted->digest, &open) != RC_OK)
		return call_fail(c, ERR_IMAGE_MISSING,
				 "the bytes of image %s are lost: upload it "
				 "again",
				 hex);
	image_close(open);
	return RC_OK;
}

static enum rc check_images(struct call *c, const struct release_facts *f)
{
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < f->image_count; i++)
		rc = check_image(c, &f->images[i]);
	return rc;
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
			 ", the last one of this class and component",
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
				    .components = f->component };
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

static void fill(struct call *c, const struct release_facts *f, struct bytes envelope,
		 struct release *r)
{
	struct manifest *m = arena_new(c->mem, struct manifest);

	r->vendor_id = f->vendor_id;
	r->class_id = f->class_id;
	r->components = f->component;
	r->revision = 1;
	r->created_at = c->now;
	r->manifests = m;
	r->manifest_count = 1;
	m->digest = f->digest;
	m->envelope = envelope;
	m->images = arena_copy(c->mem, f->images, (size_t)f->image_count * sizeof(*m->images));
	m->image_count = f->image_count;
	r->installed_count = f->image_count;
	r->installed = arena_array(c->mem, (size_t)f->image_count, sizeof(*r->installed));
	for (int i = 0; i < f->image_count; i++)
		r->installed[i] = (struct release_installed){ .component = f->component,
							      .digest = f->images[i].digest };
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

static enum rc check_all(struct call *c, const struct release_facts *f,
			 const struct release_new *in, struct release *r)
{
	struct device_class class;

	enum rc rc = check_class(c, f, &class);
	if (rc == RC_OK)
		rc = check_signatures(c, f);
	if (rc == RC_OK)
		rc = check_images(c, f);
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
	const char *why = NULL;

	if (strlen(r.notes) > RELEASE_NOTES_MAX)
		return call_field(c, "/notes", "must have at most %d bytes", RELEASE_NOTES_MAX);
	if (in->envelope.n > ENVELOPE_MAX)
		return call_fail(c, ERR_TOO_LARGE, "an envelope has at most %d bytes",
				 ENVELOPE_MAX);
	if (release_read(in->envelope, c->mem, f, &why) != RC_OK)
		return call_fail(c, ERR_MANIFEST_INVALID, "%s", why);
	enum rc rc = check_all(c, f, in, &r);
	if (rc != RC_OK)
		return rc;
	fill(c, f, in->envelope, &r);
	rc = store(c, &r);
	if (rc == RC_OK)
		rc = release_signers(in->envelope, c->mem, &r.manifests[0].signers,
				     &r.manifests[0].signer_count);
	if (rc == RC_OK)
		*ret = r;
	return rc;
}

/* --- reading --- */

static enum rc load_manifests(struct call *c, struct release *r)
{
	enum rc rc = manifest_store_list(c->db, c->tenant, &r->release_id, c->mem,
					 &r->manifests, &r->manifest_count);

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
		rc = load_manifests(c, &r);
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
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = load_manifests(c, &list[i]);
	if (rc != RC_OK)
		return rc;
	*ret = list;
	*ret_count = n;
	return RC_OK;
}

enum rc release_manifest(struct call *c, const struct uuid *release_id, struct manifest *ret)
{
	struct release r = { 0 };

	enum rc rc = release_get(c, release_id, &r);
	if (rc != RC_OK)
		return rc;
	if (r.manifest_count == 0)
		return RC_INTERNAL;
	*ret = r.manifests[0];
	return RC_OK;
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
		rc = note(c, "release.withdraw", &r);
	if (rc != RC_OK)
		return rc;
	r.revision++;
	if (!r.withdrawn_at)
		r.withdrawn_at = c->now;
	*ret = r;
	return RC_OK;
}
