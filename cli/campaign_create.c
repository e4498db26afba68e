/* campaign create: from options to the API's body.  The server checks everything again and
 * knows what only it can know, such as the classes of the devices. */

#include "base/clean.h"
#include "cli/campaign.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/parse.h"
#include "cli/resolve.h"

#include <string.h>

static enum exit_code option_seconds(struct cli *c, const char *option, json_t *body,
				     const char *member)
{
	int64_t seconds;
	const char *text = args_value(&c->args, option);
	if (!text)
		return EXIT_DONE;
	if (parse_duration(text, &seconds) != RC_OK)
		return cli_fail(EXIT_FAILED,
				"--%s \"%s\": write a duration such as 90s, 10m or 1h30m",
				option, text);
	json_object_set_new(body, member, json_integer(seconds));
	return EXIT_DONE;
}

/* A share in percent as a JSON number: 0.1, 50. */
static json_t *percent_number(int64_t percent)
{
	return percent % PERCENT == 0 ? json_integer(percent / PERCENT)
				      : json_real((double)percent / (double)PERCENT);
}

static enum exit_code option_percent(struct cli *c, const char *option, json_t *body,
				     const char *member)
{
	int64_t percent;
	const char *text = args_value(&c->args, option);
	if (!text)
		return EXIT_DONE;
	if (parse_percent(text, &percent) != RC_OK)
		return cli_fail(EXIT_FAILED,
				"--%s \"%s\": write a percentage such as 2%% or 0.5%%", option,
				text);
	json_object_set_new(body, member, percent_number(percent));
	return EXIT_DONE;
}

static enum exit_code option_count(struct cli *c, const char *option, json_t *body,
				   const char *member)
{
	uint64_t count;
	const char *text = args_value(&c->args, option);
	if (!text)
		return EXIT_DONE;
	if (parse_u64(bytes_of(text), 1000000000, &count) != RC_OK || count == 0)
		return cli_fail(EXIT_FAILED, "--%s \"%s\": write a number from 1 on", option,
				text);
	json_object_set_new(body, member, json_integer((json_int_t)count));
	return EXIT_DONE;
}

/* The gate is the same for every stage. */
static enum exit_code make_gate(struct cli *c, json_t *gate)
{
	enum exit_code code = option_seconds(c, "soak", gate, "soak_s");
	if (code == EXIT_DONE)
		code = option_percent(c, "max-fail", gate, "failure_percent");
	if (code == EXIT_DONE)
		code = option_percent(c, "min-success", gate, "success_percent");
	if (code == EXIT_DONE)
		code = option_count(c, "min-sample", gate, "min_sample");
	return code;
}

static enum exit_code make_stages(struct cli *c, json_t *body)
{
	struct stage_step steps[STAGE_STEPS_MAX];
	int count;
	const char *why, *text = args_value(&c->args, "stages");
	CLEAN(json) json_t *gate = json_object();
	enum exit_code code = make_gate(c, gate);
	if (code != EXIT_DONE)
		return code;
	if (!text && json_object_size(gate) == 0)
		return EXIT_DONE; /* the server's default */
	if (parse_stages(text ? text : "100%", c->mem, steps, &count, &why) != RC_OK)
		return cli_fail(EXIT_FAILED, "--stages: %s", why);
	json_t *stages = json_array();
	for (int i = 0; i < count; i++) {
		json_t *stage = json_copy(gate);
		if (steps[i].count)
			json_object_set_new(stage, "count", json_integer(steps[i].count));
		else
			json_object_set_new(stage, "percent", percent_number(steps[i].percent));
		json_array_append_new(stages, stage);
	}
	json_object_set_new(body, "stages", stages);
	return EXIT_DONE;
}

static enum exit_code target_attributes(struct cli *c, json_t *target)
{
	const char *texts[ARGS_MAX], *name, *value;
	int count = args_values(&c->args, "where-attribute", texts);
	json_t *attributes = json_object();
	json_object_set_new(target, "attributes", attributes);
	for (int i = 0; i < count; i++) {
		if (parse_label(texts[i], c->mem, &name, &value) != RC_OK)
			return cli_fail(EXIT_FAILED, "\"%s\" must be NAME=VALUE", texts[i]);
		const char *before = json_string_value(json_object_get(attributes, name));
		if (before && strcmp(before, value) != 0)
			return cli_fail(EXIT_FAILED, "no device has two values of \"%s\"",
					name);
		if (json_object_set_new(attributes, name, json_string(value)) != 0)
			return cli_fail(EXIT_FAILED, "\"%s\" must be NAME=VALUE", texts[i]);
	}
	return EXIT_DONE;
}

static enum exit_code target_devices(struct cli *c, json_t *target)
{
	const char *texts[ARGS_MAX];
	int count = args_values(&c->args, "device", texts);
	json_t *devices = json_array();
	json_object_set_new(target, "devices", devices);
	for (int i = 0; i < count; i++) {
		char *rest = arena_text(c->mem, texts[i]), *name;
		while ((name = strsep(&rest, ",")) != NULL)
			if (json_array_append_new(devices, json_string(name)) != 0)
				return cli_fail(EXIT_FAILED, "\"%s\" is not UTF-8", name);
	}
	return EXIT_DONE;
}

