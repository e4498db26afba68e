/* JSON forms of campaigns and jobs.  Percentages are numbers with at most two decimals outside
 * and hundredths of a percent inside. */

#include "api/rest/campaign_json.h"

#include "base/clean.h"
#include "core/device.h"

#include <inttypes.h>

/* --- reading --- */

static void read_gate(struct js *in, struct gate *ret)
{
	ret->success_share =
		(int32_t)js_fixed(in, "success_percent", 2, GATE_SUCCESS_DEFAULT, SHARE_ALL);
	ret->failure_share =
		(int32_t)js_fixed(in, "failure_percent", 2, GATE_FAILURE_DEFAULT, SHARE_ALL);
	ret->min_sample = (int32_t)js_i64(in, "min_sample", GATE_SAMPLE_DEFAULT, 0, INT32_MAX);
	ret->soak_s = (int32_t)js_i64(in, "soak_s", 0, 0, SOAK_MAX);
}

static void read_stage(struct js *in, struct stage *ret)
{
	ret->share = (int32_t)js_fixed(in, "percent", 2, 0, SHARE_ALL);
	ret->count = js_i64(in, "count", 0, 1, INT64_C(1) << 40);
	read_gate(in, &ret->gate);
	enum rc rc = js_done(in);
	(void)rc; /* noted in the call; the body's own js_done() tells */
}

static const struct stage everybody = {
	.share = SHARE_ALL,
	.gate = {
		.success_share = GATE_SUCCESS_DEFAULT,
		.failure_share = GATE_FAILURE_DEFAULT,
		.min_sample = GATE_SAMPLE_DEFAULT,
	},
};

static void read_stages(struct call *c, struct js *in, struct campaign_new *ret)
{
	int n = js_array(in, "stages", JS_OPTIONAL, STAGES_MAX);
	struct stage *stages = arena_array(c->mem, STAGES_MAX, sizeof(*stages));

	ret->stages = n < 0 ? &everybody : stages;
	ret->stage_count = n < 0 ? 1 : n;
	for (int i = 0; i < n; i++) {
		struct js item;
		if (js_item_object(in, "stages", i, &item))
			read_stage(&item, &stages[i]);
	}
}

static json_t *read_devices(struct js *target)
{
	json_t *names = json_array();
	int n = js_array(target, "devices", JS_REQUIRED, TARGET_DEVICES_MAX);

	for (int i = 0; i < n; i++) {
		const char *name = js_item_text(target, "devices", i, 1, ENDPOINT_NAME_MAX);
		if (name && !endpoint_name_valid(name))
			(void)call_field(target->c, "/target/devices",
					 "no name of a device: %s", name);
		if (name)
			json_array_append_new(names, json_string(name));
	}
	return names;
}

static json_t *read_attributes(struct js *target)
{
	struct js_pair pairs[ATTRIBUTES_MAX];
	struct js_map map = { "attributes", ATTRIBUTES_MAX, ATTRIBUTE_NAME_MAX,
			      ATTRIBUTE_VALUE_MAX, false };
	json_t *o = json_object();
	int n = js_pairs(target, &map, pairs);

	for (int i = 0; i < n; i++)
		js_put_text(o, pairs[i].name, pairs[i].value);
	if (n == 0)
		js_wrong(target, "attributes", "name at least one attribute");
	return o;
}

/* The target as it is stored: checked, and without anything else. */
static const char *read_target(struct call *c, struct js *in)
{
	CLEAN(json) json_t *o = json_object();
	struct js target;

	if (!js_object(in, "target", JS_REQUIRED, &target))
		return "{}";
	int kinds = js_has(&target, "devices") + js_has(&target, "attributes") +
		    js_has(&target, "all");
	if (kinds != 1)
		js_wrong(in, "target", "give one of devices, attributes and all");
	else if (js_has(&target, "devices"))
		js_put(o, "devices", read_devices(&target));
	else if (js_has(&target, "attributes"))
		js_put(o, "attributes", read_attributes(&target));
	else if (js_bool(&target, "all", false))
		js_put_bool(o, "all", true);
	else
		js_wrong(&target, "all", "can only be true");
	enum rc rc = kinds == 1 ? js_done(&target) : RC_OK;
	(void)rc; /* noted in the call; the body's own js_done() tells */
	char *text = json_dumps(o, JSON_COMPACT);
	const char *ret = arena_text(c->mem, text ? text : "{}");
	free(text);
	return ret;
}

enum rc campaign_read(struct call *c, const struct req *req, struct campaign_new *ret,
		      bool *ret_validate_only)
{
	CLEAN(js_body) struct js in = { 0 };
	struct campaign_new new = { 0 };

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	new.name = js_text(&in, "name", JS_REQUIRED, 1, CAMPAIGN_NAME_MAX);
	(void)js_uuid(&in, "release_id", JS_REQUIRED, &new.release_id);
	new.target = read_target(c, &in);
	read_stages(c, &in, &new);
	new.silent_after_s = (int32_t)js_i64(&in, "silent_after_s", SILENT_AFTER_DEFAULT, 1,
					     SILENT_AFTER_MAX);
	new.max_attempts =
		(int32_t)js_i64(&in, "max_attempts", MAX_ATTEMPTS_DEFAULT, 1, ATTEMPTS_MAX);
	bool validate_only = js_bool(&in, "validate_only", false);
	rc = js_done(&in);
	if (rc != RC_OK)
		return rc;
	*ret = new;
	*ret_validate_only = validate_only;
	return RC_OK;
}

/* --- writing --- */

static void put_percent(json_t *o, const char *name, int32_t share)
{
	if (share % 100 == 0)
		js_put_i64(o, name, share / 100);
	else
		js_put(o, name, json_real(share / 100.0));
}

