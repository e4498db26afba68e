/* Whose key it is, the info says by a key id; the device tries its own first. */
#include "agent/keys.h"

#include "agent/file.h"
#include "agent/text.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"
#include "suit/wipe.h"

#include <string.h>

#define DIGITS_MAX (2 * 32 + 2)

static bool read_id(const char *id, uint8_t ret[SUIT_KID_MAX], size_t *ret_n)
{
	size_t n = strlen(id);
	if (n > 2 && id[0] == '0' && id[1] == 'x') {
		*ret_n = (n - 2) / 2;
		return *ret_n <= SUIT_KID_MAX && text_unhex(id + 2, ret, *ret_n);
	}
	*ret_n = n;
	if (n > SUIT_KID_MAX)
		return false;
	memcpy(ret, id, n);
	return true;
}

/* As the command line reads it (kek_decode() of cli/party.c): 32 digits are a key of 16 bytes,
 * with or without an end of line, and not one of 32 bytes. */
static bool take_shared(struct shared_key *k, char *text, size_t n)
{
	char digits[DIGITS_MAX + 1];
	size_t d = n;
	while (d > 0 && (text[d - 1] == '\n' || text[d - 1] == '\r'))
		d--;
	memcpy(digits, text, d);
	digits[d] = '\0';
	bool hex = (d == 32 || d == 64) && text_unhex(digits, k->b, d / 2);
	suit_wipe(digits, sizeof(digits));
	if (!hex && n != 16 && n != 32)
		return false;
	if (!hex)
		memcpy(k->b, text, n);
	k->n = hex ? d / 2 : n;
	return true;
}

bool keys_read_shared(struct shared_key *k, const char *path, const char *id)
{
	char text[DIGITS_MAX + 1];
	size_t n;
	bool taken = file_read(path, text, sizeof(text), &n) && take_shared(k, text, n) &&
		     read_id(id, k->id, &k->id_n);
	suit_wipe(text, sizeof(text));
	return taken;
}

bool keys_read_private(const char *path, struct suit_key **ret)
{
	char pem[SUIT_PEM_MAX];
	size_t n = 0;
	bool taken = file_read(path, pem, sizeof(pem), &n) &&
		     suit_key_from_private_pem((struct suit_bytes){ (const uint8_t *)pem, n },
					       NULL, ret) == SUIT_OK;
	suit_wipe(pem, sizeof(pem));
	return taken;
}

bool keys_take_own(struct keys *k, struct suit_key *key, const char *id)
{
	k->own = key;
	if (suit_key_type(key) != SUIT_KEY_P256)
		return false;
	if (id[0])
		return read_id(id, k->own_id, &k->own_id_n);
	k->own_id_n = SUIT_KID_SIZE;
	return suit_key_kid(k->own, k->own_id) == SUIT_OK;
}

void keys_finish(struct keys *k)
{
	suit_key_free(k->own);
	suit_wipe(k, sizeof(*k));
}

format_set keys_formats(const struct keys *k)
{
	format_set set = 0;
	if (k->secret.n)
		set |= FORMAT_BIT(FORMAT_AES_KW);
	if (k->own)
		set |= FORMAT_BIT(FORMAT_ECDH_ES);
	return set ? set | FORMAT_CIPHERS : 0;
}

const char *keys_word(const struct keys *k, const struct suit_crypto *crypto,
		      char buf[KEYS_WORD_SIZE])
{
	struct suit_message m = { .piece = { { k->own_id, k->own_id_n } }, .count = 1 };
	struct suit_digest digest;
	if (!k->own || crypto->sha256(&m, &digest) != SUIT_OK)
		return NULL;
	memcpy(buf, "key-", 4);
	suit_hex((struct suit_bytes){ digest.b, 12 }, buf + 4);
	return buf;
}

static enum format cipher_word(enum suit_alg alg)
{
	if (alg == SUIT_ALG_A128CTR || alg == SUIT_ALG_A256CTR)
		return FORMAT_CTR;
	return alg == SUIT_ALG_CHACHA20 ? FORMAT_CHACHA20 : FORMAT_GCM;
}

enum suit_rc keys_open(const struct keys *k, const struct suit_crypto *crypto,
		       format_set allowed, struct suit_bytes info, struct suit_content_key *ret)
{
	struct suit_party own = { .kid = { k->own_id, k->own_id_n }, .key = k->own };
	struct suit_party shared = { .kid = { k->secret.id, k->secret.id_n },
				     .secret = { k->secret.b, k->secret.n } };
	struct suit_encryption e;
	enum suit_rc rc = suit_encryption_decode(info, &e);
	if (rc != SUIT_OK)
		return rc;
	if (!(allowed & FORMAT_BIT(cipher_word(e.alg->alg))))
		return SUIT_UNSUPPORTED;
	rc = SUIT_MISSING;
	if (k->own && allowed & FORMAT_BIT(FORMAT_ECDH_ES))
		rc = suit_content_key_open(crypto, &e, &own, ret);
	if (rc == SUIT_OK || !k->secret.n || !(allowed & FORMAT_BIT(FORMAT_AES_KW)))
		return rc;
	enum suit_rc other = suit_content_key_open(crypto, &e, &shared, ret);
	/* what its own key said says more */
	return other == SUIT_OK || rc == SUIT_MISSING ? other : rc;
}
