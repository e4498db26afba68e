/* A request and its answer, the same for every transport.  A transport takes bytes in, proves
 * who speaks, fills struct req, hands it to the dispatcher and sends struct res; nobody else
 * answers the peer. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/model/actor.h"
#include "base/queue.h"

#include <stdbool.h>
#include <stdint.h>

enum method { METHOD_GET = 1, METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_PATCH };
enum via { VIA_HTTP = 1, VIA_COAP = 2 }; /* a set, in routes */

/* CoAP content-format numbers (RFC 7252 section 12.3), used for HTTP too. */
enum format {
	FORMAT_NONE = -1,
	FORMAT_TEXT = 0,
	FORMAT_LINK = 40,
	FORMAT_OCTETS = 42,
	FORMAT_JSON = 50,
	FORMAT_CBOR = 60,
	FORMAT_PROBLEM_CBOR = 257, /* RFC 9290 */
	FORMAT_SUIT_REPORT = 270,
	FORMAT_PROBLEM_JSON = -2,  /* no number of its own: application/problem+json */
	FORMAT_METRICS = -3,       /* text/plain; version=0.0.4 */
	FORMAT_UNKNOWN = -4,       /* the peer sent one we have no word for */
	FORMAT_SUIT_ENVELOPE = -5, /* application/suit-envelope+cose */
};

#define REQ_SEGMENTS_MAX 12
#define REQ_PARAMS_MAX   4
#define REQ_QUERY_MAX    16

struct call_field;
struct image;
struct route;
struct req;
struct res;

struct req_pair {
	const char *name;
	const char *value;
};

struct req {
	struct queue_node node; /* the dispatcher's */
	struct arena *mem;      /* owned by the request; all texts below live in it */
	uint64_t id;
	enum method method;
	enum via via;
	const char *path; /* decoded, with a leading slash, without the query */
	const char *segments[REQ_SEGMENTS_MAX];
	int segment_count;
	struct req_pair query[REQ_QUERY_MAX];
	int query_count;
	enum format format; /* of the body */
	enum format accept; /* FORMAT_NONE: anything */
	struct bytes body;
	struct image_upload *upload; /* streamed body of a route with .streams, else NULL; the
					dispatcher commits it under the digest in the path */
	int64_t uploaded_size;       /* bytes, when that has happened */
	const char *if_match;        /* HTTP, entity tag without quotes, or NULL */
	const char *if_none_match;
	const char *idempotency_key;
	const char *reason; /* Muster-Reason header, for the audit */
	struct bytes etag;  /* CoAP ETag option of the request */
	const char *peer;   /* address and port, for logs */
	struct actor actor; /* a device: set by the transport; an operator: by the dispatcher */
	const char *bearer; /* token of an operator, or NULL */
	bool has_certificate;      /* the peer proved a client certificate over HTTPS */
	struct digest certificate; /* its SHA-256 */
	int64_t deadline;          /* monotonic, us: after it nobody waits any more */
	int64_t came, came_wall;   /* monotonic and wall, us: set by a transport that knows
				      them anyway; 0: the dispatcher asks the clock */

	/* HTTP: ends after the role check, before the handler; for a large body, which is read
	 * only then.  The same request is dispatched again with its body. */
	bool check_only;

	/* filled by the dispatcher */
	struct res *res;
	bool by_worker; /* it was run, not answered at once */
	const struct route *route;
	const char *params[REQ_PARAMS_MAX]; /* values of {…} in the route's path, in order */
	int64_t started;                    /* monotonic */

	/* The transport's: called exactly once, from any thread, when res is final.  req and
	 * res stay valid until the transport calls req_free(). */
	void (*done)(struct req *req, struct res *res);
	void *transport;
};

struct res {
	enum rc rc; /* RC_OK; else the transport renders a problem (api/problem.h) */
	enum err err;
	const char *detail;              /* of the problem, or NULL */
	const struct call_field *fields; /* of the problem */
	const char *allow;               /* with RC_METHOD: the methods that would do */
	int status; /* HTTP status on RC_OK: 200, 201, 202, 204, 304; 0 means 200 */
	enum format format;
	struct bytes body;      /* in req->mem or static */
	struct image *image;    /* instead of body: the transport closes it */
	const char *etag;       /* without quotes, or NULL */
	bool moves;             /* the body changes under the same etag: never 304 */
	struct bytes coap_etag; /* 1..8 bytes, or empty */
	bool valid;             /* the client's ETag is still good: 304, 2.03 */
	const char *location;   /* HTTP */
	int64_t max_age_s;      /* CoAP Max-Age, HTTP Cache-Control; -1: not given */
	int64_t retry_after_s;  /* with RC_UNAVAILABLE, RC_LIMIT; -1: not given */
	bool observe;           /* the transport registers the observation it was asked for */
};

/* Fresh, with its own arena; never NULL.  Begins a piece of work (base/memory.h). */
struct req *req_create(void);
/* The same in an arena that is fresh or was reset. */
struct req *req_create_in(struct arena *mem);
/* Frees the request, its arena and an upload that was not taken. */
void req_free(struct req *req);
/* Frees the request but for its arena, which is reset and now the caller's. */
struct arena *req_release(struct req *req);
/* Splits path into segments; RC_INVALID when there are too many. */
enum rc req_set_path(struct req *req, const char *path) MUST_CHECK;
/* Value of a query parameter, NULL when absent. */
const char *req_query(const struct req *req, const char *name);
