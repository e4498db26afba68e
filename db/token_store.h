/* Tokens of operators: hashes alone. */
#pragma once

#include "base/model/operator.h"
#include "db/db.h"

enum rc token_store_insert(struct db *db, int32_t tenant, const struct token_item *t,
			   const struct digest *hash) MUST_CHECK;
struct token_page {
	struct uuid operator_id;
	struct uuid after; /* zero: from the start */
	int limit;
	struct arena *mem; /* for the rows */
};
/* By token id. */
enum rc token_store_list(struct db *db, int32_t tenant, const struct token_page *page,
			 struct token_item **ret, int *ret_count) MUST_CHECK;
/* ret_rows 0 when the operator has no such token. */
enum rc token_store_delete(struct db *db, int32_t tenant, const struct token_item *key,
			   int64_t *ret_rows) MUST_CHECK;
