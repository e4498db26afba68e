/* Verifies all blocks of an envelope by one policy. */

#include "suit/trust.h"

/* Tries each candidate; ret_tried is false when there is none.  That one of them is of another
 * kind says less than that another one does not verify. */
static enum suit_rc signature_check(const struct suit_crypto *crypto,
				    const struct suit_envelope *e,
				    const struct suit_block *block,
				    const struct suit_trust *trust, bool *ret_tried)
{
	enum suit_rc rc = SUIT_KEY;
	const struct suit_key *key = NULL;

	*ret_tried = false;
	for (size_t n = 0; (key = trust->key(trust->arg, block, n)) != NULL; n++) {
		*ret_tried = true;
		enum suit_rc got = suit_block_verify(crypto, e, block, key);
		if (got == SUIT_OK)
			return got;
		if (got != SUIT_KEY)
			rc = got;
	}
	return rc;
}

static enum suit_rc mac_check(const struct suit_crypto *crypto, const struct suit_envelope *e,
			      const struct suit_block *block, const struct suit_trust *trust,
			      bool *ret_tried)
{
	enum suit_rc rc = SUIT_SIGNATURE;
	struct suit_bytes key = { 0 };

	*ret_tried = false;
	for (size_t n = 0; (key = trust->mac_key(trust->arg, block, n)).n > 0; n++) {
		*ret_tried = true;
		rc = suit_block_mac(crypto, e, block, key);
		if (rc == SUIT_OK)
			return rc;
	}
	return rc;
}

static enum suit_rc block_check(const struct suit_crypto *crypto, const struct suit_envelope *e,
				const struct suit_block *block, const struct suit_trust *trust,
				struct suit_verdict *v)
{
	bool is_mac = suit_block_is_mac(block), tried = false;

	if (is_mac && !trust->mac_key) {
		v->macs_unread++;
		return SUIT_OK;
	}
	enum suit_rc rc = is_mac ? mac_check(crypto, e, block, trust, &tried)
				 : signature_check(crypto, e, block, trust, &tried);
	if (!tried) {
		v->unknown++;
		return trust->pass_unknown ? SUIT_OK : SUIT_UNKNOWN;
	}
	if (rc == SUIT_OK && is_mac)
		v->macs++;
	else if (rc == SUIT_OK)
		v->signatures++;
	return rc;
}

enum suit_rc suit_envelope_verify(const struct suit_crypto *crypto,
				  const struct suit_envelope *e, const struct suit_trust *trust,
				  struct suit_verdict *ret)
{
	*ret = (struct suit_verdict){ .failed = e->block_count };
	for (size_t i = 0; i < e->block_count; i++) {
		enum suit_rc rc = block_check(crypto, e, &e->block[i], trust, ret);
		if (rc != SUIT_OK) {
			ret->failed = i;
			return rc;
		}
	}
	return ret->signatures + ret->macs > 0 ? SUIT_OK : SUIT_MISSING;
}
