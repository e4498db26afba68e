/* Words for events. */

#include "base/model/event.h"

const char *event_kind_name(enum event_kind k)
{
	switch (k) {
	case EVENT_PROVISIONED:
		return "provisioned";
	case EVENT_CREDENTIAL:
		return "credential";
	case EVENT_REVOKED:
		return "revoked";
	case EVENT_DELETED:
		return "deleted";
	case EVENT_ATTRIBUTES:
		return "attributes";
	case EVENT_REGISTERED:
		return "registered";
	case EVENT_BOOTED:
		return "booted";
	case EVENT_JOB:
		return "job";
	}
	return "unknown";
}
