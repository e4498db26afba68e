/* SUIT reports of devices that sign them.  A device with a registered report key proves by it
 * who says how an update ended, beyond the session that brought it: what is signed is kept as
 * it came. */
#pragma once

#include "core/call.h"
#include "suit/block.h"

struct signed_report {
	struct call *call; /* the device's */
	int64_t job_id;
	int32_t attempt;
	struct bytes whole;     /* as it came */
	struct digest manifest; /* that it is about */
	bool is_signed;
	struct suit_block block; /* the signature over payload, views of whole */
	struct suit_bytes payload;
	enum rc rc;  /* set by signed_report_check() */
	bool proved; /* signed by the device's registered key, and about what it is offered */
};

/* One report each of several devices, in one transaction.  A device without a registered key
 * may say what it likes: rc is RC_OK.  Else ERR_DENIED without a signature by that key, and
 * ERR_BAD_REQUEST about another manifest than the attempt's.  Writes nothing.  Anything but
 * RC_OK: the transaction is lost. */
enum rc signed_report_check(struct signed_report *reports, size_t n) MUST_CHECK;
/* Keeps what was proved; each job's last one. */
enum rc signed_report_keep(const struct signed_report *reports, size_t n) MUST_CHECK;
/* What was kept, the bytes as they came. */
enum rc signed_report_get(struct call *c, const char *endpoint, int64_t job_id,
			  struct bytes *ret) MUST_CHECK;
