/* What a device keeps in its state directory, apart from keys:
 *
 *	a.bin, b.bin              the slots of the first component: whole executables
 *	NAME-a.bin, NAME-b.bin    the two files of each further component
 *	dl-N.bin                  payload N of an update, when it is to be copied from
 *	journal, journal-N        how much of it is there (agent/journal.h)
 *	waited                    which waits of an update are over (agent/waited.h)
 *	lock                      held by the process that may write here
 *	boot                      which of two is in use, of all components (agent/boot.h)
 *
 * The file that is in use is never opened for writing.  The journal says how much of a payload
 * is safely in its file; it is written only after those bytes are (fdatasync, then replace), so
 * after a cut at any instant a download loses one journal interval at most.  All components go
 * over to their other file together, when `boot` is replaced, and back in the same way. */
#pragma once

#include "agent/boot.h"
#include "agent/proto.h"
#include "agent/update.h"
#include "suit/crypto.h"

#define STORE_NAME_SIZE 48
#define STORE_LOCK_FILE "lock"

struct store {
	const char *dir;
	const struct suit_crypto *crypto;
	uint64_t journal_bytes;             /* the interval */
	const char *part[UPDATE_PARTS_MAX]; /* names; the first one's are not used */
	size_t part_count;
	struct boot_state boot;
	int fd;               /* the payload's file while it is written, or -1 */
	uint64_t unsaved;     /* bytes since the journal was written */
	struct update update; /* what is being written */
	size_t nth;           /* of its payloads */
};

/* The state directory is this process's alone until the descriptor is closed, or the process
 * ends.  -1: errno is EWOULDBLOCK when it is another's. */
int store_lock(const char *dir);
/* Reads the boot state.  dir stays the caller's. */
bool store_open(struct store *s, const char *dir, const struct suit_crypto *crypto,
		uint64_t journal_bytes);
/* One more component, whose name stays the caller's. */
void store_add_part(struct store *s, const char *name);
void store_close(struct store *s);
/* The file of a component, which is named by NULL when it is the first. */
void store_file_name(const char *name, char slot, char ret[STORE_NAME_SIZE]);
/* The confirmed one of a component, and the one to use now. */
char store_active(const struct store *s, size_t part);
char store_current(const struct store *s, size_t part);
/* Digest and size of a component's whole file.  errno is ENOENT when there is none. */
bool store_digest(const struct store *s, size_t part, char slot, struct suit_digest *ret,
		  uint64_t *ret_size);

/* The same of any file. */
bool store_file_digest(const struct suit_crypto *crypto, const char *path,
		       struct suit_digest *ret, uint64_t *ret_size);

/* --- payloads: one after the other, each in order and without gaps */

enum proto_cause store_begin(struct store *s, const struct update *u, size_t nth,
			     uint64_t *ret_have);
bool store_write(struct store *s, uint64_t offset, const uint8_t *p, size_t n);
/* Makes the file durable, then reads it back. */
enum proto_cause store_check(struct store *s, const struct update *u, size_t nth);
bool store_payload_digest(const struct store *s, const struct update *u, size_t nth,
			  struct suit_digest *ret, uint64_t *ret_size);
/* To read it; -1 on failure. */
int store_payload_open(const struct store *s, const struct update *u, size_t nth);

/* --- what is made of them */

/* What the component holds now, to read it; -1: nothing. */
int store_part_open(const struct store *s, size_t part);
/* The component's other file, empty, with room for size bytes; -1 on failure.  Nothing else may
 * be written meanwhile. */
int store_stage(struct store *s, const struct update *u, size_t part, uint64_t size);
/* The next start is a trial of what was written, in all components that the update touched. */
bool store_activate(struct store *s, const struct update *u);
bool store_call_off(struct store *s);
/* The server knows this boot: ends a trial well if running is the slot on trial, and forgets
 * how the last one ended. */
bool store_confirm(struct store *s, char running);
