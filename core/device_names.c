/* What a device, an attribute and its value may be called. */
#include "core/device.h"

#include <string.h>

static bool is_alnum(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

static bool only(const char *text, const char *others)
{
	for (; *text; text++)
		if (!is_alnum(*text) && !strchr(others, *text))
			return false;
	return true;
}

bool endpoint_name_valid(const char *name)
{
	return is_alnum(name[0]) && strlen(name) <= ENDPOINT_NAME_MAX && only(name, "._:-");
}

bool attribute_name_valid(const char *name)
{
	bool digit = name[0] >= '0' && name[0] <= '9';

	return !digit && (is_alnum(name[0]) || name[0] == '_') &&
	       strlen(name) <= ATTRIBUTE_NAME_MAX && only(name, "_.-");
}

bool attribute_value_valid(const char *value)
{
	return strlen(value) <= ATTRIBUTE_VALUE_MAX && text_is_clean(bytes_of(value));
}