static json_t *counts_json(const struct stage_counts *counts)
{
	json_t *o = json_object();

	for (int s = 0; s < JOB_STATE_END; s++) {
		const char *name = job_state_name((enum job_state)s);
		if (s <= JOB_REBOOTING || s >= JOB_SUCCEEDED)
			js_put_i64(o, name, counts->n[s]);
	}
	return o;
}

static json_t *stage_json(const struct stage *s, const struct stage_counts *counts)
{
	json_t *o = json_object();

	js_put_i64(o, "stage", s->stage);
	if (s->count)
		js_put_i64(o, "count", s->count);
	else
		put_percent(o, "percent", s->share);
	put_percent(o, "success_percent", s->gate.success_share);
	put_percent(o, "failure_percent", s->gate.failure_share);
	js_put_i64(o, "min_sample", s->gate.min_sample);
	js_put_i64(o, "soak_s", s->gate.soak_s);
	js_put_text(o, "state", stage_state_name(s->state));
	js_put_i64(o, "members", s->members);
	js_put_time(o, "opened_at", s->opened_at);
	js_put_time(o, "reached_at", s->reached_at);
	js_put_time(o, "closed_at", s->closed_at);
	js_put(o, "counts", counts_json(counts));
	return o;
}

static json_t *bound_json(struct arena *mem, int64_t bound, int64_t members)
{
	json_t *o = json_object();

	js_put_i64(o, "devices", bound);
	js_put_text(o, "text",
		    arena_printf(mem,
				 "At most %" PRId64 " of %" PRId64
				 " devices are exposed before the first automatic stop. "
				 "Not noticed is one that falls silent after it has proved "
				 "the release.",
				 bound, members));
	return o;
}

static json_t *bytes_json(const struct campaign_bytes *bytes)
{
	json_t *o = json_object();

	js_put_i64(o, "offered", bytes->offered);
	js_put_i64(o, "saved", bytes->saved);
	js_put_i64(o, "delta_fallbacks", bytes->fallbacks);
	return o;
}

json_t *campaign_json(struct arena *mem, const struct campaign_item *item)
{
	const struct campaign *c = &item->row.campaign;
	json_t *o = json_object(), *stages = json_array();

	for (int i = 0; i < c->stage_count; i++)
		json_array_append_new(stages, stage_json(&c->stages[i], &item->counts[i]));
	js_put_uuid(o, "campaign_id", &c->campaign_id);
	js_put_text(o, "name", c->name);
	js_put_uuid(o, "release_id", &c->release_id);
	js_put_text(o, "release_version", item->row.release_version);
	js_put_text(o, "state", campaign_state_name(c->state));
	js_put_text(o, "pause_reason", c->pause_reason);
	js_put_raw(o, "target", item->row.target);
	js_put_i64(o, "members", c->members);
	js_put_i64(o, "stage", c->stage);
	js_put_i64(o, "silent_after_s", c->silent_after_s);
	js_put_i64(o, "max_attempts", c->max_attempts);
	js_put(o, "stages", stages);
	js_put(o, "counts", counts_json(&item->total));
	js_put(o, "bytes", bytes_json(&item->bytes));
	js_put(o, "bound", bound_json(mem, item->bound, c->members));
	js_put_time(o, "created_at", c->created_at);
	js_put_time(o, "started_at", c->started_at);
	js_put_time(o, "ended_at", c->ended_at);
	js_put_i64(o, "revision", c->revision);
	return o;
}

json_t *campaign_preview_json(struct arena *mem, const struct campaign_new *in,
			      const struct campaign_preview *preview)
{
	json_t *o = json_object(), *sample = json_array(), *sizes = json_array();
	const struct audience *audience = &preview->audience;

	for (int i = 0; i < audience->sample_count; i++)
		json_array_append_new(sample, json_string(audience->sample[i]));
	for (int i = 0; i < in->stage_count; i++)
		json_array_append_new(sizes, json_integer(preview->sizes[i]));
	js_put_i64(o, "members", audience->members);
	js_put_i64(o, "current", audience->current);
	js_put(o, "sample", sample);
	js_put(o, "stages", sizes);
	js_put(o, "bound", bound_json(mem, preview->bound, audience->members));
	js_put_i64(o, "bytes", preview->bytes);
	js_put_i64(o, "deltas", preview->deltas);
	return o;
}

json_t *job_json(const struct job_item *item)
{
	static const struct digest unknown;
	const struct job *job = &item->job;
	json_t *o = json_object();

	js_put_text(o, "endpoint", item->endpoint);
	js_put_uuid(o, "device_id", &job->device_id);
	if (job->job_id)
		js_put_i64(o, "job_id", job->job_id);
	js_put_text(o, "state", job_state_name(job->state));
	if (job->cause)
		js_put_text(o, "cause", job_cause_name(job->cause));
	if (item->text[0])
		js_put_text(o, "text", item->text);
	js_put_i64(o, "stage", job->stage);
	if (job->attempt)
		js_put_i64(o, "attempt", job->attempt);
	js_put_i64(o, "bytes_done", job->bytes_done);
	js_put_i64(o, "bytes_total", job->bytes_total);
	js_put_i64(o, "bytes_saved", job->bytes_saved);
	if (job->fell_back)
		js_put_bool(o, "fell_back", true);
	if (!digest_equal(&job->manifest, &unknown))
		js_put_digest(o, "manifest_digest", &job->manifest);
	js_put_time(o, "updated_at", job->updated_at);
	if (!digest_equal(&job->from_digest, &unknown))
		js_put_digest(o, "from_digest", &job->from_digest);
	return o;
}
