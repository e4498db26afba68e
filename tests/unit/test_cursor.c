/* Page tokens and parameters. */

#include "api/cursor.h"
#include "core/core.h"
#include "tests/tap.h"

static struct core core;
static const char *const filters[] = { "state", "site", NULL };

struct asked {
	struct req *req;
	struct call call;
};

static struct asked ask(const char *path, const char *const *pairs)
{
	struct asked a = { .req = req_create() };

	a.call = (struct call){ .core = &core, .mem = a.req->mem, .tenant = 1 };
	if (req_set_path(a.req, path) != RC_OK)
		a.req->path = "";
	for (; pairs && *pairs; pairs += 2)
		a.req->query[a.req->query_count++] = (struct req_pair){ pairs[0], pairs[1] };
	return a;
}

static const char *make(const char *path, const char *const *pairs, const char *position,
			struct arena *mem)
{
	struct asked a = ask(path, pairs);
	struct page page;
	const char *token = NULL;

	if (page_open(&a.call, a.req, filters, &page) == RC_OK)
		token = arena_text(mem, page_next(&a.call, &page, "%s", position));
	req_free(a.req);
	return token;
}

/* What the token is worth on this list: RC_OK with the position, or why not. */
static enum rc use(const char *path, const char *const *pairs, struct arena *mem,
		   const char **ret)
{
	struct asked a = ask(path, pairs);
	struct page page;

	enum rc rc = page_open(&a.call, a.req, filters, &page);
	*ret = rc == RC_OK && page.position ? arena_text(mem, page.position) : "";
	req_free(a.req);
	return rc;
}

#define Q(...) ((const char *[]){ __VA_ARGS__, NULL })

static void test_tokens(struct arena *mem)
{
	const char *got;
	const char *token = make("/v1/jobs", Q("state", "failed", "site", "a"), "here/1", mem);

	is_int(use("/v1/jobs", Q("state", "failed", "site", "a", "page_token", token), mem,
		   &got),
	       RC_OK, "the same list");
	is_str(got, "here/1", "gets the position");
	is_int(use("/v1/jobs",
		   Q("site", "a", "page_size", "5", "page_token", token, "state", "failed"),
		   mem, &got),
	       RC_OK, "also in another order and size");
	is_int(use("/v1/job", Q("state", "failed", "site", "a", "page_token", token), mem,
		   &got),
	       RC_INVALID, "not another path");
	is_int(use("/v1/jobs", Q("state", "failed", "page_token", token), mem, &got),
	       RC_INVALID, "not other filters");
	is_int(use("/v1/jobs", Q("state", "faileds", "site", "a", "page_token", token), mem,
		   &got),
	       RC_INVALID, "not another value");
	is_int(use("/v1/jobs", Q("state", "a", "site", "failed", "page_token", token), mem,
		   &got),
	       RC_INVALID, "not swapped");
	core.tenant_secret = bytes_of("another tenant's");
	is_int(use("/v1/jobs", Q("state", "failed", "site", "a", "page_token", token), mem,
		   &got),
	       RC_INVALID, "not another tenant");
	core.tenant_secret = bytes_of("a secret");
}

static void test_forgery(struct arena *mem)
{
	const char *got;
	char *token = (char *)(uintptr_t)make("/v1/jobs", NULL, "position", mem);
	int accepted = 0;

	for (size_t i = 0; token[i]; i++) {
		char kept = token[i];
		token[i] = kept == 'A' ? 'B' : 'A';
		accepted += use("/v1/jobs", Q("page_token", token), mem, &got) == RC_OK;
		token[i] = kept;
	}
	is_int(accepted, 0, "no character may change");
	is_int(use("/v1/jobs", Q("page_token", token), mem, &got), RC_OK,
	       "but unchanged it is good");
	is_int(use("/v1/jobs", Q("page_token", ""), mem, &got), RC_INVALID, "empty");
	is_int(use("/v1/jobs", Q("page_token", "AAAAAAAAAAAAAAAAAAAAAA"), mem, &got),
	       RC_INVALID, "a MAC alone");
	is_int(use("/v1/jobs", Q("page_token", "not base64!"), mem, &got), RC_INVALID,
	       "no base64");
}

static void test_parameters(struct arena *mem)
{
	const char *got;
	struct asked a = ask("/v1/jobs", Q("page_size", "1000000", "n", "12", "u", "x"));
	struct page page;
	struct uuid id;
	int64_t n = 3;

	is_int(use("/v1/jobs", Q("stat", "x"), mem, &got), RC_UNPROCESSABLE, "an unknown one");
	is_int(use("/v1/jobs", Q("page_size", "0"), mem, &got), RC_UNPROCESSABLE, "no page");
	is_int(use("/v1/jobs", Q("page_size", "-1"), mem, &got), RC_UNPROCESSABLE,
	       "less than none");
	is_int(use("/v1/jobs", Q("page_size", ""), mem, &got), RC_UNPROCESSABLE,
	       "an empty number");
	is_int(page_open(&a.call, a.req, Q("n", "u"), &page), RC_OK, "a large page");
	is_int(page.size, PAGE_SIZE_MAX, "is coerced");
	is_int(query_i64(&a.call, a.req, "n", 0, &n), RC_OK, "a number");
	is_int(n, 12, "is read");
	is_int(query_i64(&a.call, a.req, "n", 13, &n), RC_UNPROCESSABLE, "too small a number");
	is_int(query_i64(&a.call, a.req, "u", 0, &n), RC_UNPROCESSABLE, "no number");
	is_int(query_uuid(&a.call, a.req, "u", &id), RC_UNPROCESSABLE, "no uuid");
	is_int(query_uuid(&a.call, a.req, "absent", &id), RC_OK, "absent is fine");
	is_int(query_only(&a.call, a.req, Q("n", "u")), RC_UNPROCESSABLE, "no page here");
	req_free(a.req);
}

static void test_entity(void)
{
	struct asked a = ask("/v1/x", NULL);
	struct res res = { 0 };
	int64_t revision = 0;

	is_int(entity_revision(&a.call, a.req, &revision), RC_PRECONDITION, "without If-Match");
	a.req->if_match = "12";
	is_int(entity_revision(&a.call, a.req, &revision), RC_OK, "a revision");
	is_int(revision, 12, "is read");
	a.req->if_match = "*";
	is_int(entity_revision(&a.call, a.req, &revision), RC_STALE, "anything else");
	a.req->if_match = "W/\"12\"";
	is_int(entity_revision(&a.call, a.req, &revision), RC_STALE, "a weak tag");
	entity_tag(&a.call, &res, 12);
	is_str(res.etag, "12", "and it is written");
	req_free(a.req);
}

int main(void)
{
	struct arena *mem = arena_create();

	core.tenant_secret = bytes_of("a secret");
	test_tokens(mem);
	test_forgery(mem);
	test_parameters(mem);
	test_entity();
	arena_free(mem);
	return tap_done();
}
