/* Keys in a PKCS#11 token for the command line (suit/keeper_pkcs11.h).  The PIN comes from the
 * file of pin-source, from --passphrase-file, from MUSTER_PIN, or is asked for. */
#pragma once

#include "cli/cli.h"
#include "suit/crypto_openssl.h"

bool pkcs11_is_uri(const char *path);
/* One private key: several that match are refused.  The caller frees the key, and with it the
 * session. */
enum exit_code pkcs11_key_load(struct cli *c, const char *uri,
			       struct suit_key **ret) MUST_CHECK;
