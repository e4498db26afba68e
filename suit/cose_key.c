/* COSE_Key and SubjectPublicKeyInfo, one turned into the other.  Each kind of key has an SPKI
 * of fixed length: a constant prefix and the point. */

#include "suit/cose_key.h"

#include "suit/cbor.h"

#include <string.h>

enum { KTY_OKP = 1, KTY_EC2 = 2, CURVE_P256 = 1, CURVE_P384 = 2, CURVE_ED25519 = 6 };

/* RFC 5480: id-ecPublicKey, prime256v1, an uncompressed point. */
static const uint8_t p256_prefix[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
				       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
				       0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
/* The same with secp384r1. */
static const uint8_t p384_prefix[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
				       0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
				       0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 };
/* RFC 8410: id-Ed25519. */
static const uint8_t ed25519_prefix[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					  0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

static const struct kind {
	int64_t kty, curve;
	struct suit_bytes prefix;
	size_t number; /* bytes of x, and of y */
	bool has_y;
	enum suit_alg alg, also;
} kinds[] = {
	{ KTY_EC2,
	  CURVE_P256,
	  { p256_prefix, sizeof(p256_prefix) },
	  32,
	  true,
	  SUIT_ALG_ESP256,
	  SUIT_ALG_ES256 },
	{ KTY_EC2,
	  CURVE_P384,
	  { p384_prefix, sizeof(p384_prefix) },
	  48,
	  true,
	  SUIT_ALG_ESP384,
	  SUIT_ALG_ES384 },
	{ KTY_OKP,
	  CURVE_ED25519,
	  { ed25519_prefix, sizeof(ed25519_prefix) },
	  32,
	  false,
	  SUIT_ALG_ED25519,
	  SUIT_ALG_EDDSA },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct parts {
	int64_t kty, alg, curve;
	struct suit_bytes x, y;
};

static enum suit_rc part_read(struct scbor *c, int64_t key, struct parts *p)
{
	switch (key) {
	case 1:
		p->kty = scbor_int(c);
		return SUIT_OK;
	case 2:
		return scbor_bytes(c).n <= SUIT_KID_MAX ? SUIT_OK : SUIT_TOO_LARGE;
	case 3:
		p->alg = scbor_int(c);
		return SUIT_OK;
	case -1:
		p->curve = scbor_int(c);
		return SUIT_OK;
	case -2:
		p->x = scbor_bytes(c);
		return SUIT_OK;
	case -3:
		p->y = scbor_bytes(c);
		return SUIT_OK;
	default:
		return SUIT_UNKNOWN;
	}
}

static enum suit_rc parts_read(struct suit_bytes key, struct parts *p)
{
	struct scbor_order order = { 0 };
	struct scbor c;

	scbor_init(&c, key);
	size_t n = scbor_map(&c, 6);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c.p;
		int64_t label = scbor_int(&c);
		scbor_key(&c, &order, start);
		if (!scbor_ok(&c))
			return SUIT_MALFORMED;
		enum suit_rc rc = part_read(&c, label, p);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_done(&c) ? SUIT_OK : SUIT_MALFORMED;
}

static bool is_of(const struct parts *p, const struct kind *k)
{
	return p->kty == k->kty && p->curve == k->curve && p->x.n == k->number &&
	       (k->has_y ? p->y.n == k->number : p->y.p == NULL) &&
	       (p->alg == SUIT_ALG_NONE || p->alg == k->alg || p->alg == k->also);
}

enum suit_rc suit_cose_key_to_spki(struct suit_bytes key, uint8_t buf[SUIT_SPKI_MAX],
				   size_t *ret_n)
{
	struct parts p = { 0 };
	struct scbor_out o;

	enum suit_rc rc = parts_read(key, &p);
	if (rc != SUIT_OK)
		return rc;
	for (size_t i = 0; i < KINDS; i++) {
		if (!is_of(&p, &kinds[i]))
			continue;
		scbor_out_init(&o, buf, SUIT_SPKI_MAX);
		scbor_put_raw(&o, kinds[i].prefix);
		scbor_put_raw(&o, p.x);
		scbor_put_raw(&o, p.y);
		*ret_n = o.n;
		return SUIT_OK;
	}
	return SUIT_KEY;
}

static const struct kind *kind_of(struct suit_bytes spki)
{
	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		if (spki.n == k->prefix.n + k->number * (k->has_y ? 2 : 1) &&
		    memcmp(spki.p, k->prefix.p, k->prefix.n) == 0)
			return k;
	}
	return NULL;
}

enum suit_rc suit_cose_key_from_spki(struct suit_bytes spki, uint8_t buf[SUIT_COSE_KEY_MAX],
				     size_t *ret_n)
{
	const struct kind *k = kind_of(spki);
	struct scbor_out o;

	if (!k)
		return SUIT_KEY;
	const uint8_t *x = spki.p + k->prefix.n;
	scbor_out_init(&o, buf, SUIT_COSE_KEY_MAX);
	scbor_put_map(&o, k->has_y ? 4 : 3);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, k->kty);
	scbor_put_int(&o, -1);
	scbor_put_int(&o, k->curve);
	scbor_put_int(&o, -2);
	scbor_put_bytes(&o, (struct suit_bytes){ x, k->number });
	if (k->has_y) {
		scbor_put_int(&o, -3);
		scbor_put_bytes(&o, (struct suit_bytes){ x + k->number, k->number });
	}
	*ret_n = o.n;
	return SUIT_OK;
}
