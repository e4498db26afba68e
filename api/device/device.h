/* Handlers of the native CoAP device API; see api/coap.md. */
#pragma once

#include "api/route.h"

#define DEVICE_HANDLER(name)                                                                   \
	enum rc name(struct call *c, const struct req *req, struct res *res)

DEVICE_HANDLER(h_well_known);
DEVICE_HANDLER(h_time);
DEVICE_HANDLER(h_register);
DEVICE_HANDLER(h_register_memory);
DEVICE_HANDLER(h_update);
DEVICE_HANDLER(h_update_memory);
DEVICE_HANDLER(h_manifest);
DEVICE_HANDLER(h_image);
DEVICE_HANDLER(h_report);
enum rc h_register_many(struct arena *mem, struct route_item *items, size_t n);
enum rc h_report_many(struct arena *mem, struct route_item *items, size_t n);
