/* Slots: the one open job of a device's component.  The primary key is the judge between racing
 * daemons. */
#pragma once

#include "db/db.h"

#include <stdbool.h>

struct slot_claim {
	struct uuid device_id;
	const char *components; /* names joined by a comma: one slot each */
	int64_t job_id;
	struct uuid campaign_id;
};

/* Takes all of them; RC_RETRY when another job has one meanwhile: the transaction must go. */
enum rc slot_store_take(struct db *db, int32_t tenant,
			const struct slot_claim *claim) MUST_CHECK;
/* Frees what the jobs hold. */
enum rc slot_store_release(struct db *db, int32_t tenant, struct arena *mem,
			   const struct uuid *device_ids, const int64_t *job_ids,
			   size_t count) MUST_CHECK;
/* Does any job hold one of the components? */
enum rc slot_store_busy(struct db *db, int32_t tenant, const struct uuid *device_id,
			const char *components, bool *ret) MUST_CHECK;
