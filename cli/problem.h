/* RFC 9457 problem documents, as one line for people and an exit code for scripts. */
#pragma once

#include "base/arena.h"
#include "cli/exit_code.h"

#include <jansson.h>

enum exit_code problem_exit_code(long status);
/* "muster: no device \"d9\" (not-found)"; problem may be NULL or anything.  For tests: the text
 * alone, from mem. */
const char *problem_text(long status, const json_t *problem, struct arena *mem);
enum exit_code problem_tell(long status, const json_t *problem);
