/* Signatures and MACs over the manifest digest. */

#include "suit/cose.h"

#include "suit/cbor.h"
#include "suit/rewrite.h"

#include <string.h>

#define MAC_SIZE      32
#define PROTECTED_MAX 8 /* { 1: algorithm } */

/* What is signed: [context, ?body's protected header h'', protected, external_aad h'',
 * payload].  The heads are written into this buffer, the rest is pointed at. */
struct tbs {
	uint8_t head[16], protected_head[9], payload_head[16];
	struct suit_message m;
};

static const char *context_of(enum suit_block_kind kind)
{
	switch (kind) {
	case SUIT_BLOCK_SIGN1:
		return "Signature1";
	case SUIT_BLOCK_SIGN:
		return "Signature";
	case SUIT_BLOCK_MAC0:
		return "MAC0";
	}
	return "";
}

static void tbs_make(struct tbs *t, enum suit_block_kind kind, struct suit_bytes protected_,
		     struct suit_bytes payload)
{
	const char *context = context_of(kind);
	struct scbor_out o;

	scbor_out_init(&o, t->head, sizeof(t->head));
	scbor_put_array(&o, kind == SUIT_BLOCK_SIGN ? 5 : 4);
	scbor_put_text(&o, (struct suit_bytes){ (const uint8_t *)context, strlen(context) });
	if (kind == SUIT_BLOCK_SIGN)
		scbor_put_bytes_head(&o, 0);
	t->m.piece[0] = scbor_out_bytes(&o);

	scbor_out_init(&o, t->protected_head, sizeof(t->protected_head));
	scbor_put_bytes_head(&o, protected_.n);
	t->m.piece[1] = scbor_out_bytes(&o);
	t->m.piece[2] = protected_;

	scbor_out_init(&o, t->payload_head, sizeof(t->payload_head));
	scbor_put_bytes_head(&o, 0);
	scbor_put_bytes_head(&o, payload.n);
	t->m.piece[3] = scbor_out_bytes(&o);
	t->m.piece[4] = payload;
	t->m.count = 5;
}

enum suit_rc suit_signature_verify(const struct suit_crypto *crypto,
				   const struct suit_block *block, struct suit_bytes payload,
				   const struct suit_key *key)
{
	static const int8_t known[] = { SUIT_ALG_ESP256, SUIT_ALG_ES256,   SUIT_ALG_ESP384,
					SUIT_ALG_ES384,  SUIT_ALG_ED25519, SUIT_ALG_EDDSA,
					SUIT_ALG_PS256 };
	bool is_known = false;
	struct tbs t;

	for (size_t i = 0; i < sizeof(known); i++)
		is_known = is_known || known[i] == block->alg;
	if (suit_block_is_mac(block) || !is_known)
		return SUIT_UNSUPPORTED;
	tbs_make(&t, block->kind, block->protected_, payload);
	return crypto->verify(key, (enum suit_alg)block->alg, &t.m, block->signature);
}

enum suit_rc suit_block_verify(const struct suit_crypto *crypto, const struct suit_envelope *e,
			       const struct suit_block *block, const struct suit_key *key)
{
	return suit_signature_verify(crypto, block, e->digest_encoded, key);
}

static bool equal_constant_time(const uint8_t *a, const uint8_t *b, size_t n)
{
	volatile uint8_t differ = 0;

	for (size_t i = 0; i < n; i++)
		differ = (uint8_t)(differ | (a[i] ^ b[i]));
	return differ == 0;
}

