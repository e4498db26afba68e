/* The encryption info, read in place and written.  Recipients are walked, never stored. */

#include "suit/encrypt.h"

#include "suit/cbor.h"
#include "suit/wipe.h"

#include <string.h>

#define KEK_SIZE   16 /* of ECDH-ES+A128KW */
#define POINT_SIZE 32
#define WRAP_EXTRA 8 /* RFC 3394 */

enum header_key { HEADER_ALG = 1, HEADER_KID = 4, HEADER_IV = 5, HEADER_EPHEMERAL = -1 };
enum { KTY_EC2 = 2, CURVE_P256 = 1 };

static const struct suit_content_alg content_algs[] = {
	{ SUIT_ALG_A128GCM, 16, 12, true },  { SUIT_ALG_A256GCM, 32, 12, true },
	{ SUIT_ALG_A128CTR, 16, 16, false }, { SUIT_ALG_A256CTR, 32, 16, false },
	{ SUIT_ALG_CHACHA20, 32, 12, true },
};

const struct suit_content_alg *suit_content_alg(int64_t alg)
{
	for (size_t i = 0; i < sizeof(content_algs) / sizeof(content_algs[0]); i++)
		if (content_algs[i].alg == alg)
			return &content_algs[i];
	return NULL;
}

void suit_content_key_wipe(struct suit_content_key *key)
{
	suit_wipe(key, sizeof(*key));
}

/* --- reading ------------------------------------------------------------------------------ */

/* Both headers of one COSE structure, the protected and the unprotected. */
struct header {
	int64_t alg; /* 0: none */
	bool alg_protected;
	struct suit_bytes kid, iv, x, y;
	bool has_key;
};

/* The protected header is empty, or holds the algorithm alone. */
static enum suit_rc protected_read(struct scbor *c, struct header *h)
{
	struct suit_bytes bytes = scbor_bytes(c);
	struct scbor in;

	if (!scbor_ok(c))
		return SUIT_MALFORMED;
	if (bytes.n == 0)
		return SUIT_OK;
	scbor_init(&in, bytes);
	if (scbor_map(&in, 1) != 1)
		return SUIT_MALFORMED;
	if (scbor_int(&in) != HEADER_ALG)
		return scbor_ok(&in) ? SUIT_UNKNOWN : SUIT_MALFORMED;
	h->alg = scbor_int(&in);
	h->alg_protected = true;
	return scbor_done(&in) && h->alg != 0 ? SUIT_OK : SUIT_MALFORMED;
}

/* Takes a byte string of 1 to max bytes, once. */
static void once(struct scbor *c, struct suit_bytes *ret, size_t max)
{
	bool again = ret->p != NULL;

	*ret = scbor_bytes(c);
	if (again || ret->n == 0 || ret->n > max)
		c->bad = true;
}

/* An algorithm, in one of the two headers; none has the number 0. */
static void once_alg(struct scbor *c, struct header *h)
{
	bool again = h->alg != 0;

	h->alg = scbor_int(c);
	if (again || h->alg == 0)
		c->bad = true;
}

/* Takes the number that must stand there, once. */
static void once_number(struct scbor *c, bool *seen, int64_t want)
{
	if (*seen || scbor_int(c) != want)
		c->bad = true;
	*seen = true;
}

/* The sender's key: { 1: 2, -1: 1, -2: x, -3: y }, uncompressed. */
static enum suit_rc ephemeral_read(struct scbor *c, struct header *h)
{
	bool kty = false, curve = false;

	if (h->has_key || scbor_map(c, 4) != 4)
		return SUIT_MALFORMED;
	h->has_key = true;
	for (int i = 0; i < 4 && scbor_ok(c); i++) {
		int64_t key = scbor_int(c);
		if (key == 1)
			once_number(c, &kty, KTY_EC2);
		else if (key == -1)
			once_number(c, &curve, CURVE_P256);
		else if (key == -2)
			once(c, &h->x, POINT_SIZE);
		else if (key == -3)
			once(c, &h->y, POINT_SIZE);
		else
			return scbor_ok(c) ? SUIT_UNKNOWN : SUIT_MALFORMED;
	}
	return scbor_ok(c) && h->x.n == POINT_SIZE && h->y.n == POINT_SIZE ? SUIT_OK
									   : SUIT_MALFORMED;
}

