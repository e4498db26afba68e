/* The journal of a download: how much of which payload is safely in which file.  One file for
 * each payload of an update, `journal`, `journal-1` and so on, replaced whole. */
#pragma once

#include "agent/update.h"

#define JOURNAL_NAME_SIZE 16
#define JOURNAL_FILE_SIZE 48 /* of the name of a file that is being written */

struct journal {
	char file[JOURNAL_FILE_SIZE]; /* in the state directory */
	struct suit_digest manifest, image;
	uint64_t size, have;
};

bool journal_save(const char *dir, size_t nth, const struct journal *j);
/* False for one that is not there, is damaged, or was cut short. */
bool journal_load(const char *dir, size_t nth, struct journal *ret);
/* True also when there is none. */
bool journal_drop(const char *dir, size_t nth);
