/* Public keys that operators register. */
#include "core/public_key.h"

#include "base/clean.h"
#include "suit/crypto_openssl.h"

#include <string.h>

CLEAN_DEFINE(suit_key, struct suit_key *, suit_key_free)

enum rc public_key_read(struct call *c, const char *pointer, const char *pem,
			struct bytes *ret_der, struct bytes *ret_kid)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	struct suit_bytes text = { (const uint8_t *)pem, strlen(pem) };
	uint8_t *spki = arena_alloc(c->mem, SUIT_SPKI_MAX),
		*kid = arena_alloc(c->mem, SUIT_KID_SIZE);
	size_t n = 0;

	if (text.n > SUIT_PEM_MAX || suit_key_from_public_pem(text, &key) != SUIT_OK)
		return call_field(c, pointer,
				  "must be the PEM of a public key: P-256, P-384, Ed25519 or "
				  "RSA of 2048 to 4096 bits");
	if (suit_key_spki(key, spki, SUIT_SPKI_MAX, &n) != SUIT_OK ||
	    suit_key_kid(key, kid) != SUIT_OK)
		return RC_INTERNAL;
	*ret_der = (struct bytes){ spki, n };
	*ret_kid = (struct bytes){ kid, SUIT_KID_SIZE };
	return RC_OK;
}

char *public_key_pem(struct arena *mem, struct bytes der)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	char *pem = arena_alloc(mem, SUIT_PEM_MAX);

	if (suit_key_from_spki((struct suit_bytes){ der.p, der.n }, &key) != SUIT_OK ||
	    suit_key_public_pem(key, pem, SUIT_PEM_MAX) != SUIT_OK)
		return NULL;
	return pem;
}
