/* Figures of the transports and the roster for /metrics. */
#pragma once

#include "core/roster.h"
#include "server/coap/coap_server.h"

/* Both must live until figures_remove(). */
void figures_add_coap(struct coap_server *coap);
void figures_add_roster(struct roster *roster);
/* Before `source` is freed; NULL is fine. */
void figures_remove(const void *source);
