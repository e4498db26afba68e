/* The daemon's own operations: is it alive, is it ready, how is it doing, what are its limits.
 */

#include "api/rest/rest.h"

#include "api/cursor.h"
#include "api/json.h"
#include "api/metrics.h"
#include "base/model/campaign.h"
#include "base/model/operator.h"
#include "base/model/release.h"
#include "core/core.h"
#include "core/device.h"
#include "core/images.h"
#include "core/roster.h"

#include <stdatomic.h>

static void answer_status(struct call *c, struct res *res, const char *word)
{
	json_t *o = json_object();

	js_put_text(o, "status", word);
	js_answer(c, res, o);
}

enum rc h_livez(struct call *c, const struct req *req, struct res *res)
{
	(void)req;
	answer_status(c, res, "alive");
	return RC_OK;
}

enum rc h_readyz(struct call *c, const struct req *req, struct res *res)
{
	const char *why = atomic_load(&c->core->not_ready);

	(void)req;
	if (why)
		return call_fail(c, ERR_UNAVAILABLE, "%s", why);
	if (!c->core->pool || !db_pool_healthy(c->core->pool))
		return call_fail(c, ERR_UNAVAILABLE, "the database is away");
	if (!c->core->roster || !roster_ready(c->core->roster))
		return call_fail(c, ERR_UNAVAILABLE, "the devices are still being loaded");
	answer_status(c, res, "ready");
	return RC_OK;
}

enum rc h_metrics(struct call *c, const struct req *req, struct res *res)
{
	(void)req;
	res->body = metrics_render(c->mem);
	res->format = FORMAT_METRICS;
	return RC_OK;
}

struct limit {
	const char *name;
	int64_t value;
};

/* The largest of the routes' own limits is the campaign's, for its list of devices. */
static const struct limit limits[] = {
	{ "body_max", BODY_MAX_DEFAULT },
	{ "envelope_max", ENVELOPE_MAX },
	{ "image_max", IMAGE_SIZE_MAX },
	{ "page_size_default", PAGE_SIZE_DEFAULT },
	{ "page_size_max", PAGE_SIZE_MAX },
	{ "query_max", REQ_QUERY_MAX },
	{ "endpoint_name_max", ENDPOINT_NAME_MAX },
	{ "operator_name_max", OPERATOR_NAME_MAX },
	{ "components_max", COMPONENTS_MAX },
	{ "component_name_max", COMPONENT_NAME_MAX },
	{ "attributes_max", ATTRIBUTES_MAX },
	{ "attribute_name_max", ATTRIBUTE_NAME_MAX },
	{ "attribute_value_max", ATTRIBUTE_VALUE_MAX },
	{ "attribute_filters_max", DEVICE_FILTERS_MAX },
	{ "version_max", VERSION_TEXT_MAX },
	{ "release_notes_max", RELEASE_NOTES_MAX },
	{ "release_manifests_max", RELEASE_VARIANTS_MAX },
	{ "manifest_images_max", MANIFEST_IMAGES_MAX },
	{ "manifest_signers_max", MANIFEST_SIGNERS_MAX },
	{ "stages_max", STAGES_MAX },
	{ "psk_min", PSK_MIN },
	{ "psk_max", PSK_MAX },
};

enum rc h_limits_get(struct call *c, const struct req *req, struct res *res)
{
	json_t *o = json_object();

	(void)req;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		js_put_i64(o, limits[i].name, limits[i].value);
	js_answer(c, res, o);
	return RC_OK;
}
