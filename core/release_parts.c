/* The envelopes that an upload is made of.  A dependency is found by where it comes from, so
 * that two copies with other signatures are two parts, and the signatures of both are checked.
 */
#include "core/release_parts.h"

#include "suit/crypto_openssl.h"

#include <string.h>

static struct digest digest_of(const struct suit_digest *d)
{
	struct digest ret;

	memcpy(ret.b, d->b, sizeof(ret.b));
	return ret;
}

/* digest: NULL for the first. */
static enum suit_rc add(struct release_parts *p, struct suit_bytes bytes,
			const struct suit_digest *digest, struct release_part *part)
{
	if (p->count == RELEASE_PARTS_MAX)
		return SUIT_TOO_LARGE;
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl, bytes, &part->envelope);
	if (rc == SUIT_OK && digest && !suit_digest_equal(&part->envelope.digest, digest))
		rc = SUIT_DIGEST;
	if (rc == SUIT_OK)
		p->list[p->count++] = part;
	return rc;
}

enum suit_rc release_parts_open(struct release_parts *p, struct bytes envelope)
{
	struct suit_bytes bytes = { envelope.p, envelope.n };

	return add(p, bytes, NULL, arena_new(p->mem, struct release_part));
}

static const struct release_part *find(const struct release_parts *p,
				       const struct suit_digest *digest, struct suit_bytes uri,
				       struct suit_bytes integrated)
{
	for (int i = 1; i < p->count; i++) {
		const struct release_part *part = p->list[i];
		bool same = !integrated.p
				    ? !part->integrated && suit_bytes_equal(part->uri, uri)
				    : part->envelope.whole.p == integrated.p;
		if (suit_digest_equal(&part->envelope.digest, digest) &&
		    (same || (!integrated.p && uri.n == 0)))
			return part;
	}
	return NULL;
}

/* Does another envelope hold it, for devices that do not have it? */
static struct suit_bytes find_inside(struct release_parts *p, const struct suit_digest *digest)
{
	if (!p->scratch)
		p->scratch = arena_new(p->mem, struct suit_envelope);
	struct suit_envelope *e = p->scratch;
	for (int i = 0; i < p->count; i++) {
		const struct suit_envelope *outer = &p->list[i]->envelope;
		for (size_t k = 0; k < outer->payload_count; k++) {
			struct suit_bytes content = outer->payload[k].content;
			if (suit_envelope_decode(&suit_crypto_openssl, content, e) == SUIT_OK &&
			    suit_digest_equal(&e->digest, digest))
				return content;
		}
	}
	return (struct suit_bytes){ 0 };
}

/* --- what is of no use, once and for all --- */

static const struct release_miss *find_miss(const struct release_parts *p,
					    const struct suit_digest *digest,
					    struct suit_bytes uri, struct suit_bytes integrated)
{
	for (int i = 0; i < p->miss_count; i++) {
		const struct release_miss *m = &p->miss[i];
		if (suit_digest_equal(&m->digest, digest) && suit_bytes_equal(m->uri, uri) &&
		    m->integrated.p == integrated.p)
			return m;
	}
	return NULL;
}

static void note_miss(struct release_parts *p, const struct release_miss *miss)
{
	if (p->miss_count < RELEASE_PARTS_MAX)
		p->miss[p->miss_count++] = *miss;
}

/* --- looking --- */

/* Nothing is looked for twice, and not much altogether. */
static bool may_look(const struct release_parts *p, const struct suit_digest *digest,
		     struct suit_bytes uri)
{
	return p->stored && p->miss_count < RELEASE_PARTS_MAX &&
	       !find_miss(p, digest, uri, (struct suit_bytes){ 0 });
}

static enum suit_rc look_up(struct release_parts *p, const struct suit_digest *digest,
			    struct suit_bytes uri, struct suit_bytes *ret)
{
	struct bytes where = { uri.p, uri.n }, found = { 0 };
	struct digest wanted = digest_of(digest);
	bool may = may_look(p, digest, uri);
	enum rc rc = RC_NOT_FOUND;

	if (may)
		rc = p->stored->find(p->stored->ctx, &wanted, where, p->mem, &found);
	if (rc == RC_OK) {
		*ret = (struct suit_bytes){ found.p, found.n };
		return SUIT_OK;
	}
	if (rc != RC_NOT_FOUND)
		p->rc = rc;
	else if (may)
		note_miss(p, &(struct release_miss){ *digest, uri, { 0 }, SUIT_MISSING });
	if (!p->missing) {
		p->missing_digest = wanted;
		p->missing_uri = uri;
	}
	p->missing = true;
	return SUIT_MISSING;
}

enum suit_rc release_parts_resolve(void *ctx, const struct suit_digest *digest,
				   struct suit_bytes uri, struct suit_bytes integrated,
				   const struct suit_envelope **ret)
{
	struct release_parts *p = ctx;
	const struct release_part *known = find(p, digest, uri, integrated);
	struct suit_bytes bytes = integrated;
	enum suit_rc rc = SUIT_OK;

	if (known) {
		*ret = &known->envelope;
		return SUIT_OK;
	}
	const struct release_miss *miss = find_miss(p, digest, uri, integrated);
	if (miss && miss->rc != SUIT_MISSING)
		return miss->rc;
	if (!integrated.p && uri.n == 0)
		bytes = find_inside(p, digest);
	if (!bytes.p)
		rc = look_up(p, digest, uri, &bytes);
	if (rc != SUIT_OK)
		return rc;
	struct release_part *part = arena_new(p->mem, struct release_part);
	part->uri = uri;
	part->integrated = bytes.p == integrated.p;
	rc = add(p, bytes, digest, part);
	if (rc == SUIT_OK)
		*ret = &part->envelope;
	else
		note_miss(p, &(struct release_miss){ *digest, uri, integrated, rc });
	return rc;
}

bool release_parts_have(const struct release_parts *p, const struct digest *digest)
{
	for (int i = 1; i < p->count; i++)
		if (memcmp(p->list[i]->envelope.digest.b, digest->b, sizeof(digest->b)) == 0)
			return true;
	return false;
}
