/* A wait-info, which an author may have signed without having read the draft: whatever it waits
 * for ends at a moment that is not past, and is over then; or never. */

#include "agent/wait_rules.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wait w;
	int64_t moment, again;
	uint32_t hours = 0;

	if (size < sizeof(hours))
		return 0;
	memcpy(&hours, data, sizeof(hours));
	int64_t now = (int64_t)hours * 3600;
	if (!wait_read((struct suit_bytes){ data + sizeof(hours), size - sizeof(hours) }, &w))
		return 0;
	check(wait_equal(&w, &w));
	enum wait_end end = wait_moment(&w, now, &moment);
	if (end == WAIT_NEVER || now < WAIT_CLOCK_SET_S)
		return 0;
	check(moment >= now && moment - now <= WAIT_MAX_S);
	check((end == WAIT_OVER) == (moment == now));
	check(wait_moment(&w, moment, &again) == WAIT_OVER && again == moment);
	return 0;
}
