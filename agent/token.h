/* Keys of this device in a PKCS#11 token: where the PIN comes from, and what is said when it
 * goes wrong.  Built without tokens (TOKENS=no) every such key is refused. */
#pragma once

#include "suit/crypto_openssl.h"

/* setting: what the URI is the value of.  PIN: from the file of the URI's pin-source, else from
 * pin_file, which may be empty; it and state_dir stay as long as the key.  False when there is
 * no key; the log says why, without the URI, in which somebody may have put a PIN. */
bool token_key_load(const char *setting, const char *uri, const char *pin_file,
		    const char *state_dir, struct suit_key **ret);
