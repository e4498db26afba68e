/* Manifests that were stored before the server noted what a device needs for them. */
#pragma once

#include "core/call.h"

/* Reads some of these again, and stores what their envelopes say.  One that cannot be read by
 * the rules of today stays as it is, and the log says so.  ret_more: there were some, and
 * may be others. */
enum rc release_resurvey(struct call *c, bool *ret_more) MUST_CHECK;
