/* Events: what happened to devices.  Append-only.  Plain data. */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

/* The numbers are in the database: they never change. */
enum event_kind {
	EVENT_PROVISIONED = 1,
	EVENT_CREDENTIAL = 2, /* replaced */
	EVENT_REVOKED = 3,
	EVENT_DELETED = 4,
	EVENT_ATTRIBUTES = 5, /* changed by an operator */
	EVENT_REGISTERED = 6, /* said something new of itself */
	EVENT_BOOTED = 7,     /* another boot id */
	EVENT_JOB = 8,        /* a job changed its state; the detail says to what */
};

struct event {
	struct uuid device_id;
	enum event_kind kind;
	struct uuid campaign_id; /* zero: about none */
	int64_t job_id;          /* 0: about none */
	const char *detail;      /* JSON object as audit_detail() makes it, or NULL */
};

const char *event_kind_name(enum event_kind k);
