/* The envelope written again: what is not changed stays byte for byte, so that the manifest,
 * its digest and every signature stay as they are. */
#pragma once

#include "suit/cbor.h"
#include "suit/manifest.h"

struct suit_change {
	/* Writes one more COSE message for the wrapper; called twice.  NULL: none. */
	void (*put)(struct scbor_out *o, const void *arg);
	const void *arg;
	uint32_t drop;           /* bit k: the severed element of key k is left out */
	struct suit_payload add; /* one more integrated payload; without a name: none */
};

/* buf may not overlap the envelope's bytes.  ret_n is the size wanted, also on SUIT_NO_SPACE.
 */
enum suit_rc suit_envelope_rewrite(const struct suit_envelope *e,
				   const struct suit_change *change, uint8_t *buf, size_t size,
				   size_t *ret_n) SUIT_MUST_CHECK;

/* Adds what a URI of the manifest names, so that it lies in the envelope.  Nothing has signed
 * it there: whoever fetches it compares it, as it is compared wherever it comes from. */
enum suit_rc suit_envelope_integrate(const struct suit_envelope *e, struct suit_bytes name,
				     struct suit_bytes content, uint8_t *buf, size_t size,
				     size_t *ret_n) SUIT_MUST_CHECK;

/* Leaves out severed elements, such as 23 (the text), which devices do not need.  A key that is
 * not there is passed over; one that no manifest can sever is SUIT_UNKNOWN. */
enum suit_rc suit_envelope_sever(const struct suit_envelope *e, const uint8_t *keys,
				 size_t key_count, uint8_t *buf, size_t size,
				 size_t *ret_n) SUIT_MUST_CHECK;
