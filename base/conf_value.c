/* Values of configuration files.  Sizes and durations are a number and a unit. */

#include "base/conf_value.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* From small to large; the largest that divides a number formats it. */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "k", INT64_C(1) << 10 },
	{ "M", INT64_C(1) << 20 },
	{ "G", INT64_C(1) << 30 },
};
static const struct unit duration_units[] = {
	{ "ms", USEC_PER_MS },         { "s", USEC_PER_SEC },
	{ "min", 60 * USEC_PER_SEC },  { "h", 3600 * USEC_PER_SEC },
	{ "d", 86400 * USEC_PER_SEC },
};
static const struct unit plain_units[] = { { "", 1 } };

struct unit_list {
	const struct unit *units;
	size_t count;
	const char *expected;
};

static struct unit_list units_of(enum conf_type type)
{
	switch (type) {
	case CONF_SIZE:
		return (struct unit_list){ size_units, ARRAY_LEN(size_units),
					   "a size such as 512, 64k, 16M or 1G" };
	case CONF_DURATION:
		return (struct unit_list){ duration_units, ARRAY_LEN(duration_units),
					   "a duration such as 200ms, 30s, 5min, 12h or 7d" };
	case CONF_INT:
	case CONF_TEXT:
	case CONF_BOOL:
	case CONF_ADDRESS:
		break;
	}
	return (struct unit_list){ plain_units, ARRAY_LEN(plain_units), "a whole number" };
}

const char *conf_value_format(enum conf_type type, int64_t v, struct arena *mem)
{
	struct unit_list list = units_of(type);
	const struct unit *u = &list.units[0];

	for (size_t i = 1; i < list.count && v; i++)
		if (v % list.units[i].factor == 0)
			u = &list.units[i];
	return arena_printf(mem, "%lld%s", (long long)(v / u->factor), u->name);
}

static enum rc parse_number(const struct conf_key *key, const char *text, struct arena *mem,
			    int64_t *ret, const char **ret_why)
{
	struct unit_list list = units_of(key->type);
	size_t digits = strspn(text, "-0123456789");
	const struct unit *unit = NULL;
	int64_t v = 0;

	for (size_t i = 0; i < list.count; i++)
		if (strcmp(text + digits, list.units[i].name) == 0)
			unit = &list.units[i];
	if (!unit ||
	    parse_i64((struct bytes){ (const uint8_t *)text, digits }, INT64_MIN, INT64_MAX,
		      &v) != RC_OK ||
	    __builtin_mul_overflow(v, unit->factor, &v)) {
		*ret_why = arena_printf(mem, "'%s' is not %s", text, list.expected);
		return RC_INVALID;
	}
	if (v < key->min || v > key->max) {
		*ret_why = arena_printf(mem, "%s is out of range, %s to %s", text,
					conf_value_format(key->type, key->min, mem),
					conf_value_format(key->type, key->max, mem));
		return RC_INVALID;
	}
	*ret = v;
	return RC_OK;
}

static enum rc parse_bool(const char *text, struct arena *mem, bool *ret, const char **ret_why)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0) {
		*ret_why = arena_printf(mem, "'%s' is neither yes nor no", text);
		return RC_INVALID;
	}
	*ret = yes;
	return RC_OK;
}

static enum rc parse_text(const struct conf_key *key, const char *text, struct arena *mem,
			  const char **ret, const char **ret_why)
{
	int64_t len = (int64_t)strlen(text);

	if (!text_is_clean(bytes_of(text))) {
		*ret_why = "not clean UTF-8 text";
		return RC_INVALID;
	}
	if (len < key->min || len > key->max) {
		*ret_why = len == 0 ? "must not be empty"
				    : arena_printf(mem, "longer than %lld bytes",
						   (long long)key->max);
		return RC_INVALID;
	}
	*ret = arena_text(mem, text);
	return RC_OK;
}

/* Numbers alone: a name would have to be looked up, and may mean another address tomorrow. */
static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool v6 = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	char host[INET6_ADDRSTRLEN] = "";
	struct in6_addr address;
	uint64_t port;

	if (v6) {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	return inet_pton(v6 ? AF_INET6 : AF_INET, host, &address) == 1 &&
	       parse_u64(bytes_of(colon + 1), UINT16_MAX, &port) == RC_OK;
}

static enum rc parse_address(const struct conf_key *key, const char *text, struct arena *mem,
			     const char **ret, const char **ret_why)
{
	if ((*text || key->min > 0) && !is_address(text)) {
		*ret_why = arena_printf(
			mem,
			"'%s' is not an address and port such as 127.0.0.1:8443 or [::1]:8443",
			text);
		return RC_INVALID;
	}
	return parse_text(key, text, mem, ret, ret_why);
}

enum rc conf_value_parse(const struct conf_key *key, const char *text, struct arena *mem,
			 void *slot, const char **ret_why)
{
	switch (key->type) {
	case CONF_TEXT:
		return parse_text(key, text, mem, slot, ret_why);
	case CONF_ADDRESS:
		return parse_address(key, text, mem, slot, ret_why);
	case CONF_BOOL:
		return parse_bool(text, mem, slot, ret_why);
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return parse_number(key, text, mem, slot, ret_why);
	}
	return RC_INTERNAL;
}
