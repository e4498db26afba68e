/* The bytes are compared with their address before anything is done with them. */
#include "agent/elsewhere.h"

#include "agent/clean.h"
#include "suit/manifest.h"
#include "suit/rewrite.h"

#include <string.h>

static enum suit_rc check(const struct suit_crypto *crypto, const struct payload *p,
			  struct suit_bytes content)
{
	struct suit_message m = { .piece = { content }, .count = 1 };
	struct suit_digest is;
	enum suit_rc rc = crypto->sha256(&m, &is);
	if (rc == SUIT_OK && (content.n != p->size || !suit_digest_equal(&is, &p->file)))
		return SUIT_DIGEST;
	return rc;
}

enum suit_rc elsewhere_join(const struct suit_crypto *crypto, struct suit_bytes envelope,
			    const struct payload *p, struct suit_bytes content, uint8_t **ret,
			    size_t *ret_n)
{
	char path[UPDATE_PATH_MAX];
	struct suit_envelope e;
	size_t size = envelope.n + content.n + ELSEWHERE_MORE;
	enum suit_rc rc = check(crypto, p, content);
	if (rc == SUIT_OK)
		rc = suit_envelope_decode(crypto, envelope, &e);
	if (rc != SUIT_OK)
		return rc;
	CLEAN(mem) char *whole = malloc(size);
	if (!whole)
		return SUIT_NO_SPACE;
	update_path(p, path);
	struct suit_bytes name = { (const uint8_t *)path, strlen(path) };
	rc = suit_envelope_integrate(&e, name, content, (uint8_t *)whole, size, ret_n);
	if (rc != SUIT_OK)
		return rc;
	*ret = (uint8_t *)whole;
	whole = NULL;
	return SUIT_OK;
}
