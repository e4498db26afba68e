/* Who is let in, when more handshakes are wanted than can be done.
 *
 * A handshake that is begun and then given up by its peer, because it took too long, is work
 * for nothing; when a whole fleet returns at once, and is served in the order of its coming,
 * all of it is.  So hellos wait here, outside, where one costs a place in a line, and are let
 * in as fast as handshakes are finished, none that is old.  Who comes in is drawn by lot from
 * all who wait: in any order of coming one kind of devices comes before another, and
 * certificates cost much more than keys.  While the thread keeps up, nobody waits.
 *
 * It may also be the peers, or the way to them, that cannot keep up: then handshakes take long,
 * although our turns are short, and those who wait are let in as fast as others finish.  How
 * many are begun says nothing of it: whoever attacks begins many and finishes none.
 *
 * Of a flood of forged hellos hardly any comes back with its cookie.  To let one in costs next
 * to nothing, so where few come back many more are let in, or a device would have no chance
 * among the forged ones: what is paced is who comes back.
 *
 * And it may be the workers that do not get a processor, because handshakes take it: then
 * nobody is let in whose request would only wait.  While turns are short it is the database
 * that workers wait for, and that is no reason to keep anybody out.
 *
 * A hello that brings a session to resume costs a quarter of a full one, and pays so much, or
 * more when it is room that is short. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_CONTROL_MAX 40 /* struct in6_pktinfo, as ancillary data */

/* What must be known of a hello to answer it. */
struct hello {
	uint32_t id; /* of its sender */
	bool resumes;
	uint8_t sequence[6]; /* of its record */
	uint8_t control_size;
	_Alignas(size_t)
		uint8_t control[GATE_CONTROL_MAX]; /* to which address of ours it came */
	struct sockaddr_in6 from;                  /* or of IPv4: it has room for both */
	int64_t at;                                /* monotonic us */
};

struct gate;

/* Lets in no more than sessions_max in four seconds: beyond that, sessions would have to go
 * before their devices could say what they came for. */
struct gate *gate_create(int sessions_max);
void gate_free(struct gate *g);
/* A sender that waits already takes its old place anew. */
void gate_wait(struct gate *g, const struct hello *h);
/* One that may come in; false: none, or none now. */
bool gate_next(struct gate *g, int64_t now, struct hello *ret);
struct gate_load {
	int64_t took_us;        /* the slowest network thread, for its last turn */
	uint64_t begun;         /* so far, by all: they came back with a cookie */
	uint64_t handshakes;    /* finished so far, by all */
	uint64_t handshakes_us; /* what these took, together */
	int64_t waits_us;       /* for how long the first of the devices' calls has
				 * waited for a worker */
};
/* Once in a turn. */
void gate_pace(struct gate *g, int64_t now, const struct gate_load *load);
/* Somebody waits for more than this turn. */
bool gate_is_busy(const struct gate *g);
