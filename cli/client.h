/* The connection to a server's REST API: HTTPS only, and only the pinned root is trusted.
 * A failed call was told on stderr in one line, made from the server's problem document. */
#pragma once

#include "base/bytes.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/output.h"

#include <stdbool.h>
#include <stdio.h>

struct client;

struct request {
	const char *method; /* GET, POST, ... */
	const char *path;   /* "/v1/..."; names in it through client_escape() */
	const json_t *body; /* NULL: none */
	const char *if_match;
	FILE *upload; /* the body instead of JSON, read from its start */
	int64_t upload_size;
	/* Told while uploading, bytes so far; NULL: nobody. */
	void (*on_progress)(void *ctx, int64_t done);
	void *ctx;
	/* Of a long answer, bytes: it takes as long as it moves, and one that is longer is told
	 * by the reply alone.  0: an answer of JSON, which has a minute. */
	size_t max;
	long also_ok; /* a status that is an answer, not a failure, such as 404; 0: none */
	bool quiet;   /* a failure is returned, not told: for who tries again */
};

struct reply {
	long status;
	json_t *json;  /* NULL when the answer is no JSON */
	uint8_t *data; /* the octets as they came */
	size_t size;
	char *etag;     /* as If-Match takes it; NULL: none */
	bool too_large; /* longer than the request's max; data is not whole */
};

void reply_finish(struct reply *r);
static inline void clean_reply(struct reply *r)
{
	reply_finish(r);
}

/* Copies what it needs.  A login without CA cannot call anything but client_fetch_ca. */
enum exit_code client_create(const struct login *l, struct client **ret) MUST_CHECK;
void client_free(struct client *c);
static inline void clean_client(struct client **c)
{
	client_free(*c);
}

/* ret must be zeroed; free it with reply_finish.  A POST carries an Idempotency-Key, and is
 * sent again with the same key when the answer was lost or the server said "later". */
enum exit_code client_call(struct client *c, const struct request *in,
			   struct reply *ret) MUST_CHECK;
enum exit_code client_get(struct client *c, const char *path, struct reply *ret) MUST_CHECK;
enum exit_code client_post(struct client *c, const char *path, const json_t *body,
			   struct reply *ret) MUST_CHECK;
/* GETs path for its ETag, then calls the method on target with it. */
enum exit_code client_change(struct client *c, const char *path, const struct request *in,
			     struct reply *ret) MUST_CHECK;

/* The server's root as it says itself, from a connection that proves nothing: show its
 * fingerprint to somebody before you pin it.  Sends no token. */
enum exit_code client_fetch_ca(const char *url, struct arena *mem,
			       const char **ret_root_pem) MUST_CHECK;
/* The first certificate of what was sent, written anew in PEM, and its SHA-256: whatever came
 * with it was shown to nobody, and must not be pinned. */
enum rc client_take_root(const char *sent, struct arena *mem, const char **ret_pem,
			 struct digest *ret_fingerprint) MUST_CHECK;
/* SHA-256 of the first certificate in a PEM text. */
enum rc client_fingerprint(const char *pem, struct arena *mem, struct digest *ret) MUST_CHECK;

/* One segment of a path, or one query value. */
const char *client_escape(struct arena *mem, const char *text);

/* Every item of a list, page by page; a callback that fails ends it with its code. */
enum exit_code client_each_page(struct client *c, const char *path,
				enum exit_code (*page)(void *ctx, const json_t *items),
				void *ctx) MUST_CHECK;
