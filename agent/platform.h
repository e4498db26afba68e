/* The device under suit_process (suit/process.h).  A manifest is run twice by the same code:
 *
 *	1. to look, before anything is fetched: conditions are answered by what the device is, a
 *	   fetch is noted, and what it and a copy would bring is taken to have the digest that
 *	   the manifest says.  Whatever cannot be done (another base, a key that is not ours, a
 *	   format that is not known, an image that is too large) is refused here, and nothing
 *	   was written;
 *	2. to work, when all payloads are there: the same commands, on the inactive slots. Every
 *	   digest is measured.  It begins from its start after a power cut, which costs nothing
 *	   but time: what it writes is not in use before the boot state names it.
 *
 * Components: the parts of the device, and download areas `dl`, `dl/full` and `dl/WORD`, whose
 * word says what a copy has to do (agent/format.h).  Only parts can be copied into, only from
 * areas.  A patch is applied to what the part holds now, which the manifest must have compared
 * before.  What is put into a part must be compared once more at the end.  A swap puts an area
 * into a part, and the area holds from then on what the part has held: both are there, as the
 * part's two files, and which of them is in use is the boot state's affair, as ever.
 *
 * Dependencies lie in the envelope, or are put there before (agent/elsewhere.h), have their own
 * signatures and are newer than what was confirmed, as the root is.  What a delegate signed
 * does nothing itself (suit/process.h). The sequence number that the device then keeps is the
 * highest of the manifests that put something into a part, and of an author's root: a
 * delegate's counts for nothing. */
#pragma once

#include "agent/keys.h"
#include "agent/proto.h"
#include "agent/update.h"
#include "suit/process.h"

/* Whose signatures an envelope has: one of an author's makes it the author's. */
enum platform_signer { PLATFORM_NOBODY, PLATFORM_DELEGATE, PLATFORM_AUTHOR };

/* Dependencies of one run that are decoded, 2.6 kB each.  They are read where they lie, inside
 * the envelope, so that envelope_max bounds the bytes of all. */
#define PLATFORM_DEPENDENCIES_MAX 4

/* What a device can do at all. */
struct ability {
	const struct suit_crypto *crypto;
	struct suit_uuid vendor_id, class_id;
	uint64_t image_max; /* of a payload, and of an image */
	format_set formats; /* that it reads, of all kinds */
	bool only_encrypted;
	const struct keys *keys; /* NULL: none */
	/* Asked for each dependency, and for the root whether it is a delegate's alone.  NULL:
	 * no dependencies, and every root is an author's. */
	enum platform_signer (*signer)(const void *arg, const struct suit_envelope *e);
	const void *signer_arg;
	/* The charge of the battery; false: it cannot be read.  NULL: there is none that is
	 * known. */
	bool (*battery)(const void *asked, uint64_t *ret_mwh);
	/* May an update of this priority be made now?  NULL: there is nobody to ask. */
	bool (*authorized)(const void *asked, int64_t priority);
	const void *asked;
};

/* A copy: from a payload, or from bytes of the envelope. */
struct platform_copy {
	size_t part;
	int payload; /* -1: content is it */
	struct suit_bytes content;
	enum format format;
	struct suit_bytes info; /* encryption info; empty: none */
	uint64_t size;          /* of the image */
};

struct platform_work {
	/* What the part holds now, or what was put into its other slot.  SUIT_MISSING: nothing.
	 */
	enum suit_rc (*measure)(void *ctx, size_t part, bool staged, struct suit_digest *ret,
				uint64_t *ret_size);
	/* The same of a payload. */
	enum suit_rc (*payload)(void *ctx, size_t nth, struct suit_digest *ret,
				uint64_t *ret_size);
	/* Writes the part's other slot. */
	enum suit_rc (*copy)(void *ctx, const struct platform_copy *c);
};

struct platform_result {
	/* Of size 0: none.  Else it was refused only because this dependency's envelope is not
	 * in that of the manifest (agent/elsewhere.h): put it there, and look again. */
	struct payload elsewhere;
	/* Only a condition on battery or consent does not hold, or the clock was never set and
	 * does not tell whether a certificate holds: try later. */
	bool put_off;
	enum proto_cause cause;
	const char *why;
	struct suit_run run; /* of which result, reason and failed are for a report */
};

/* Looks.  Fills ret but for job, attempt and what is over of its waits; of those, waits of
 * another way do not count any more. */
enum suit_rc platform_look(const struct ability *a, const struct facts *facts,
			   const struct suit_envelope *e, struct update *ret,
			   struct platform_result *ret_result) SUIT_MUST_CHECK;
/* Works, exactly as looked: u is what that yielded. */
enum suit_rc platform_work(const struct ability *a, const struct facts *facts,
			   const struct suit_envelope *e, const struct update *u,
			   const struct platform_work *work, void *ctx,
			   struct platform_result *ret_result) SUIT_MUST_CHECK;

/* A component's name: its segments with / between them, one that is not of plain letters in
 * hexadecimal (api/coap.md).  False when it is longer than 255. */
bool platform_name(const struct suit_component_id *id, char ret[256]);
