/* From what people type to ids: a full id, a name, or an unambiguous beginning of either. */
#pragma once

#include "cli/client.h"

/* A campaign by id or name.  EXIT_NOT_FOUND when none fits, EXIT_FAILED when several do. */
enum exit_code resolve_campaign(struct client *c, const char *text, struct arena *mem,
				const char **ret_id) MUST_CHECK;
/* A release by id, version, or vendor/class@version. */
enum exit_code resolve_release(struct client *c, const char *text, struct arena *mem,
			       const char **ret_id) MUST_CHECK;
