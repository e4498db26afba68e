/* Results: the one enumeration every fallible function returns.
 * Test the result before you touch an out-parameter; those are written only on RC_OK. */
#pragma once

#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum rc {
	RC_OK = 0,
	RC_INVALID,         /* malformed or out of range: HTTP 400, CoAP 4.00 */
	RC_UNAUTHENTICATED, /* 401, 4.01 */
	RC_DENIED,          /* 403, 4.03 */
	RC_NOT_FOUND,       /* 404, 4.04 */
	RC_METHOD,          /* 405, 4.05 */
	RC_NOT_ACCEPTABLE,  /* 406, 4.06 */
	RC_INCOMPLETE,      /* a block is missing: 408, 4.08 */
	RC_CONFLICT,        /* 409, 4.09 */
	RC_GONE,            /* 410, 4.04 */
	RC_STALE,           /* If-Match does not hold: 412, 4.12 */
	RC_TOO_LARGE,       /* 413, 4.13 */
	RC_MEDIA,           /* unknown content format: 415, 4.15 */
	RC_UNPROCESSABLE,   /* well formed, but cannot be meant: 422, 4.22 */
	RC_PRECONDITION,    /* If-Match is required: 428, 4.12 */
	RC_LIMIT,           /* too many: 429, 4.29 */
	RC_RETRY,       /* lost a race in the database; run the whole call again. Never sent */
	RC_UNAVAILABLE, /* try later: 503 with Retry-After, 5.03 with Max-Age */
	RC_STORAGE,     /* no space left: 507, 5.00 */
	RC_INTERNAL,    /* our fault: 500, 5.00 */
};

/* A word for logs and tests, such as "conflict". */
const char *rc_name(enum rc rc);
