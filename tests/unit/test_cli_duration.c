/* Durations and shares of the command line. */

#include "cli/output.h"
#include "cli/parse.h"
#include "tests/tap.h"

static const struct {
	const char *text;
	int64_t seconds; /* -1: refused */
} durations[] = {
	{ "0s", 0 },
	{ "90s", 90 },
	{ "10m", 600 },
	{ "1h", 3600 },
	{ "2d", 172800 },
	{ "1h30m", 5400 },
	{ "1d1h1m1s", 90061 },
	{ "3650d", 315360000 },
	{ "", -1 },
	{ "90", -1 },
	{ "s", -1 },
	{ "-1s", -1 },
	{ "1 s", -1 },
	{ "1s ", -1 },
	{ "1.5h", -1 },
	{ "1m1h", -1 },
	{ "1m1m", -1 },
	{ "1w", -1 },
	{ "3651d", -1 },
	{ "3650d1s", -1 },
	{ "99999999999999999999s", -1 },
};

static const struct {
	const char *text;
	int64_t percent; /* hundredths of a percent; -1: refused */
} percents[] = {
	{ "100%", 10000 },  { "50%", 5000 },  { "0.1%", 10 }, { "0.01%", 1 },
	{ "33.33%", 3333 }, { "007%", 700 },  { "0%", -1 },   { "100.01%", -1 },
	{ "101%", -1 },     { "50", -1 },     { "%", -1 },    { ".5%", -1 },
	{ "5.%", -1 },      { "1.234%", -1 }, { "-1%", -1 },  { "1%%", -1 },
	{ " 1%", -1 },      { "", -1 },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		int64_t got = -1;
		enum rc rc = parse_duration(durations[i].text, &got);
		ok((rc == RC_OK) == (durations[i].seconds >= 0) && got == durations[i].seconds,
		   "duration \"%s\"", durations[i].text);
	}
	for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
		int64_t got = -1;
		enum rc rc = parse_percent(percents[i].text, &got);
		ok((rc == RC_OK) == (percents[i].percent >= 0) && got == percents[i].percent,
		   "share \"%s\"", percents[i].text);
	}
	struct arena *mem = arena_create();
	is_str(output_duration(mem, 0), "0s", "no time");
	is_str(output_duration(mem, 90061), "1d1h1m1s", "all units");
	is_str(output_duration(mem, 5400), "1h30m", "only the units that count");
	int64_t back = 0;
	ok(parse_duration(output_duration(mem, 98765), &back) == RC_OK && back == 98765,
	   "what is printed can be typed");
	arena_free(mem);
	return tap_done();
}
