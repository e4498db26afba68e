/* What every uploaded envelope goes through. */
#include "core/release_check.h"

#include "base/clean.h"
#include "core/core.h"
#include "core/images.h"
#include "core/release_author.h"
#include "core/release_rules.h"
#include "db/class_store.h"
#include "db/image_store.h"
#include "db/manifest_store.h"

#include <inttypes.h>

CLEAN_DEFINE(image, struct image *, image_close)

enum rc release_refuse(struct call *c, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *why = arena_vprintf(c->mem, fmt, ap);
	va_end(ap);
	(void)call_field(c, "/envelope", "%s", why);
	return call_fail(c, e, "%s", why);
}

/* --- dependencies that are stored here --- */

/* As an image, from which devices fetch the envelope. */
static enum rc find_image(struct call *c, const struct digest *digest, struct arena *mem,
			  struct bytes *ret)
{
	struct image_item item;
	CLEAN(image) struct image *open = NULL;

	enum rc rc = image_store_get(c->db, c->tenant, digest, &item);
	if (rc != RC_OK)
		return rc;
	if (item.size > ENVELOPE_MAX || images_open(c->core->images, digest, &open) != RC_OK ||
	    image_size(open) != (size_t)item.size)
		return RC_NOT_FOUND;
	uint8_t *p = arena_alloc(mem, image_size(open));
	if (!image_read(open, 0, image_size(open), p))
		return RC_NOT_FOUND;
	*ret = (struct bytes){ p, image_size(open) };
	return RC_OK;
}

/* For whom dependencies are looked for. */
struct finder {
	struct call *c;
	bool stored; /* the envelope was taken already: what was withdrawn since is there still
		      */
};

/* One that devices have already was released here. */
static enum rc find_manifest(const struct finder *f, const struct digest *digest,
			     struct arena *mem, struct bytes *ret)
{
	struct manifest_row row;

	enum rc rc = manifest_store_get(f->c->db, f->c->tenant, digest, mem, &row);
	if (rc == RC_OK && row.withdrawn && !f->stored)
		return RC_NOT_FOUND;
	if (rc == RC_OK)
		*ret = row.envelope;
	return rc;
}

static enum rc find_dependency(void *ctx, const struct digest *digest, struct bytes uri,
			       struct arena *mem, struct bytes *ret)
{
	const struct finder *f = ctx;
	struct digest image;

	if (uri.n == 0)
		return find_manifest(f, digest, mem, ret);
	if (release_uri_digest(uri, &image) != RC_OK)
		return RC_NOT_FOUND;
	return find_image(f->c, &image, mem, ret);
}

/* --- class --- */

static enum rc check_class(struct call *c, const struct release_facts *f,
			   struct device_class *ret)
{
	struct device_class key = { .vendor_id = f->vendor_id, .class_id = f->class_id };
	char vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];

	enum rc rc = class_store_get(c->db, c->tenant, &key, c->mem, ret);
	if (rc == RC_NOT_FOUND)
		return release_refuse(
			c, ERR_VALIDATION,
			"the manifest is for class %s of vendor %s, which is not known "
			"here: create the class first",
			uuid_format(&f->class_id, class), uuid_format(&f->vendor_id, vendor));
	return rc;
}

/* --- images: here, whole, and as large as the manifest says --- */

static enum rc check_image(struct call *c, const struct image_item *wanted)
{
	char hex[DIGEST_TEXT_SIZE];
	struct image_item have;
	CLEAN(image) struct image *open = NULL;

	digest_format(&wanted->digest, hex);
	enum rc rc = image_store_get(c->db, c->tenant, &wanted->digest, &have);
	if (rc == RC_NOT_FOUND)
		return release_refuse(c, ERR_IMAGE_MISSING,
				      "image %s was not uploaded: upload it first", hex);
	if (rc != RC_OK)
		return rc;
	if (have.size != wanted->size)
		return release_refuse(c, ERR_IMAGE_MISSING,
				      "image %s has %" PRId64
				      " bytes, the manifest says %" PRId64,
				      hex, have.size, wanted->size);
	if (images_open(c->core->images, &wanted->digest, &open) != RC_OK)
		return release_refuse(c, ERR_IMAGE_MISSING,
				      "the bytes of image %s are lost: upload it again", hex);
	return RC_OK;
}

static enum rc check_images(struct call *c, const struct release_facts *f)
{
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < f->image_count; i++)
		rc = check_image(c, &f->images[i]);
	return rc;
}

/* --- all of it --- */

static enum rc read_by(struct call *c, bool stored, struct bytes envelope,
		       struct release_facts *ret, struct release_refusal *ret_why)
{
	struct release_library *library = arena_new(c->mem, struct release_library);
	struct finder *f = arena_new(c->mem, struct finder);

	*f = (struct finder){ c, stored };
	*library = (struct release_library){ find_dependency, f };
	return release_read(envelope, library, c->mem, ret, ret_why);
}

enum rc release_read_stored(struct call *c, struct bytes envelope, struct release_facts *ret,
			    struct release_refusal *ret_why)
{
	return read_by(c, true, envelope, ret, ret_why);
}

static enum rc read_envelope(struct call *c, struct bytes envelope, struct release_facts *ret)
{
	struct release_refusal why = { 0 };

	if (envelope.n > ENVELOPE_MAX)
		return call_fail(c, ERR_TOO_LARGE, "an envelope has at most %d bytes",
				 ENVELOPE_MAX);
	enum rc rc = read_by(c, false, envelope, ret, &why);
	return why.why ? release_refuse(c, why.err, "%s", why.why) : rc;
}

static enum rc read_delegated(struct call *c, struct release_facts *f)
{
	struct release_refusal why = { 0 };

	enum rc rc = release_read_delegated(f, &why);
	return why.why ? release_refuse(c, why.err, "%s", why.why) : rc;
}

enum rc release_check(struct call *c, struct bytes envelope, struct release_facts *ret,
		      struct device_class *ret_class)
{
	enum rc rc = read_envelope(c, envelope, ret);

	if (rc == RC_OK)
		rc = check_class(c, ret, ret_class);
	if (rc == RC_OK)
		rc = release_check_authors(c, ret);
	if (rc == RC_OK && ret->delegated)
		rc = read_delegated(c, ret);
	return rc == RC_OK ? check_images(c, ret) : rc;
}

enum rc release_manifest_of(struct call *c, const struct release_facts *f,
			    struct bytes envelope, struct manifest *ret)
{
	*ret = (struct manifest){
		.digest = f->digest,
		.envelope = envelope,
		.images = arena_copy(c->mem, f->images,
				     (size_t)f->image_count * sizeof(*ret->images)),
		.image_count = f->image_count,
		.needs = f->needs,
		.base_component = f->base_component,
		.base_digest = f->base_digest,
		.bytes = f->bytes,
		.image_bytes = f->image_bytes,
	};
	return release_signers(envelope, c->mem, &ret->signers, &ret->signer_count);
}
