/* The commands and parameters of a command sequence (draft-37 section 8.4; firmware encryption,
 * trust domains and update management): one table each, and a checker that walks a sequence. */
#pragma once

#include "suit/cbor.h"

enum suit_command {
	SUIT_COND_VENDOR = 1,
	SUIT_COND_CLASS = 2,
	SUIT_COND_IMAGE_MATCH = 3,
	SUIT_COND_USE_BEFORE = 4,
	SUIT_COND_SLOT = 5,
	SUIT_COND_CHECK_CONTENT = 6,
	SUIT_COND_DEPENDENCY_INTEGRITY = 7,
	SUIT_COND_IS_DEPENDENCY = 8,
	SUIT_PROCESS_DEPENDENCY = 11,
	SUIT_SET_COMPONENT_INDEX = 12,
	SUIT_COND_ABORT = 14,
	SUIT_TRY_EACH = 15,
	SUIT_WRITE = 18,
	SUIT_SET_PARAMETERS = 19,
	SUIT_OVERRIDE_PARAMETERS = 20,
	SUIT_FETCH = 21,
	SUIT_COPY = 22,
	SUIT_DO_INVOKE = 23,
	SUIT_COND_DEVICE = 24,
	SUIT_COND_IMAGE_NOT_MATCH = 25,
	SUIT_COND_MIN_BATTERY = 26,
	SUIT_COND_AUTHORIZED = 27,
	SUIT_COND_VERSION = 28,
	SUIT_WAIT = 29,
	SUIT_SWAP = 31,
	SUIT_RUN_SEQUENCE = 32,
	SUIT_UNLINK = 33,
	SUIT_OVERRIDE_MULTIPLE = 34,
	SUIT_COPY_PARAMS = 35,
};

enum suit_parameter {
	SUIT_PARAM_VENDOR = 1,
	SUIT_PARAM_CLASS = 2,
	SUIT_PARAM_DIGEST = 3,
	SUIT_PARAM_SLOT = 5,
	SUIT_PARAM_SIZE = 14,
	SUIT_PARAM_URI = 21,
	SUIT_PARAM_USE_BEFORE = 4,
	SUIT_PARAM_STRICT_ORDER = 12,
	SUIT_PARAM_SOFT_FAILURE = 13,
	SUIT_PARAM_CONTENT = 18,
	SUIT_PARAM_ENCRYPTION = 19,
	SUIT_PARAM_SOURCE = 22,
	SUIT_PARAM_INVOKE_ARGS = 23,
	SUIT_PARAM_DEVICE = 24,
	SUIT_PARAM_FETCH_ARGS = 25,
	SUIT_PARAM_BATTERY = 26,
	SUIT_PARAM_PRIORITY = 27,
	SUIT_PARAM_VERSION = 28,
	SUIT_PARAM_WAIT = 29,
	SUIT_PARAM_METADATA = 30,
};

/* What a wait-info waits for. */
enum suit_event {
	SUIT_WAIT_AUTHORIZATION = 1,
	SUIT_WAIT_POWER = 2,
	SUIT_WAIT_NETWORK = 3,
	SUIT_WAIT_OTHER_DEVICE = 4,
	SUIT_WAIT_TIME = 5, /* seconds since 1970 */
	SUIT_WAIT_TIME_OF_DAY = 6,
	SUIT_WAIT_DAY_OF_WEEK = 7,
	SUIT_WAIT_TIME_OF_DAY_UTC = 8,
	SUIT_WAIT_DAY_OF_WEEK_UTC = 9,
	SUIT_WAIT_EVENTS,
};

/* What a sequence may refer to. */
struct suit_scope {
	uint32_t indexes; /* bit i: component index i is a component or a dependency */
	bool shared;      /* the shared sequence: no command with an effect */
	/* Set as it is checked: */
	bool indexed; /* a component index was set, or need not be */
};

/* Checks a whole sequence (content of its byte string) with all that is nested in it. */
enum suit_rc suit_sequence_check(struct suit_bytes sequence, struct suit_scope *scope);

/* The next command of a checked sequence; false at the end or on an error in c.  arg is the
 * encoded argument. */
bool suit_sequence_next(struct scbor *c, int64_t *ret_command, struct suit_bytes *ret_arg);
/* Opens a sequence for suit_sequence_next. */
void suit_sequence_open(struct scbor *c, struct suit_bytes sequence);
/* Reads SUIT_Digest inside a byte string: <<[-16, bstr .size 32]>>. */
enum suit_rc suit_digest_read(struct suit_bytes wrapped, struct suit_digest *ret);
