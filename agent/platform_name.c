/* Component names as they are told (api/coap.md). */
#include "agent/platform.h"

#include "suit/ids.h"

#include <stdio.h>
#include <string.h>

static bool is_plain(struct suit_bytes s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-";
	if (s.n == 0 || (s.n > 1 && s.p[0] == '0' && s.p[1] == 'x'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(plain, s.p[i], sizeof(plain) - 1))
			return false;
	return true;
}

bool platform_name(const struct suit_component_id *id, char ret[256])
{
	char hex[SUIT_HEX_SIZE(64)];
	size_t at = 0;
	for (size_t i = 0; i < id->count; i++) {
		struct suit_bytes s = id->segment[i];
		const char *slash = i ? "/" : "";
		if (s.n > 64)
			return false;
		suit_hex(s, hex);
		int n = is_plain(s) ? snprintf(ret + at, 256 - at, "%s%.*s", slash, (int)s.n,
					       (const char *)s.p)
				    : snprintf(ret + at, 256 - at, "%s0x%s", slash, hex);
		at += (size_t)n;
		if (at >= 256)
			return false;
	}
	return id->count > 0;
}
