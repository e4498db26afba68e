/* Encodes an envelope: vendor and class conditions and digests in the shared sequence, fetch
 * and image-match in install, image-match in validate (draft-37, as its examples do). */

#include "suit/build.h"

#include "suit/cbor.h"
#include "suit/command.h"

#define POLICY_ALL   15 /* record everything about identity and image conditions */
#define POLICY_SLOT  5  /* record success and its system information */
#define POLICY_FETCH 2  /* record failure */

/* Inner parts are made first, each in a part of one scratch area. */
struct part {
	uint8_t bytes[SUIT_SLOTS_MAX * (SUIT_URI_MAX + 64)];
	struct scbor_out o;
};

static void part_init(struct part *p)
{
	scbor_out_init(&p->o, p->bytes, sizeof(p->bytes));
}

/* A part that did not fit makes the whole not fit. */
static void put_wrapped(struct scbor_out *o, const struct part *p)
{
	scbor_put_bytes(o, scbor_out_bytes(&p->o));
	if (!scbor_out_fits(&p->o))
		o->n = o->size + 1;
}

static void put_command(struct scbor_out *o, enum suit_command command, uint64_t policy)
{
	scbor_put_int(o, command);
	scbor_put_uint(o, policy);
}

static void put_digest(struct scbor_out *o, const struct suit_digest *d)
{
	scbor_put_array(o, 2);
	scbor_put_int(o, SUIT_ALG_SHA256);
	scbor_put_bytes(o, (struct suit_bytes){ d->b, sizeof(d->b) });
}

/* A digest wrapped in a byte string, as parameters and the wrapper want it. */
static void put_digest_wrapped(struct scbor_out *o, const struct suit_digest *d)
{
	uint8_t bytes[40];
	struct scbor_out inner;

	scbor_out_init(&inner, bytes, sizeof(bytes));
	put_digest(&inner, d);
	scbor_put_bytes(o, scbor_out_bytes(&inner));
}

static void put_image_parameters(struct scbor_out *o, const struct suit_build_image *image)
{
	scbor_put_int(o, SUIT_OVERRIDE_PARAMETERS);
	scbor_put_map(o, 2);
	scbor_put_int(o, SUIT_PARAM_DIGEST);
	put_digest_wrapped(o, &image->digest);
	scbor_put_int(o, SUIT_PARAM_SIZE);
	scbor_put_uint(o, image->size);
}

static void put_uri_parameters(struct scbor_out *o, const struct suit_build_image *image)
{
	scbor_put_int(o, SUIT_OVERRIDE_PARAMETERS);
	scbor_put_map(o, 1);
	scbor_put_int(o, SUIT_PARAM_URI);
	scbor_put_text(o, image->uri);
}

/* One alternative a slot: [slot parameter, slot condition, then what `put` writes]. */
static void put_slots(struct scbor_out *o, const struct suit_build *in,
		      void (*put)(struct scbor_out *, const struct suit_build_image *))
{
	scbor_put_int(o, SUIT_TRY_EACH);
	scbor_put_array(o, in->image_count);
	for (size_t i = 0; i < in->image_count; i++) {
		struct part p;
		part_init(&p);
		scbor_put_array(&p.o, 6);
		scbor_put_int(&p.o, SUIT_OVERRIDE_PARAMETERS);
		scbor_put_map(&p.o, 1);
		scbor_put_int(&p.o, SUIT_PARAM_SLOT);
		scbor_put_uint(&p.o, in->image[i].slot);
		put_command(&p.o, SUIT_COND_SLOT, POLICY_SLOT);
		put(&p.o, &in->image[i]);
		put_wrapped(o, &p);
	}
}

static void put_for_images(struct scbor_out *o, const struct suit_build *in,
			   void (*put)(struct scbor_out *, const struct suit_build_image *))
{
	if (in->image[0].has_slot)
		put_slots(o, in, put);
	else
		put(o, &in->image[0]);
}

