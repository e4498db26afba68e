/* SUIT reports: what is read and written again is read as the same. */

#include "suit/report.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[SUIT_ENVELOPE_MAX + 256];
	struct suit_report r, again;
	size_t n = 0;

	if (suit_report_decode((struct suit_bytes){ data, size }, &r) != SUIT_OK)
		return 0;
	check(r.reference_uri.n <= SUIT_URI_MAX);
	check(suit_report_encode(&r, buf, sizeof(buf), &n) == SUIT_OK);
	check(suit_report_decode((struct suit_bytes){ buf, n }, &again) == SUIT_OK);
	check(r.success == again.success && r.result_code == again.result_code);
	check(r.reason == again.reason && r.failed.section == again.failed.section);
	check(memcmp(&r.manifest_digest, &again.manifest_digest, 32) == 0);
	check(suit_bytes_equal(r.reference_uri, again.reference_uri));
	return 0;
}
