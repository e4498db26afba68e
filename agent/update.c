/* Sums and names. */
#include "agent/update.h"

#include "suit/ids.h"

#include <stdio.h>

uint64_t update_bytes(const struct update *u, size_t nth)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < nth && i < u->payload_count; i++)
		sum += u->payload[i].size;
	return sum;
}

void update_path(const struct payload *p, char ret[UPDATE_PATH_MAX])
{
	char hex[SUIT_HEX_SIZE(32)];
	suit_hex((struct suit_bytes){ p->file.b, sizeof(p->file.b) }, hex);
	snprintf(ret, UPDATE_PATH_MAX, "img/%s", hex);
}