static void shared_make(struct part *p, const struct suit_build *in)
{
	part_init(p);
	scbor_put_array(&p->o, 8);
	scbor_put_int(&p->o, SUIT_OVERRIDE_PARAMETERS);
	scbor_put_map(&p->o, 2);
	scbor_put_int(&p->o, SUIT_PARAM_VENDOR);
	scbor_put_bytes(&p->o, (struct suit_bytes){ in->vendor_id.b, sizeof(in->vendor_id.b) });
	scbor_put_int(&p->o, SUIT_PARAM_CLASS);
	scbor_put_bytes(&p->o, (struct suit_bytes){ in->class_id.b, sizeof(in->class_id.b) });
	put_command(&p->o, SUIT_COND_VENDOR, POLICY_ALL);
	put_command(&p->o, SUIT_COND_CLASS, POLICY_ALL);
	put_for_images(&p->o, in, put_image_parameters);
}

static void put_component(struct scbor_out *o, const struct suit_component_id *id)
{
	scbor_put_array(o, id->count);
	for (size_t i = 0; i < id->count; i++)
		scbor_put_bytes(o, id->segment[i]);
}

static void common_make(struct part *p, const struct suit_build *in)
{
	struct part shared;

	shared_make(&shared, in);
	part_init(p);
	scbor_put_map(&p->o, 2);
	scbor_put_int(&p->o, 2);
	scbor_put_array(&p->o, 1);
	put_component(&p->o, &in->component);
	scbor_put_int(&p->o, 4);
	put_wrapped(&p->o, &shared);
}

static void install_make(struct part *p, const struct suit_build *in)
{
	part_init(p);
	scbor_put_array(&p->o, 6);
	put_for_images(&p->o, in, put_uri_parameters);
	put_command(&p->o, SUIT_FETCH, POLICY_FETCH);
	put_command(&p->o, SUIT_COND_IMAGE_MATCH, POLICY_ALL);
}

static void one_command_make(struct part *p, enum suit_command command, uint64_t policy)
{
	part_init(p);
	scbor_put_array(&p->o, 2);
	put_command(&p->o, command, policy);
}

static void version_make(struct part *p, const struct suit_build *in)
{
	part_init(p);
	scbor_put_array(&p->o, in->version_count);
	for (size_t i = 0; i < in->version_count; i++)
		scbor_put_int(&p->o, in->version[i]);
}

/* { "en": { component: { 6: version } } }, wrapped: what stands in the envelope. */
static void text_make(struct part *p, const struct suit_build *in)
{
	static const uint8_t english[] = "en";
	struct part inner;

	part_init(&inner);
	scbor_put_map(&inner.o, 1);
	scbor_put_text(&inner.o, (struct suit_bytes){ english, 2 });
	scbor_put_map(&inner.o, 1);
	put_component(&inner.o, &in->component);
	scbor_put_map(&inner.o, 1);
	scbor_put_int(&inner.o, 6);
	scbor_put_text(&inner.o, in->text_version);
	part_init(p);
	put_wrapped(&p->o, &inner);
}

static enum suit_rc digest_of(const struct suit_crypto *crypto, struct suit_bytes b,
			      struct suit_digest *ret)
{
	struct suit_message m = { .piece = { b }, .count = 1 };

	return crypto->sha256(&m, ret);
}

static void put_optional(struct scbor_out *o, const struct suit_build *in)
{
	struct part p;

	if (in->reference_uri.n > 0) {
		scbor_put_int(o, 4);
		scbor_put_text(o, in->reference_uri);
	}
	if (in->version_count > 0) {
		scbor_put_int(o, 6);
		version_make(&p, in);
		put_wrapped(o, &p);
	}
}

static void manifest_write(struct scbor_out *o, const struct suit_build *in,
			   const struct suit_digest *text_digest)
{
	struct part p;
	size_t entries = 5 + (in->reference_uri.n > 0) + (in->version_count > 0) + in->invoke +
			 (text_digest != NULL);

	scbor_put_map(o, entries);
	scbor_put_int(o, 1);
	scbor_put_int(o, 1);
	scbor_put_int(o, 2);
	scbor_put_uint(o, in->sequence);
	scbor_put_int(o, 3);
	common_make(&p, in);
	put_wrapped(o, &p);
	put_optional(o, in);
	scbor_put_int(o, 7);
	one_command_make(&p, SUIT_COND_IMAGE_MATCH, POLICY_ALL);
	put_wrapped(o, &p);
	if (in->invoke) {
		scbor_put_int(o, 9);
		one_command_make(&p, SUIT_DO_INVOKE, POLICY_FETCH);
		put_wrapped(o, &p);
	}
	scbor_put_int(o, 20);
	install_make(&p, in);
	put_wrapped(o, &p);
	if (text_digest) {
		scbor_put_int(o, 23);
		put_digest(o, text_digest);
	}
}

