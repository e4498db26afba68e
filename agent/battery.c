/* Read anew each time: it is the kernel that answers. */
#include "agent/battery.h"

#include "agent/file.h"
#include "agent/text.h"

#include <string.h>

#define BATTERY_TEXT_MAX 64

bool battery_read(const char *path, uint64_t *ret_mwh)
{
	char text[BATTERY_TEXT_MAX];
	uint64_t uwh;
	size_t n;
	if (!file_read_text(path, text, sizeof(text), &n))
		return false;
	text[strcspn(text, "\r\n")] = '\0';
	if (!text_number(text, UINT64_MAX, &uwh))
		return false;
	*ret_mwh = uwh / 1000;
	return true;
}
