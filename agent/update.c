/* Sums and names. */
#include "agent/update.h"

#include "agent/text.h"
#include "suit/ids.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t update_bytes(const struct update *u, size_t nth)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < nth && i < u->payload_count; i++)
		sum += u->payload[i].size;
	return sum;
}

bool update_fetches_same(const struct update *a, const struct update *b)
{
	bool same = a->payload_count == b->payload_count;
	for (size_t i = 0; same && i < a->payload_count; i++)
		same = suit_digest_equal(&a->payload[i].file, &b->payload[i].file) &&
		       suit_digest_equal(&a->payload[i].digest, &b->payload[i].digest) &&
		       a->payload[i].size == b->payload[i].size &&
		       a->payload[i].part == b->payload[i].part;
	return same;
}

enum wait_end update_next_wait(const struct update *u, int64_t *ret_moment)
{
	*ret_moment = (int64_t)time(NULL);
	if (u->waited >= u->wait_count) /* of another way, or of one that is not known yet */
		return WAIT_OVER;
	return wait_moment(&u->wait[u->waited].until, *ret_moment, ret_moment);
}

void update_wait_over(struct update *u)
{
	wait_mark(&u->wait[u->waited].until, u->over[u->waited]);
	u->waited++;
}

bool update_has_waited(const struct update *u, size_t nth, const struct wait *w)
{
	uint8_t mark[WAIT_MARK_SIZE];
	wait_mark(w, mark);
	return nth < u->waited && memcmp(u->over[nth], mark, sizeof(mark)) == 0;
}

void update_path(const struct payload *p, char ret[UPDATE_PATH_MAX])
{
	char hex[SUIT_HEX_SIZE(32)];
	suit_hex((struct suit_bytes){ p->file.b, sizeof(p->file.b) }, hex);
	snprintf(ret, UPDATE_PATH_MAX, "img/%s", hex);
}

bool update_take_uri(struct suit_bytes uri, struct suit_digest *ret)
{
	char hex[65];
	if (uri.n != 4 + 64 || memcmp(uri.p, "img/", 4) != 0)
		return false;
	for (size_t i = 4; i < uri.n; i++)
		if (!memchr("0123456789abcdef", uri.p[i], 16))
			return false;
	memcpy(hex, uri.p + 4, 64);
	hex[64] = '\0';
	return text_unhex(hex, ret->b, sizeof(ret->b));
}
