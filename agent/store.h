/* The two slots and their journal, in the state directory: a.bin, b.bin, boot, journal.
 *
 * The active slot's file is never opened for writing.  The journal says how much of which image
 * is safely in the inactive slot; it is written only after those bytes are (fdatasync, then
 * replace), so after a cut at any instant a download loses one journal interval at most. */
#pragma once

#include "agent/boot.h"
#include "agent/verify.h"
#include "suit/crypto.h"

#define STORE_SLOT_NAME_SIZE 6

struct store {
	const char *dir;
	const struct suit_crypto *crypto;
	uint64_t journal_bytes; /* the interval */
	struct boot_state boot;
	int fd;               /* the inactive slot while it is written, or -1 */
	uint64_t unsaved;     /* bytes since the journal was written */
	struct update update; /* what is being written */
};

/* Reads the boot state.  dir stays the caller's. */
bool store_open(struct store *s, const char *dir, const struct suit_crypto *crypto,
		uint64_t journal_bytes);
void store_close(struct store *s);
void store_slot_name(char slot, char ret[STORE_SLOT_NAME_SIZE]);
/* Digest and size of a slot's whole file. */
bool store_digest(const struct store *s, char slot, struct suit_digest *ret,
		  uint64_t *ret_size);

enum proto_cause store_begin(struct store *s, const struct update *u, uint64_t *ret_have);
/* In order, without gaps. */
bool store_write(struct store *s, uint64_t offset, const uint8_t *p, size_t n);
/* Makes the slot durable, then reads it back. */
enum proto_cause store_check(struct store *s, const struct update *u);
bool store_activate(struct store *s, const struct update *u);
bool store_call_off(struct store *s);
/* The server knows this boot: ends a trial well, and forgets how the last one ended. */
bool store_confirm(struct store *s, char running);
