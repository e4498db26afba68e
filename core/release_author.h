/* Whose signatures an upload carries, and what these authors may touch. */
#pragma once

#include "core/call.h"
#include "core/release_read.h"

/* Every signature of the manifest and of its dependencies must be that of a registered author
 * of the class.  Each part's own authors must be allowed every component that it names and that
 * anything touches: naming it is enough, because what a manifest sets for a component holds in
 * the others too.  Sets delegated: only delegates have signed the manifest itself.
 * ERR_AUTHOR_KEY_UNKNOWN, ERR_SIGNATURE_INVALID, ERR_AUTHOR_NOT_ALLOWED. */
enum rc release_check_authors(struct call *c, struct release_facts *f) MUST_CHECK;
