/* Author keys: whose signature counts, per class and component.  The server holds public keys
 * alone; it can make no device run anything. */
#pragma once

#include "core/call.h"
#include "db/author_key_store.h"

struct author_key_new {
	struct uuid vendor_id, class_id;
	const char *component; /* NULL or empty: every component of the class */
	const char *public_key_pem;
	const char *name; /* or NULL */
	bool delegate;    /* for admissions alone */
};

/* ERR_VALIDATION for an unknown class or a key of another kind than P-256, P-384, Ed25519 and
 * RSA; ERR_ALREADY_EXISTS for the same key in the same scope (a revoked one stays revoked). */
enum rc author_key_create(struct call *c, const struct author_key_new *in,
			  struct author_key *ret) MUST_CHECK;

enum rc author_key_list(struct call *c, const struct author_key_filter *f,
			struct author_key **ret, int *ret_count) MUST_CHECK;
/* From now on no upload is accepted under it.  Again: nothing changes. */
enum rc author_key_revoke(struct call *c, const struct uuid *author_key_id) MUST_CHECK;
/* "p256", "p384", "ed25519" or "rsa". */
const char *author_key_algorithm(struct bytes public_key_der);