static enum suit_rc unprotected_read(struct scbor *c, struct header *h)
{
	size_t n = scbor_map(c, 3);
	enum suit_rc rc = SUIT_OK;

	for (size_t i = 0; i < n && rc == SUIT_OK && scbor_ok(c); i++) {
		int64_t key = scbor_int(c);
		if (key == HEADER_ALG)
			once_alg(c, h);
		else if (key == HEADER_KID)
			once(c, &h->kid, SUIT_KID_MAX);
		else if (key == HEADER_IV)
			once(c, &h->iv, 16);
		else if (key == HEADER_EPHEMERAL)
			rc = ephemeral_read(c, h);
		else
			rc = SUIT_UNKNOWN;
	}
	if (!scbor_ok(c) || (rc == SUIT_OK && h->alg == 0))
		return SUIT_MALFORMED;
	return rc;
}

static enum suit_rc header_read(struct scbor *c, struct header *h)
{
	enum suit_rc rc = protected_read(c, h);

	return rc == SUIT_OK ? unprotected_read(c, h) : rc;
}

/* Key wrap protects nothing but the key, so its algorithm stands unprotected (RFC 9053 section
 * 6.2.1); ECDH takes the protected one into the derived key. */
static enum suit_rc recipient_check(const struct header *h)
{
	if (h->iv.p)
		return SUIT_MALFORMED;
	switch (h->alg) {
	case SUIT_ALG_A128KW:
	case SUIT_ALG_A256KW:
		return !h->alg_protected && !h->has_key ? SUIT_OK : SUIT_MALFORMED;
	case SUIT_ALG_ECDH_ES_A128KW:
		return h->alg_protected && h->has_key ? SUIT_OK : SUIT_MALFORMED;
	default:
		return SUIT_UNSUPPORTED;
	}
}

static enum suit_rc recipient_read(struct scbor *c, const struct suit_content_alg *alg,
				   struct suit_recipient *ret)
{
	struct header h = { 0 };

	if (scbor_array(c, 3) != 3)
		return SUIT_MALFORMED;
	enum suit_rc rc = header_read(c, &h);
	if (rc == SUIT_OK)
		rc = recipient_check(&h);
	if (rc != SUIT_OK)
		return rc;
	struct suit_bytes wrapped = scbor_bytes(c);
	if (!scbor_ok(c) || wrapped.n != (size_t)alg->key_size + WRAP_EXTRA)
		return SUIT_MALFORMED;
	*ret = (struct suit_recipient){ .alg = (enum suit_alg)h.alg,
					.kid = h.kid,
					.x = h.x,
					.y = h.y,
					.wrapped = wrapped };
	return SUIT_OK;
}

/* An algorithm with a tag authenticates the protected header, and must stand there; CTR cannot,
 * and its protected header must be empty (RFC 9459 section 5). */
static enum suit_rc content_read(struct scbor *c, struct suit_encryption *e)
{
	struct header h = { 0 };
	enum suit_rc rc = header_read(c, &h);

	if (rc != SUIT_OK)
		return rc;
	e->alg = suit_content_alg(h.alg);
	e->iv = h.iv;
	if (!e->alg)
		return SUIT_UNSUPPORTED;
	if (h.kid.p || h.has_key || h.iv.n != e->alg->iv_size ||
	    h.alg_protected != e->alg->authenticated)
		return SUIT_MALFORMED;
	scbor_null(c);
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

enum suit_rc suit_encryption_decode(struct suit_bytes info, struct suit_encryption *ret)
{
	struct suit_encryption e = { 0 };
	struct suit_recipient recipient;
	struct scbor c;

