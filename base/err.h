/* The error registry: what a peer is told.  Every error has a stable code, a result that maps
 * it to a status, and a title; see base/err.def. */
#pragma once

#include "base/rc.h"

enum err {
	ERR_NONE = 0,
#define ERR(id, code, rc, title) ERR_##id,
#include "base/err.def"
#undef ERR
	ERR_COUNT,
};

#define ERR_URN_PREFIX "urn:muster:error:"

const char *err_code(enum err e);
const char *err_title(enum err e);
enum rc err_rc(enum err e);
/* The general error for a result that came without a more exact one. */
enum err err_of_rc(enum rc rc);