static enum exit_code make_target(struct cli *c, json_t *body)
{
	bool devices = args_has(&c->args, "device"), all = args_has(&c->args, "all");
	bool attributes = args_has(&c->args, "where-attribute");
	if (devices + attributes + all != 1)
		return cli_fail(EXIT_FAILED, "say which devices: --device NAME, "
					     "--where-attribute NAME=VALUE or --all");
	json_t *target = json_object();
	json_object_set_new(body, "target", target);
	if (devices)
		return target_devices(c, target);
	if (attributes)
		return target_attributes(c, target);
	json_object_set_new(target, "all", json_true());
	return EXIT_DONE;
}

/* "lock-7-3.7", unless --name says otherwise. */
static enum exit_code make_name(struct cli *c, struct client *client, const char *release_id,
				json_t *body)
{
	const char *name = args_value(&c->args, "name");
	CLEAN(reply) struct reply reply = { 0 };
	if (!name) {
		const char *path = arena_printf(c->mem, "/v1/releases/%s", release_id);
		enum exit_code code = client_get(client, path, &reply);
		if (code != EXIT_DONE)
			return code;
		const char *class_name = output_member(c->mem, reply.json, "class_name");
		const char *slash = strrchr(class_name, '/');
		name = arena_printf(c->mem, "%s-%s", slash ? slash + 1 : class_name,
				    output_member(c->mem, reply.json, "version"));
	}
	if (json_object_set_new(body, "name", json_string(name)) != 0)
		return cli_fail(EXIT_FAILED, "the name is not UTF-8");
	return EXIT_DONE;
}

static enum exit_code make_body(struct cli *c, struct client *client, json_t *body)
{
	const char *release = args_value(&c->args, "release"), *id;
	if (!release)
		return cli_fail(EXIT_FAILED, "campaign create needs --release");
	enum exit_code code = make_target(c, body);
	if (code == EXIT_DONE)
		code = make_stages(c, body);
	if (code == EXIT_DONE)
		code = option_seconds(c, "silent-after", body, "silent_after_s");
	if (code == EXIT_DONE)
		code = option_count(c, "max-attempts", body, "max_attempts");
	if (code == EXIT_DONE)
		code = resolve_release(client, release, c->mem, &id);
	if (code != EXIT_DONE)
		return code;
	json_object_set_new(body, "release_id", json_string(id));
	if (args_has(&c->args, "dry-run"))
		json_object_set_new(body, "validate_only", json_true());
	return make_name(c, client, id, body);
}

static const char *bound_text(struct arena *mem, const json_t *item)
{
	return output_member(mem, json_object_get(item, "bound"), "text");
}

static const char *bytes_text_of(struct arena *mem, const json_t *item)
{
	const json_t *size = json_object_get(item, "bytes");
	return json_is_integer(size) ? output_size(mem, json_integer_value(size)) : "-";
}

/* Nothing of it where the release has no delta, or none that fits. */
static const char *deltas_text(struct arena *mem, const json_t *item)
{
	json_int_t n = json_integer_value(json_object_get(item, "deltas"));
	json_int_t of = json_integer_value(json_object_get(item, "members"));
	return n > 0 ? arena_printf(mem, "for %d of %d devices", (int)n, (int)of) : "-";
}

static void print_dry_run(struct cli *c, const json_t *answer)
{
	static const struct column card[] = {
		{ "Devices", "members", NULL, false },
		{ "Current", "current", NULL, false },
		{ "Such as", "sample", NULL, false },
		{ "Stages", "stages", NULL, false },
		{ "To send", "bytes", bytes_text_of, false },
		{ "Deltas", "deltas", deltas_text, false },
		{ "Bound", "bound", bound_text, false },
	};
	output_object(&c->out, card, ARRAY_LEN(card), answer);
	cli_say("Nothing was made: this was a dry run.");
}

static void print_created(struct cli *c, const json_t *answer)
{
	static const struct column card[] = {
		{ "Campaign", "name", NULL, false },
		{ "Id", "campaign_id", NULL, false },
		{ "State", "state", NULL, false },
		{ "Release", "release_version", NULL, false },
		{ "Devices", "members", NULL, false },
		{ "Bound", "bound", bound_text, false },
	};
	output_object(&c->out, card, ARRAY_LEN(card), answer);
	cli_say("Next: muster campaign start %s", output_member(c->mem, answer, "name"));
}

enum exit_code campaign_create(struct cli *c)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	CLEAN(json) json_t *body = json_object();
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = make_body(c, client, body);
	if (code == EXIT_DONE)
		code = client_post(client, "/v1/campaigns", body, &reply);
	if (code != EXIT_DONE)
		return code;
	if (args_has(&c->args, "dry-run"))
		print_dry_run(c, reply.json);
	else
		print_created(c, reply.json);
	return EXIT_DONE;
}
