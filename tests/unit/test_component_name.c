/* Component names: every id has one name, no two ids share one, and only such names are valid.
 */

#include "base/clean.h"
#include "base/model/device.h"
#include "core/component_name.h"
#include "tests/tap.h"

static const char *name_of(struct arena *mem, const char *const *segments, int count)
{
	struct bytes list[8];
	const char *name = NULL;

	for (int i = 0; i < count; i++)
		list[i] = bytes_of(segments[i]);
	return component_name_format(list, count, mem, &name) == RC_OK ? name : NULL;
}

static void test_table(struct arena *mem)
{
	static const struct {
		const char *segments[3];
		const char *name;
	} table[] = {
		{ { "main" }, "main" },
		{ { "main", "slot-a" }, "main/slot-a" },
		{ { "a.b_C-9" }, "a.b_C-9" },
		{ { "a b" }, "0x612062" },
		{ { "0x00" }, "0x30783030" }, /* or it would be the name of h'00' */
		{ { "" }, "0x" },
		{ { "a/b" }, "0x612f62" },
		{ { "a", "", "b" }, "a/0x/b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int n = 0;
		while (n < 3 && table[i].segments[n])
			n++;
		is_str(name_of(mem, table[i].segments, n), table[i].name, table[i].name);
		ok(component_name_valid(table[i].name), "%s is a name", table[i].name);
	}
	struct bytes zero = { (const uint8_t *)"\0", 1 };
	const char *name = NULL;
	is_int(component_name_format(&zero, 1, mem, &name), RC_OK, "h'00' has a name");
	is_str(name, "0x00", "which is 0x00");
}

static void test_not_names(void)
{
	static const char *const bad[] = { "",     "/",   "a/",      "/a",   "a//b",
					   "a b",  "0x0", "0xZZ",    "0x61", "0x6D61696e",
					   "0X00", "a,b", "\xc3\xa4" };

	/* 0x61 is not the name of anything: the segment would stand for itself, as a. */
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(component_name_valid(bad[i]) == (strcmp(bad[i], "0X00") == 0), "\"%s\"",
		   bad[i]);
}

/* All ids of one or two segments of at most two bytes out of a few that matter. */
static void test_injective(struct arena *mem)
{
	static const char *const parts[] = { "",   "a",  "0",    "x",  "0x", "ax", "/",
					     "a/", "00", "\x01", "xa", ",",  "0a" };
	const char *names[256];
	int count = 0, same = 0, invalid = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		names[count++] = name_of(mem, &parts[i], 1);
		for (size_t j = 0; j < ARRAY_LEN(parts); j++) {
			const char *two[2] = { parts[i], parts[j] };
			names[count++] = name_of(mem, two, 2);
		}
	}
	for (int i = 0; i < count; i++) {
		invalid += !names[i] || !component_name_valid(names[i]);
		for (int j = 0; j < i; j++)
			same += strcmp(names[i], names[j]) == 0;
	}
	ok(count > 150 && same == 0 && invalid == 0,
	   "%d ids: %d shared names, %d that are not valid", count, same, invalid);
}

static void test_bounds(struct arena *mem)
{
	char longest[COMPONENT_NAME_MAX + 2];
	struct bytes b = { (const uint8_t *)longest, COMPONENT_NAME_MAX };
	const char *name = NULL;

	memset(longest, 'a', sizeof(longest));
	is_int(component_name_format(&b, 1, mem, &name), RC_OK, "64 bytes fit");
	b.n++;
	is_int(component_name_format(&b, 1, mem, &name), RC_TOO_LARGE, "65 do not");
	b.n = 32;
	longest[0] = ' ';
	is_int(component_name_format(&b, 1, mem, &name), RC_TOO_LARGE, "nor 32 in hexadecimal");
	is_int(component_name_format(&b, 0, mem, &name), RC_INVALID, "no segment, no name");
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();

	test_table(mem);
	test_not_names();
	test_injective(mem);
	test_bounds(mem);
	return tap_done();
}
