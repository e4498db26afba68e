/* Campaigns: list, start, pause, resume, abort, jobs, and the table of their commands.
 * Creating one is in campaign_create.c, its display in campaign_status.c. */

#include "cli/campaign.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/list.h"
#include "cli/prompt.h"
#include "cli/resolve.h"

#include <string.h>

static const char *created_text(struct arena *mem, const json_t *item)
{
	return output_time(mem, json_object_get(item, "created_at"));
}

static const struct column campaign_columns[] = {
	{ "Campaign", "name", NULL, false },
	{ "State", "state", NULL, false },
	{ "Release", "release_version", NULL, false },
	{ "Devices", "members", NULL, true },
	{ "Created", "created_at", created_text, false },
	{ "Id", "campaign_id", NULL, false },
};

static enum exit_code run_campaign_ls(struct cli *c)
{
	return list_print(c, "/v1/campaigns", campaign_columns, ARRAY_LEN(campaign_columns));
}

/* POSTs /v1/campaigns/{id}/<verb> with the revision that the campaign has now. */
static enum exit_code change_state(struct cli *c, const char *verb, struct reply *ret)
{
	struct client *client;
	const char *id;
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = resolve_campaign(client, args_operand(&c->args, 0), c->mem, &id);
	if (code != EXIT_DONE)
		return code;
	const char *path = arena_printf(c->mem, "/v1/campaigns/%s", id);
	struct request in = { .method = "POST",
			      .path = arena_printf(c->mem, "%s/%s", path, verb) };
	code = client_change(client, path, &in, ret);
	if (code == EXIT_DONE && c->out.json)
		output_json(&c->out, ret->json);
	return code;
}

enum exit_code campaign_start(struct cli *c)
{
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = change_state(c, "start", &reply);
	if (code != EXIT_DONE)
		return code;
	const char *name = output_member(c->mem, reply.json, "name");
	const char *bound = output_member(c->mem, json_object_get(reply.json, "bound"), "text");
	cli_say("Campaign %s starts.%s%s", name, strcmp(bound, "-") == 0 ? "" : "  ",
		strcmp(bound, "-") == 0 ? "" : bound);
	cli_say("Next: muster campaign status %s --watch", name);
	return EXIT_DONE;
}

static enum exit_code change_and_say(struct cli *c, const char *verb, const char *text)
{
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = change_state(c, verb, &reply);
	if (code == EXIT_DONE)
		cli_say("Campaign %s %s", output_member(c->mem, reply.json, "name"), text);
	return code;
}

enum exit_code campaign_pause(struct cli *c)
{
	return change_and_say(c, "pause",
			      "is paused: nothing new is offered; updates under way go on.");
}

enum exit_code campaign_resume(struct cli *c)
{
	return change_and_say(c, "resume", "goes on.");
}

enum exit_code campaign_abort(struct cli *c)
{
	const char *name = args_operand(&c->args, 0);
	enum exit_code code = prompt_name(c, "end the campaign for good", name);
	return code == EXIT_DONE ? change_and_say(c, "abort", "is aborted.") : code;
}

static const char *progress_text(struct arena *mem, const json_t *item)
{
	json_int_t done = json_integer_value(json_object_get(item, "bytes_done"));
	json_int_t total = json_integer_value(json_object_get(item, "bytes_total"));
	return total > 0 ? arena_printf(mem, "%d%%", (int)(done * 100 / total)) : "-";
}

static const char *stage_number(struct arena *mem, const json_t *item)
{
	const json_t *stage = json_object_get(item, "stage");
	if (!json_is_integer(stage))
		return "-";
	return arena_printf(mem, "%d", (int)json_integer_value(stage) + 1);
}

