/* Whether an envelope as a whole is authentic: the rule of server, agent and tools.
 *
 * Every block whose key is known must hold, and at least one does.  So no bit of a block that
 * somebody here could check is without meaning.  What a verifier does about others' blocks is
 * its policy: a server takes none, a device passes over those of authors it does not know. */
#pragma once

#include "suit/cose.h"

struct suit_trust {
	/* The nth key that may have made the signature, from 0; NULL: no more.  Found by the
	 * block's key id or certificate; for a block that names none, each key there is. */
	const struct suit_key *(*key)(void *arg, const struct suit_block *block, size_t nth);
	/* The same for MACs, n is 0: no more.  NULL: the verifier holds no MAC key at all, as a
	 * server does not, and passes over MACs. */
	struct suit_bytes (*mac_key)(void *arg, const struct suit_block *block, size_t nth);
	void *arg;
	bool pass_unknown; /* blocks by nobody known do not matter */
};

/* What was found, also on failure. */
struct suit_verdict {
	size_t signatures, macs; /* that hold */
	size_t unknown;          /* signatures and MACs by nobody known */
	size_t macs_unread;      /* passed over, because no MAC key is held */
	size_t failed;           /* the block that made it fail; block_count: none did */
};

/* SUIT_MISSING: nothing there that this verifier knows.  SUIT_UNKNOWN: a block by nobody known,
 * which the policy does not pass.  SUIT_SIGNATURE, SUIT_KEY, SUIT_UNSUPPORTED: a known key's
 * block does not hold. */
enum suit_rc suit_envelope_verify(const struct suit_crypto *crypto,
				  const struct suit_envelope *e, const struct suit_trust *trust,
				  struct suit_verdict *ret) SUIT_MUST_CHECK;
