/* What belongs to the devices of a page: components, attributes, open jobs.  For
 * db/device_store.c. */
#pragma once

#include "db/device_store.h"

struct device_page {
	struct device_item *items;
	int count;
};

/* Three queries, however many devices. */
enum rc device_parts_load(struct db *db, int32_t tenant, struct device_page *page,
			  struct arena *mem) MUST_CHECK;
