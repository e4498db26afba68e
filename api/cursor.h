/* Page tokens and query parameters of lists.  A token is the position behind a page, with a MAC
 * that binds it to the list: path, filters and tenant.  It is the same on every node and after
 * a restart.
 *
 *     struct page page;
 *     enum rc rc = page_open(c, req, (const char *[]){ "state", NULL }, &page);
 *     filter.after = page.position;           NULL: from the start
 *     filter.limit = page.size + 1;           one more tells whether there is another page
 *     ...
 *     if (count > page.size)
 *             next = page_next(c, &page, "%s", items[page.size - 1].name); */
#pragma once

#include "api/req.h"
#include "core/call.h"

#define PAGE_SIZE_DEFAULT 100
#define PAGE_SIZE_MAX     1000
#define PAGE_POSITION_MAX 512 /* bytes */

struct page {
	const struct req *req;
	int size;
	const char *position; /* as page_next() was given it; NULL: from the start */
};

/* names: the query parameters that the list has besides page_size and page_token, ended by
 * NULL; another one is ERR_VALIDATION.  A token of another list, or a forged one, is
 * ERR_BAD_CURSOR. */
enum rc page_open(struct call *c, const struct req *req, const char *const *names,
		  struct page *ret) MUST_CHECK;
/* The token of the page that begins behind this position, in the call's arena. */
const char *page_next(struct call *c, const struct page *page, const char *fmt, ...)
	PRINTF(3, 4);
/* For operations that are no lists. */
enum rc query_only(struct call *c, const struct req *req, const char *const *names) MUST_CHECK;

/* Query parameters; a wrong one is noted as ERR_VALIDATION.  Absent ones leave *ret as it is.
 */
enum rc query_uuid(struct call *c, const struct req *req, const char *name,
		   struct uuid *ret) MUST_CHECK;
enum rc query_i64(struct call *c, const struct req *req, const char *name, int64_t min,
		  int64_t *ret) MUST_CHECK;

/* Parameters of the path: what does not parse does not exist (ERR_NOT_FOUND). */
enum rc param_uuid(struct call *c, const struct req *req, int i, struct uuid *ret) MUST_CHECK;
enum rc param_digest(struct call *c, const struct req *req, int i,
		     struct digest *ret) MUST_CHECK;

/* The ETag of a thing is its revision.  An answer that tells more than the revision covers sets
 * res->moves too.  entity_revision() reads If-Match: anything but one of our tags is
 * ERR_PRECONDITION_FAILED. */
void entity_tag(struct call *c, struct res *res, int64_t revision);
enum rc entity_revision(struct call *c, const struct req *req, int64_t *ret) MUST_CHECK;
