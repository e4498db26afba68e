/* Strict readers of small texts: what is not exactly of the form is refused. */
#include "agent/text.h"

#include <ctype.h>
#include <string.h>

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

enum text_line text_next(char **cursor, unsigned *line, struct text_pair *ret)
{
	while (**cursor) {
		char *start = *cursor;
		char *end = strchrnul(start, '\n');
		*cursor = *end ? end + 1 : end;
		*end = '\0';
		++*line;
		start = trim(start);
		if (!*start || *start == '#')
			continue;
		char *equals = strchr(start, '=');
		if (!equals || equals == start)
			return TEXT_BAD;
		*equals = '\0';
		ret->key = trim(start);
		ret->value = trim(equals + 1);
		return TEXT_PAIR;
	}
	return TEXT_END;
}

bool text_number(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		unsigned digit = (unsigned)(*s - '0');
		if (v > (max - digit) / 10 || digit > max)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

bool text_bool(const char *s, bool *ret)
{
	static const char *const words[][2] = { { "no", "yes" },
						{ "false", "true" },
						{ "off", "on" } };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (int v = 0; v < 2; v++)
			if (strcmp(s, words[i][v]) == 0) {
				*ret = v;
				return true;
			}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_unhex(const char *s, uint8_t *ret, size_t n)
{
	if (strlen(s) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

bool text_unbase64(const char *s, uint8_t *ret, size_t size, size_t *ret_n)
{
	size_t length = strlen(s);
	size_t padding = length > 0 && s[length - 1] == '=' ? 1 : 0;
	if (length > 1 && padding && s[length - 2] == '=')
		padding = 2;
	if (length == 0 || length % 4 || length / 4 * 3 - padding > size)
		return false;
	uint32_t bits = 0;
	size_t n = 0;
	for (size_t i = 0; i < length - padding; i++) {
		int digit = base64_digit(s[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 > 0)
			ret[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	*ret_n = n;
	return true;
}
