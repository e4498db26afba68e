/* Figures of the transports and the roster for /metrics. */
#pragma once

#include "core/core.h"
#include "core/images.h"
#include "core/roster.h"
#include "server/coap/coap_server.h"

/* They must live until figures_remove(). */
void figures_add_coap(struct coap_server *coap);
void figures_add_roster(struct roster *roster);
void figures_add_images(struct images *images);
void figures_add_jobs(struct core *core);
/* Before `source` is freed; NULL is fine. */
void figures_remove(const void *source);
