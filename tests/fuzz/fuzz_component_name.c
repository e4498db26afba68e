/* Component ids as names: every name that is made is valid, and two ids never share one.
 * Input: two ids by 0xff, their segments by 0xfe. */

#include "core/component_name.h"
#include "base/model/device.h"
#include "tests/fuzz/target.h"

#include <string.h>

#define SEGMENTS 8

struct id {
	struct bytes segments[SEGMENTS];
	int count;
};

static struct id split(struct bytes b)
{
	struct id id = { .count = 0 };
	size_t begin = 0;

	for (size_t i = 0; i <= b.n && id.count < SEGMENTS; i++) {
		if (i < b.n && b.p[i] != 0xfe)
			continue;
		id.segments[id.count++] = (struct bytes){ b.p + begin, i - begin };
		begin = i + 1;
	}
	return id;
}

static bool same(const struct id *a, const struct id *b)
{
	for (int i = 0; i < a->count && a->count == b->count; i++)
		if (!bytes_equal(a->segments[i], b->segments[i]))
			return false;
	return a->count == b->count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
	size_t n = cut ? (size_t)(cut - data) : size;
	struct arena *mem = arena_create();
	struct id a = split((struct bytes){ data, n });
	struct id b =
		split((struct bytes){ data + n + (cut != NULL), size - n - (cut != NULL) });
	const char *first = NULL, *second = NULL;

	if (component_name_format(a.segments, a.count, mem, &first) == RC_OK)
		check(component_name_valid(first) && strlen(first) <= COMPONENT_NAME_MAX);
	if (component_name_format(b.segments, b.count, mem, &second) == RC_OK && first)
		check((strcmp(first, second) == 0) == same(&a, &b));
	(void)component_name_valid(bytes_text(mem, (struct bytes){ data, size }));
	arena_free(mem);
	return 0;
}