	scbor_init(&c, info);
	scbor_tag(&c, SUIT_TAG_ENCRYPT);
	if (scbor_array(&c, 4) != 4)
		return SUIT_MALFORMED;
	enum suit_rc rc = content_read(&c, &e);
	if (rc != SUIT_OK)
		return rc;
	e.recipient_count = scbor_array(&c, SUIT_RECIPIENTS_MAX);
	e.recipients = (struct suit_bytes){ c.p, (size_t)(c.end - c.p) };
	for (size_t i = 0; i < e.recipient_count && rc == SUIT_OK; i++)
		rc = recipient_read(&c, e.alg, &recipient);
	if (rc == SUIT_OK && (!scbor_done(&c) || e.recipient_count == 0))
		rc = SUIT_MALFORMED;
	if (rc == SUIT_OK)
		*ret = e;
	return rc;
}

enum suit_rc suit_encryption_recipient(const struct suit_encryption *e, size_t number,
				       struct suit_recipient *ret)
{
	struct suit_recipient r;
	enum suit_rc rc = SUIT_OK;
	struct scbor c;

	if (number >= e->recipient_count)
		return SUIT_MISSING;
	scbor_init(&c, e->recipients);
	for (size_t i = 0; i <= number && rc == SUIT_OK; i++)
		rc = recipient_read(&c, e->alg, &r);
	if (rc == SUIT_OK)
		*ret = r;
	return rc;
}

/* --- the key that wraps ------------------------------------------------------------------- */

struct kek {
	uint8_t b[KEK_SIZE];
};

/* HKDF-SHA-256 (RFC 5869) without salt; one block is enough. */
static enum suit_rc kek_derive(const struct suit_crypto *crypto, const uint8_t secret[32],
			       struct kek *ret)
{
	/* COSE_KDF_Context: [ -3, [nil, nil, nil], [nil, nil, nil],
	 *                     [128, <<{ 1: -29 }>>, 'SUIT Payload Encryption'] ] */
	static const uint8_t head[] = { 0x84, 0x22, 0x83, 0xf6, 0xf6, 0xf6, 0x83,
					0xf6, 0xf6, 0xf6, 0x83, 0x18, 0x80, 0x44,
					0xa1, 0x01, 0x38, 0x1c, 0x57 };
	static const uint8_t text[] = "SUIT Payload Encryption";
	static const uint8_t salt[32], counter[] = { 1 };
	struct suit_message extract = { .piece = { { secret, 32 } }, .count = 1 };
	struct suit_message expand = {
		.piece = { { head, sizeof(head) }, { text, sizeof(text) - 1 }, { counter, 1 } },
		.count = 3
	};
	uint8_t prk[32], okm[32];

