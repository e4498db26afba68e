/* The tenant's secret, sealed in the database. */

#include "core/tenant.h"

#include "base/hash.h"
#include "certs/seal.h"
#include "db/tenant_store.h"

#include <string.h>

static const char context[] = "tenant secret";

static enum rc make(struct db *db, int32_t tenant, struct bytes seal_key, struct arena *mem)
{
	uint8_t secret[TENANT_SECRET_SIZE];
	struct bytes sealed = { NULL, 0 };

	random_bytes(secret, sizeof(secret));
	enum rc rc =
		seal(seal_key, context, (struct bytes){ secret, sizeof(secret) }, mem, &sealed);
	explicit_bzero(secret, sizeof(secret));
	return rc == RC_OK ? tenant_store_set_secret(db, tenant, sealed) : rc;
}

enum rc tenant_secret_open(struct db *db, int32_t tenant, struct bytes seal_key,
			   struct arena *mem, struct bytes *ret)
{
	struct bytes sealed = { NULL, 0 };
	enum rc rc = tenant_store_secret(db, tenant, mem, &sealed);

	if (rc == RC_NOT_FOUND) {
		rc = make(db, tenant, seal_key, mem);
		/* Another daemon may have been first: what is stored counts. */
		if (rc == RC_OK)
			rc = tenant_store_secret(db, tenant, mem, &sealed);
	}
	return rc == RC_OK ? unseal(seal_key, context, sealed, mem, ret) : rc;
}
