/* RIOT's dialect.  Order of parameters and conditions as in RIOT's own tool, so that its
 * manifests are the same to the byte. */

#include "suit/dialect_riot.h"

#include "suit/cbor.h"
#include "suit/nest.h"

#include <string.h>

#define SHA256_THERE 2 /* its number before COSE's was taken */
#define KEY_INSTALL  9
#define KEY_VALIDATE 10

/* <<[2, digest]>> is both what is signed and the payload of the signature. */
struct payload {
	uint8_t bytes[36];
};

static void payload_make(struct payload *p, const struct suit_digest *digest)
{
	struct scbor_out o;

	scbor_out_init(&o, p->bytes, sizeof(p->bytes));
	suit_put_digest(&o, SHA256_THERE, digest);
}

/* --- what it cannot say --------------------------------------------------------------------
 */

static bool image_fits(const struct suit_source_image *i)
{
	return i->uri.n > 0 && i->uri.p[0] != '#' && i->fetch_args.n == 0 &&
	       !i->precursor.has_digest && i->whole.has_size;
}

static bool component_fits(const struct suit_source_component *c)
{
	for (size_t i = 0; i < c->image_count; i++)
		if (!image_fits(&c->image[i]))
			return false;
	return c->install == SUIT_INSTALL_FETCH && !c->repeat_digest && !c->fetch_early &&
	       !c->metadata && !c->load && !c->invoke && c->invoke_args.n == 0 && !c->uninstall;
}

static bool guard_fits(const struct suit_source_guard *g)
{
	return g->version_count == 0 && !g->skip_installed && !g->has_use_before &&
	       !g->has_battery && !g->has_priority && g->wait.has == 0;
}

static enum suit_rc source_fits(const struct suit_source *in)
{
	enum suit_rc rc = suit_source_check(in);

	if (rc != SUIT_OK)
		return rc;
	if (in->sequence > UINT32_MAX)
		return SUIT_TOO_LARGE;
	/* RIOT fetches only after both conditions held. */
	if (!in->has_vendor || in->class_count == 0)
		return SUIT_MISSING;
	for (int s = 0; s < SUIT_SECTIONS; s++)
		if (in->given[s].n > 0)
			return SUIT_UNSUPPORTED;
	bool fits = in->vendor.pen.n == 0 && in->class_count == 1 && !in->has_device &&
		    in->reference_uri.n == 0 && in->own_component.count == 0 &&
		    in->version_count == 0 && guard_fits(&in->guard) &&
		    in->component_count == 1 && component_fits(&in->component[0]) &&
		    in->dependency_count == 0 && in->coswid.n == 0 && in->payload_count == 0 &&
		    in->leave_out == 0;
	return fits ? SUIT_OK : SUIT_UNSUPPORTED;
}

/* --- sequences -----------------------------------------------------------------------------
 */

static void begin(struct suit_sequence_out *s, struct scbor_out *o)
{
	suit_sequence_begin(s, o);
	s->digest_alg = SHA256_THERE;
}

static bool same_sizes(const struct suit_source_component *c)
{
	for (size_t i = 1; i < c->image_count; i++)
		if (c->image[i].whole.size != c->image[0].whole.size)
			return false;
	return true;
}

/* One alternative a slot: [slot, its condition, p of that slot]. */
static void put_slots(struct suit_sequence_out *s, const struct suit_source_component *c,
		      enum suit_command set, uint32_t has)
{
	size_t at = suit_try_begin(s);

	for (size_t i = 0; i < c->image_count; i++) {
		const struct suit_source_image *image = &c->image[i];
		struct suit_parameters slot = { .has = SUIT_BIT(SUIT_PARAM_SLOT),
						.slot = image->slot };
		struct suit_parameters p = { .has = has,
					     .digest = image->whole.digest,
					     .size = image->whole.size,
					     .uri = image->uri };
		struct suit_sequence_out inner;
		suit_alternative_begin(&inner, s);
		suit_put_parameters(&inner, set, &slot);
		suit_put_command(&inner, SUIT_COND_SLOT, SUIT_POLICY_SLOT);
		suit_put_parameters(&inner, set, &p);
		suit_sequence_end(&inner);
	}
	suit_try_end(s, at, c->image_count);
}

static void put_shared(struct scbor_out *o, const struct suit_source *in)
{
	const struct suit_source_component *c = &in->component[0];
	bool slots = c->image[0].has_slot, sizes = same_sizes(c);
	struct suit_parameters p = {
		.has = SUIT_BIT(SUIT_PARAM_VENDOR) | SUIT_BIT(SUIT_PARAM_CLASS),
		.vendor = in->vendor,
		.class_id = in->class_id[0],
		.digest = c->image[0].whole.digest,
		.size = c->image[0].whole.size,
	};
	uint32_t in_slot = SUIT_BIT(SUIT_PARAM_DIGEST);
	struct suit_sequence_out s;

	if (!slots)
		p.has |= SUIT_BIT(SUIT_PARAM_DIGEST);
	if (sizes)
		p.has |= SUIT_BIT(SUIT_PARAM_SIZE);
	else
		in_slot |= SUIT_BIT(SUIT_PARAM_SIZE);
	begin(&s, o);
	suit_put_parameters(&s, SUIT_OVERRIDE_PARAMETERS, &p);
	if (slots)
		put_slots(&s, c, SUIT_OVERRIDE_PARAMETERS, in_slot);
	suit_put_command(&s, SUIT_COND_VENDOR, SUIT_POLICY_ALL);
	suit_put_command(&s, SUIT_COND_CLASS, SUIT_POLICY_ALL);
	suit_sequence_end(&s);
}

