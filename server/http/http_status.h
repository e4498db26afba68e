/* From our results to HTTP statuses (RFC 9110, RFC 6585). */
#pragma once

#include "base/rc.h"

/* RC_OK is 200; RC_RETRY never gets here (500). */
int http_status(enum rc rc);
