/* The manifest processor (draft-37 section 6, trust domains, update management): executes a
 * manifest by a cursor over its bytes, through a table of functions that a platform fills.
 *
 * The envelope is decoded, its signatures are verified and its sequence number is newer than
 * what is installed before a run begins: that is the caller's. So is power loss: a run that was
 * cut off begins again from its start.
 *
 * Commands run strictly in order.  A condition that does not hold ends its sequence, and the
 * run, unless try-each or a soft failure goes on; a directive that fails always ends the run.
 * Parameters that a failed alternative has set stay set, as in the draft's abstract machine;
 * the component index is again what it was. Runs end after SUIT_STEPS_MAX commands. */
#pragma once

#include "suit/cbor.h"
#include "suit/command.h"
#include "suit/manifest.h"
#include "suit/report.h"

enum suit_procedure {
	SUIT_UPDATE_PROCEDURE, /* dependency resolution, fetch, candidate, install, validate */
	SUIT_INVOKE_PROCEDURE, /* validate, load, invoke */
	SUIT_UNINSTALL_PROCEDURE, /* uninstall */
};

struct suit_run;

/* What a command is about. */
struct suit_target {
	const struct suit_run *run;
	const struct suit_envelope *envelope; /* the manifest that holds the command */
	const struct suit_component_id *id;   /* NULL: a dependency that has only an index */
	struct suit_bytes prefix;             /* component id (encoded) before it, or empty */
	uint8_t index;                        /* in that manifest */
	uint8_t place;                        /* in the run's own numbering */
	bool dependency;                      /* it holds an envelope */
};

/* Every function may be NULL: a command that needs it is then SUIT_UNSUPPORTED.  One that
 * answers a question returns SUIT_OK, SUIT_CONDITION when it is not so, or why it cannot tell,
 * which ends the run; measured may be given what is there instead (a parameter's key and its
 * value, encoded), for the report. Directives return SUIT_OK or why they failed. They must not
 * write to a component before they know that the target is theirs to write. */
struct suit_platform {
	/* The target wants nothing from a manifest that does not name its vendor and class. */
	bool identity_first; /* refuse to act before a vendor and a class condition held */
	bool prefixes;       /* a dependency's prefix stands before the ids of its components */
	/* The draft wants a dependent to run every section that its dependencies have, and it
	 * is SUIT_MISSING to leave one out. Published envelopes do: this lets them. */
	bool partial_dependents;

	/* May the manifest use this component at all? Asked for each when a manifest begins.
	 * NULL: yes. */
	enum suit_rc (*component)(void *ctx, const struct suit_target *t);
	/* Does the target have this id?  key is SUIT_PARAM_VENDOR, _CLASS or _DEVICE; id has 16
	 * bytes, or is an encoded tag 112 (a private enterprise number). */
	enum suit_rc (*identity)(void *ctx, const struct suit_target *t,
				 enum suit_parameter key, struct suit_bytes id,
				 struct scbor_out *measured);
	/* Has the target this digest, and size when size is not NULL?  Never asked for a
	 * dependency: that is compared by its manifest's digest. */
	enum suit_rc (*image)(void *ctx, const struct suit_target *t,
			      const struct suit_digest *digest, const uint64_t *size,
			      struct scbor_out *measured);
	/* The slot that would be written. */
	enum suit_rc (*slot)(void *ctx, const struct suit_target *t, uint64_t *ret);
	/* Up to n bytes of what the target holds; ret_n is less only at its end. */
	enum suit_rc (*read)(void *ctx, const struct suit_target *t, uint64_t offset,
			     uint8_t *buf, size_t n, size_t *ret_n);
	enum suit_rc (*version)(void *ctx, const struct suit_target *t,
				int64_t ret[SUIT_VERSION_MAX], size_t *ret_n);
	enum suit_rc (*battery)(void *ctx, const struct suit_target *t, uint64_t *ret_mwh);
	enum suit_rc (*now)(void *ctx, const struct suit_target *t, uint64_t *ret_epoch_s);
	enum suit_rc (*authorized)(void *ctx, const struct suit_target *t, int64_t priority);

