/* campaign status: once, or followed to its end.  On a terminal the picture is redrawn;
 * elsewhere each change is a line; with --json each change is a JSON text on a line. */

#include "base/clean.h"
#include "base/clock.h"
#include "cli/campaign.h"
#include "cli/campaign_view.h"
#include "cli/client.h"
#include "cli/parse.h"
#include "cli/resolve.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define OUTAGE_MAX_S    120 /* a server that restarts, or fails over, is waited for */
#define BAD_DEVICES_MAX 5   /* shown for each way to fail */

struct watch {
	struct cli *cli;
	struct client *client;
	const char *path;
	int64_t started_at, interval_us, timeout_us; /* monotonic; 0: no timeout */
	int64_t lost_at; /* since when nothing answers; 0: it does */
	int drawn_lines;
	const char *last[VIEW_STAGES_MAX + 1]; /* lines as they were printed, from cli->mem */
};

/* Lines that a terminal can redraw; 0 when stdout is none. */
static int terminal_rows(const struct output *out)
{
	struct winsize size;
	if (!out->terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_row;
}

static void draw(struct watch *w, const struct campaign_view *v, struct arena *mem)
{
	const struct output *out = &w->cli->out;
	if (w->drawn_lines > 0)
		fprintf(out->to, "\033[%dA\033[J", w->drawn_lines);
	/* Long lines are cut at the edge, or the number of lines would be wrong. */
	fprintf(out->to, "%s%s\n", out->terminal ? "\033[?7l" : "",
		campaign_view_title(v, out, mem));
	for (int i = 0; i < v->stage_count; i++)
		fprintf(out->to, "%s\n", campaign_view_stage(v, i, out, mem));
	const char *bytes = campaign_view_bytes(v, mem);
	if (bytes)
		fprintf(out->to, "%s\n", bytes);
	fputs(out->terminal ? "\033[?7h" : "", out->to);
	fflush(out->to);
	w->drawn_lines = v->stage_count + 1 + (bytes != NULL);
}

static bool has_changed(struct watch *w, int slot, const char *line)
{
	if (w->last[slot] && strcmp(w->last[slot], line) == 0)
		return false;
	w->last[slot] = arena_text(w->cli->mem, line);
	return true;
}

static void print_changes(struct watch *w, const struct campaign_view *v, struct arena *mem)
{
	int64_t elapsed_s = (clock_monotonic() - w->started_at) / USEC_PER_SEC;
	const char *title = campaign_view_title(v, &w->cli->out, mem);
	if (w->last[0] == NULL && has_changed(w, 0, title))
		fprintf(w->cli->out.to, "%s\n", title);
	for (int i = 0; i < v->stage_count; i++) {
		const char *line = campaign_view_line(v, i, mem);
		bool untouched = strcmp(v->stages[i].state, "waiting") == 0;
		if (!untouched && has_changed(w, i + 1, line))
			fprintf(w->cli->out.to, "%4" PRId64 "s  %s\n", elapsed_s, line);
	}
	fflush(w->cli->out.to);
}

static void show(struct watch *w, const json_t *campaign, const struct campaign_view *v,
		 struct arena *mem)
{
	const struct output *out = &w->cli->out;
	if (out->json) {
		CLEAN(mem) char *text = json_dumps(campaign, JSON_COMPACT | JSON_SORT_KEYS);
		if (text && has_changed(w, 0, text))
			output_json_line(out, campaign);
	} else if (terminal_rows(out) > v->stage_count + 2 && !out->plain) {
		draw(w, v, mem);
	} else {
		print_changes(w, v, mem);
	}
}

/* "rolled_back" reads better in two words. */
static const char *spaced(struct arena *mem, const char *state)
{
	char *ret = arena_text(mem, state);
	for (char *p = ret; (p = strchr(p, '_')) != NULL;)
		*p = ' ';
	return ret;
}

static void print_bad(struct cli *c, struct client *client, const char *path, const char *state)
{
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(reply) struct reply reply = { 0 };
	struct request in = { .method = "GET",
			      .path = arena_printf(mem, "%s/jobs?state=%s&page_size=%d", path,
						   state, BAD_DEVICES_MAX),
			      .quiet = true };
	if (client_call(client, &in, &reply) != EXIT_DONE)
		return;
	size_t i;
	json_t *job;
	json_array_foreach(json_object_get(reply.json, "items"), i, job)
	{
		const char *text = output_member(mem, job, "text");
		const char *cause = output_member(mem, job, "cause");
		const char *why = strcmp(text, "-") != 0 ? text : cause;
		fprintf(c->out.to, "  %s%s%s %s%s%s\n", output_style(&c->out, STYLE_RED),
			output_member(mem, job, "endpoint"), output_style(&c->out, STYLE_PLAIN),
			spaced(mem, output_member(mem, job, "state")),
			strcmp(why, "-") == 0 ? "" : ": ", strcmp(why, "-") == 0 ? "" : why);
	}
}

/* Why it stopped, and which devices made it stop. */
static void explain_stop(struct cli *c, struct client *client, const char *path,
			 const struct campaign_view *v)
{
	static const char *const bad[] = { "failed", "rolled_back", "silent", "rejected" };
	if (c->out.json)
		return;
	fprintf(c->out.to, "%s%s%s%s%s\n", output_style(&c->out, STYLE_YELLOW), v->state,
		output_style(&c->out, STYLE_PLAIN), v->pause_reason ? ": " : "",
		v->pause_reason ? v->pause_reason : "");
	for (size_t i = 0; i < ARRAY_LEN(bad) && v->failed > 0; i++)
		print_bad(c, client, path, bad[i]);
}

static bool is_over(const struct campaign_view *v)
{
	static const char *const ends[] = { "finished", "aborted", "paused", "draft" };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (strcmp(v->state, ends[i]) == 0)
			return true;
	return false;
}

/* Where nothing was drawn, and only when there is more to say than how much was sent. */
static void tell_bytes(const struct watch *w, const struct campaign_view *v)
{
	CLEAN(arena) struct arena *mem = arena_create();
	const char *line = campaign_view_bytes(v, mem);
	if (line && !w->cli->out.json && !w->drawn_lines &&
	    (v->bytes_saved || v->delta_fallbacks))
		fprintf(w->cli->out.to, "%s\n", line);
}

static enum exit_code finish(struct watch *w, const struct campaign_view *v)
{
	tell_bytes(w, v);
	if (strcmp(v->state, "finished") == 0) {
		if (!w->cli->out.json)
			fprintf(w->cli->out.to,
				"finished: %" PRId64 " of %" PRId64 " devices run release %s\n",
				v->succeeded + v->current, v->members, v->release);
		return EXIT_DONE;
	}
	if (strcmp(v->state, "draft") == 0)
		return cli_fail(EXIT_FAILED,
				"it was not started yet; try: muster campaign start %s",
				v->name);
	explain_stop(w->cli, w->client, w->path, v);
	return EXIT_CAMPAIGN;
}

static void wait_us(int64_t us)
{
	struct timespec left = { .tv_sec = us / USEC_PER_SEC,
				 .tv_nsec = us % USEC_PER_SEC * 1000 };
	nanosleep(&left, NULL);
}

/* A server that is away for a while does not end the watch. */
static enum exit_code get_patiently(struct watch *w, struct reply *ret)
{
	struct request in = { .method = "GET", .path = w->path, .quiet = true };
	for (;;) {
		enum exit_code code = client_call(w->client, &in, ret);
		int64_t now = clock_monotonic();
		if (code == EXIT_DONE) {
			w->lost_at = 0;
			return code;
		}
		if (w->lost_at == 0) {
			w->lost_at = now;
			cli_say("The server does not answer; trying again for %d s.",
				OUTAGE_MAX_S);
			w->drawn_lines = 0;
		}
		bool passing =
			code == EXIT_FAILED && now - w->lost_at < OUTAGE_MAX_S * USEC_PER_SEC;
		if (!passing)
			return client_get(w->client, w->path, ret);
		wait_us(w->interval_us);
		reply_finish(ret);
	}
}

/* The other end of a pipe may close while there is nothing to write, for hours. */
static bool is_unheard(const struct output *out)
{
	struct pollfd to = { .fd = fileno(out->to) };
	return ferror(out->to) || (poll(&to, 1, 0) == 1 && (to.revents & (POLLERR | POLLHUP)));
}

static enum exit_code follow(struct watch *w)
{
	for (;;) {
		CLEAN(arena) struct arena *mem = arena_create();
		CLEAN(reply) struct reply reply = { 0 };
		struct campaign_view view;
		enum exit_code code = get_patiently(w, &reply);
		if (code != EXIT_DONE)
			return code;
		campaign_view_read(reply.json, mem, &view);
		show(w, reply.json, &view, mem);
		if (is_over(&view))
			return finish(w, &view);
		if (is_unheard(&w->cli->out))
			return cli_fail(EXIT_FAILED,
					"nobody reads what is shown; the campaign goes on");
		if (w->timeout_us && clock_monotonic() - w->started_at >= w->timeout_us)
			return cli_fail(EXIT_PENDING,
					"it still runs; the time to watch is over");
		wait_us(w->interval_us);
	}
}

static enum exit_code duration_option(struct cli *c, const char *option, int64_t *ret_us)
{
	int64_t seconds;
	const char *text = args_value(&c->args, option);
	if (!text)
		return EXIT_DONE;
	if (parse_duration(text, &seconds) != RC_OK || seconds == 0)
		return cli_fail(EXIT_FAILED, "--%s \"%s\": write a duration such as 2s or 10m",
				option, text);
	*ret_us = seconds * USEC_PER_SEC;
	return EXIT_DONE;
}

static enum exit_code show_once(struct watch *w)
{
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(reply) struct reply reply = { 0 };
	struct campaign_view view;
	enum exit_code code = client_get(w->client, w->path, &reply);
	if (code != EXIT_DONE)
		return code;
	if (w->cli->out.json) {
		output_json(&w->cli->out, reply.json);
		return EXIT_DONE;
	}
	campaign_view_read(reply.json, mem, &view);
	draw(w, &view, mem);
	if (view.pause_reason || strcmp(view.state, "aborted") == 0)
		explain_stop(w->cli, w->client, w->path, &view);
	return EXIT_DONE;
}

enum exit_code campaign_status(struct cli *c)
{
	struct watch w = { .cli = c,
			   .interval_us = USEC_PER_SEC,
			   .started_at = clock_monotonic() };
	const char *id;
	enum exit_code code = duration_option(c, "interval", &w.interval_us);
	if (code == EXIT_DONE)
		code = duration_option(c, "timeout", &w.timeout_us);
	if (code == EXIT_DONE)
		code = cli_client(c, &w.client);
	if (code == EXIT_DONE)
		code = resolve_campaign(w.client, args_operand(&c->args, 0), c->mem, &id);
	if (code != EXIT_DONE)
		return code;
	w.path = arena_printf(c->mem, "/v1/campaigns/%s", id);
	return args_has(&c->args, "watch") ? follow(&w) : show_once(&w);
}
