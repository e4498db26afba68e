/* The PIN of a token: a file that nobody else may read, and the memory of one that was refused.
 *
 * With each wrong try a token is nearer to locking itself for good, and a launcher starts a
 * failed agent again and again.  So a refused PIN is noted in the state directory, by its file
 * and what it is for, and not given to the token again until the file is another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PIN_REFUSED_FILE "pin-refused"
#define PIN_STAMP_MAX    2048

/* Of several tokens several are noted, in one small file. */
struct pin {
	char text[256];
	char stamp[PIN_STAMP_MAX]; /* which file, as it is now, and what for */
};

/* One line of a regular file, at most 255 bytes; one that others than its
 * user, who is ours or root, may do anything with is refused.
 * token: its name.  ret_why says what is wrong; with errno 0 there is nothing to add. */
bool pin_read(const char *path, const char *token, struct pin *ret, const char **ret_why);
bool pin_was_refused(const char *state_dir, const struct pin *pin);
bool pin_note_refused(const char *state_dir, const struct pin *pin);
/* When all tokens are open. */
void pin_forget_refused(const char *state_dir);