static void put_install(struct scbor_out *o, const struct suit_source *in)
{
	const struct suit_source_component *c = &in->component[0];
	struct suit_parameters p = { .has = SUIT_BIT(SUIT_PARAM_URI), .uri = c->image[0].uri };
	struct suit_sequence_out s;

	begin(&s, o);
	if (c->image[0].has_slot)
		put_slots(&s, c, SUIT_SET_PARAMETERS, SUIT_BIT(SUIT_PARAM_URI));
	else
		suit_put_parameters(&s, SUIT_SET_PARAMETERS, &p);
	suit_put_command(&s, SUIT_FETCH, SUIT_POLICY_DO);
	suit_put_command(&s, SUIT_COND_IMAGE_MATCH, SUIT_POLICY_ALL);
	suit_sequence_end(&s);
}

static void put_validate(struct scbor_out *o)
{
	struct suit_sequence_out s;

	begin(&s, o);
	suit_put_command(&s, SUIT_COND_IMAGE_MATCH, SUIT_POLICY_ALL);
	suit_sequence_end(&s);
}

static void put_common(struct scbor_out *o, const struct suit_source *in)
{
	size_t at = suit_nest_begin(o);

	scbor_put_map(o, 2);
	scbor_put_uint(o, 2);
	scbor_put_array(o, 1);
	suit_put_component(o, &in->component[0].id);
	scbor_put_uint(o, 4);
	put_shared(o, in);
	suit_nest_end_bytes(o, at);
}

/* In its byte string. */
static void put_manifest(struct scbor_out *o, const struct suit_source *in)
{
	size_t at = suit_nest_begin(o);

	scbor_put_map(o, 5);
	scbor_put_uint(o, 1);
	scbor_put_uint(o, 1);
	scbor_put_uint(o, 2);
	scbor_put_uint(o, in->sequence);
	scbor_put_uint(o, 3);
	put_common(o, in);
	scbor_put_uint(o, KEY_INSTALL);
	put_install(o, in);
	scbor_put_uint(o, KEY_VALIDATE);
	put_validate(o);
	suit_nest_end_bytes(o, at);
}

/* --- signature -----------------------------------------------------------------------------
 */

static const uint8_t protected_eddsa[] = { 0xa1, 0x01, 0x27 };

/* Sig_structure up to the payload's content: the header and the payload's length never change.
 */
static void tbs_make(struct suit_message *m, const struct payload *payload)
{
	static const uint8_t head[] = "\x84\x6aSignature1\x43\xa1\x01\x27\x40\x58\x24";

	m->piece[0] = (struct suit_bytes){ head, sizeof(head) - 1 };
	m->piece[1] = (struct suit_bytes){ payload->bytes, sizeof(payload->bytes) };
	m->count = 2;
}

static void put_block(struct scbor_out *o, const struct payload *payload,
		      const uint8_t signature[64])
{
	size_t at = suit_nest_begin(o);

	scbor_put_tag(o, SUIT_BLOCK_SIGN1);
	scbor_put_array(o, 4);
	scbor_put_bytes(o, (struct suit_bytes){ protected_eddsa, sizeof(protected_eddsa) });
	scbor_put_map(o, 0);
	scbor_put_bytes(o, (struct suit_bytes){ payload->bytes, sizeof(payload->bytes) });
	scbor_put_bytes(o, (struct suit_bytes){ signature, 64 });
	suit_nest_end_bytes(o, at);
}

/* The signature is made over the manifest, which stands behind it: once it is written, its
 * place is filled in. */
static void put_envelope(struct scbor_out *o, const struct suit_source *in,
			 const struct payload *payload, const uint8_t *signature,
			 struct suit_bytes *ret_manifest)
{
	scbor_put_map(o, 2);
	scbor_put_uint(o, 2);
	size_t at = suit_nest_begin(o);
	scbor_put_array(o, signature ? 1 : 0);
	if (signature)
		put_block(o, payload, signature);
	suit_nest_end_bytes(o, at);
	scbor_put_uint(o, 3);
	size_t from = o->n;
	put_manifest(o, in);
	if (scbor_out_fits(o))
		*ret_manifest = (struct suit_bytes){ o->p + from, o->n - from };
}

