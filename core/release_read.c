/* What a signed envelope says of the release it makes. */
#include "core/release_read.h"

#include "base/clean.h"
#include "core/release_rules.h"
#include "core/release_survey.h"
#include "core/version.h"
#include "suit/crypto_openssl.h"

#include <string.h>

CLEAN_DEFINE(suit_key, struct suit_key *, suit_key_free)

static enum rc refuse(struct release_refusal *ret_why, const char *why)
{
	*ret_why = (struct release_refusal){ ERR_MANIFEST_INVALID, why };
	return RC_UNPROCESSABLE;
}

static struct bytes from_suit(struct suit_bytes b)
{
	return (struct bytes){ b.p, b.n };
}

/* The first component whose text names a version speaks for the release. */
static struct suit_bytes text_version(const struct suit_envelope *e)
{
	struct suit_bytes said = { 0 };

	for (size_t i = 0; i < e->component_count && said.n == 0; i++)
		said = suit_text_version(e, &e->component[i]);
	return said;
}

/* The manifest may name its version in a command, in its text, or in both. */
static enum rc read_version(struct release_facts *f, struct release_refusal *ret_why)
{
	const struct suit_envelope *e = &f->parts.list[0]->envelope;
	struct arena *mem = f->parts.mem;
	struct suit_bytes said = text_version(e);
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

const char *release_part_name(const struct release_facts *f, int part, struct arena *mem)
{
	const struct suit_digest *d = &f->parts.list[part]->envelope.digest;

	if (part == 0)
		return "the manifest";
	return arena_printf(mem, "dependency %s", hex_encode(mem, (struct bytes){ d->b, 6 }));
}

/* Signed at all, and whole: what was severed away cannot be gone through. */
static enum rc check_part(const struct release_facts *f, int i, struct release_refusal *ret_why)
{
	const struct suit_envelope *e = &f->parts.list[i]->envelope;
	const char *name = release_part_name(f, i, f->parts.mem);
	size_t macs = 0;

	for (size_t k = 0; k < e->block_count; k++)
		macs += suit_block_is_mac(&e->block[k]);
	if (e->severed_away)
		return refuse(ret_why,
			      arena_printf(f->parts.mem,
					   "%s: a section was removed from its envelope: "
					   "upload it whole",
					   name));
	if (e->block_count == 0)
		return refuse(ret_why,
			      arena_printf(f->parts.mem,
					   "%s is not signed: muster manifest sign", name));
	if (macs == e->block_count)
		return refuse(ret_why,
			      arena_printf(f->parts.mem,
					   "%s has a MAC and no author's signature, which is "
					   "what the server verifies: sign it too",
					   name));
	return RC_OK;
}

enum rc release_read(struct bytes envelope, const struct release_library *stored,
		     struct arena *mem, struct release_facts *ret,
		     struct release_refusal *ret_why)
{
	*ret = (struct release_facts){ .parts = { .stored = stored, .mem = mem } };
	enum suit_rc src = release_parts_open(&ret->parts, envelope);
	if (src != SUIT_OK)
		return refuse(ret_why, suit_rc_text(src));
	const struct suit_envelope *e = &ret->parts.list[0]->envelope;
	ret->sequence = e->sequence;
	memcpy(ret->digest.b, e->digest.b, sizeof(ret->digest.b));
	enum rc rc = check_part(ret, 0, ret_why);
	if (rc == RC_OK)
		rc = release_survey(ret, ret_why);
	for (int i = 1; rc == RC_OK && i < ret->parts.count; i++)
		rc = check_part(ret, i, ret_why);
	return rc == RC_OK ? read_version(ret, ret_why) : rc;
}

enum rc release_read_delegated(struct release_facts *f, struct release_refusal *ret_why)
{
	f->delegated = true;
	f->touched_count = f->image_count = f->installed_count = 0;
	f->base_component = NULL;
	return release_survey(f, ret_why);
}

bool release_signed_by(const struct suit_envelope *e, const struct suit_block *block,
		       struct bytes public_key)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	struct suit_bytes der = { public_key.p, public_key.n };

	return suit_key_from_spki(der, &key) == SUIT_OK &&
	       suit_block_verify(&suit_crypto_openssl, e, block, key) == SUIT_OK;
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
