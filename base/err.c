/* The error registry as tables; base/err.def is the one list. */

#include "base/err.h"

struct err_row {
	const char *code, *title;
	enum rc rc;
};

static const struct err_row rows[ERR_COUNT] = {
	[ERR_NONE] = { "none", "No error", RC_OK },
#define ERR(id, c, r, t) [ERR_##id] = { c, t, r },
#include "base/err.def"
#undef ERR
};

/* Results that name no error of their own fall back to the nearest general one. */
static const enum err of_rc[] = {
	[RC_OK] = ERR_NONE,
	[RC_INVALID] = ERR_BAD_REQUEST,
	[RC_UNAUTHENTICATED] = ERR_UNAUTHENTICATED,
	[RC_DENIED] = ERR_DENIED,
	[RC_NOT_FOUND] = ERR_NOT_FOUND,
	[RC_METHOD] = ERR_METHOD,
	[RC_NOT_ACCEPTABLE] = ERR_NOT_ACCEPTABLE,
	[RC_INCOMPLETE] = ERR_BLOCK_MISSING,
	[RC_CONFLICT] = ERR_ALREADY_EXISTS,
	[RC_GONE] = ERR_NOT_FOUND,
	[RC_STALE] = ERR_PRECONDITION_FAILED,
	[RC_TOO_LARGE] = ERR_TOO_LARGE,
	[RC_MEDIA] = ERR_MEDIA_TYPE,
	[RC_UNPROCESSABLE] = ERR_VALIDATION,
	[RC_PRECONDITION] = ERR_PRECONDITION_REQUIRED,
	[RC_LIMIT] = ERR_TOO_MANY,
	[RC_RETRY] = ERR_UNAVAILABLE,
	[RC_UNAVAILABLE] = ERR_UNAVAILABLE,
	[RC_STORAGE] = ERR_STORAGE_FULL,
	[RC_INTERNAL] = ERR_INTERNAL,
};

static const struct err_row *row_of(enum err e)
{
	return &rows[(unsigned)e < ERR_COUNT ? e : ERR_INTERNAL];
}

const char *err_code(enum err e)
{
	return row_of(e)->code;
}

const char *err_title(enum err e)
{
	return row_of(e)->title;
}

enum rc err_rc(enum err e)
{
	return row_of(e)->rc;
}

enum err err_of_rc(enum rc rc)
{
	return (unsigned)rc < ARRAY_LEN(of_rc) ? of_rc[rc] : ERR_INTERNAL;
}
