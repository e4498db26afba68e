/* Signatures and MACs on the author's machine. */

#include "cli/signing.h"

#include "base/clock.h"
#include "cli/author.h"
#include "cli/certificates.h"
#include "suit/manifest.h"

#include <string.h>

void clean_signing(struct signing *s)
{
	for (size_t i = 0; i < s->count; i++)
		suit_key_free(s->key[i]);
	clean_party_list(&s->mac);
}

/* --- loading ------------------------------------------------------------------------------ */

static enum exit_code key_add(struct cli *c, struct signing *s, const char *path)
{
	size_t i = s->count;
	struct suit_key *key = NULL;
	if (i == SUIT_BLOCKS_MAX)
		return cli_fail(EXIT_FAILED, "an envelope has at most %d signatures",
				SUIT_BLOCKS_MAX);
	enum exit_code code = author_key_load(c, path, &key);
	if (code != EXIT_DONE)
		return code;
	s->key[i] = key;
	s->path[i] = path;
	s->count++;
	if (!suit_key_is_private(key))
		return cli_fail(EXIT_FAILED, "%s is a public key and cannot sign", path);
	if (suit_key_kid(key, s->kid[i]) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s has no id", path);
	for (size_t j = 0; j < i; j++)
		if (memcmp(s->kid[i], s->kid[j], SUIT_KID_SIZE) == 0)
			return cli_fail(EXIT_FAILED, "%s and %s are the same key", s->path[j],
					path);
	s->signer[i] = (struct suit_signer){ .key = key,
					     .alg = suit_key_alg(key),
					     .kid = { s->kid[i], SUIT_KID_SIZE } };
	return EXIT_DONE;
}

/* Whether the chain is the one of a signer: then it goes along. */
static bool chain_give(struct signing *s, const struct suit_certificates *chain,
		       const uint8_t kid[SUIT_KID_SIZE])
{
	for (size_t i = 0; i < s->count; i++) {
		if (memcmp(s->kid[i], kid, SUIT_KID_SIZE) != 0)
			continue;
		s->signer[i].certificates = chain->der;
		s->signer[i].certificate_count = chain->count;
		return true;
	}
	return false;
}

/* A device would refuse a chain that does not hold in itself: so do we, before signing. */
static enum exit_code chain_add(struct cli *c, struct signing *s, const char *path)
{
	struct suit_certificates chain;
	CLEAN(suit_key) struct suit_key *leaf = NULL;
	uint8_t kid[SUIT_KID_SIZE];
	enum exit_code code = certificates_load(c, path, &chain);
	if (code != EXIT_DONE)
		return code;
	if (chain.count > SUIT_CHAIN_MAX)
		return cli_fail(EXIT_FAILED, "%s holds %zu certificates; %d go along at most",
				path, chain.count, SUIT_CHAIN_MAX);
	struct suit_certificates last = { &chain.der[chain.count - 1], 1 };
	enum suit_rc rc =
		suit_key_from_certificate(chain, last, clock_wall() / USEC_PER_SEC, &leaf);
	if (rc == SUIT_OK)
		rc = suit_key_kid(leaf, kid);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is no chain that may sign now: %s", path,
				suit_rc_text(rc));
	if (!chain_give(s, &chain, kid))
		return cli_fail(EXIT_FAILED,
				"the first certificate of %s is of none of the keys", path);
	return EXIT_DONE;
}

enum exit_code signing_load(struct cli *c, struct signing *ret)
{
	const char *values[ARGS_MAX];
	enum exit_code code = EXIT_DONE;
	int n = args_values(&c->args, "key", values);
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		code = key_add(c, ret, values[i]);
	n = args_values(&c->args, "cert-chain", values);
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		code = chain_add(c, ret, values[i]);
	n = args_values(&c->args, "mac-key", values);
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		code = party_add_kek(c, &ret->mac, values[i]);
	if (code == EXIT_DONE && ret->count + ret->mac.count > SUIT_BLOCKS_MAX)
		code = cli_fail(EXIT_FAILED, "an envelope has at most %d signatures and MACs",
				SUIT_BLOCKS_MAX);
	return code;
}

/* --- signing ------------------------------------------------------------------------------ */

/* The last blocks are ours, in the order of the options. */
static enum suit_rc verify_made(const struct signing *s, struct suit_bytes bytes)
{
	struct suit_envelope e;
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl, bytes, &e);
	if (rc == SUIT_OK && e.block_count < s->count + s->mac.count)
		rc = SUIT_MISSING;
	if (rc != SUIT_OK)
		return rc;
	const struct suit_block *made = &e.block[e.block_count - s->count - s->mac.count];
	for (size_t i = 0; i < s->count && rc == SUIT_OK; i++)
		rc = suit_block_verify(&suit_crypto_openssl, &e, made++, s->key[i]);
	for (size_t i = 0; i < s->mac.count && rc == SUIT_OK; i++)
		rc = suit_block_mac(&suit_crypto_openssl, &e, made++, s->mac.party[i].secret);
	return rc;
}

/* One more block, or several of one COSE_Sign. */
static enum suit_rc add_block(struct cli *c, const struct signing *s,
			      const struct suit_party *mac, struct suit_bytes *envelope)
{
	struct suit_envelope e;
	uint8_t *out = arena_alloc(c->mem, SUIT_ENVELOPE_MAX);
	size_t n = 0;
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl, *envelope, &e);
	if (rc == SUIT_OK && mac)
		rc = suit_envelope_mac(&suit_crypto_openssl, mac->secret, mac->kid, &e, out,
				       SUIT_ENVELOPE_MAX, &n);
	else if (rc == SUIT_OK)
		rc = suit_envelope_cosign(&suit_crypto_openssl, s->signer, s->count, &e, out,
					  SUIT_ENVELOPE_MAX, &n);
	*envelope = (struct suit_bytes){ out, n };
	return rc;
}

enum suit_rc signing_apply(struct cli *c, const struct signing *s, struct suit_bytes envelope,
			   struct bytes *ret)
{
	enum suit_rc rc = SUIT_OK;
	if (s->count > 0)
		rc = add_block(c, s, NULL, &envelope);
	for (size_t i = 0; i < s->mac.count && rc == SUIT_OK; i++)
		rc = add_block(c, s, &s->mac.party[i], &envelope);
	if (rc == SUIT_OK)
		rc = verify_made(s, envelope);
	*ret = (struct bytes){ envelope.p, envelope.n };
	return rc;
}

const char *signing_done(const struct signing *s, const struct suit_envelope *e)
{
	for (size_t b = 0; b < e->block_count; b++) {
		for (size_t i = 0; i < s->count; i++)
			if (suit_block_verify(&suit_crypto_openssl, e, &e->block[b],
					      s->key[i]) == SUIT_OK)
				return s->path[i];
		for (size_t i = 0; i < s->mac.count; i++)
			if (suit_block_mac(&suit_crypto_openssl, e, &e->block[b],
					   s->mac.party[i].secret) == SUIT_OK)
				return "that MAC key";
	}
	return NULL;
}
