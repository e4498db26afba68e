/* A session with a token, and the private key in it. */
#pragma once

#include "cli/cli.h"
#include "suit/crypto_openssl.h"

#define CRYPTOKI_GNU
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>

struct pkcs11_token {
	struct ck_function_list *module;
	struct ck_function_list **modules; /* all that the system has; NULL: module alone */
	ck_session_handle_t session;
	bool open, always_ask; /* a PIN for each signature */
	char *pin;             /* NULL: none; wiped at the end */
	ck_object_handle_t key;
	ck_key_type_t key_type;
};

/* Ends the session and wipes the PIN; for the keeper of a key. */
void pkcs11_token_free(struct pkcs11_token *t);
/* The public half of the key, as the token has it. */
enum suit_rc pkcs11_public_key(const struct pkcs11_token *t, struct suit_key **ret) MUST_CHECK;
/* Signs and agrees. */
extern const struct suit_key_keeper pkcs11_keeper;
