/* Which rows of the outbox may go. */

#include "core/outbox_rules.h"

#include <string.h>

void outbox_horizons_note(struct outbox_horizons *h, const struct outbox_horizon *now,
			  int64_t keep)
{
	int64_t apart = keep / (OUTBOX_HORIZONS / 2);

	if (h->count && now->at < h->seen[h->count - 1].at + apart)
		return;
	if (h->count == OUTBOX_HORIZONS)
		memmove(h->seen, h->seen + 1, (size_t)--h->count * sizeof(h->seen[0]));
	h->seen[h->count++] = *now;
}

int64_t outbox_horizons_below(const struct outbox_horizons *h, int64_t now, int64_t keep)
{
	for (int i = h->count - 1; i >= 0; i--)
		if (h->seen[i].at <= now - keep)
			return h->seen[i].xid;
	return 0;
}
