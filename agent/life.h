/* A device's life (api/coap.md): register, ask, fetch, verify, install, start anew.  An
 * envelope is looked at before anything is fetched for it, and carried out when all of that is
 * there (agent/platform.h).
 *
 * An update that has to wait (suit-directive-wait, or a battery that is low) is told to the
 * server as deferred, and this is then a device that waits like any other: it asks now and
 * then, and hears so when the job is no longer wanted.  The clock is looked at every minute, as
 * it may be set.  When it is time the server is asked once more, and the envelope looked at
 * once more. What was fetched before stays.
 *
 * One state holds at most one request, and the link repeats that until it is answered, so no
 * state has a way out for "no answer".  Everything that touches the device itself goes through
 * struct machine_ops: the agent puts files under it, the fleet puts memory.
 *
 * Belongs to the thread of its link. */
#pragma once

#include "agent/fetch.h"
#include "agent/link.h"
#include "agent/proto.h"
#include "agent/upload.h"
#include "agent/verify.h"

/* Where an owner may make a life stop for a while (tests aim so). */
enum life_point { LIFE_AT_OFFERED, LIFE_AT_DOWNLOADING, LIFE_AT_INSTALLING };

struct machine_ops {
	/* What the device is now. */
	void (*facts)(void *m, struct facts *ret);
	/* Makes room for a payload; ret_have is how much of this very one is there already. */
	enum proto_cause (*begin)(void *m, const struct update *u, size_t nth,
				  uint64_t *ret_have);
	bool (*write)(void *m, uint64_t offset, const uint8_t *p, size_t n);
	/* Reads the whole payload back and compares its digest. */
	enum proto_cause (*check)(void *m, const struct update *u, size_t nth);
	/* All payloads are there: install what they make, and make the next start a trial of
	 * it.  ret_why is a text for people, and need not be set. */
	enum proto_cause (*activate)(void *m, const struct update *u,
				     struct suit_bytes envelope, const char **ret_why);
	/* Fills in which waits of this update, of this very attempt, were over when the device
	 * was last on.  May be NULL: none. */
	void (*waited)(void *m, struct update *u);
	/* u->waited of them are over now: to be known after a restart too.  May be NULL. */
	void (*wait_over)(void *m, const struct update *u);
	/* Nothing is offered: what is left of a job does not count any more.  May be NULL. */
	void (*idle)(void *m);
	/* The job is no longer wanted, or failed: undo activate, forget what was written. */
	void (*call_off)(void *m);
	/* The server has this boot's registration. */
	void (*registered)(void *m);
	/* Start anew.  The life does nothing more until life_start. */
	void (*reboot)(void *m);
	/* The server has this report.  May be NULL. */
	void (*reported)(void *m, const struct update *u, enum proto_state state);
	/* The envelope is refused.  May be NULL. */
	void (*refused)(void *m, struct suit_bytes envelope,
			const struct platform_result *result);
	/* The last words about a job: a SUIT report for the server; empty: none.  Must stay
	 * until the next job.  What is larger than block_size goes by blocks.  May be NULL. */
	struct suit_bytes (*last_words)(void *m);
	/* False: wait for life_go_on.  May be NULL. */
	bool (*pass)(void *m, enum life_point point);
};

struct life_config {
	bool observe;
	uint64_t poll_max_s;
	uint64_t envelope_max;
	uint64_t block_size;
};

enum life_state {
	LIFE_OFF,
	LIFE_REGISTERING,
	LIFE_WAITING,
	LIFE_ASKING,
	LIFE_MANIFEST,
	LIFE_DEPENDENCY,
	LIFE_IMAGE,
	LIFE_REPORTING,
	LIFE_HELD,
};

/* What comes after a report or a stop. */
enum life_next {
	LIFE_NEXT_ASK,
	LIFE_NEXT_WAIT,
	LIFE_NEXT_MANIFEST,
	LIFE_NEXT_IMAGE,
	LIFE_NEXT_INSTALL,
	LIFE_NEXT_ACTIVATE,
	LIFE_NEXT_REBOOT,
};

struct life {
	const struct life_config *config;
	const struct machine_ops *ops;
	void *machine;
	struct link *link;
	const struct verify *verify;
	const struct proto_register *self; /* what the device is now */
	enum life_state state;
	enum life_next next;
	bool is_registered;
	int64_t wake_ms;
	uint64_t refused_job, refused_attempt; /* not to be begun again */
	struct update update;
	size_t nth;         /* of the payloads, the one under way */
	bool put_off;       /* the job waits, and the server was told so; the envelope stays */
	int64_t look_ms;    /* then: when to look at the clock again */
	uint64_t spread_ms; /* not all devices go on at the same moment */
	uint64_t again_s;   /* of the offer: when to ask whether it is still wanted */
	uint64_t envelope_size;
	struct fetch fetch;
	struct payload elsewhere; /* a dependency that is fetched into: */
	uint8_t *dependency;      /* of envelope_max, together with the envelope */
	uint8_t *envelope;        /* until the job is over: it is carried out at the end */
	enum proto_state said;    /* the report under way */
	bool judged;              /* the manifest of this job was: there are last words */
	bool last_words;          /* which are under way */
	struct upload upload;     /* by this */
	uint64_t tell_at;         /* bytes: the next progress to report */
	uint64_t heard;           /* answers to GET update */
};

void life_init(struct life *l, struct link *link, const struct machine_ops *ops, void *machine);
void life_finish(struct life *l);
/* Begins with a registration of self, as after every boot. */
void life_start(struct life *l, const struct proto_register *self);
void life_go_on(struct life *l);
/* Whoever waits asks now. */
void life_wake(struct life *l);
/* Does what is due (the link's part too) and yields the time of the next thing. */
int64_t life_step(struct life *l, int64_t now_ms);
