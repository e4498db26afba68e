/* Who signs an envelope: --key, each with its --cert-chain, and --mac-key. */
#pragma once

#include "cli/party.h"
#include "suit/cose.h"
#include "suit/crypto_openssl.h"

struct signing {
	struct suit_signer signer[SUIT_BLOCKS_MAX];
	const char *path[SUIT_BLOCKS_MAX]; /* of the signer's key */
	struct suit_key *key[SUIT_BLOCKS_MAX];
	uint8_t kid[SUIT_BLOCKS_MAX][SUIT_KID_SIZE];
	size_t count;
	struct party_list mac;
};

/* Loads what the options name; that may be nothing. */
enum exit_code signing_load(struct cli *c, struct signing *ret) MUST_CHECK;
/* The envelope again with a COSE_Sign1, or, of several signers, a COSE_Sign, and with a MAC for
 * each MAC key; all of them verified again. */
enum suit_rc signing_apply(struct cli *c, const struct signing *s, struct suit_bytes envelope,
			   struct bytes *ret);
/* The path of the first of them whose signature or MAC the envelope has already, or NULL. */
const char *signing_done(const struct signing *s, const struct suit_envelope *e);
void clean_signing(struct signing *s);

#define SIGNING_OPTIONS                                                                        \
	{ "key", "KEY",                                                                        \
	  "sign with this private key: a file or a PKCS#11 URI; several sign together",        \
	  OPTION_MANY, true },                                                                 \
		{ "cert-chain", "FILE",                                                        \
		  "certificates (PEM) for one of the keys, its own first: go along",           \
		  OPTION_MANY, true },                                                         \
		{ "mac-key", "[KID=]FILE",                                                     \
		  "add a MAC by a key of 16 or 32 bytes, for devices that verify nothing "     \
		  "else",                                                                      \
		  OPTION_MANY, true },                                                         \
	{                                                                                      \
		"passphrase-file", "FILE",                                                     \
			"read passphrase or PIN of the keys from a file instead of asking",    \
			OPTION_VALUE, true                                                     \
	}
