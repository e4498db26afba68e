/* COSE_Key and SubjectPublicKeyInfo, one turned into the other.  Both kinds of key have an SPKI
 * of fixed length: a constant prefix and the point. */

#include "suit/cose_key.h"

#include "suit/cbor.h"

#include <string.h>

#define POINT_SIZE 32

enum { KTY_OKP = 1, KTY_EC2 = 2, CURVE_P256 = 1, CURVE_ED25519 = 6 };

/* RFC 5480: id-ecPublicKey, prime256v1, an uncompressed point. */
static const uint8_t p256_prefix[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
				       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
				       0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
/* RFC 8410: id-Ed25519. */
static const uint8_t ed25519_prefix[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					  0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

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

static bool alg_is(int64_t alg, enum suit_alg a, enum suit_alg b)
{
	return alg == SUIT_ALG_NONE || alg == a || alg == b;
}

enum suit_rc suit_cose_key_to_spki(struct suit_bytes key, uint8_t buf[SUIT_SPKI_MAX],
				   size_t *ret_n)
{
	struct parts p = { 0 };
	struct scbor_out o;

	enum suit_rc rc = parts_read(key, &p);
	if (rc != SUIT_OK)
		return rc;
	bool p256 = p.kty == KTY_EC2 && p.curve == CURVE_P256 && p.y.n == POINT_SIZE &&
		    alg_is(p.alg, SUIT_ALG_ESP256, SUIT_ALG_ES256);
	bool ed25519 = p.kty == KTY_OKP && p.curve == CURVE_ED25519 && !p.y.p &&
		       alg_is(p.alg, SUIT_ALG_ED25519, SUIT_ALG_EDDSA);
	if (p.x.n != POINT_SIZE || (!p256 && !ed25519))
		return SUIT_KEY;
	scbor_out_init(&o, buf, SUIT_SPKI_MAX);
	if (p256)
		scbor_put_raw(&o, (struct suit_bytes){ p256_prefix, sizeof(p256_prefix) });
	else
		scbor_put_raw(&o,
			      (struct suit_bytes){ ed25519_prefix, sizeof(ed25519_prefix) });
	scbor_put_raw(&o, p.x);
	scbor_put_raw(&o, p.y);
	*ret_n = o.n;
	return SUIT_OK;
}

static bool starts(struct suit_bytes b, const uint8_t *prefix, size_t n)
{
	return b.n >= n && memcmp(b.p, prefix, n) == 0;
}

enum suit_rc suit_cose_key_from_spki(struct suit_bytes spki, uint8_t buf[SUIT_COSE_KEY_MAX],
				     size_t *ret_n)
{
	struct scbor_out o;
	bool p256 = spki.n == sizeof(p256_prefix) + 2 * POINT_SIZE &&
		    starts(spki, p256_prefix, sizeof(p256_prefix));
	bool ed25519 = spki.n == sizeof(ed25519_prefix) + POINT_SIZE &&
		       starts(spki, ed25519_prefix, sizeof(ed25519_prefix));

	if (!p256 && !ed25519)
		return SUIT_KEY;
	const uint8_t *x = spki.p + (p256 ? sizeof(p256_prefix) : sizeof(ed25519_prefix));
	scbor_out_init(&o, buf, SUIT_COSE_KEY_MAX);
	scbor_put_map(&o, p256 ? 4 : 3);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, p256 ? KTY_EC2 : KTY_OKP);
	scbor_put_int(&o, -1);
	scbor_put_int(&o, p256 ? CURVE_P256 : CURVE_ED25519);
	scbor_put_int(&o, -2);
	scbor_put_bytes(&o, (struct suit_bytes){ x, POINT_SIZE });
	if (p256) {
		scbor_put_int(&o, -3);
		scbor_put_bytes(&o, (struct suit_bytes){ x + POINT_SIZE, POINT_SIZE });
	}
	*ret_n = o.n;
	return SUIT_OK;
}