enum suit_rc suit_block_mac(const struct suit_crypto *crypto, const struct suit_envelope *e,
			    const struct suit_block *block, struct suit_bytes key)
{
	uint8_t tag[MAC_SIZE];
	struct tbs t;

	if (!suit_block_is_mac(block) || block->alg != SUIT_ALG_HMAC256)
		return SUIT_UNSUPPORTED;
	if (key.n < SUIT_MAC_KEY_MIN)
		return SUIT_KEY;
	if (block->signature.n != sizeof(tag))
		return SUIT_SIGNATURE;
	tbs_make(&t, block->kind, block->protected_, e->digest_encoded);
	enum suit_rc rc = crypto->hmac(key, &t.m, tag);
	if (rc == SUIT_OK && !equal_constant_time(tag, block->signature.p, sizeof(tag)))
		rc = SUIT_SIGNATURE;
	return rc;
}

bool suit_block_names(const struct suit_crypto *crypto, const struct suit_block *block,
		      struct suit_bytes certificate)
{
	struct suit_message m = { .piece = { certificate }, .count = 1 };
	struct suit_bytes named = suit_block_x5t(block);
	struct suit_digest digest;

	return named.n == sizeof(digest.b) && crypto->sha256(&m, &digest) == SUIT_OK &&
	       memcmp(named.p, digest.b, named.n) == 0;
}

/* --- making ------------------------------------------------------------------------------- */

/* A signature or MAC as it will stand in the envelope. */
struct seal {
	uint8_t header[PROTECTED_MAX];
	struct suit_bytes protected_, kid;
	const struct suit_bytes *certificates;
	size_t certificate_count;
	uint8_t value[SUIT_SIGNATURE_MAX];
	size_t value_n;
};

struct seals {
	enum suit_block_kind kind;
	struct seal seal[SUIT_BLOCKS_MAX];
	size_t count;
};

static void protected_make(struct seal *s, enum suit_alg alg)
{
	struct scbor_out o;

	scbor_out_init(&o, s->header, sizeof(s->header));
	scbor_put_map(&o, 1);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, alg);
	s->protected_ = scbor_out_bytes(&o);
}

static void headers_put(struct scbor_out *o, const struct seal *s)
{
	scbor_put_bytes(o, s->protected_);
	scbor_put_map(o, (s->kid.n > 0 ? 1 : 0) + (s->certificate_count > 0 ? 1 : 0));
	if (s->kid.n > 0) {
		scbor_put_int(o, 4);
		scbor_put_bytes(o, s->kid);
	}
	if (s->certificate_count == 0)
		return;
	scbor_put_int(o, 33);
	if (s->certificate_count > 1)
		scbor_put_array(o, s->certificate_count);
	for (size_t i = 0; i < s->certificate_count; i++)
		scbor_put_bytes(o, s->certificates[i]);
}

static void value_put(struct scbor_out *o, const struct seal *s)
{
	scbor_put_bytes(o, (struct suit_bytes){ s->value, s->value_n });
}

static void message_put(struct scbor_out *o, const void *arg)
{
	const struct seals *s = arg;

	scbor_put_tag(o, s->kind);
	scbor_put_array(o, 4);
	if (s->kind != SUIT_BLOCK_SIGN) {
		headers_put(o, &s->seal[0]);
		scbor_put_null(o);
		value_put(o, &s->seal[0]);
		return;
	}
	scbor_put_bytes_head(o, 0);
	scbor_put_map(o, 0);
	scbor_put_null(o);
	scbor_put_array(o, s->count);
	for (size_t i = 0; i < s->count; i++) {
		scbor_put_array(o, 3);
		headers_put(o, &s->seal[i]);
		value_put(o, &s->seal[i]);
	}
}

static enum suit_rc signer_check(const struct suit_signer *s)
{
	if (s->kid.n > SUIT_KID_MAX || s->certificate_count > SUIT_CHAIN_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < s->certificate_count; i++)
		if (s->certificates[i].n == 0 || s->certificates[i].n > SUIT_CERT_MAX)
			return SUIT_TOO_LARGE;
	return SUIT_OK;
}

static enum suit_rc seal_sign(const struct suit_crypto *crypto, const struct suit_signer *by,
			      enum suit_block_kind kind, struct suit_bytes payload,
			      struct seal *s)
{
	enum suit_rc rc = signer_check(by);
	struct tbs t;

