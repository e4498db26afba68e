/* What the files of the processor share (process.c, pool.c, act.c, dependency.c).  Nobody
 * else includes it. */
#pragma once

#include "suit/process.h"

/* One manifest under way: the root's, or that of a dependency. */
struct suit_level {
	const struct suit_envelope *e;
	struct suit_level *up;    /* of who depends on it */
	struct suit_bytes prefix; /* before its component ids */
	const uint8_t *begin;     /* the sequence that offsets count from */
	uint32_t path;            /* from the root: an index + 1 a level, five bits each */
	uint32_t processed;       /* dependencies processed in this section, a bit an index */
	uint8_t depth;
	uint8_t key;                 /* the manifest's, of the sequence under way */
	bool vendor : 1, class_ : 1; /* conditions that held */
	bool delegated : 1;          /* a delegate's manifest */
	bool late : 1;               /* the last section ended with a dependency not known */
};

/* One sequence under way. */
struct suit_frame {
	uint8_t depth; /* of try-each and run-sequence, where a failure may be soft */
	bool soft;
	bool unordered;         /* strict order is off */
	uint16_t written, read; /* places, while unordered */
};

#define SUIT_INDEX_MAX 24 /* so that an index is one byte, encoded */

/* --- pool.c */
enum suit_rc suit_place_find(struct suit_run *r, size_t index, uint8_t *ret);
enum suit_rc suit_target_make(struct suit_run *r, size_t index, struct suit_target *ret);
/* The map of a set- or override-parameters, for a component. */
enum suit_rc suit_parameters_set(struct suit_run *r, size_t index, struct scbor *map,
				 bool override);
/* What a delegate has set is forgotten, but for encryption infos and what its dependencies,
 * which have only an index, are told by. */
void suit_parameters_forget(struct suit_run *r);
/* { source: [keys] } into a component. */
enum suit_rc suit_parameters_copy(struct suit_run *r, size_t index, struct suit_bytes arg);

/* --- dependency.c */
bool suit_dependency_find(const struct suit_envelope *e, size_t index,
			  struct suit_bytes *ret_prefix);
bool suit_index_used(const struct suit_envelope *e, size_t index);
enum suit_rc suit_dependency_verify(struct suit_run *r, const struct suit_target *t);
/* Compares an envelope's identity as a condition does. */
enum suit_rc suit_dependency_match(struct suit_run *r, const struct suit_target *t);
enum suit_rc suit_dependency_process(struct suit_run *r, const struct suit_target *t);
/* What the manifest's dependencies must have had in the section. */
enum suit_rc suit_dependencies_done(struct suit_run *r);
bool suit_delegated(const struct suit_run *r, const struct suit_envelope *e);
void suit_dependency_forget(struct suit_run *r, const struct suit_target *t);

/* --- act.c: conditions and directives of one component. */
enum suit_rc suit_act(struct suit_run *r, const struct suit_target *t, int64_t command,
		      struct suit_bytes arg);

/* --- process.c: the shared sequence and then the section, of the manifest under way. */
enum suit_rc suit_section_run(struct suit_run *r);
enum suit_rc suit_components_ask(struct suit_run *r);
/* Has the manifest this section, be it severed from the envelope? */
bool suit_section_has(const struct suit_envelope *e, enum suit_section s);
/* Has it one that comes before the one under way in this procedure? */
bool suit_sections_gone(const struct suit_run *r, const struct suit_envelope *e);
