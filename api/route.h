/* The route table: method, path, roles and transports of every operation, in one place. */
#pragma once

#include "api/req.h"
#include "core/call.h"

#include <stddef.h>

enum route_need {
	NEED_MEMORY, /* answered on the network thread, without SQL */
	NEED_SINGLE, /* one call, one transaction */
	NEED_BATCH,  /* up to BATCH_MAX calls in one commit, a result for each */
};

#define BATCH_MAX        1000
#define BODY_MAX_DEFAULT 65536 /* bytes */

/* Decodes req, calls core, encodes into res.  On anything but RC_OK the dispatcher carries what
 * the call says into res, and the transport renders it as a problem.  A batch handler must not
 * write before it has said no. */
typedef enum rc route_handler(struct call *c, const struct req *req, struct res *res);

/* One of several calls that a route answers together. */
struct route_item {
	struct call *call;
	const struct req *req;
	struct res *res;
	enum rc rc; /* this call's */
};
/* Answers several calls of one route, each of another device, in their common transaction: a
 * few statements instead of a few for each.  Anything but RC_OK: the transaction is lost. */
typedef enum rc route_many(struct arena *mem, struct route_item *items, size_t n);

struct route {
	enum method method;
	const char *path; /* "/v1/campaigns/{id}/start" */
	unsigned via;     /* set of enum via */
	unsigned roles;   /* set of enum role; ROLE_ANY: everybody */
	enum route_need need;
	route_handler *handler;
	route_handler *memory; /* optional first try without SQL on a SINGLE or BATCH route; it
				  returns RC_RETRY for "not from memory" */
	route_many *many;      /* optional, on a BATCH route, beside handler */
	size_t body_max;       /* 0: BODY_MAX_DEFAULT */
	bool streams;          /* HTTP: the body goes to an image upload */
	const char *operation; /* operationId in openapi.yaml; a label of the metrics */
	bool if_match;         /* HTTP: 428 without If-Match */
};

/* RC_NOT_FOUND when no path fits, RC_METHOD when the path fits but not the method (or
 * transport). Fills req->route and req->params. */
enum rc route_find(struct req *req) MUST_CHECK;
const struct route *route_at(size_t i); /* NULL past the end */
/* The methods that the path has over this transport, as "GET, POST"; for RC_METHOD. */
const char *route_allow(const struct req *req);
