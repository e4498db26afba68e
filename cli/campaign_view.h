/* A campaign as lines of text, made from the API's JSON alone: no clock, no terminal. */
#pragma once

#include "cli/output.h"

#define VIEW_STAGES_MAX 32

struct stage_view {
	int64_t members, succeeded, current, failed, under_way, queued;
	const char *state; /* waiting, open, passed, tripped */
	const char *words; /* "2 succeeded, 1 downloading" */
};

struct campaign_view {
	const char *name, *state, *release,
		*pause_reason; /* pause_reason: NULL when there is none */
	int64_t members, succeeded, current, failed;
	int64_t bytes_offered, bytes_saved, delta_fallbacks;
	int stage_count;
	struct stage_view stages[VIEW_STAGES_MAX];
};

void campaign_view_read(const json_t *campaign, struct arena *mem, struct campaign_view *ret);

/* "lock-7-3.7: 3.7, running, 4 of 8 devices proved it" */
const char *campaign_view_title(const struct campaign_view *v, const struct output *out,
				struct arena *mem);
/* "  bytes      1.5 MiB offered, 3.0 MiB saved, 2 went on without a delta"; NULL: none offered
 * yet */
const char *campaign_view_bytes(const struct campaign_view *v, struct arena *mem);
/* One stage with its bar, for a terminal; index from 0. */
const char *campaign_view_stage(const struct campaign_view *v, int index,
				const struct output *out, struct arena *mem);
/* One stage as plain text: "stage 2 of 3, open: 1 of 3 proved; 1 downloading, 1 queued" */
const char *campaign_view_line(const struct campaign_view *v, int index, struct arena *mem);
