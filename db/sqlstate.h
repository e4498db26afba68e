/* Inside db/: what a SQLSTATE means to a caller. */
#pragma once

#include "base/rc.h"

#include <stdbool.h>

enum rc sqlstate_rc(const char *sqlstate);
/* The connection cannot be used again after this one. */
bool sqlstate_is_fatal(const char *sqlstate);
/* A statement, or its wait for a lock, took too long. */
bool sqlstate_is_timeout(const char *sqlstate);
