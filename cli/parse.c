/* The small languages of the command line.  All numbers are read by base/bytes.h's strict
 * parsers: no signs, no blanks, no overflow. */

#include "cli/parse.h"

#include "base/bytes.h"

#include <string.h>

#define DURATION_MAX_S (INT64_C(10) * 365 * 86400)
#define COUNT_MAX      INT64_C(1000000000)

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	}
	return 0;
}

enum rc parse_duration(const char *text, int64_t *ret_s)
{
	int64_t total = 0, last_unit = INT64_MAX;
	if (*text == '\0')
		return RC_INVALID;
	while (*text != '\0') {
		size_t digits = strspn(text, "0123456789");
		int64_t unit = unit_seconds(text[digits]);
		uint64_t n;
		struct bytes number = { (const uint8_t *)text, digits };
		if (unit == 0 || unit >= last_unit ||
		    parse_u64(number, (uint64_t)(DURATION_MAX_S / unit), &n) != RC_OK)
			return RC_INVALID;
		total += (int64_t)n * unit;
		last_unit = unit;
		text += digits + 1;
	}
	if (total > DURATION_MAX_S)
		return RC_INVALID;
	*ret_s = total;
	return RC_OK;
}

enum rc parse_percent(const char *text, int64_t *ret)
{
	size_t whole = strspn(text, "0123456789");
	const char *rest = text + whole;
	uint64_t n;
	if (parse_u64((struct bytes){ (const uint8_t *)text, whole }, 100, &n) != RC_OK)
		return RC_INVALID;
	int64_t value = (int64_t)n * PERCENT;
	if (*rest == '.') {
		size_t digits = strspn(++rest, "0123456789");
		if (digits < 1 || digits > 2)
			return RC_INVALID;
		int64_t weight = PERCENT / 10;
		for (size_t i = 0; i < digits; i++, weight /= 10)
			value += (rest[i] - '0') * weight;
		rest += digits;
	}
	if (strcmp(rest, "%") != 0 || value == 0 || value > 100 * PERCENT)
		return RC_INVALID;
	*ret = value;
	return RC_OK;
}

static enum rc parse_step(const char *text, struct stage_step *ret)
{
	if (strchr(text, '%')) {
		ret->count = 0;
		return parse_percent(text, &ret->percent);
	}
	uint64_t n;
	if (parse_u64(bytes_of(text), (uint64_t)COUNT_MAX, &n) != RC_OK || n == 0)
		return RC_INVALID;
	*ret = (struct stage_step){ .count = (int64_t)n };
	return RC_OK;
}

/* Numbers grow among numbers, shares among shares; how the two compare depends on the members
 * and is the server's to say. */
static bool grows(const struct stage_step *steps, int count, const struct stage_step *next)
{
	for (int i = 0; i < count; i++)
		if ((next->count && steps[i].count >= next->count) ||
		    (next->percent && steps[i].percent >= next->percent))
			return false;
	return true;
}

enum rc parse_stages(const char *text, struct arena *mem,
		     struct stage_step ret[STAGE_STEPS_MAX], int *ret_count,
		     const char **ret_why)
{
	int count = 0;
	char *rest = arena_text(mem, text), *word;
	while ((word = strsep(&rest, ",")) != NULL) {
		if (count == STAGE_STEPS_MAX) {
			*ret_why = arena_printf(mem, "more than %d stages", STAGE_STEPS_MAX);
			return RC_INVALID;
		}
		if (parse_step(word, &ret[count]) != RC_OK) {
			*ret_why = arena_printf(
				mem,
				"stage %d, \"%s\": give a number of devices or a percentage",
				count + 1, word);
			return RC_INVALID;
		}
		if (!grows(ret, count, &ret[count])) {
			*ret_why = arena_printf(mem,
						"stage %d, \"%s\": each stage includes the one "
						"before it and must be larger",
						count + 1, word);
			return RC_INVALID;
		}
		count++;
	}
	if (ret[count - 1].percent != 100 * PERCENT) {
		*ret_why = "the last stage must be 100%";
		return RC_INVALID;
	}
	*ret_count = count;
	return RC_OK;
}

enum rc parse_class(const char *text, struct arena *mem, const char **ret_vendor,
		    const char **ret_name)
{
	const char *slash = strchr(text, '/');
	if (!slash || slash == text || slash[1] == '\0' || strchr(slash + 1, '/') ||
	    !text_is_clean(bytes_of(text)))
		return RC_INVALID;
	*ret_vendor = arena_printf(mem, "%.*s", (int)(slash - text), text);
	*ret_name = slash + 1;
	return RC_OK;
}

enum rc parse_label(const char *text, struct arena *mem, const char **ret_name,
		    const char **ret_value)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text)
		return RC_INVALID;
	*ret_name = arena_printf(mem, "%.*s", (int)(equals - text), text);
	*ret_value = equals + 1;
	return RC_OK;
}
