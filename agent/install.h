/* An update whose payloads are all there, carried out on the files of a device: the manifest is
 * run to work (agent/platform.h) on the store (agent/store.h), through streams
 * (agent/stream.h). Nothing that is in use changes before store_activate, which is not done
 * here. */
#pragma once

#include "agent/platform.h"
#include "agent/store.h"

/* envelope is the one that was looked at.  The result's cause tells storage and space from what
 * the manifest or the payload did. */
enum suit_rc install_run(struct store *s, const struct ability *a, const struct facts *facts,
			 const struct update *u, struct suit_bytes envelope,
			 struct platform_result *ret_result) SUIT_MUST_CHECK;
