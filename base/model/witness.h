/* What a daemon remembers of the database, and what the database says.  Plain data. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* The file `witness` of the state directory. */
struct witness_mark {
	struct uuid witness_id;
	struct uuid instance_id;
	int64_t epoch;
	int64_t counter;
	int64_t audit_seq; /* every entry up to here was seen; 0: none */
	struct digest audit_hash;
};

/* The same, as the database has it. */
struct witness_row {
	struct uuid instance_id;
	int64_t epoch;
	bool has_counter;
	int64_t counter;
	bool has_audit; /* the entry at the mark's audit_seq */
	struct digest audit_hash;
};

/* An entry of the audit that a restore must not undo: the file `witness.acts`. */
struct witness_act {
	int64_t seq;
	struct digest hash;
	const char *action, *object_id, *detail;
};
