/* The tenant's secret: key of the HMAC that turns endpoint names into device ids. */
#pragma once

#include "base/bytes.h"
#include "db/db.h"

#define TENANT_DEFAULT     1
#define TENANT_SECRET_SIZE 32

/* Reads the secret, or makes it when there is none yet; in the caller's transaction. RC_INVALID
 * when it was sealed with another key: this state directory does not belong to this database.
 */
enum rc tenant_secret_open(struct db *db, int32_t tenant, struct bytes seal_key,
			   struct arena *mem, struct bytes *ret) MUST_CHECK;
