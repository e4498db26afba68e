/* A device: one thing in the field, known by its endpoint name. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define ENDPOINT_NAME_MAX   64 /* bytes; [A-Za-z0-9._:-]+, first a letter or digit */
#define COMPONENT_NAME_MAX  64 /* bytes; see api/coap.md "Component names" */
#define VERSION_TEXT_MAX    64
#define COMPONENTS_MAX      8
#define ATTRIBUTES_MAX      32
#define ATTRIBUTE_NAME_MAX  32
#define ATTRIBUTE_VALUE_MAX 128
#define BOOT_ID_MAX         16 /* bytes; at least 4 */
#define FORMATS_MAX         16
#define FORMAT_NAME_MAX     32 /* bytes of [a-z0-9-] */
#define PSK_MIN             16 /* bytes */
#define PSK_MAX             64

enum device_lifecycle {
	DEVICE_PROVISIONED = 0, /* has a credential, has not registered yet */
	DEVICE_ACTIVE = 1,
	DEVICE_REVOKED = 2, /* its credential opens nothing any more */
};

enum credential_kind { CREDENTIAL_NONE = 0, CREDENTIAL_PSK = 1, CREDENTIAL_CERT = 2 };

struct component {
	const char *name;
	struct digest digest;
	bool has_digest;
	const char *version; /* NULL when the device does not say */
};

struct attribute {
	const char *name;
	const char *value;
};

/* What a device says of itself when it registers. */
struct registration {
	const char *endpoint;
	struct uuid vendor_id, class_id;
	struct component components[COMPONENTS_MAX];
	int component_count;
	struct bytes boot_id;
	struct attribute attributes[ATTRIBUTES_MAX];
	int attribute_count;
	int64_t max_envelope, max_image;  /* bytes; 0: not said */
	int32_t block_size;               /* 0: not said */
	const char *formats[FORMATS_MAX]; /* that it reads besides plain images; sorted */
	int format_count;
	bool only_encrypted; /* takes no payload that is not encrypted */
	int64_t next_wake_s; /* -1: not said */
	int64_t last_job;    /* outcome of a trial that its launcher ended; 0: none */
	int32_t last_attempt;
	int32_t last_outcome; /* a job_state: JOB_ROLLED_BACK or JOB_FAILED */
	const char *last_text;
};

struct device {
	struct uuid device_id;
	const char *endpoint;
	struct uuid vendor_id, class_id; /* zero until it registered */
	enum device_lifecycle lifecycle;
	enum credential_kind credential;
	struct component *components;
	int component_count;
	struct attribute *attributes;
	int attribute_count;
	struct bytes boot_id;
	const char *formats; /* that it reads, sorted, joined by a comma; empty: none */
	bool only_encrypted;
	struct bytes report_key; /* of its SUIT reports, SubjectPublicKeyInfo; empty: none */
	int64_t revision;
	int64_t created_at, registered_at, last_seen_at;
};

const char *device_lifecycle_name(enum device_lifecycle l);
const char *credential_kind_name(enum credential_kind k);
