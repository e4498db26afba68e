/* Tenants. */
#pragma once

#include "db/db.h"

/* RC_NOT_FOUND while there is none. */
enum rc tenant_store_secret(struct db *db, int32_t tenant, struct arena *mem,
			    struct bytes *ret_sealed) MUST_CHECK;
/* Sets it when there is none; leaves the one that is there. */
enum rc tenant_store_set_secret(struct db *db, int32_t tenant, struct bytes sealed) MUST_CHECK;
