/* The streams.  A decrypting one holds back the last 16 bytes that it saw, since they may be
 * the tag. */

#include "suit/encrypt_stream.h"

#include "suit/cbor.h"
#include "suit/wipe.h"

#include <string.h>

/* Enc_structure = ["Encrypt", protected, external_aad h''] (RFC 9052 section 5.3). */
static struct suit_bytes aad_make(const struct suit_content_alg *alg, uint8_t *buf, size_t size)
{
	static const uint8_t context[] = "Encrypt";
	uint8_t bytes[16];
	struct scbor_out o, protected_;

	if (!alg->authenticated)
		return (struct suit_bytes){ 0 };
	scbor_out_init(&protected_, bytes, sizeof(bytes));
	scbor_put_map(&protected_, 1);
	scbor_put_int(&protected_, 1);
	scbor_put_int(&protected_, alg->alg);
	scbor_out_init(&o, buf, size);
	scbor_put_array(&o, 3);
	scbor_put_text(&o, (struct suit_bytes){ context, sizeof(context) - 1 });
	scbor_put_bytes(&o, scbor_out_bytes(&protected_));
	scbor_put_bytes(&o, (struct suit_bytes){ 0 });
	return scbor_out_bytes(&o);
}

static enum suit_rc cipher_open(const struct suit_crypto *crypto,
				const struct suit_content_key *key, bool encrypt,
				struct suit_cipher **ret)
{
	uint8_t aad[32];
	bool tag = encrypt ? crypto->cipher_tag != NULL : crypto->cipher_check != NULL;
	struct suit_cipher_setup setup = { .alg = key->alg->alg,
					   .encrypt = encrypt,
					   .key = { key->key, key->alg->key_size },
					   .iv = { key->iv, key->alg->iv_size },
					   .aad = aad_make(key->alg, aad, sizeof(aad)) };

	if (!crypto->cipher_open || !crypto->cipher_update || !crypto->cipher_close ||
	    (key->alg->authenticated && !tag))
		return SUIT_UNSUPPORTED;
	return crypto->cipher_open(&setup, ret);
}

/* --- decrypting --------------------------------------------------------------------------- */

enum suit_rc suit_decrypt_open(struct suit_decrypt *d, const struct suit_crypto *crypto,
			       const struct suit_content_key *key)
{
	*d = (struct suit_decrypt){ .crypto = crypto,
				    .authenticated = key->alg->authenticated };
	return cipher_open(crypto, key, false, &d->cipher);
}

/* Decrypts n bytes of in into out, and counts them. */
static enum suit_rc give(struct suit_decrypt *d, const uint8_t *in, size_t n, uint8_t *out)
{
	if (n > SUIT_CONTENT_MAX - d->size)
		return SUIT_TOO_LARGE;
	d->size += n;
	return d->crypto->cipher_update(d->cipher, (struct suit_bytes){ in, n }, out);
}

/* How many of the bytes held and of those that came are no longer at the end. */
static void split(const struct suit_decrypt *d, size_t n, size_t *ret_held, size_t *ret_in)
{
	size_t keep = d->authenticated ? SUIT_TAG_SIZE : 0;
	size_t room = keep - d->held_n; /* what may be held besides */
	size_t over = n > room ? n - room : 0;

	*ret_held = over < d->held_n ? over : d->held_n;
	*ret_in = over - *ret_held;
}

enum suit_rc suit_decrypt_update(struct suit_decrypt *d, struct suit_bytes in,
				 uint8_t *unproven, size_t *ret_n)
{
	size_t held, taken;

	if (!d->cipher)
		return SUIT_MISSING;
	if (d->rc != SUIT_OK || in.n == 0) {
		*ret_n = 0;
		return d->rc;
	}
	split(d, in.n, &held, &taken);
	d->rc = give(d, d->held, held, unproven);
	if (d->rc == SUIT_OK)
		d->rc = give(d, in.p, taken, unproven + held);
	if (d->rc != SUIT_OK)
		return d->rc;
	memmove(d->held, d->held + held, d->held_n - held);
	d->held_n = (uint8_t)(d->held_n - held);
	memcpy(d->held + d->held_n, in.p + taken, in.n - taken);
	d->held_n = (uint8_t)(d->held_n + in.n - taken);
	*ret_n = held + taken;
	return SUIT_OK;
}

enum suit_rc suit_decrypt_finish(struct suit_decrypt *d, uint64_t *ret_size)
{
	enum suit_rc rc = d->cipher ? d->rc : SUIT_MISSING;

	if (rc == SUIT_OK && d->authenticated)
		rc = d->held_n == SUIT_TAG_SIZE ? d->crypto->cipher_check(d->cipher, d->held)
						: SUIT_DECRYPT;
	if (rc == SUIT_OK)
		*ret_size = d->size;
	suit_decrypt_close(d);
	return rc;
}

void suit_decrypt_close(struct suit_decrypt *d)
{
	if (d->cipher)
		d->crypto->cipher_close(d->cipher);
	suit_wipe(d, sizeof(*d));
}

/* --- encrypting --------------------------------------------------------------------------- */

enum suit_rc suit_encrypt_open(struct suit_encrypt *s, const struct suit_crypto *crypto,
			       enum suit_alg alg, struct suit_content_key *ret)
{
	struct suit_content_key key = { .alg = suit_content_alg(alg) };

	*s = (struct suit_encrypt){ .crypto = crypto };
	if (!key.alg || !crypto->random)
		return SUIT_UNSUPPORTED;
	s->authenticated = key.alg->authenticated;
	enum suit_rc rc = crypto->random(key.key, key.alg->key_size);
	if (rc == SUIT_OK)
		rc = crypto->random(key.iv, key.alg->iv_size);
	if (rc == SUIT_OK)
		rc = cipher_open(crypto, &key, true, &s->cipher);
	if (rc == SUIT_OK)
		*ret = key;
	suit_content_key_wipe(&key);
	return rc;
}

enum suit_rc suit_encrypt_update(struct suit_encrypt *s, struct suit_bytes in, uint8_t *out)
{
	if (!s->cipher)
		return SUIT_MISSING;
	if (s->rc != SUIT_OK)
		return s->rc;
	if (in.n > SUIT_CONTENT_MAX - s->size)
		return s->rc = SUIT_TOO_LARGE;
	s->size += in.n;
	return s->rc = s->crypto->cipher_update(s->cipher, in, out);
}

enum suit_rc suit_encrypt_finish(struct suit_encrypt *s, uint8_t ret[SUIT_TAG_SIZE],
				 size_t *ret_n)
{
	enum suit_rc rc = s->cipher ? s->rc : SUIT_MISSING;

	if (rc == SUIT_OK && s->authenticated)
		rc = s->crypto->cipher_tag(s->cipher, ret);
	if (rc == SUIT_OK)
		*ret_n = s->authenticated ? SUIT_TAG_SIZE : 0;
	suit_encrypt_close(s);
	return rc;
}

void suit_encrypt_close(struct suit_encrypt *s)
{
	if (s->cipher)
		s->crypto->cipher_close(s->cipher);
	suit_wipe(s, sizeof(*s));
}
