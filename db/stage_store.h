/* Stages of a campaign. */
#pragma once

#include "base/model/campaign.h"
#include "db/db.h"

enum rc stage_store_insert(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			   const struct stage *stage) MUST_CHECK;
enum rc stage_store_list(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			 struct arena *mem, struct stage **ret, int *ret_count) MUST_CHECK;
/* Stores state, threshold, members, forgiven and times, where the state is still `from`;
 * RC_RETRY when it is not. */
enum rc stage_store_put(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			enum stage_state from, const struct stage *stage) MUST_CHECK;
/* Soaks that run begin again: nobody knows how long they have lasted. */
enum rc stage_store_soak_again(struct db *db, int32_t tenant, int64_t now) MUST_CHECK;
