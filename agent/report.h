/* The last words about an update: a SUIT_Report (suit/report.h), into the state directory.
 * Signed, as a COSE_Sign1 that holds it, when the device has a key for that; else bare. */
#pragma once

#include "agent/platform.h"

#define REPORT_FILE "report" /* application/suit-report+cose */
#define REPORT_MAX  1024

#define REPORT_SIGNED_MAX (REPORT_MAX + SUIT_SIGNATURE_MAX + 64)

/* The report as it is written into ret too; ret_n is 0 when there is none to make, or it could
 * not be signed.  key may be NULL: a bare one.  False when it cannot be made or written. */
bool report_write(const char *dir, const struct suit_crypto *crypto, const struct suit_key *key,
		  struct suit_bytes envelope, enum suit_rc rc,
		  const struct platform_result *result, uint8_t ret[REPORT_SIGNED_MAX],
		  size_t *ret_n);
