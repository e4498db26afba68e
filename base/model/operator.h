/* Operators and their tokens.  Plain data. */
#pragma once

#include "base/model/actor.h"

#include <stdbool.h>
#include <stdint.h>

#define OPERATOR_NAME_MAX 64
#define TOKEN_LABEL_MAX   128

struct operator_item {
	struct uuid operator_id;
	const char *name;
	enum role role;
	bool disabled;
	bool has_certificate;
	struct digest certificate; /* SHA-256 of the client certificate */
	int64_t created_at;
	int64_t revision;
};

struct token_item {
	struct uuid token_id;
	struct uuid operator_id;
	const char *label;
	int64_t created_at;
	int64_t expires_at; /* 0: never */
};

/* "viewer", "publisher", "operator", "admin", "device"; NULL for anything else. */
const char *role_name(enum role r);
