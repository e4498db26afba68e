/* A session with a token, and the private key in it; the two halves of the keeper share it. */
#pragma once

#include "suit/keeper_pkcs11.h"

#define CRYPTOKI_GNU
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

struct suit_pkcs11_token {
	P11KitUri *uri;
	struct suit_pkcs11_host host;
	struct ck_function_list *module;
	struct ck_function_list **modules; /* all that the system has; NULL: module alone */
	ck_session_handle_t session;
	bool open, always_ask;    /* a PIN for each signature */
	bool pin_refused;         /* not opened again */
	char *pin;                /* NULL: none; wiped at the end */
	bool known;               /* serial is that of the token that was opened first: */
	unsigned char serial[16]; /* another of the same name gets no PIN */
	ck_object_handle_t key;
	ck_key_type_t key_type;
};

/* Finds token and key and logs in: at first, and when a token was away. */
enum suit_rc suit_pkcs11_open(struct suit_pkcs11_token *t,
			      struct suit_pkcs11_why *why) SUIT_MUST_CHECK;
void suit_pkcs11_close(struct suit_pkcs11_token *t);
/* False when that PIN was refused before: for this key, or as the host says. */
bool suit_pkcs11_may_login(const struct suit_pkcs11_token *t);
/* Gives it the PIN, and tells the host when it was refused. */
ck_rv_t suit_pkcs11_login(struct suit_pkcs11_token *t, ck_user_type_t user);
/* Ends the session and wipes the PIN; for the keeper of a key. */
void suit_pkcs11_free(struct suit_pkcs11_token *t);
/* The public half of the key, as the token has it. */
enum suit_rc suit_pkcs11_public(const struct suit_pkcs11_token *t,
				struct suit_key **ret) SUIT_MUST_CHECK;
/* Signs and agrees. */
extern const struct suit_key_keeper suit_pkcs11_keeper;