	/* content.p is set when the envelope itself holds what the URI names.  Not decrypted.
	 */
	enum suit_rc (*fetch)(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			      struct suit_bytes content);
	/* These two decrypt when the target has SUIT_PARAM_ENCRYPTION. */
	enum suit_rc (*write)(void *ctx, const struct suit_target *t,
			      struct suit_bytes content);
	enum suit_rc (*copy)(void *ctx, const struct suit_target *t,
			     const struct suit_target *source);
	enum suit_rc (*swap)(void *ctx, const struct suit_target *t,
			     const struct suit_target *source);
	enum suit_rc (*invoke)(void *ctx, const struct suit_target *t, struct suit_bytes args);
	/* Drops one reference; what is without any may be removed. */
	enum suit_rc (*unlink)(void *ctx, const struct suit_target *t);
	/* info: the map of events, all of which must have happened. */
	enum suit_rc (*wait)(void *ctx, const struct suit_target *t, struct suit_bytes info);
	/* The envelope in a dependency: decoded, and its signatures verified by a key that may
	 * command its components. It and its bytes stay until the run ends. SUIT_MISSING when
	 * there is none. */
	enum suit_rc (*dependency)(void *ctx, const struct suit_target *t,
				   const struct suit_envelope **ret);
	/* Is the manifest signed by a delegate alone (see below)?  Asked for the root and for
	 * each dependency; whoever has verified it knows.  NULL: none is. */
	bool (*delegated)(void *ctx, const struct suit_envelope *e);
	/* A vendor's own command (-257 and below).  SUIT_CONDITION makes it a condition. */
	enum suit_rc (*custom)(void *ctx, const struct suit_target *t, int64_t command,
			       struct suit_bytes arg);
	/* Each record that a command's reporting policy asks for.  NULL: nobody wants them. */
	void (*record)(void *ctx, const struct suit_record *record, bool success);
};

/* A delegate lets devices into what an author made, and changes nothing in it: what it signs
 * may ask conditions, set parameters, fetch a dependency and process it, and is SUIT_KEY when
 * it does more.  Of what it sets nothing but an encryption info reaches the author's manifest,
 * which has to check vendor and class itself; a delegate's dependency is an author's, and is
 * run whole: every section of it, or the run is SUIT_MISSING. */
bool suit_delegate_may(enum suit_command command, bool dependency);

#define SUIT_MEASURED_MAX 64 /* bytes of the measured parameters of one record */

struct suit_level;
struct suit_frame;

/* A run: the result, and the processor's memory.  Needs no initialisation. */
struct suit_run {
	enum suit_reason reason;   /* of the result, for a report */
	struct suit_record failed; /* where it ended; its measured points into this struct */
	uint32_t steps;
	uint8_t section; /* enum suit_section, the one under way */
	/* After SUIT_CONDITION: SUIT_COND_MIN_BATTERY or _AUTHORIZED when that did not hold and
	 * barred the way, which it may no longer do at another time.  0: nothing of that kind,
	 * or it barred only a way in whose place another was found. */
	uint8_t not_yet;

	/* The rest is the processor's own. */
	bool noted; /* failed is set */
	uint8_t place_count, measured_n;
	uint8_t procedure;
	uint16_t parameter_count;
	const struct suit_platform *platform;
	void *ctx;
	struct suit_level *level; /* the manifest under way */
	struct suit_frame *frame; /* and its sequence */
	struct suit_bytes index;  /* the component index: a number, a list or true; encoded */
	struct suit_target_place {
		const struct suit_component_id *id; /* NULL: named by path */
		struct suit_bytes prefix;
		uint32_t path;     /* of the manifest and index that first named it */
		uint32_t verified; /* path of whoever has checked its integrity; 0: nobody */
	} place[SUIT_TARGETS_MAX];
	struct suit_parameter_value {
		const uint8_t *p; /* encoded */
		uint16_t n;
		uint8_t place;
		int8_t key; /* enum suit_parameter, or a vendor's own */
	} parameter[SUIT_POOL_MAX];
	uint8_t measured[SUIT_MEASURED_MAX];
};

/* Runs a whole procedure.  SUIT_OK only when every section of it did. */
enum suit_rc suit_process(const struct suit_envelope *e, enum suit_procedure procedure,
			  const struct suit_platform *platform, void *ctx,
			  struct suit_run *run) SUIT_MUST_CHECK;

/* Parameters of a target; false when it is not set (or is of another type). */
bool suit_parameter_encoded(const struct suit_target *t, enum suit_parameter key,
			    struct suit_bytes *ret);
/* Content of a byte string or a text. */
bool suit_parameter_bytes(const struct suit_target *t, enum suit_parameter key,
			  struct suit_bytes *ret);
bool suit_parameter_uint(const struct suit_target *t, enum suit_parameter key, uint64_t *ret);
bool suit_parameter_int(const struct suit_target *t, enum suit_parameter key, int64_t *ret);
bool suit_parameter_digest(const struct suit_target *t, struct suit_digest *ret);

/* Does a version fit a SUIT_Parameter_Version_Match (content of the parameter's byte string)?
 */
enum suit_rc suit_version_match(struct suit_bytes match, const int64_t *version, size_t n);
