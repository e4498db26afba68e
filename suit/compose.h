/* Writes command sequences (draft-37 section 8.4; firmware encryption, trust domains and update
 * management): commands one after the other, parameters always in their sorted order. */
#pragma once

#include "suit/command.h"
#include "suit/manifest.h"

/* Policies as the draft's examples have them. */
#define SUIT_POLICY_ALL  15 /* record everything about identity and image conditions */
#define SUIT_POLICY_SLOT 5  /* record success and its system information */
#define SUIT_POLICY_DO   2  /* record failure */

/* Parameters that suit/command.h does not name. */
enum suit_field {
	SUIT_FIELD_USE_BEFORE = 4,
	SUIT_FIELD_STRICT_ORDER = 12,
	SUIT_FIELD_SOFT_FAILURE = 13,
	SUIT_FIELD_CONTENT = 18,
	SUIT_FIELD_ENCRYPTION_INFO = 19,
	SUIT_FIELD_SOURCE = 22,
	SUIT_FIELD_INVOKE_ARGS = 23,
	SUIT_FIELD_DEVICE = 24,
	SUIT_FIELD_FETCH_ARGS = 25,
	SUIT_FIELD_BATTERY = 26,
	SUIT_FIELD_PRIORITY = 27,
	SUIT_FIELD_VERSION = 28,
	SUIT_FIELD_WAIT = 29,
	SUIT_FIELD_METADATA = 30,
};

/* A UUID, or the relative OID of a private enterprise number when pen is not empty. */
struct suit_vendor {
	struct suit_uuid uuid;
	struct suit_bytes pen;
};

enum suit_comparison {
	SUIT_VERSION_GREATER = 1,
	SUIT_VERSION_GREATER_EQUAL = 2,
	SUIT_VERSION_EQUAL = 3,
	SUIT_VERSION_LESSER_EQUAL = 4,
	SUIT_VERSION_LESSER = 5,
};

struct suit_version_match {
	enum suit_comparison comparison;
	int64_t number[SUIT_VERSION_MAX];
	size_t count;
};

struct suit_wait {
	uint32_t has; /* bit n: event n */
	int64_t value[SUIT_WAIT_EVENTS];
	/* event 4 */
	struct suit_bytes other_device;
	const struct suit_version_match *other_version;
	size_t other_version_count;
};

#define SUIT_ACTORS_MAX 8
struct suit_permissions {
	struct {
		int64_t actor;
		uint64_t bits;
	} of[SUIT_ACTORS_MAX]; /* in any order, each actor once */
	size_t count;
};

enum suit_metadata_key {
	SUIT_META_DEFAULT = 1,
	SUIT_META_USER = 2,
	SUIT_META_GROUP = 3,
	SUIT_META_ROLE = 4,
	SUIT_META_FILE_TYPE = 5,
	SUIT_META_MODIFIED = 6,
	SUIT_META_CREATED = 7,
	SUIT_META_CREATOR = 8,
};

struct suit_metadata {
	uint32_t has; /* bit n: member n */
	uint64_t default_permissions;
	struct suit_permissions permissions[3]; /* user, group, role */
	uint64_t file_type;                     /* 1 regular, 2 directory, 3 symbolic link */
	uint64_t modified, created;             /* seconds since 1970 */
	int64_t creator;
};

struct suit_parameters {
	uint32_t has; /* bit n: parameter n */
	struct suit_vendor vendor;
	struct suit_uuid class_id, device_id;
	struct suit_digest digest;
	uint64_t use_before, slot, size, source, battery;
	bool strict_order, soft_failure;
	struct suit_bytes content, encryption_info, uri, invoke_args, fetch_args;
	int64_t priority;
	struct suit_version_match version;
	struct suit_wait wait;
	const struct suit_metadata *metadata;
};

#define SUIT_BIT(n) (UINT32_C(1) << (n))

/* A sequence being written, wrapped in its byte string. */
struct suit_sequence_out {
	struct scbor_out *o;
	int64_t digest_alg; /* how SHA-256 is called; SUIT_ALG_SHA256 but for old dialects */
	size_t bytes_at, array_at, commands;
};

void suit_sequence_begin(struct suit_sequence_out *s, struct scbor_out *o);
void suit_sequence_end(struct suit_sequence_out *s);

/* A command whose argument is a number: a policy or a component index. */
void suit_put_command(struct suit_sequence_out *s, int64_t command, uint64_t argument);
/* SUIT_OVERRIDE_PARAMETERS or SUIT_SET_PARAMETERS; nothing when p has none. */
void suit_put_parameters(struct suit_sequence_out *s, enum suit_command command,
			 const struct suit_parameters *p);
/* The argument is encoded already. */
void suit_put_raw_command(struct suit_sequence_out *s, int64_t command, struct suit_bytes arg);

/* A try-each: alternatives begin and end between the two. */
size_t suit_try_begin(struct suit_sequence_out *s);
void suit_alternative_begin(struct suit_sequence_out *inner, struct suit_sequence_out *outer);
void suit_try_end(struct suit_sequence_out *s, size_t at, size_t alternatives);

void suit_put_component(struct scbor_out *o, const struct suit_component_id *id);
/* [alg, digest] */
void suit_put_digest(struct scbor_out *o, int64_t alg, const struct suit_digest *d);
/* The map of parameters alone. */
void suit_put_parameter_map(struct scbor_out *o, int64_t digest_alg,
			    const struct suit_parameters *p);
