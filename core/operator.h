/* Operators: people and programs that use the REST API, and what they prove themselves with.
 * Tokens and the one-time secret are kept as hashes alone; each is shown once. */
#pragma once

#include "base/model/operator.h"
#include "core/call.h"

/* --- who speaks --- */

struct operator_proof {
	const char *bearer;               /* a token, or NULL */
	const struct digest *certificate; /* SHA-256 of a proved client certificate, or NULL */
};
/* Fills c->actor.  ERR_UNAUTHENTICATED, without saying which part was wrong; a token goes
 * before a certificate. */
enum rc operator_authenticate(struct call *c, const struct operator_proof *proof) MUST_CHECK;

/* --- the first administrator --- */

/* Makes a fresh one-time secret, in the arena; an older unused one is void.  RC_CONFLICT when
 * there is an administrator already.  For the daemon itself: in the caller's transaction. */
enum rc bootstrap_create(struct db *db, int32_t tenant, struct arena *mem,
			 const char **ret_secret) MUST_CHECK;
/* Makes an administrator and a token for it.  ERR_BOOTSTRAP_USED. */
enum rc operator_bootstrap(struct call *c, const char *secret, const char *name,
			   struct operator_item *ret, const char **ret_token) MUST_CHECK;

/* --- operators --- */

/* Letters, digits, '.', '_', '-', '@'; 1 to OPERATOR_NAME_MAX bytes. */
bool operator_name_valid(const char *name);

struct operator_new {
	const char *name;
	enum role role;
	const char *csr_pem; /* or NULL */
};
/* What is shown once. */
struct operator_issued {
	const char *certificate_pem; /* NULL without a request */
	const char *chain_pem;
};
enum rc operator_create(struct call *c, const struct operator_new *in,
			struct operator_item *ret,
			struct operator_issued *ret_issued) MUST_CHECK;
enum rc operator_get(struct call *c, const struct uuid *id,
		     struct operator_item *ret) MUST_CHECK;
/* By name; after: the last name of the page before, or NULL. */
enum rc operator_list(struct call *c, const char *after, int limit, struct operator_item **ret,
		      int *ret_count) MUST_CHECK;
struct operator_change {
	struct uuid operator_id;
	int64_t revision; /* the one the caller read */
	bool has_role, has_disabled;
	enum role role;
	bool disabled;
};
/* ERR_IN_USE when no enabled administrator would be left. */
enum rc operator_update(struct call *c, const struct operator_change *in,
			struct operator_item *ret) MUST_CHECK;
enum rc operator_delete(struct call *c, const struct uuid *id, int64_t revision) MUST_CHECK;

/* --- tokens --- */

struct token_new {
	struct uuid operator_id;
	const char *label;    /* or NULL */
	int64_t expires_in_s; /* 0: never */
};
enum rc token_create(struct call *c, const struct token_new *in, struct token_item *ret,
		     const char **ret_token) MUST_CHECK;
/* By id; after: zero for the first page. */
enum rc token_list(struct call *c, const struct uuid *operator_id, const struct uuid *after,
		   int limit, struct token_item **ret, int *ret_count) MUST_CHECK;
enum rc token_delete(struct call *c, const struct uuid *operator_id,
		     const struct uuid *token_id) MUST_CHECK;
