/* Query strings of lists, as a transport hands them on: page sizes stay within bounds, a token
 * opens the list that it was made for at its position, and another token opens nothing. */

#include "api/cursor.h"
#include "core/core.h"
#include "tests/fuzz/target.h"

#include <string.h>

#define NAMES ((const char *[]){ "state", "stage", "vendor_id", "since", NULL })

static struct core core = { .tenant_secret = { (const uint8_t *)"secret", 6 } };

/* "name=value&name=value" */
static void split(struct req *req, char *text)
{
	char *rest = text;

	for (char *one = strsep(&rest, "&"); one && req->query_count < REQ_QUERY_MAX;
	     one = strsep(&rest, "&")) {
		char *value = strchr(one, '=');
		if (value)
			*value++ = '\0';
		req->query[req->query_count++] = (struct req_pair){ one, value ? value : "" };
	}
}

static void check_typed(struct call *c, const struct req *req)
{
	struct uuid id = { { 0 } };
	char text[UUID_TEXT_SIZE];
	int64_t n = -5;

	if (query_i64(c, req, "stage", -3, &n) == RC_OK)
		check(req_query(req, "stage") ? n >= -3 : n == -5);
	if (query_uuid(c, req, "vendor_id", &id) == RC_OK && req_query(req, "vendor_id"))
		check(strcasecmp(uuid_format(&id, text), req_query(req, "vendor_id")) == 0);
}

static void check_token(struct call *c, struct req *req, const struct page *page)
{
	struct page again;
	const char *token = page_next(c, page, "%s", "position/1");
	struct req_pair *pair = &req->query[0];

	for (int i = 0; i < req->query_count && strcmp(pair->name, "page_token") != 0; i++)
		pair = &req->query[i];
	if (strcmp(pair->name, "page_token") != 0) {
		if (req->query_count == REQ_QUERY_MAX)
			return;
		pair = &req->query[req->query_count++];
		pair->name = "page_token";
	}
	pair->value = token;
	check(page_open(c, req, NAMES, &again) == RC_OK && again.size == page->size);
	check(again.position && strcmp(again.position, "position/1") == 0);
	char *other = arena_text(c->mem, token);
	other[strlen(other) / 2] ^= 1;
	pair->value = other;
	check(page_open(c, req, NAMES, &again) != RC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct req *req = req_create();
	struct call c = { .core = &core, .mem = req->mem, .tenant = 1 }, typed = c;
	struct page page;

	check(req_set_path(req, "/v1/jobs") == RC_OK);
	split(req, bytes_text(req->mem, (struct bytes){ data, size }));
	check_typed(&typed, req);
	if (page_open(&c, req, NAMES, &page) == RC_OK) {
		check(page.size >= 1 && page.size <= PAGE_SIZE_MAX && !c.fields);
		check_token(&c, req, &page);
	}
	req_free(req);
	return 0;
}
