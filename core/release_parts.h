/* The envelopes that an upload is made of: the one that came, and every dependency that it
 * would run, from inside of another envelope or from the library of what is stored here. */
#pragma once

#include "base/bytes.h"
#include "suit/manifest.h"

#define RELEASE_PARTS_MAX 8

/* What is stored here.  uri: where the manifest fetches the dependency from; empty: it expects
 * a device to have it.  RC_NOT_FOUND; any other failure ends the reading with it. */
struct release_library {
	enum rc (*find)(void *ctx, const struct digest *digest, struct bytes uri,
			struct arena *mem, struct bytes *ret);
	void *ctx;
};

struct release_part {
	struct suit_envelope envelope;
	struct suit_bytes uri; /* what it was asked for by; empty: by its digest alone */
	bool integrated;
};

/* One that was asked for and is of no use.  A survey asks again in each of its runs. */
struct release_miss {
	struct suit_digest digest;
	struct suit_bytes uri, integrated;
	enum suit_rc rc;
};

struct release_parts {
	struct release_part *list[RELEASE_PARTS_MAX]; /* the first is what came */
	int count;
	struct release_miss miss[RELEASE_PARTS_MAX];
	int miss_count;
	struct suit_envelope *scratch;        /* NULL: not used yet */
	const struct release_library *stored; /* NULL: nothing is */
	struct arena *mem;
	bool missing; /* one was asked for, and is not there */
	struct digest missing_digest;
	struct suit_bytes missing_uri; /* where it should be; empty: it was not said */
	enum rc rc;                    /* of the library */
};

/* Decodes the first. */
enum suit_rc release_parts_open(struct release_parts *p, struct bytes envelope);
/* A suit_survey_resolve (suit/survey.h); ctx is the parts. */
enum suit_rc release_parts_resolve(void *ctx, const struct suit_digest *digest,
				   struct suit_bytes uri, struct suit_bytes integrated,
				   const struct suit_envelope **ret);
/* Is one with this digest among them? */
bool release_parts_have(const struct release_parts *p, const struct digest *digest);
