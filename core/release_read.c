/* What a signed envelope says of the release it makes. */
#include "core/release_read.h"

#include "base/clean.h"
#include "core/component_name.h"
#include "core/images.h"
#include "core/release_rules.h"
#include "core/version.h"
#include "suit/crypto_openssl.h"
#include "suit/plan.h"

#include <string.h>

CLEAN_DEFINE(suit_key, struct suit_key *, suit_key_free)

static enum rc refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return RC_UNPROCESSABLE;
}

static struct bytes from_suit(struct suit_bytes b)
{
	return (struct bytes){ b.p, b.n };
}

static enum rc read_component(const struct suit_component_id *id, struct arena *mem,
			      struct release_facts *f, const char **ret_why)
{
	struct bytes segments[SUIT_SEGMENTS_MAX];

	for (size_t i = 0; i < id->count; i++)
		segments[i] = from_suit(id->segment[i]);
	if (component_name_format(segments, (int)id->count, mem, &f->component) != RC_OK)
		return refuse(ret_why, "the component id has no name of at most 64 bytes");
	return RC_OK;
}

static bool has_image(const struct release_facts *f, const struct digest *d)
{
	for (int i = 0; i < f->image_count; i++)
		if (digest_equal(&f->images[i].digest, d))
			return true;
	return false;
}

static enum rc add_image(const struct suit_plan *p, struct release_facts *f,
			 const char **ret_why)
{
	struct digest d;

	memcpy(d.b, p->digest.b, sizeof(d.b));
	if (!release_uri_names(from_suit(p->uri), &d))
		return refuse(ret_why, "an image's URI is not img/ and its digest: it must be "
				       "relative, so that no host is frozen into the release");
	if (p->size == 0 || p->size > (uint64_t)IMAGE_SIZE_MAX)
		return refuse(ret_why, "an image is empty or larger than 1 GiB");
	if (has_image(f, &d))
		return RC_OK;
	f->images[f->image_count++] =
		(struct image_item){ .digest = d, .size = (int64_t)p->size };
	return RC_OK;
}

static enum rc read_plans(struct arena *mem, struct release_facts *f, const char **ret_why)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	size_t n = 0;

	enum suit_rc src = suit_plan_all(&f->envelope, plans, &n);
	if (src != SUIT_OK)
		return refuse(ret_why,
			      arena_printf(mem, "the manifest cannot be carried out: %s",
					   suit_rc_text(src)));
	if (n == 0)
		return refuse(ret_why, "the manifest brings no image");
	memcpy(f->vendor_id.b, plans[0].vendor_id.b, sizeof(f->vendor_id.b));
	memcpy(f->class_id.b, plans[0].class_id.b, sizeof(f->class_id.b));
	enum rc rc = read_component(&plans[0].component, mem, f, ret_why);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = add_image(&plans[i], f, ret_why);
	return rc;
}

/* The manifest may name its version in a command, in its text, or in both. */
static enum rc read_version(struct arena *mem, struct release_facts *f, const char **ret_why)
{
	const struct suit_envelope *e = &f->envelope;
	struct suit_bytes said = suit_text_version(e, &e->component[0]);
	const char *text = NULL, *numbers = NULL;
	struct bytes key;

	if (said.n) {
		if (said.n > VERSION_TEXT_MAX || !text_is_clean(from_suit(said)))
			return refuse(ret_why,
				      "the version in the manifest's text is too long");
		text = bytes_text(mem, from_suit(said));
	}
	if (e->version_count &&
	    release_version_text(e->version, e->version_count, mem, &numbers) != RC_OK)
		return refuse(ret_why, "the manifest's set-version is not a version");
	if (text && version_key(text, mem, &key) != RC_OK)
		return refuse(ret_why, "the version in the manifest's text is not a version");
	if (text && numbers && !release_versions_agree(text, numbers, mem))
		return refuse(ret_why, "the manifest names two versions");
	f->version = text ? text : numbers;
	return RC_OK;
}

static bool has_signature(const struct suit_envelope *e)
{
	for (size_t i = 0; i < e->block_count; i++)
		if (!suit_block_is_mac(&e->block[i]))
			return true;
	return false;
}

enum rc release_read(struct bytes envelope, struct arena *mem, struct release_facts *ret,
		     const char **ret_why)
{
	struct suit_bytes bytes = { envelope.p, envelope.n };

	*ret = (struct release_facts){ 0 };
	enum suit_rc src = suit_envelope_decode(&suit_crypto_openssl, bytes, &ret->envelope);
	if (src != SUIT_OK)
		return refuse(ret_why, suit_rc_text(src));
	if (!has_signature(&ret->envelope))
		return refuse(ret_why, "the envelope is not signed");
	ret->sequence = ret->envelope.sequence;
	memcpy(ret->digest.b, ret->envelope.digest.b, sizeof(ret->digest.b));
	enum rc rc = read_plans(mem, ret, ret_why);
	if (rc != RC_OK)
		return rc;
	return read_version(mem, ret, ret_why);
}

bool release_signed_by(const struct release_facts *facts, const struct suit_block *block,
		       struct bytes public_key)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	struct suit_bytes der = { public_key.p, public_key.n };

	return suit_key_from_spki(der, &key) == SUIT_OK &&
	       suit_block_verify(&suit_crypto_openssl, &facts->envelope, block, key) == SUIT_OK;
}

enum rc release_signers(struct bytes envelope, struct arena *mem, struct bytes **ret,
			int *ret_count)
{
	struct suit_envelope *e = arena_new(mem, struct suit_envelope);
	struct suit_bytes bytes = { envelope.p, envelope.n };
	int n = 0;

	if (suit_envelope_decode(&suit_crypto_openssl, bytes, e) != SUIT_OK)
		return RC_INTERNAL;
	struct bytes *list = arena_array(mem, SUIT_BLOCKS_MAX, sizeof(*list));
	for (size_t i = 0; i < e->block_count; i++)
		if (!suit_block_is_mac(&e->block[i]))
			list[n++] = from_suit(e->block[i].kid);
	*ret = list;
	*ret_count = n;
	return RC_OK;
}
