/* A report, and a COSE_Sign1 around it. */
#include "agent/report.h"

#include "agent/file.h"
#include "suit/cose.h"
#include "suit/crypto_openssl.h"

#include <errno.h>
#include <string.h>

static bool sign(const struct suit_crypto *crypto, const struct suit_key *key,
		 struct suit_bytes bare, uint8_t whole[REPORT_SIGNED_MAX], size_t *ret_n)
{
	uint8_t kid[SUIT_KID_SIZE];
	struct suit_signer by = { .key = key,
				  .alg = suit_key_alg(key),
				  .kid = { kid, sizeof(kid) } };
	return suit_key_kid(key, kid) == SUIT_OK &&
	       suit_sign1(crypto, &by, bare, whole, REPORT_SIGNED_MAX, ret_n) == SUIT_OK;
}

static bool encode(const struct suit_envelope *e, enum suit_rc rc,
		   const struct platform_result *result, uint8_t *buf, size_t *ret_n)
{
	struct suit_report r = { .reference_uri = e->reference_uri,
				 .manifest_digest = e->digest,
				 .success = rc == SUIT_OK,
				 .result_code = rc,
				 .failed = result->run.failed,
				 .reason = result->run.reason };
	return suit_report_encode(&r, buf, REPORT_MAX, ret_n) == SUIT_OK;
}

bool report_write(const char *dir, const struct suit_crypto *crypto, const struct suit_key *key,
		  struct suit_bytes envelope, enum suit_rc rc,
		  const struct platform_result *result, uint8_t ret[REPORT_SIGNED_MAX],
		  size_t *ret_n)
{
	uint8_t bare[REPORT_MAX];
	struct suit_envelope e;
	size_t n = 0;
	*ret_n = 0;
	/* a report is about a manifest, and this is none */
	if (suit_envelope_decode(crypto, envelope, &e) != SUIT_OK)
		return true;
	if (!encode(&e, rc, result, bare, &n))
		return false;
	if (key && !sign(crypto, key, (struct suit_bytes){ bare, n }, ret, &n)) {
		errno = ENOKEY; /* in a token that is away, for one */
		return false;
	}
	if (!key)
		memcpy(ret, bare, n);
	*ret_n = n;
	return file_replace(dir, REPORT_FILE, ret, n);
}
