/* The half of the OpenSSL backend that encrypts; crypto_openssl.c puts it into the table. */
#pragma once

#include "suit/crypto.h"

#include <openssl/evp.h>

EVP_PKEY *suit_openssl_pkey(const struct suit_key *key);
/* NULL: pkey has the private half. */
struct suit_key_keeper;
const struct suit_key_keeper *suit_openssl_keeper(const struct suit_key *key, void **ret_arg);

enum suit_rc suit_openssl_hmac(struct suit_bytes key, const struct suit_message *m,
			       uint8_t ret[32]);
enum suit_rc suit_openssl_aes_wrap(struct suit_bytes kek, struct suit_bytes plain,
				   uint8_t *ret);
enum suit_rc suit_openssl_aes_unwrap(struct suit_bytes kek, struct suit_bytes wrapped,
				     uint8_t *ret);
enum suit_rc suit_openssl_ecdh(const struct suit_key *own, const struct suit_point *peer,
			       uint8_t ret[32]);
enum suit_rc suit_openssl_ecdh_send(const struct suit_key *peer, struct suit_point *ret_own,
				    uint8_t ret[32]);
enum suit_rc suit_openssl_random(uint8_t *ret, size_t n);
enum suit_rc suit_openssl_cipher_open(const struct suit_cipher_setup *setup,
				      struct suit_cipher **ret);
enum suit_rc suit_openssl_cipher_update(struct suit_cipher *c, struct suit_bytes in,
					uint8_t *out);
enum suit_rc suit_openssl_cipher_tag(struct suit_cipher *c, uint8_t ret[SUIT_TAG_SIZE]);
enum suit_rc suit_openssl_cipher_check(struct suit_cipher *c, const uint8_t tag[SUIT_TAG_SIZE]);
void suit_openssl_cipher_close(struct suit_cipher *c);