static enum exit_code run_campaign_jobs(struct cli *c)
{
	static const struct column columns[] = {
		{ "Device", "endpoint", NULL, false },
		{ "Stage", "stage", stage_number, true },
		{ "State", "state", NULL, false },
		{ "Sent", "bytes_done", progress_text, true },
		{ "Attempt", "attempt", NULL, true },
		{ "Cause", "cause", NULL, false },
		{ "Text", "text", NULL, false },
	};
	struct client *client;
	const char *id, *state = args_value(&c->args, "state"),
			*stage = args_value(&c->args, "stage");
	uint64_t number = 1;
	if (stage && (parse_u64(bytes_of(stage), 1000, &number) != RC_OK || number == 0))
		return cli_fail(EXIT_FAILED, "--stage \"%s\": stages count from 1", stage);
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = resolve_campaign(client, args_operand(&c->args, 0), c->mem, &id);
	if (code != EXIT_DONE)
		return code;
	const char *path =
		arena_printf(c->mem, "/v1/campaigns/%s/jobs%s%s", id, state ? "?state=" : "",
			     state ? client_escape(c->mem, state) : "");
	if (stage)
		path = arena_printf(c->mem, "%s%cstage=%d", path, state ? '&' : '?',
				    (int)number - 1);
	return list_print(c, path, columns, ARRAY_LEN(columns));
}

static const struct option_def create_options[] = {
	{ "release", "RELEASE", "what to bring (needed)", OPTION_VALUE, false },
	{ "device", "NAME", "to this device; several with commas", OPTION_MANY, false },
	{ "where-attribute", "NAME=VALUE", "to every device with this label", OPTION_MANY,
	  false },
	{ "all", NULL, "to every device of the release's class", OPTION_FLAG, false },
	{ "stages", "LIST",
	  "who comes first: numbers and shares, such as 1,50%,100%; default 100%", OPTION_VALUE,
	  false },
	{ "soak", "DURATION", "how long a good stage is watched before the next opens",
	  OPTION_VALUE, false },
	{ "max-fail", "PERCENT", "more failures than this share stop the campaign",
	  OPTION_VALUE, false },
	{ "min-success", "PERCENT", "the share that must succeed before the next stage opens",
	  OPTION_VALUE, false },
	{ "min-sample", "NUMBER", "finished devices before the gate may judge", OPTION_VALUE,
	  false },
	{ "silent-after", "DURATION",
	  "a device quiet for so long in its update counts as failed", OPTION_VALUE, false },
	{ "max-attempts", "NUMBER", "tries for each device", OPTION_VALUE, false },
	{ "name", "NAME", "default: class and version, such as lock-7-3.7", OPTION_VALUE,
	  false },
	{ "dry-run", NULL, "show audience, stages, bytes and bound; make nothing", OPTION_FLAG,
	  false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def status_options[] = {
	{ "watch", NULL, "follow it until it ends or stops", OPTION_FLAG, false },
	{ "interval", "DURATION", "with --watch: how often to look; default 1s", OPTION_VALUE,
	  false },
	{ "timeout", "DURATION", "with --watch: give up after this time", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def jobs_options[] = {
	{ "state", "STATE", "only jobs in this state, such as failed", OPTION_VALUE, false },
	{ "stage", "NUMBER", "only this stage, counted from 1", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def abort_options[] = {
	{ "yes", NULL, "do not ask", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_campaign[] = {
	{ "campaign create", "", 0, 0, "Aim a release at devices, in stages",
	  "The campaign is a draft until it is started. Each stage includes the ones before "
	  "it.",
	  "muster campaign create --release 3.7 --all --stages 1,50%,100% --soak 1h --max-fail "
	  "2%",
	  create_options, campaign_create },
	{ "campaign ls", "", 0, 0, "List the campaigns", NULL, NULL, NULL, run_campaign_ls },
	{ "campaign start", "CAMPAIGN", 1, 1, "Start a campaign", NULL, NULL, NULL,
	  campaign_start },
	{ "campaign status", "CAMPAIGN", 1, 1, "Show how far a campaign is",
	  "With --watch it ends with 0 when the campaign finished, and with 5 when its gate, "
	  "an operator "
	  "or an abort stopped it, saying why.",
	  "muster campaign status lock-7-3.7 --watch", status_options, campaign_status },
	{ "campaign jobs", "CAMPAIGN", 1, 1,
	  "List the devices of a campaign and how far each is", NULL,
	  "muster campaign jobs lock-7-3.7 --state failed", jobs_options, run_campaign_jobs },
	{ "campaign pause", "CAMPAIGN", 1, 1, "Stop offering; updates under way go on", NULL,
	  NULL, NULL, campaign_pause },
	{ "campaign resume", "CAMPAIGN", 1, 1, "Go on after a pause", NULL, NULL, NULL,
	  campaign_resume },
	{ "campaign abort", "CAMPAIGN", 1, 1, "End a campaign for good", NULL, NULL,
	  abort_options, campaign_abort },
	{ 0 },
};
