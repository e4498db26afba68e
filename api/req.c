/* Requests: made by a transport, freed by it when the answer has left. */

#include "api/req.h"

#include "base/hash.h"
#include "core/images.h"

#include <stdatomic.h>
#include <string.h>

/* Ids differ between runs of the daemon, so a log line is found by its id alone. */
static uint64_t next_id(void)
{
	static _Atomic uint64_t last;
	uint64_t id = atomic_load(&last);

	while (id == 0) {
		uint64_t start;
		random_bytes(&start, sizeof(start));
		if (atomic_compare_exchange_strong(&last, &id, start | 1))
			id = start | 1;
	}
	return atomic_fetch_add(&last, 1) + 1;
}

struct req *req_create(void)
{
	memory_begin(); /* before its first allocation */
	return req_create_in(arena_create());
}

struct req *req_create_in(struct arena *mem)
{
	memory_begin();
	struct req *req = arena_new(mem, struct req);

	req->mem = mem;
	req->id = next_id();
	req->path = "";
	req->format = FORMAT_NONE;
	req->accept = FORMAT_NONE;
	return req;
}

void req_free(struct req *req)
{
	if (!req)
		return;
	arena_free(req_release(req));
}

struct arena *req_release(struct req *req)
{
	struct arena *mem = req->mem;

	image_upload_abort(req->upload);
	arena_reset(mem);
	return mem;
}

enum rc req_set_path(struct req *req, const char *path)
{
	if (path[0] != '/')
		return RC_INVALID;
	req->path = arena_text(req->mem, path);
	req->segment_count = 0;
	if (path[1] == 0)
		return RC_OK;

	char *rest = arena_text(req->mem, path + 1);
	for (char *end = rest; end; rest = end + 1) {
		if (req->segment_count == REQ_SEGMENTS_MAX)
			return RC_INVALID;
		end = strchr(rest, '/');
		if (end)
			*end = 0;
		req->segments[req->segment_count++] = rest;
		if (!end)
			return RC_OK;
	}
	return RC_OK;
}

const char *req_query(const struct req *req, const char *name)
{
	for (int i = 0; i < req->query_count; i++)
		if (strcmp(req->query[i].name, name) == 0)
			return req->query[i].value;
	return NULL;
}
