/* The OpenSSL 3 backend and key files.  The only part of suit/ that allocates. */
#pragma once

#include "suit/cose_key.h"
#include "suit/crypto.h"

extern const struct suit_crypto suit_crypto_openssl;

#define SUIT_PEM_MAX  4096
#define SUIT_KID_SIZE 8

enum suit_key_type {
	SUIT_KEY_P256 = 1,
	SUIT_KEY_ED25519 = 2,
	SUIT_KEY_P384 = 3,
	SUIT_KEY_RSA = 4, /* 2048 to 4096 bits */
};

/* An RSA key gets 3072 bits. */
enum suit_rc suit_key_generate(enum suit_key_type type, struct suit_key **ret) SUIT_MUST_CHECK;
enum suit_rc suit_key_generate_rsa(unsigned bits, struct suit_key **ret) SUIT_MUST_CHECK;
/* PKCS#8 PEM, plain or encrypted; passphrase may be NULL (an encrypted key is then SUIT_KEY).
 */
enum suit_rc suit_key_from_private_pem(struct suit_bytes pem, const char *passphrase,
				       struct suit_key **ret) SUIT_MUST_CHECK;
enum suit_rc suit_key_from_public_pem(struct suit_bytes pem,
				      struct suit_key **ret) SUIT_MUST_CHECK;
enum suit_rc suit_key_from_spki(struct suit_bytes der, struct suit_key **ret) SUIT_MUST_CHECK;
/* A public key as COSE_Key (suit/cose_key.h); not RSA. */
enum suit_rc suit_key_from_cose(struct suit_bytes key, struct suit_key **ret) SUIT_MUST_CHECK;
void suit_key_free(struct suit_key *key);

/* Who keeps a private key that this process never sees, such as a token.  Signatures are over
 * the message itself for Ed25519, over its hash for all others (SHA-384 for P-384, else
 * SHA-256); r||s for ECDSA.  NULL: cannot do that. */
struct suit_key_keeper {
	enum suit_rc (*sign)(void *arg, enum suit_key_type type, struct suit_bytes of,
			     uint8_t ret[SUIT_SIGNATURE_MAX], size_t *ret_n);
	enum suit_rc (*ecdh)(void *arg, const struct suit_point *peer, uint8_t ret[32]);
	void (*close)(void *arg); /* when the key is freed */
};

/* Makes a private key of a public one.  The keeper stays as long as the key. */
void suit_key_keep(struct suit_key *key, const struct suit_key_keeper *keeper, void *arg);

/* Certificates, DER. */
struct suit_certificates {
	const struct suit_bytes *der;
	size_t count;
};

/* The key of chain's first certificate, when the chain leads to an anchor, every certificate
 * holds at that time, and the first may make signatures (key usage digitalSignature, which must
 * be there).  SUIT_CERTIFICATE when not.  now_s: seconds since 1970; revocation is not asked.
 */
enum suit_rc suit_key_from_certificate(struct suit_certificates chain,
				       struct suit_certificates anchors, int64_t now_s,
				       struct suit_key **ret) SUIT_MUST_CHECK;

/* The first certificate of a PEM file, as DER. */
enum suit_rc suit_certificate_from_pem(struct suit_bytes pem, uint8_t buf[SUIT_CERT_MAX],
				       size_t *ret_n) SUIT_MUST_CHECK;

enum suit_key_type suit_key_type(const struct suit_key *key);
/* "p256", "ed25519", "p384" or "rsa". */
const char *suit_key_type_text(enum suit_key_type type);
bool suit_key_is_private(const struct suit_key *key);
/* What we sign with: ESP256, Ed25519, ESP384 (fully specified, RFC 9864) or PS256. */
enum suit_alg suit_key_alg(const struct suit_key *key);
/* The first 8 bytes of SHA-256 over the SubjectPublicKeyInfo. */
enum suit_rc suit_key_kid(const struct suit_key *key,
			  uint8_t ret[SUIT_KID_SIZE]) SUIT_MUST_CHECK;

/* Into the caller's buffer, NUL-terminated; encrypted under a passphrase when given, with
 * scrypt and AES-256. */
enum suit_rc suit_key_private_pem(const struct suit_key *key, const char *passphrase, char *buf,
				  size_t size) SUIT_MUST_CHECK;
enum suit_rc suit_key_public_pem(const struct suit_key *key, char *buf,
				 size_t size) SUIT_MUST_CHECK;
enum suit_rc suit_key_spki(const struct suit_key *key, uint8_t *buf, size_t size,
			   size_t *ret_n) SUIT_MUST_CHECK;
