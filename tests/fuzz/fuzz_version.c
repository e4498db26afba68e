/* Versions, two of them by a newline: keys are bounded, the order is one, and what is a version
 * stays one with a "v" before it. */

#include "core/version.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *mem = arena_create();
	char *first = bytes_text(mem, (struct bytes){ data, size });
	char *second = strchr(first, '\n');
	struct bytes a, b, again;

	if (second)
		*second++ = '\0';
	bool is_first = version_key(first, mem, &a) == RC_OK;
	bool is_second = second && version_key(second, mem, &b) == RC_OK;
	if (is_first) {
		check(strlen(first) <= VERSION_TEXT_MAX && a.n <= VERSION_KEY_MAX && a.n > 0);
		check(text_is_clean(bytes_of(first)));
		if (first[0] != 'v' && first[0] != 'V' && strlen(first) < VERSION_TEXT_MAX) {
			check(version_key(arena_printf(mem, "v%s", first), mem, &again) ==
			      RC_OK);
			check(bytes_equal(a, again));
		}
	}
	if (is_first && is_second) {
		check(version_key_compare(a, b) == -version_key_compare(b, a));
		check((version_key_compare(a, b) == 0) == bytes_equal(a, b));
	}
	arena_free(mem);
	return 0;
}
