/* SUIT_Report (draft-ietf-suit-report-22), bare, as it travels inside an authenticated
 * exchange: { 99: [uri, digest], ?2: nonce, 3: records, 4: true / {5,6,7} }. */
#pragma once

#include "suit/suit.h"

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

/* Where a sequence failed (SUIT_Record). */
struct suit_record {
	uint64_t section;   /* the manifest's key of it, such as 20 for install */
	uint64_t offset;    /* bytes into the sequence */
	uint64_t component; /* index */
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
