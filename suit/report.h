/* SUIT_Report (draft-ietf-suit-report-22), bare, as it travels inside an authenticated
 * exchange: { 99: [uri, digest], ?2: nonce, 3: records, 4: true / {5,6,7} }. */
#pragma once

#include "suit/cbor.h"

enum suit_reason {
	SUIT_REASON_OK = 0,
	SUIT_REASON_CBOR = 1,
	SUIT_REASON_COSE_UNSUPPORTED = 2,
	SUIT_REASON_ALG_UNSUPPORTED = 3,
	SUIT_REASON_UNAUTHORISED = 4,
	SUIT_REASON_COMMAND = 5,
	SUIT_REASON_COMPONENT = 6,
	SUIT_REASON_COMPONENT_UNAUTHORISED = 7,
	SUIT_REASON_PARAMETER = 8,
	SUIT_REASON_SEVERING = 9,
	SUIT_REASON_CONDITION = 10,
	SUIT_REASON_OPERATION = 11,
	SUIT_REASON_INVOKE_PENDING = 12,
};

/* Where a sequence failed, or which command was to be recorded (SUIT_Record). */
struct suit_record {
	uint64_t section;   /* the manifest's key of it, such as 20; 3: the shared sequence */
	uint64_t offset;    /* bytes into the sequence, those of nested ones counted */
	uint64_t component; /* index */
	uint8_t depth;      /* of dependencies; 0: the manifest itself */
	uint8_t dependency[SUIT_DEPTH_MAX]; /* the indexes that lead there */
	struct suit_bytes measured;         /* encoded map of parameters, or empty */
};

/* An array of records, one after the other into the caller's buffer. */
struct suit_records {
	struct scbor_out out; /* behind the room for the array's head */
	size_t count;
	size_t lost; /* did not fit */
};

struct suit_report {
	struct suit_bytes reference_uri; /* empty when the manifest has none */
	struct suit_digest manifest_digest;
	struct suit_bytes nonce; /* empty: none */
	struct suit_bytes
		records; /* encoded array, checked for form; empty: writes an empty one */
	bool success;
	/* When not success: */
	int64_t result_code;
	struct suit_record failed;
	uint64_t reason; /* enum suit_reason, or one that a later draft adds */
};

/* Capabilities (8) are checked for form and passed over. */
enum suit_rc suit_report_decode(struct suit_bytes bytes,
				struct suit_report *ret) SUIT_MUST_CHECK;
/* ret_n is the size wanted, also on SUIT_NO_SPACE. */
enum suit_rc suit_report_encode(const struct suit_report *r, uint8_t *buf, size_t size,
				size_t *ret_n) SUIT_MUST_CHECK;

/* Records in the order of their adding, for suit_report.records; those that do not fit any more
 * are counted as lost. */
void suit_records_init(struct suit_records *l, uint8_t *buf, size_t size);
void suit_records_add(struct suit_records *l, const struct suit_record *r);
struct suit_bytes suit_records_bytes(struct suit_records *l);