	enum suit_rc rc =
		crypto->hmac((struct suit_bytes){ salt, sizeof(salt) }, &extract, prk);
	if (rc == SUIT_OK)
		rc = crypto->hmac((struct suit_bytes){ prk, sizeof(prk) }, &expand, okm);
	if (rc == SUIT_OK)
		memcpy(ret->b, okm, sizeof(ret->b));
	suit_wipe(prk, sizeof(prk));
	suit_wipe(okm, sizeof(okm));
	return rc;
}

static enum suit_alg wrap_alg(const struct suit_party *p)
{
	if (p->key)
		return SUIT_ALG_ECDH_ES_A128KW;
	switch (p->secret.n) {
	case 16:
		return SUIT_ALG_A128KW;
	case 32:
		return SUIT_ALG_A256KW;
	default:
		return SUIT_ALG_NONE;
	}
}

/* A backend has what its device needs. */
static bool can_unwrap(const struct suit_crypto *crypto, const struct suit_party *p)
{
	return crypto->aes_unwrap && (!p->key || (crypto->hmac && crypto->ecdh));
}

static bool can_wrap(const struct suit_crypto *crypto, const struct suit_party *p)
{
	return crypto->aes_wrap && (!p->key || (crypto->hmac && crypto->ecdh_send));
}

static enum suit_rc agreed_unwrap(const struct suit_crypto *crypto,
				  const struct suit_party *party,
				  const struct suit_recipient *r, uint8_t *ret)
{
	struct suit_point sender;
	uint8_t secret[32];
	struct kek kek;

	memcpy(sender.x, r->x.p, sizeof(sender.x));
	memcpy(sender.y, r->y.p, sizeof(sender.y));
	enum suit_rc rc = crypto->ecdh(party->key, &sender, secret);
	if (rc == SUIT_OK)
		rc = kek_derive(crypto, secret, &kek);
	if (rc == SUIT_OK)
		rc = crypto->aes_unwrap((struct suit_bytes){ kek.b, sizeof(kek.b) }, r->wrapped,
					ret);
	suit_wipe(secret, sizeof(secret));
	suit_wipe(&kek, sizeof(kek));
	return rc;
}

static bool is_for(const struct suit_recipient *r, const struct suit_party *party, bool only)
{
	if (r->alg != wrap_alg(party))
		return false;
	if (party->kid.n == 0 || r->kid.n == 0)
		return only;
	return suit_bytes_equal(r->kid, party->kid);
}

/* A kid need not be unique, so every recipient of that kid is tried. */
static enum suit_rc recipients_try(const struct suit_crypto *crypto,
				   const struct suit_encryption *e,
				   const struct suit_party *party, uint8_t *ret)
{
	enum suit_rc found = SUIT_MISSING;
	struct suit_recipient r;
	struct scbor c;

	scbor_init(&c, e->recipients);
	for (size_t i = 0; i < e->recipient_count && found != SUIT_OK; i++) {
		enum suit_rc rc = recipient_read(&c, e->alg, &r);
		if (rc != SUIT_OK)
			return rc;
		if (!is_for(&r, party, e->recipient_count == 1))
			continue;
		found = party->key ? agreed_unwrap(crypto, party, &r, ret)
				   : crypto->aes_unwrap(party->secret, r.wrapped, ret);
		if (found == SUIT_CRYPTO)
			return found; /* the key cannot be used, whoever is named */
	}
	return found;
}

enum suit_rc suit_content_key_open(const struct suit_crypto *crypto,
				   const struct suit_encryption *e,
				   const struct suit_party *party, struct suit_content_key *ret)
{
	struct suit_content_key key = { .alg = e->alg };

	if (!can_unwrap(crypto, party))
		return SUIT_UNSUPPORTED;
	if (wrap_alg(party) == SUIT_ALG_NONE)
		return SUIT_KEY;
	memcpy(key.iv, e->iv.p, e->alg->iv_size);
	enum suit_rc rc = recipients_try(crypto, e, party, key.key);
	if (rc == SUIT_OK)
		*ret = key;
	suit_content_key_wipe(&key);
	return rc;
}

/* --- writing ------------------------------------------------------------------------------ */

static void put_header(struct scbor_out *o, int64_t alg)
{
	scbor_put_map(o, 1);
	scbor_put_int(o, HEADER_ALG);
	scbor_put_int(o, alg);
}

static void put_protected(struct scbor_out *o, int64_t alg)
{
	uint8_t bytes[16];
	struct scbor_out in;

	scbor_out_init(&in, bytes, sizeof(bytes));
	put_header(&in, alg);
	scbor_put_bytes(o, scbor_out_bytes(&in));
}

static void put_kid(struct scbor_out *o, struct suit_bytes kid)
{
	if (kid.n == 0)
		return;
	scbor_put_int(o, HEADER_KID);
	scbor_put_bytes(o, kid);
}

static void put_point(struct scbor_out *o, const struct suit_point *point)
{
	scbor_put_int(o, HEADER_EPHEMERAL);
	scbor_put_map(o, 4);
	scbor_put_int(o, 1);
	scbor_put_int(o, KTY_EC2);
	scbor_put_int(o, -1);
	scbor_put_int(o, CURVE_P256);
	scbor_put_int(o, -2);
	scbor_put_bytes(o, (struct suit_bytes){ point->x, POINT_SIZE });
	scbor_put_int(o, -3);
	scbor_put_bytes(o, (struct suit_bytes){ point->y, POINT_SIZE });
}

static enum suit_rc put_shared(const struct suit_crypto *crypto,
			       const struct suit_content_key *key, const struct suit_party *p,
			       struct scbor_out *o)
{
	uint8_t wrapped[sizeof(key->key) + WRAP_EXTRA];
	enum suit_rc rc = crypto->aes_wrap(
		p->secret, (struct suit_bytes){ key->key, key->alg->key_size }, wrapped);

