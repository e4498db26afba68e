/* Keys that stay in a PKCS#11 token, named by a URI (RFC 7512).  Only signatures and agreed
 * secrets come out.
 *
 * The PIN comes from the file of pin-source, from --passphrase-file, from MUSTER_PIN, or is
 * asked for; a PIN in the URI itself is refused, because everybody here can read a command
 * line.  module-path names the driver; without it those that the system configures are
 * searched. */
#pragma once

#include "cli/cli.h"
#include "suit/crypto_openssl.h"

bool pkcs11_is_uri(const char *path);
/* One private key: several that match are refused.  The caller frees the key, and with it the
 * session. */
enum exit_code pkcs11_key_load(struct cli *c, const char *uri,
			       struct suit_key **ret) MUST_CHECK;
