/* The canonical form of an audit entry and its hash; docs/audit.md says it in words.  Pure. */
#pragma once

#include "base/hash.h"
#include "base/model/audit.h"

/* SHA-256 over every field but the hash itself. */
void audit_hash(const struct audit_entry *e, struct digest *ret);