	if (rc != SUIT_OK)
		return rc;
	scbor_put_array(o, 3);
	scbor_put_bytes(o, (struct suit_bytes){ 0 });
	scbor_put_map(o, p->kid.n > 0 ? 2 : 1);
	scbor_put_int(o, HEADER_ALG);
	scbor_put_int(o, wrap_alg(p));
	put_kid(o, p->kid);
	scbor_put_bytes(
		o, (struct suit_bytes){ wrapped, (size_t)key->alg->key_size + WRAP_EXTRA });
	return SUIT_OK;
}

static enum suit_rc agreed_wrap(const struct suit_crypto *crypto,
				const struct suit_content_key *key, const struct suit_party *p,
				struct suit_point *ret_sender, uint8_t *ret)
{
	uint8_t secret[32];
	struct kek kek;

	enum suit_rc rc = crypto->ecdh_send(p->key, ret_sender, secret);
	if (rc == SUIT_OK)
		rc = kek_derive(crypto, secret, &kek);
	if (rc == SUIT_OK)
		rc = crypto->aes_wrap((struct suit_bytes){ kek.b, sizeof(kek.b) },
				      (struct suit_bytes){ key->key, key->alg->key_size }, ret);
	suit_wipe(secret, sizeof(secret));
	suit_wipe(&kek, sizeof(kek));
	return rc;
}

static enum suit_rc put_agreed(const struct suit_crypto *crypto,
			       const struct suit_content_key *key, const struct suit_party *p,
			       struct scbor_out *o)
{
	uint8_t wrapped[sizeof(key->key) + WRAP_EXTRA];
	struct suit_point sender;
	enum suit_rc rc = agreed_wrap(crypto, key, p, &sender, wrapped);

	if (rc != SUIT_OK)
		return rc;
	scbor_put_array(o, 3);
	put_protected(o, SUIT_ALG_ECDH_ES_A128KW);
	scbor_put_map(o, p->kid.n > 0 ? 2 : 1);
	put_kid(o, p->kid);
	put_point(o, &sender);
	scbor_put_bytes(
		o, (struct suit_bytes){ wrapped, (size_t)key->alg->key_size + WRAP_EXTRA });
	return SUIT_OK;
}

static void put_content(struct scbor_out *o, const struct suit_content_key *key)
{
	bool authenticated = key->alg->authenticated;

	scbor_put_tag(o, SUIT_TAG_ENCRYPT);
	scbor_put_array(o, 4);
	if (authenticated)
		put_protected(o, key->alg->alg);
	else
		scbor_put_bytes(o, (struct suit_bytes){ 0 });
	scbor_put_map(o, authenticated ? 1 : 2);
	if (!authenticated) {
		scbor_put_int(o, HEADER_ALG);
		scbor_put_int(o, key->alg->alg);
	}
	scbor_put_int(o, HEADER_IV);
	scbor_put_bytes(o, (struct suit_bytes){ key->iv, key->alg->iv_size });
	scbor_put_null(o);
}

static enum suit_rc parties_check(const struct suit_crypto *crypto,
				  const struct suit_party *party, size_t count)
{
	if (count == 0)
		return SUIT_MISSING;
	if (count > SUIT_RECIPIENTS_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < count; i++) {
		if (!can_wrap(crypto, &party[i]))
			return SUIT_UNSUPPORTED;
		if (wrap_alg(&party[i]) == SUIT_ALG_NONE)
			return SUIT_KEY;
		if (party[i].kid.n > SUIT_KID_MAX)
			return SUIT_TOO_LARGE;
		if (party[i].kid.n == 0 && count > 1)
			return SUIT_MISSING;
	}
	return SUIT_OK;
}

enum suit_rc suit_encrypt_info_make(const struct suit_crypto *crypto,
				    const struct suit_content_key *key,
				    const struct suit_party *party, size_t count, uint8_t *buf,
				    size_t size, size_t *ret_n)
{
	struct scbor_out o;
	enum suit_rc rc = parties_check(crypto, party, count);

	if (rc != SUIT_OK)
		return rc;
	scbor_out_init(&o, buf, size);
	put_content(&o, key);
	scbor_put_array(&o, count);
	for (size_t i = 0; i < count && rc == SUIT_OK; i++)
		rc = party[i].key ? put_agreed(crypto, key, &party[i], &o)
				  : put_shared(crypto, key, &party[i], &o);
	if (rc != SUIT_OK)
		return rc;
	*ret_n = o.n;
	return scbor_out_fits(&o) ? SUIT_OK : SUIT_NO_SPACE;
}
