/* From our results to CoAP response codes: the one table. */

#include "server/coap/coap_code.h"

uint8_t code_of_rc(enum rc rc)
{
	switch (rc) {
	case RC_INVALID:
		return CODE(4, 0);
	case RC_UNAUTHENTICATED:
		return CODE(4, 1);
	case RC_DENIED:
		return CODE(4, 3);
	case RC_NOT_FOUND:
	case RC_GONE:
		return CODE(4, 4);
	case RC_METHOD:
		return CODE(4, 5);
	case RC_NOT_ACCEPTABLE:
		return CODE(4, 6);
	case RC_INCOMPLETE:
		return CODE(4, 8);
	case RC_CONFLICT:
		return CODE(4, 9);
	case RC_STALE:
	case RC_PRECONDITION:
		return CODE(4, 12);
	case RC_TOO_LARGE:
		return CODE(4, 13);
	case RC_MEDIA:
		return CODE(4, 15);
	case RC_UNPROCESSABLE:
		return CODE(4, 22);
	case RC_LIMIT:
		return CODE(4, 29);
	case RC_UNAVAILABLE:
		return CODE(5, 3);
	case RC_OK:
	case RC_RETRY:
	case RC_STORAGE:
	case RC_INTERNAL:
		return CODE(5, 0);
	}
	return CODE(5, 0);
}

uint8_t code_of_answer(enum method method, const struct res *res)
{
	if (res->rc != RC_OK)
		return code_of_rc(res->rc);
	if (res->valid)
		return CODE_VALID;
	if (res->status == 201)
		return CODE_CREATED;
	switch (method) {
	case METHOD_GET:
		return CODE_CONTENT;
	case METHOD_DELETE:
		return CODE_DELETED;
	case METHOD_POST:
	case METHOD_PUT:
	case METHOD_PATCH:
		return CODE_CHANGED;
	}
	return CODE(5, 0);
}
