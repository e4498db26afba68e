/* COSE_Sign1 (RFC 9052 section 4.2) with the report inside: 18([protected, {4: kid}, payload,
 * signature]). */
#include "agent/report.h"

#include "agent/file.h"
#include "suit/crypto_openssl.h"

#include <string.h>

#define TAG_SIGN1 18

static struct suit_bytes text(const char *s)
{
	return (struct suit_bytes){ (const uint8_t *)s, strlen(s) };
}

static size_t put_alg(const struct suit_key *key, uint8_t *buf, size_t size)
{
	struct scbor_out o;
	scbor_out_init(&o, buf, size);
	scbor_put_map(&o, 1);
	scbor_put_uint(&o, 1);
	scbor_put_int(&o, suit_key_alg(key));
	return o.n;
}

static bool sign(const struct suit_crypto *crypto, const struct suit_key *key,
		 struct suit_bytes protected_, struct suit_bytes payload, uint8_t *ret,
		 size_t *ret_n)
{
	uint8_t tbs[REPORT_MAX + 64];
	struct scbor_out o;
	scbor_out_init(&o, tbs, sizeof(tbs));
	scbor_put_array(&o, 4);
	scbor_put_text(&o, text("Signature1"));
	scbor_put_bytes(&o, protected_);
	scbor_put_bytes(&o, (struct suit_bytes){ tbs, 0 });
	scbor_put_bytes(&o, payload);
	struct suit_message m = { .piece = { scbor_out_bytes(&o) }, .count = 1 };
	return scbor_out_fits(&o) &&
	       crypto->sign(key, suit_key_alg(key), &m, ret, ret_n) == SUIT_OK;
}

static size_t sign1(const struct suit_crypto *crypto, const struct suit_key *key,
		    struct suit_bytes payload, uint8_t *buf, size_t size)
{
	uint8_t alg[16], kid[SUIT_KID_SIZE], signature[SUIT_SIGNATURE_MAX];
	struct suit_bytes protected_ = { alg, put_alg(key, alg, sizeof(alg)) };
	struct scbor_out o;
	size_t n = 0;
	if (suit_key_kid(key, kid) != SUIT_OK ||
	    !sign(crypto, key, protected_, payload, signature, &n))
		return 0;
	scbor_out_init(&o, buf, size);
	scbor_put_tag(&o, TAG_SIGN1);
	scbor_put_array(&o, 4);
	scbor_put_bytes(&o, protected_);
	scbor_put_map(&o, 1);
	scbor_put_uint(&o, 4);
	scbor_put_bytes(&o, (struct suit_bytes){ kid, sizeof(kid) });
	scbor_put_bytes(&o, payload);
	scbor_put_bytes(&o, (struct suit_bytes){ signature, n });
	return scbor_out_fits(&o) ? o.n : 0;
}

bool report_write(const char *dir, const struct suit_crypto *crypto, const struct suit_key *key,
		  struct suit_bytes envelope, enum suit_rc rc,
		  const struct platform_result *result, uint8_t bare[REPORT_MAX], size_t *ret_n)
{
	uint8_t whole[REPORT_MAX + SUIT_SIGNATURE_MAX + 64];
	struct suit_report r = { .success = rc == SUIT_OK,
				 .result_code = rc,
				 .failed = result->run.failed,
				 .reason = result->run.reason };
	struct suit_envelope e;
	*ret_n = 0;
	/* a report is about a manifest, and this is none */
	if (suit_envelope_decode(crypto, envelope, &e) != SUIT_OK)
		return true;
	r.reference_uri = e.reference_uri;
	r.manifest_digest = e.digest;
	if (suit_report_encode(&r, bare, REPORT_MAX, ret_n) != SUIT_OK) {
		*ret_n = 0;
		return false;
	}
	struct suit_bytes b = { bare, *ret_n };
	if (!key)
		return file_replace(dir, REPORT_FILE, b.p, b.n);
	size_t n = sign1(crypto, key, b, whole, sizeof(whole));
	return n > 0 && file_replace(dir, REPORT_FILE, whole, n);
}