static enum suit_rc sign(const struct suit_crypto *crypto, const struct suit_key *key,
			 struct suit_bytes manifest, struct payload *ret_payload,
			 uint8_t ret[64])
{
	struct suit_message m = { .piece = { manifest }, .count = 1 };
	struct suit_digest digest;
	enum suit_rc rc = crypto->sha256(&m, &digest);

	if (rc != SUIT_OK)
		return rc;
	uint8_t signature[SUIT_SIGNATURE_MAX];
	size_t n = 0;
	payload_make(ret_payload, &digest);
	tbs_make(&m, ret_payload);
	rc = crypto->sign(key, SUIT_ALG_EDDSA, &m, signature, &n);
	if (rc == SUIT_OK && n != 64)
		rc = SUIT_CRYPTO;
	if (rc == SUIT_OK)
		memcpy(ret, signature, 64);
	return rc;
}

enum suit_rc suit_riot_encode(const struct suit_crypto *crypto, const struct suit_source *in,
			      const struct suit_key *key, uint8_t *buf, size_t size,
			      size_t *ret_n)
{
	uint8_t signature[64] = { 0 };
	struct payload payload = { { 0 } };
	struct suit_bytes manifest = { 0 };
	struct scbor_out o;

	enum suit_rc rc = source_fits(in);
	if (rc != SUIT_OK)
		return rc;
	scbor_out_init(&o, buf, size);
	put_envelope(&o, in, &payload, key ? signature : NULL, &manifest);
	if (o.n > SUIT_RIOT_MAX)
		return SUIT_TOO_LARGE;
	*ret_n = o.n;
	if (!scbor_out_fits(&o))
		return SUIT_NO_SPACE;
	if (!key)
		return SUIT_OK;
	rc = sign(crypto, key, manifest, &payload, signature);
	if (rc != SUIT_OK)
		return rc;
	scbor_out_init(&o, buf, size);
	put_envelope(&o, in, &payload, signature, &manifest);
	return SUIT_OK;
}

/* --- verifying -----------------------------------------------------------------------------
 */

static enum suit_rc block_read(struct suit_bytes block, struct payload *ret,
			       struct suit_bytes *ret_signature)
{
	struct scbor c;

	scbor_init(&c, block);
	scbor_tag(&c, SUIT_BLOCK_SIGN1);
	size_t n = scbor_array(&c, 4);
	struct suit_bytes header = scbor_bytes(&c);
	size_t unprotected = scbor_map(&c, 0);
	struct suit_bytes payload = scbor_bytes(&c);
	*ret_signature = scbor_bytes(&c);
	if (!scbor_done(&c) || n != 4 || unprotected != 0)
		return SUIT_MALFORMED;
	if (!suit_bytes_equal(header,
			      (struct suit_bytes){ protected_eddsa, sizeof(protected_eddsa) }))
		return SUIT_UNSUPPORTED;
	if (payload.n != sizeof(ret->bytes))
		return SUIT_MALFORMED;
	memcpy(ret->bytes, payload.p, sizeof(ret->bytes));
	return SUIT_OK;
}

/* The envelope's two elements: the only block, and the manifest with its head. */
static enum suit_rc envelope_read(struct suit_bytes bytes, struct suit_bytes *ret_block,
				  struct suit_bytes *ret_manifest)
{
	struct scbor c, wrapper;

	scbor_init(&c, bytes);
	size_t entries = scbor_map(&c, 2);
	uint64_t first = scbor_uint(&c);
	scbor_init(&wrapper, scbor_bytes(&c));
	size_t blocks = scbor_array(&wrapper, 1);
	if (blocks == 1)
		*ret_block = scbor_bytes(&wrapper);
	uint64_t second = scbor_uint(&c);
	const uint8_t *start = c.p;
	scbor_bytes(&c);
	*ret_manifest = (struct suit_bytes){ start, (size_t)(c.p - start) };
	if (!scbor_done(&c) || !scbor_done(&wrapper) || entries != 2 || first != 2 ||
	    second != 3)
		return SUIT_MALFORMED;
	return blocks == 1 ? SUIT_OK : SUIT_MISSING;
}

enum suit_rc suit_riot_verify(const struct suit_crypto *crypto, struct suit_bytes bytes,
			      const struct suit_key *key)
{
	struct suit_bytes block = { 0 }, manifest = { 0 }, signature = { 0 };
	struct payload payload, expected;
	struct suit_digest digest;

	if (bytes.n > SUIT_RIOT_MAX)
		return SUIT_TOO_LARGE;
	enum suit_rc rc = envelope_read(bytes, &block, &manifest);
	if (rc == SUIT_OK)
		rc = block_read(block, &payload, &signature);
	if (rc != SUIT_OK)
		return rc;
	struct suit_message m = { .piece = { manifest }, .count = 1 };
	rc = crypto->sha256(&m, &digest);
	if (rc != SUIT_OK)
		return rc;
	payload_make(&expected, &digest);
	if (memcmp(payload.bytes, expected.bytes, sizeof(payload.bytes)) != 0)
		return SUIT_DIGEST;
	tbs_make(&m, &payload);
	return crypto->verify(key, SUIT_ALG_EDDSA, &m, signature);
}
