/* Events of devices as JSON. */
#pragma once

#include "api/json.h"
#include "core/event.h"

json_t *event_json(const struct event_item *e);
/* Answers with a page of events, of one device or (NULL) of all.  Reads page_size, page_token
 * and since (microseconds). */
enum rc event_page(struct call *c, const struct req *req, const struct uuid *device_id,
		   struct res *res) MUST_CHECK;
