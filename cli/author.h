/* The author's side: key files, and an envelope made and signed on this machine.  Nothing here
 * talks to a server. */
#pragma once

#include "base/bytes.h"
#include "base/clean.h"
#include "cli/class_ids.h"
#include "cli/cli.h"
#include "suit/crypto_openssl.h"

static inline void clean_suit_key(struct suit_key **key)
{
	suit_key_free(*key);
}

#define KID_TEXT_SIZE (2 * SUIT_KID_SIZE + 1)

/* Private or public PEM, or a PKCS#11 URI (cli/pkcs11.h).  An encrypted key's passphrase comes
 * from --passphrase-file or is asked for.  The caller frees the key. */
enum exit_code author_key_load(struct cli *c, const char *path,
			       struct suit_key **ret) MUST_CHECK;
/* Only the public half may go out: the file of a private key is refused; a token has both. */
enum exit_code author_key_public(struct cli *c, const char *path,
				 struct suit_key **ret) MUST_CHECK;
enum exit_code author_key_kid(const struct suit_key *key, char ret[KID_TEXT_SIZE]) MUST_CHECK;
const char *author_key_type_name(const struct suit_key *key);

struct author_image {
	struct digest digest;
	int64_t size;
	const char *component; /* segments joined by '/' */
	const char *version;
	int64_t sequence;
	struct class_ids class;
	const char *class_name; /* VENDOR/NAME */
};

/* An envelope for one image, signed; checked by decoding and verifying it again as a device
 * would.  The bytes are from c->mem. */
struct signing;
enum exit_code author_envelope(struct cli *c, const struct author_image *image,
			       const struct signing *by, struct bytes *ret) MUST_CHECK;
/* The same image by a delta, for devices that hold the base. */
struct author_delta {
	struct digest base, digest; /* of the old image, and of the delta */
	int64_t base_size, size;
	const char *format; /* "heatshrink": it is fetched into dl/patch-heatshrink */
};
enum exit_code author_delta_envelope(struct cli *c, const struct author_image *image,
				     const struct author_delta *delta, const struct signing *by,
				     struct bytes *ret) MUST_CHECK;
/* SHA-256 and size of a file, read once. */
enum exit_code author_hash(const char *path, FILE *from, struct digest *ret_digest,
			   int64_t *ret_size) MUST_CHECK;
