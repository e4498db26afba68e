/* Words for operators. */

#include "base/model/operator.h"

#include <stddef.h>

const char *role_name(enum role r)
{
	switch (r) {
	case ROLE_VIEWER:
		return "viewer";
	case ROLE_PUBLISHER:
		return "publisher";
	case ROLE_OPERATOR:
		return "operator";
	case ROLE_ADMIN:
		return "admin";
	case ROLE_DEVICE:
		return "device";
	case ROLE_ANY:
		return NULL;
	}
	return NULL;
}
