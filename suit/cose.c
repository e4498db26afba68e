/* Signatures over the manifest digest. */

#include "suit/cose.h"

#include "suit/cbor.h"

#include <string.h>

/* Sig_structure = ["Signature1", protected, external_aad h'', payload].  The heads are written
 * into the caller's buffers, the rest is pointed at. */
struct tbs {
	uint8_t head[16], protected_head[9], payload_head[16];
	struct suit_message m;
};

static void tbs_make(struct tbs *t, struct suit_bytes protected_, struct suit_bytes payload)
{
	static const uint8_t context[] = "Signature1";
	struct scbor_out o;

	scbor_out_init(&o, t->head, sizeof(t->head));
	scbor_put_array(&o, 4);
	scbor_put_text(&o, (struct suit_bytes){ context, sizeof(context) - 1 });
	t->m.piece[0] = scbor_out_bytes(&o);

	/* A byte string's head differs from a number's only in the major type. */
	scbor_out_init(&o, t->protected_head, sizeof(t->protected_head));
	scbor_put_uint(&o, protected_.n);
	t->protected_head[0] |= SCBOR_BYTES << 5;
	t->m.piece[1] = scbor_out_bytes(&o);
	t->m.piece[2] = protected_;

	scbor_out_init(&o, t->payload_head, sizeof(t->payload_head));
	scbor_put_bytes(&o, (struct suit_bytes){ 0 });
	size_t at = o.n;
	scbor_put_uint(&o, payload.n);
	t->payload_head[at] |= SCBOR_BYTES << 5;
	t->m.piece[3] = scbor_out_bytes(&o);
	t->m.piece[4] = payload;
	t->m.count = 5;
}

enum suit_rc suit_block_verify(const struct suit_crypto *crypto, const struct suit_envelope *e,
			       const struct suit_block *block, const struct suit_key *key)
{
	struct tbs t;

	if (block->kind != SUIT_BLOCK_SIGN1)
		return SUIT_UNSUPPORTED;
	switch (block->alg) {
	case SUIT_ALG_ESP256:
	case SUIT_ALG_ES256:
	case SUIT_ALG_ED25519:
	case SUIT_ALG_EDDSA:
		break;
	default:
		return SUIT_UNSUPPORTED;
	}
	if (block->signature.n != 64)
		return SUIT_SIGNATURE;
	tbs_make(&t, block->protected_, e->digest_encoded);
	return crypto->verify(key, (enum suit_alg)block->alg, &t.m, block->signature);
}

/* The wrapper again, with one more block at its end. */
static void wrapper_write(struct scbor_out *o, const struct suit_envelope *e,
			  struct suit_bytes block)
{
	struct scbor c;

	scbor_put_array(o, 2 + e->block_count);
	scbor_put_bytes(o, e->digest_encoded);
	/* The blocks that are there stay byte for byte: they are what follows the digest. */
	scbor_init(&c, (struct suit_bytes){
			       e->digest_encoded.p + e->digest_encoded.n,
			       (size_t)(e->whole.p + e->whole.n -
					(e->digest_encoded.p + e->digest_encoded.n)) });
	for (size_t i = 0; i < e->block_count; i++)
		scbor_put_raw(o, scbor_any(&c));
	scbor_put_bytes(o, block);
}

/* Everything of the envelope's map but the wrapper, as it stands. */
static struct suit_bytes after_wrapper(const struct suit_envelope *e, size_t *ret_entries)
{
	struct scbor c;

	scbor_init(&c, e->whole);
	scbor_tag(&c, 107);
	*ret_entries = scbor_map(&c, 64);
	scbor_int(&c);
	scbor_bytes(&c);
	return (struct suit_bytes){ c.p, (size_t)(c.end - c.p) };
}

enum suit_rc suit_envelope_sign(const struct suit_crypto *crypto, const struct suit_key *key,
				enum suit_alg alg, struct suit_bytes kid,
				const struct suit_envelope *e, uint8_t *buf, size_t size,
				size_t *ret_n)
{
	uint8_t protected_[8], block[96 + SUIT_KID_MAX + SUIT_SIGNATURE_MAX], signature[SUIT_SIGNATURE_MAX];
	uint8_t wrapper[SUIT_BLOCKS_MAX * (sizeof(block) + 8) + 64];
	struct scbor_out o, out;
	size_t signature_n = 0;
	struct tbs t;

	if (e->block_count == SUIT_BLOCKS_MAX || kid.n > SUIT_KID_MAX)
		return SUIT_TOO_LARGE;
	scbor_out_init(&o, protected_, sizeof(protected_));
	scbor_put_map(&o, 1);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, alg);
	struct suit_bytes header = scbor_out_bytes(&o);
	tbs_make(&t, header, e->digest_encoded);
	enum suit_rc rc = crypto->sign(key, alg, &t.m, signature, &signature_n);
	if (rc != SUIT_OK)
		return rc;

	scbor_out_init(&o, block, sizeof(block));
	scbor_put_tag(&o, SUIT_BLOCK_SIGN1);
	scbor_put_array(&o, 4);
	scbor_put_bytes(&o, header);
	scbor_put_map(&o, kid.n > 0 ? 1 : 0);
	if (kid.n > 0) {
		scbor_put_int(&o, 4);
		scbor_put_bytes(&o, kid);
	}
	scbor_put_null(&o);
	scbor_put_bytes(&o, (struct suit_bytes){ signature, signature_n });
	struct suit_bytes added = scbor_out_bytes(&o);

	scbor_out_init(&o, wrapper, sizeof(wrapper));
	wrapper_write(&o, e, added);
	if (!scbor_out_fits(&o))
		return SUIT_TOO_LARGE;
	size_t entries = 0;
	struct suit_bytes rest = after_wrapper(e, &entries);
	scbor_out_init(&out, buf, size);
	scbor_put_tag(&out, 107);
	scbor_put_map(&out, entries);
	scbor_put_int(&out, 2);
	scbor_put_bytes(&out, scbor_out_bytes(&o));
	scbor_put_raw(&out, rest);
	*ret_n = out.n;
	return scbor_out_fits(&out) ? SUIT_OK : SUIT_NO_SPACE;
}