/* Alternatives need slots to tell them apart; the draft wants at least two of them. */
static enum suit_rc image_check(const struct suit_build *in, size_t i)
{
	const struct suit_build_image *image = &in->image[i];

	if (image->uri.n == 0 || image->has_slot != (in->image_count > 1))
		return SUIT_MISSING;
	if (image->uri.n > SUIT_URI_MAX)
		return SUIT_TOO_LARGE;
	for (size_t k = 0; k < i; k++)
		if (image->has_slot && in->image[k].slot == image->slot)
			return SUIT_MALFORMED;
	return scbor_utf8(image->uri) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc input_check(const struct suit_build *in)
{
	enum suit_rc rc = SUIT_OK;
	size_t bytes = 0;

	if (in->image_count == 0 || in->component.count == 0)
		return SUIT_MISSING;
	if (in->image_count > SUIT_SLOTS_MAX || in->component.count > SUIT_SEGMENTS_MAX ||
	    in->version_count > SUIT_VERSION_MAX || in->text_version.n > SUIT_BUILD_TEXT_MAX ||
	    in->reference_uri.n > SUIT_URI_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < in->component.count; i++)
		bytes += in->component.segment[i].n;
	if (bytes > SUIT_BUILD_COMPONENT_MAX)
		return SUIT_TOO_LARGE;
	if (!scbor_utf8(in->text_version) || !scbor_utf8(in->reference_uri))
		return SUIT_MALFORMED;
	for (size_t i = 0; i < in->image_count && rc == SUIT_OK; i++)
		rc = image_check(in, i);
	return rc;
}

enum suit_rc suit_build(const struct suit_crypto *crypto, const struct suit_build *in,
			uint8_t *buf, size_t size, size_t *ret_n)
{
	uint8_t manifest[8192], wrapped[8200];
	struct suit_digest digest, text_digest;
	struct scbor_out m, w, o;
	struct part text;

	enum suit_rc rc = input_check(in);
	if (rc != SUIT_OK)
		return rc;
	bool has_text = in->text_version.n > 0;
	if (has_text) {
		text_make(&text, in);
		rc = digest_of(crypto, scbor_out_bytes(&text.o), &text_digest);
	}
	scbor_out_init(&m, manifest, sizeof(manifest));
	manifest_write(&m, in, has_text ? &text_digest : NULL);
	scbor_out_init(&w, wrapped, sizeof(wrapped));
	scbor_put_bytes(&w, scbor_out_bytes(&m));
	if (rc == SUIT_OK)
		rc = digest_of(crypto, scbor_out_bytes(&w), &digest);
	if (rc != SUIT_OK)
		return rc;
	if (!scbor_out_fits(&m) || !scbor_out_fits(&w) ||
	    (has_text && !scbor_out_fits(&text.o)))
		return SUIT_TOO_LARGE;

	uint8_t auth[48];
	struct scbor_out a;
	scbor_out_init(&a, auth, sizeof(auth));
	scbor_put_array(&a, 1);
	put_digest_wrapped(&a, &digest);
	scbor_out_init(&o, buf, size);
	scbor_put_tag(&o, 107);
	scbor_put_map(&o, has_text ? 3 : 2);
	scbor_put_int(&o, 2);
	scbor_put_bytes(&o, scbor_out_bytes(&a));
	scbor_put_int(&o, 3);
	scbor_put_raw(&o, scbor_out_bytes(&w));
	if (has_text) {
		scbor_put_int(&o, 23);
		scbor_put_raw(&o, scbor_out_bytes(&text.o));
	}
	*ret_n = o.n;
	return scbor_out_fits(&o) ? SUIT_OK : SUIT_NO_SPACE;
}
