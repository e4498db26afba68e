/* The one map from results to HTTP statuses. */

#include "server/http/http_status.h"

int http_status(enum rc rc)
{
	switch (rc) {
	case RC_OK:
		return 200;
	case RC_INVALID:
		return 400;
	case RC_UNAUTHENTICATED:
		return 401;
	case RC_DENIED:
		return 403;
	case RC_NOT_FOUND:
		return 404;
	case RC_METHOD:
		return 405;
	case RC_NOT_ACCEPTABLE:
		return 406;
	case RC_INCOMPLETE:
		return 408;
	case RC_CONFLICT:
		return 409;
	case RC_GONE:
		return 410;
	case RC_STALE:
		return 412;
	case RC_TOO_LARGE:
		return 413;
	case RC_MEDIA:
		return 415;
	case RC_UNPROCESSABLE:
		return 422;
	case RC_PRECONDITION:
		return 428;
	case RC_LIMIT:
		return 429;
	case RC_UNAVAILABLE:
		return 503;
	case RC_STORAGE:
		return 507;
	case RC_RETRY:
	case RC_INTERNAL:
		return 500;
	}
	return 500;
}
