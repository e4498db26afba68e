/* Keys that stay in a PKCS#11 token, named by a URI (RFC 7512); p11-kit finds and loads the
 * token's driver.  Only signatures and agreed secrets come out.  An optional part of this
 * folder, like crypto_openssl: it allocates, and it talks to what it loads.
 *
 * module-path names the driver; without it those that the system configures are searched.
 * Exactly one token and one private key must match.  A PIN in the URI itself is refused, as
 * command lines and configurations are read by others; pin-source names a file.
 *
 * A token that goes and comes again is opened anew when its key is used the next time, by the
 * PIN that opened it before; a PIN that it refuses is never given to it twice for this key.
 * Other keys may have the same PIN: the host can say no for them. */
#pragma once

#include "suit/crypto_openssl.h"

#define SUIT_PIN_MAX 255 /* bytes */

struct suit_pkcs11_host {
	/* Asked once, while the key is loaded.  source: the file that the URI names, or NULL;
	 * label: the token's name.  False: there is none, and the host has said why. */
	bool (*pin)(void *arg, const char *source, const char *label,
		    char ret[SUIT_PIN_MAX + 1]);
	/* Asked before that PIN is given to a token; NULL: it always may be. */
	bool (*may_try)(void *arg);
	/* The token has refused it, now or later; NULL: nobody wants to know. */
	void (*refused)(void *arg);
	/* Told what went wrong when the key is used later; may be NULL. */
	void (*fault)(void *arg, const char *text);
	/* The key that was loaded is freed; may be NULL. */
	void (*end)(void *arg);
	void *arg;       /* stays as long as the key, if the others use it */
	bool unattended; /* the last try of a PIN is left to people */
};

struct suit_pkcs11_why {
	char text[256]; /* for people; empty: the host had no PIN */
};

bool suit_pkcs11_is_uri(const char *text);
/* SUIT_MISSING: no such token, or no such key in it.  The host's functions stay as long as the
 * key, which has a session of its own and ends it when it is freed.  A key may be used by one
 * thread at a time.  why is written on failure. */
enum suit_rc suit_pkcs11_key_load(const char *uri, const struct suit_pkcs11_host *host,
				  struct suit_key **ret,
				  struct suit_pkcs11_why *why) SUIT_MUST_CHECK;
