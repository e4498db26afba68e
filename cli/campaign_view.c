/* A campaign as lines of text. */

#include "cli/campaign_view.h"

#include <inttypes.h>
#include <string.h>

#define BAR_WIDTH 24

enum part { PART_SUCCEEDED, PART_CURRENT, PART_FAILED, PART_UNDER_WAY, PART_QUEUED, PART_LEFT };

/* In the order in which they are told. */
static const struct {
	const char *state, *words;
	enum part part;
} states[] = {
	{ "succeeded", "succeeded", PART_SUCCEEDED },
	{ "current", "had it already", PART_CURRENT },
	{ "failed", "failed", PART_FAILED },
	{ "rolled_back", "rolled back", PART_FAILED },
	{ "silent", "silent", PART_FAILED },
	{ "rejected", "rejected it", PART_FAILED },
	{ "rebooting", "rebooting", PART_UNDER_WAY },
	{ "installing", "installing", PART_UNDER_WAY },
	{ "downloaded", "downloaded", PART_UNDER_WAY },
	{ "downloading", "downloading", PART_UNDER_WAY },
	{ "offered", "offered", PART_UNDER_WAY },
	{ "deferred", "deferred", PART_UNDER_WAY },
	{ "queued", "queued", PART_QUEUED },
	{ "cancelled", "cancelled", PART_LEFT },
	{ "superseded", "superseded", PART_LEFT },
};

static int64_t number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

static void add_part(struct stage_view *s, enum part part, int64_t n)
{
	switch (part) {
	case PART_SUCCEEDED:
		s->succeeded += n;
		break;
	case PART_CURRENT:
		s->current += n;
		break;
	case PART_FAILED:
		s->failed += n;
		break;
	case PART_UNDER_WAY:
		s->under_way += n;
		break;
	case PART_QUEUED:
		s->queued += n;
		break;
	case PART_LEFT:
		break;
	}
}

static void read_stage(const json_t *stage, struct arena *mem, struct stage_view *ret)
{
	const json_t *counts = json_object_get(stage, "counts");
	*ret = (struct stage_view){ .members = number(stage, "members"),
				    .state = output_member(mem, stage, "state"),
				    .words = "" };
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		int64_t n = number(counts, states[i].state);
		if (n <= 0)
			continue;
		add_part(ret, states[i].part, n);
		ret->words = arena_printf(mem, "%s%s%" PRId64 " %s", ret->words,
					  *ret->words ? ", " : "", n, states[i].words);
	}
}

void campaign_view_read(const json_t *campaign, struct arena *mem, struct campaign_view *ret)
{
	const json_t *stages = json_object_get(campaign, "stages"), *stage;
	const json_t *reason = json_object_get(campaign, "pause_reason");
	const json_t *bytes = json_object_get(campaign, "bytes");
	*ret = (struct campaign_view){
		.name = output_member(mem, campaign, "name"),
		.state = output_member(mem, campaign, "state"),
		.release = output_member(mem, campaign, "release_version"),
		.pause_reason = json_is_string(reason) ? output_text(mem, reason) : NULL,
		.members = number(campaign, "members"),
		.bytes_offered = number(bytes, "offered"),
		.bytes_saved = number(bytes, "saved"),
		.delta_fallbacks = number(bytes, "delta_fallbacks"),
	};
	size_t i;
	json_array_foreach(stages, i, stage)
	{
		if (i == VIEW_STAGES_MAX)
			break;
		struct stage_view *s = &ret->stages[ret->stage_count++];
		read_stage(stage, mem, s);
		ret->succeeded += s->succeeded;
		ret->current += s->current;
		ret->failed += s->failed;
	}
}

static enum style state_style(const char *state)
{
	static const struct {
		const char *state;
		enum style style;
	} styles[] = {
		{ "running", STYLE_CYAN },   { "open", STYLE_CYAN },
		{ "finished", STYLE_GREEN }, { "passed", STYLE_GREEN },
		{ "paused", STYLE_YELLOW },  { "tripped", STYLE_RED },
		{ "aborted", STYLE_RED },
	};
	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return STYLE_DIM;
}

const char *campaign_view_title(const struct campaign_view *v, const struct output *out,
				struct arena *mem)
{
	const char *end = output_style(out, STYLE_PLAIN);
	const char *failed =
		v->failed ? arena_printf(mem, ", %" PRId64 " failed", v->failed) : "";
	return arena_printf(
		mem, "%s%s%s: release %s, %s%s%s, %" PRId64 " of %" PRId64 " proved it%s",
		output_style(out, STYLE_BOLD), v->name, end, v->release,
		output_style(out, state_style(v->state)), v->state, end,
		v->succeeded + v->current, v->members, failed);
}

const char *campaign_view_bytes(const struct campaign_view *v, struct arena *mem)
{
	if (v->bytes_offered == 0)
		return NULL;
	const char *saved = v->bytes_saved ? arena_printf(mem, ", %s saved",
							  output_size(mem, v->bytes_saved))
					   : "";
	const char *fell = v->delta_fallbacks
				   ? arena_printf(mem, ", %" PRId64 " went on without a delta",
						  v->delta_fallbacks)
				   : "";
	return arena_printf(mem, "  bytes     %s offered%s%s",
			    output_size(mem, v->bytes_offered), saved, fell);
}

const char *campaign_view_stage(const struct campaign_view *v, int index,
				const struct output *out, struct arena *mem)
{
	const struct stage_view *s = &v->stages[index];
	struct bar bar = { .good = s->succeeded + s->current,
			   .bad = s->failed,
			   .under_way = s->under_way,
			   .total = s->members };
	return arena_printf(mem, "  stage %-2d %5" PRId64 " %-7s  %s  %s%-7s%s  %s", index + 1,
			    s->members, s->members == 1 ? "device" : "devices",
			    output_bar(mem, out, &bar, BAR_WIDTH),
			    output_style(out, state_style(s->state)), s->state,
			    output_style(out, STYLE_PLAIN), s->words);
}

const char *campaign_view_line(const struct campaign_view *v, int index, struct arena *mem)
{
	const struct stage_view *s = &v->stages[index];
	return arena_printf(mem, "stage %d of %d, %s: %" PRId64 " of %" PRId64 " proved%s%s",
			    index + 1, v->stage_count, s->state, s->succeeded + s->current,
			    s->members, *s->words ? "; " : "", s->words);
}
