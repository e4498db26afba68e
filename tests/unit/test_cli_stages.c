/* Stages, class names and labels of the command line. */

#include "cli/parse.h"
#include "tests/tap.h"

static struct arena *mem;

static const struct {
	const char *text, *why; /* NULL: taken */
} lists[] = {
	{ "1,50%,100%", NULL },
	{ "100%", NULL },
	{ "0.1%,1%,100%", NULL },
	{ "1,10,1%,100,100%", NULL },
	{ "1,50%", "the last stage must be 100%" },
	{ "1,2", "the last stage must be 100%" },
	{ "", "stage 1, \"\": give a number of devices or a percentage" },
	{ "1,,100%", "stage 2, \"\": give a number of devices or a percentage" },
	{ "0,100%", "stage 1, \"0\": give a number of devices or a percentage" },
	{ "half,100%", "stage 1, \"half\": give a number of devices or a percentage" },
	{ "5,5,100%",
	  "stage 2, \"5\": each stage includes the one before it and must be larger" },
	{ "50%,20%,100%",
	  "stage 2, \"20%\": each stage includes the one before it and must be larger" },
	{ "100%,100%",
	  "stage 2, \"100%\": each stage includes the one before it and must be larger" },
};

static void test_lists(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct stage_step steps[STAGE_STEPS_MAX];
		int count = 0;
		const char *why = NULL;
		enum rc rc = parse_stages(lists[i].text, mem, steps, &count, &why);
		ok((rc == RC_OK) == (lists[i].why == NULL), "stages \"%s\"", lists[i].text);
		if (lists[i].why)
			is_str(why, lists[i].why, "says why");
	}
}

static void test_steps(void)
{
	struct stage_step steps[STAGE_STEPS_MAX];
	int count;
	const char *why;
	ok(parse_stages("1,0.5%,100%", mem, steps, &count, &why) == RC_OK, "three stages");
	is_int(count, 3, "are three");
	ok(steps[0].count == 1 && steps[0].percent == 0, "the first is a number");
	ok(steps[1].count == 0 && steps[1].percent == 50, "the second a share");
	ok(steps[2].percent == 100 * PERCENT, "the last is all");

	const char *long_list = "";
	for (int i = 1; i <= STAGE_STEPS_MAX; i++)
		long_list = arena_printf(mem, "%s%d,", long_list, i);
	long_list = arena_printf(mem, "%s100%%", long_list);
	is_int(parse_stages(long_list, mem, steps, &count, &why), RC_INVALID, "33 stages");
	is_str(why, "more than 32 stages", "are too many");
}

static void test_names(void)
{
	const char *a = NULL, *b = NULL;
	ok(parse_class("acme.example/lock-7", mem, &a, &b) == RC_OK, "a class");
	is_str(a, "acme.example", "its vendor");
	is_str(b, "lock-7", "its name");
	ok(parse_class("lock-7", mem, &a, &b) != RC_OK, "without a vendor it is none");
	ok(parse_class("/lock-7", mem, &a, &b) != RC_OK, "nor with an empty one");
	ok(parse_class("acme/", mem, &a, &b) != RC_OK, "nor with an empty name");
	ok(parse_class("a/b/c", mem, &a, &b) != RC_OK, "nor with two slashes");
	ok(parse_class("a/b\033[2J", mem, &a, &b) != RC_OK, "nor with control characters");

	ok(parse_label("site=berlin=mitte", mem, &a, &b) == RC_OK, "a label");
	is_str(a, "site", "its name");
	is_str(b, "berlin=mitte", "its value may hold =");
	ok(parse_label("lab=", mem, &a, &b) == RC_OK && *b == '\0', "a value may be empty");
	ok(parse_label("lab", mem, &a, &b) != RC_OK, "without = it is none");
	ok(parse_label("=x", mem, &a, &b) != RC_OK, "nor without a name");
}

int main(void)
{
	mem = arena_create();
	test_lists();
	test_steps();
	test_names();
	arena_free(mem);
	return tap_done();
}
