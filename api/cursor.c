/* Page tokens.  A token is base64url of a MAC, cut to 16 bytes, and the position; the MAC's key
 * follows from the tenant's secret, so every node makes and reads the same tokens. */

#include "api/cursor.h"

#include "base/hash.h"
#include "core/core.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define MAC_SIZE 16

static bool name_in(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static bool is_page_parameter(const char *name)
{
	return strcmp(name, "page_size") == 0 || strcmp(name, "page_token") == 0;
}

/* The parameter at place i when they are sorted by name and value; two equal ones by place. */
static const struct req_pair *sorted_at(const struct req *req, int place)
{
	for (int i = 0; i < req->query_count; i++) {
		int before = 0;
		for (int j = 0; j < req->query_count; j++) {
			int order = strcmp(req->query[j].name, req->query[i].name);
			if (order == 0)
				order = strcmp(req->query[j].value, req->query[i].value);
			before += order < 0 || (order == 0 && j < i);
		}
		if (before == place)
			return &req->query[i];
	}
	return NULL;
}

/* Everything that makes the list what it is, each part with its length. */
static void token_mac(struct call *c, const struct req *req, const char *position,
		      uint8_t ret[MAC_SIZE])
{
	struct digest key, mac;
	const char *text = arena_printf(c->mem, "%d|%zu:%s|", (int)c->tenant, strlen(req->path),
					req->path);

	for (int i = 0; i < req->query_count; i++) {
		const struct req_pair *q = sorted_at(req, i);
		assert(q); /* each place is somebody's */
		if (!is_page_parameter(q->name))
			text = arena_printf(c->mem, "%s%zu:%s=%zu:%s|", text, strlen(q->name),
					    q->name, strlen(q->value), q->value);
	}
	text = arena_printf(c->mem, "%s>%s", text, position);
	hmac_sha256(c->core->tenant_secret, bytes_of("page-token"), &key);
	hmac_sha256((struct bytes){ key.b, sizeof(key.b) }, bytes_of(text), &mac);
	memcpy(ret, mac.b, MAC_SIZE);
}

static enum rc token_read(struct call *c, const struct req *req, const char *token,
			  const char **ret)
{
	struct bytes raw;
	uint8_t mac[MAC_SIZE];

	if (strlen(token) > (MAC_SIZE + PAGE_POSITION_MAX) * 4 / 3 + 4 ||
	    base64url_decode(c->mem, bytes_of(token), &raw) != RC_OK || raw.n <= MAC_SIZE)
		return call_fail(c, ERR_BAD_CURSOR, "page_token is not ours");
	const char *position =
		bytes_text(c->mem, (struct bytes){ raw.p + MAC_SIZE, raw.n - MAC_SIZE });
	token_mac(c, req, position, mac);
	if (strlen(position) != raw.n - MAC_SIZE ||
	    !bytes_equal_secret((struct bytes){ raw.p, MAC_SIZE },
				(struct bytes){ mac, MAC_SIZE }))
		return call_fail(c, ERR_BAD_CURSOR,
				 "page_token was given for another list or other filters");
	*ret = position;
	return RC_OK;
}

static enum rc names_check(struct call *c, const struct req *req, const char *const *names,
			   bool paged)
{
	enum rc rc = RC_OK;

	for (int i = 0; i < req->query_count; i++) {
		const char *name = req->query[i].name;
		if (!name_in(names, name) && !(paged && is_page_parameter(name)))
			rc = call_field(c, name, "there is no such parameter");
	}
	return rc;
}

enum rc query_only(struct call *c, const struct req *req, const char *const *names)
{
	return names_check(c, req, names, false);
}

enum rc page_open(struct call *c, const struct req *req, const char *const *names,
		  struct page *ret)
{
	struct page page = { .req = req, .size = PAGE_SIZE_DEFAULT };
	const char *token = req_query(req, "page_token");
	int64_t size = PAGE_SIZE_DEFAULT;

	enum rc rc = names_check(c, req, names, true);
	if (rc == RC_OK)
		rc = query_i64(c, req, "page_size", 1, &size);
	if (rc == RC_OK && token)
		rc = token_read(c, req, token, &page.position);
	if (rc != RC_OK)
		return rc;
	page.size = (int)(size < PAGE_SIZE_MAX ? size : PAGE_SIZE_MAX);
	*ret = page;
	return RC_OK;
}

const char *page_next(struct call *c, const struct page *page, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *position = arena_vprintf(c->mem, fmt, ap);
	va_end(ap);

	size_t n = strlen(position);
	uint8_t *raw = arena_alloc(c->mem, MAC_SIZE + n);
	token_mac(c, page->req, position, raw);
	memcpy(raw + MAC_SIZE, position, n);
	return base64url_encode(c->mem, (struct bytes){ raw, MAC_SIZE + n });
}
