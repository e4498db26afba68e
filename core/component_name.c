/* Component names: the text form of a manifest's component id. */
#include "core/component_name.h"

#include "base/model/device.h"

#include <string.h>

static bool is_plain_char(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
	       (ch >= 'A' && ch <= 'Z') || ch == '.' || ch == '_' || ch == '-';
}

static bool starts_hex(const char *p, size_t n)
{
	return n >= 2 && p[0] == '0' && p[1] == 'x';
}

static bool is_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_plain_char(p[i]))
			return false;
	return n > 0 && !starts_hex(p, n);
}

static const char *segment_text(struct bytes b, struct arena *mem)
{
	if (is_plain((const char *)b.p, b.n))
		return bytes_text(mem, b);
	return arena_printf(mem, "0x%s", hex_encode(mem, b));
}

enum rc component_name_format(const struct bytes *segments, int count, struct arena *mem,
			      const char **ret)
{
	const char *name = "";

	if (count < 1)
		return RC_INVALID;
	for (int i = 0; i < count; i++) {
		if (segments[i].n > COMPONENT_NAME_MAX)
			return RC_TOO_LARGE;
		name = arena_printf(mem, "%s%s%s", name, i ? "/" : "",
				    segment_text(segments[i], mem));
		if (strlen(name) > COMPONENT_NAME_MAX)
			return RC_TOO_LARGE;
	}
	*ret = name;
	return RC_OK;
}

/* The hexadecimal form is only right for a segment that could not stand for itself. */
static bool hex_segment_valid(const char *p, size_t n)
{
	char text[COMPONENT_NAME_MAX];
	size_t len = 0;

	if (n % 2)
		return false;
	for (size_t i = 2; i < n; i += 2) {
		static const char digits[] = "0123456789abcdef";
		const char *hi = memchr(digits, p[i], 16), *lo = memchr(digits, p[i + 1], 16);
		if (!hi || !lo)
			return false;
		text[len++] = (char)((hi - digits) << 4 | (lo - digits));
	}
	return !is_plain(text, len);
}

static bool segment_valid(const char *p, size_t n)
{
	return starts_hex(p, n) ? hex_segment_valid(p, n) : is_plain(p, n);
}

bool component_name_valid(const char *name)
{
	if (strlen(name) > COMPONENT_NAME_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(name, "/");
		if (!segment_valid(name, n))
			return false;
		if (!name[n])
			return true;
		name += n + 1;
	}
}