	if (rc != SUIT_OK)
		return rc;
	protected_make(s, by->alg);
	s->kid = by->kid;
	s->certificates = by->certificates;
	s->certificate_count = by->certificate_count;
	tbs_make(&t, kind, s->protected_, payload);
	return crypto->sign(by->key, by->alg, &t.m, s->value, &s->value_n);
}

enum suit_rc suit_envelope_cosign(const struct suit_crypto *crypto,
				  const struct suit_signer *signer, size_t signer_count,
				  const struct suit_envelope *e, uint8_t *buf, size_t size,
				  size_t *ret_n)
{
	struct suit_change change = { .put = message_put };
	struct seals s;

	if (signer_count == 0)
		return SUIT_MISSING;
	if (signer_count > SUIT_BLOCKS_MAX - e->block_count)
		return SUIT_TOO_LARGE;
	s.kind = signer_count > 1 ? SUIT_BLOCK_SIGN : SUIT_BLOCK_SIGN1;
	for (s.count = 0; s.count < signer_count; s.count++) {
		enum suit_rc rc = seal_sign(crypto, &signer[s.count], s.kind, e->digest_encoded,
					    &s.seal[s.count]);
		if (rc != SUIT_OK)
			return rc;
	}
	change.arg = &s;
	return suit_envelope_rewrite(e, &change, buf, size, ret_n);
}

enum suit_rc suit_envelope_sign(const struct suit_crypto *crypto, const struct suit_key *key,
				enum suit_alg alg, struct suit_bytes kid,
				const struct suit_envelope *e, uint8_t *buf, size_t size,
				size_t *ret_n)
{
	struct suit_signer signer = { .key = key, .alg = alg, .kid = kid };

	return suit_envelope_cosign(crypto, &signer, 1, e, buf, size, ret_n);
}

enum suit_rc suit_envelope_mac(const struct suit_crypto *crypto, struct suit_bytes key,
			       struct suit_bytes kid, const struct suit_envelope *e,
			       uint8_t *buf, size_t size, size_t *ret_n)
{
	struct seals s = { .kind = SUIT_BLOCK_MAC0, .count = 1 };
	struct suit_change change = { .put = message_put, .arg = &s };
	struct tbs t;

	if (key.n < SUIT_MAC_KEY_MIN)
		return SUIT_KEY;
	if (e->block_count == SUIT_BLOCKS_MAX || kid.n > SUIT_KID_MAX)
		return SUIT_TOO_LARGE;
	protected_make(&s.seal[0], SUIT_ALG_HMAC256);
	s.seal[0].kid = kid;
	s.seal[0].value_n = MAC_SIZE;
	tbs_make(&t, s.kind, s.seal[0].protected_, e->digest_encoded);
	enum suit_rc rc = crypto->hmac(key, &t.m, s.seal[0].value);
	return rc == SUIT_OK ? suit_envelope_rewrite(e, &change, buf, size, ret_n) : rc;
}

enum suit_rc suit_sign1(const struct suit_crypto *crypto, const struct suit_signer *signer,
			struct suit_bytes payload, uint8_t *buf, size_t size, size_t *ret_n)
{
	struct scbor_out o;
	struct seal s;
	enum suit_rc rc = seal_sign(crypto, signer, SUIT_BLOCK_SIGN1, payload, &s);

	if (rc != SUIT_OK)
		return rc;
	scbor_out_init(&o, buf, size);
	scbor_put_tag(&o, SUIT_BLOCK_SIGN1);
	scbor_put_array(&o, 4);
	headers_put(&o, &s);
	scbor_put_bytes(&o, payload);
	value_put(&o, &s);
	*ret_n = o.n;
	return scbor_out_fits(&o) ? SUIT_OK : SUIT_NO_SPACE;
}
