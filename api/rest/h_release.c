/* Images and releases over REST. */
#include "api/rest/rest.h"

#include "api/cursor.h"
#include "api/rest/fleet_json.h"
#include "base/clean.h"
#include "core/core.h"
#include "core/images.h"
#include "core/release.h"

#include <inttypes.h>
#include <string.h>

static const char *const no_filters[] = { NULL };

/* --- images --- */

enum rc h_image_list(struct call *c, const struct req *req, struct res *res)
{
	struct digest after;
	struct image_item *list = NULL;
	struct page page;
	const char *next = NULL;
	char hex[DIGEST_TEXT_SIZE];
	int n = 0;

	enum rc rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK && page.position && digest_parse(page.position, &after) != RC_OK)
		rc = call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	if (rc == RC_OK)
		rc = image_list(c, page.position ? &after : NULL, page.size + 1, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%s", digest_format(&list[n - 1].digest, hex));
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, image_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

enum rc h_image_put(struct call *c, const struct req *req, struct res *res)
{
	struct digest digest;
	struct image_item image;
	bool is_new = false;

	/* The dispatcher has stored the bytes under this digest already. */
	enum rc rc = param_digest(c, req, 0, &digest);
	if (rc == RC_OK && req->uploaded_size == 0)
		rc = call_fail(c, ERR_BAD_REQUEST, "the image is the body, and not empty");
	if (rc == RC_OK)
		rc = image_add(c, &digest, req->uploaded_size, &image, &is_new);
	if (rc != RC_OK)
		return rc;
	res->status = is_new ? 201 : 200;
	if (is_new)
		res->location = arena_printf(c->mem, "/v1/images/%s", req->params[0]);
	js_answer(c, res, image_json(&image));
	return RC_OK;
}

enum rc h_image_get(struct call *c, const struct req *req, struct res *res)
{
	struct digest digest;
	struct image_item image;
	char hex[DIGEST_TEXT_SIZE];

	enum rc rc = param_digest(c, req, 0, &digest);
	if (rc == RC_OK)
		rc = image_get(c, &digest, &image);
	if (rc == RC_OK)
		rc = images_open(c->core->images, &digest, &res->image);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "there is no such image");
	if (rc != RC_OK) /* it has changed as well: that is our failure, not the caller's */
		return rc == RC_UNPROCESSABLE ? RC_INTERNAL : rc;
	res->format = FORMAT_OCTETS;
	res->etag = arena_text(c->mem, digest_format(&digest, hex));
	return RC_OK;
}

/* --- releases --- */

static void answer_release(struct call *c, struct res *res, const struct release *r)
{
	entity_tag(c, res, r->revision);
	res->moves = true; /* its class may get another name, its manifests be read anew */
	js_answer(c, res, release_json(c->mem, r));
}

/* The position of a page is time and id of the release before it. */
static bool read_position(const char *position, struct release *ret)
{
	const char *slash = strchr(position, '/');

	if (!slash)
		return false;
	struct bytes at = { (const uint8_t *)position, (size_t)(slash - position) };
	return parse_i64(at, 0, INT64_MAX, &ret->created_at) == RC_OK &&
	       uuid_parse(slash + 1, &ret->release_id) == RC_OK;
}

enum rc h_release_list(struct call *c, const struct req *req, struct res *res)
{
	struct release after = { 0 }, *list = NULL;
	struct page page;
	const char *next = NULL;
	char id[UUID_TEXT_SIZE];
	int n = 0;

	enum rc rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK && page.position && !read_position(page.position, &after))
		rc = call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	if (rc == RC_OK)
		rc = release_list(c, page.position ? &after : NULL, page.size + 1, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%" PRId64 "/%s", list[n - 1].created_at,
				 uuid_format(&list[n - 1].release_id, id));
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, release_json(c->mem, &list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

enum rc h_release_create(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct release_new new = { 0 };
	struct release r;
	char id[UUID_TEXT_SIZE];

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	new.envelope = js_base64(&in, "envelope", JS_REQUIRED, 1, ENVELOPE_MAX);
	new.version = js_text(&in, "version", JS_OPTIONAL, 1, VERSION_TEXT_MAX);
	new.notes = js_lines(&in, "notes", JS_OPTIONAL, 0, RELEASE_NOTES_MAX);
	new.allow_jump = js_bool(&in, "allow_jump", false);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = release_create(c, &new, &r);
	if (rc != RC_OK)
		return rc;
	res->status = 201;
	res->location = arena_printf(c->mem, "/v1/releases/%s", uuid_format(&r.release_id, id));
	answer_release(c, res, &r);
	return RC_OK;
}

enum rc h_release_get(struct call *c, const struct req *req, struct res *res)
{
	struct uuid id;
	struct release r;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = release_get(c, &id, &r);
	if (rc == RC_OK)
		answer_release(c, res, &r);
	return rc;
}

static enum rc answer_manifest(struct call *c, const struct uuid *id,
			       const struct digest *digest, struct res *res)
{
	struct manifest m;
	char hex[DIGEST_TEXT_SIZE];

	enum rc rc = release_manifest(c, id, digest, &m);
	if (rc != RC_OK)
		return rc;
	res->format = FORMAT_SUIT_ENVELOPE;
	res->body = m.envelope;
	res->etag = arena_text(c->mem, digest_format(&m.digest, hex));
	return RC_OK;
}

enum rc h_release_manifest(struct call *c, const struct req *req, struct res *res)
{
	struct uuid id;

	enum rc rc = param_uuid(c, req, 0, &id);
	return rc == RC_OK ? answer_manifest(c, &id, NULL, res) : rc;
}

enum rc h_release_variant(struct call *c, const struct req *req, struct res *res)
{
	struct uuid id;
	struct digest digest;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = param_digest(c, req, 1, &digest);
	return rc == RC_OK ? answer_manifest(c, &id, &digest, res) : rc;
}

enum rc h_release_add_manifest(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct uuid id;
	struct release r;
	struct bytes envelope = { 0 };
	bool is_new = false;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	envelope = js_base64(&in, "envelope", JS_REQUIRED, 1, ENVELOPE_MAX);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = release_add_manifest(c, &id, envelope, &r, &is_new);
	if (rc != RC_OK)
		return rc;
	res->status = is_new ? 201 : 200;
	answer_release(c, res, &r);
	return RC_OK;
}

enum rc h_release_withdraw(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct uuid id;
	struct release r;
	int64_t revision = 0;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = entity_revision(c, req, &revision);
	if (rc == RC_OK)
		rc = js_open(c, req, &in);
	if (rc == RC_OK)
		rc = js_done(&in);
	if (rc == RC_OK)
		rc = release_withdraw(c, &id, revision, &r);
	if (rc == RC_OK)
		answer_release(c, res, &r);
	return rc;
}
