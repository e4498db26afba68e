/* The boot state: which slot is confirmed, which is on trial, and how the last trial ended.
 * Agent and launcher both read and write it; only one of them runs at the moment of a change
 * (the launcher writes while no child runs, the agent while it runs), so there is no lock.
 *
 * One file, replaced whole: at every instant it names a confirmed slot, and that slot is never
 * the one that is written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_FILE        "boot"
#define BOOT_REASON_SIZE 96
#define BOOT_NO_TRIAL    '-'
/* How the agent asks its launcher to start it anew. */
#define BOOT_EXIT_REBOOT 42
/* What the launcher tells its child. */
#define BOOT_ENV_SLOT  "MUSTER_SLOT"
#define BOOT_ENV_ID    "MUSTER_BOOT_ID"
#define BOOT_ENV_TRIAL "MUSTER_TRIAL" /* "yes": this start is a trial */
#define BOOT_ENV_FILE  "MUSTER_FILE_" /* and a component's name: its file, if it has one */
#define BOOT_ID_SIZE   8

#define BOOT_PAIRS_MAX 4
#define BOOT_NAME_SIZE 33

/* As in a registration's `last` (api/device.cddl). */
enum boot_outcome { BOOT_NOTHING = 0, BOOT_FAILED = 11, BOOT_ROLLED_BACK = 12 };

struct boot_last {
	enum boot_outcome outcome;
	uint64_t job, attempt;
	char reason[BOOT_REASON_SIZE];
};

/* A further component: a pair of files.  It has an entry from its first update on; without one
 * it is at 'a'. */
struct boot_pair {
	char name[BOOT_NAME_SIZE];
	char active; /* the file that is confirmed */
	char trial;  /* the file on trial, or BOOT_NO_TRIAL when it stays as it is */
};

struct boot_state {
	char active;       /* 'a' or 'b': the slot that is confirmed */
	char trial;        /* the slot to be started on trial, or BOOT_NO_TRIAL; it is the
			    * active one when other components alone are on trial */
	uint64_t tries;    /* trial boots begun */
	uint64_t sequence; /* of the newest confirmed manifest: nothing at or below it is taken
			    */
	uint64_t trial_sequence, job, attempt; /* of the trial */
	struct boot_last last; /* to be told to the server, until it has said yes */
	struct boot_pair pair[BOOT_PAIRS_MAX];
	size_t pair_count;
};

/* A missing file is a new device: slot a, sequence 0.  False when it cannot be read or makes no
 * sense; nothing is guessed then. */
bool boot_load(const char *dir, struct boot_state *ret);
bool boot_save(const char *dir, const struct boot_state *s);

char boot_other(char slot);
/* Is on trial now what was on trial then, and not begun anew since? */
bool boot_same_trial(const struct boot_state *now, const struct boot_state *then);
/* The slot to start now. */
char boot_slot(const struct boot_state *s);
/* The file of a further component: the confirmed one, and the one to use now. */
char boot_pair_active(const struct boot_state *s, const char *name);
char boot_pair_slot(const struct boot_state *s, const char *name);
/* 1 to 32 letters, digits, _ and -. */
bool boot_name_is_good(const char *name);

/* --- changes; none of them saves
 * -------------------------------------------------------------- */

/* The inactive slot holds a verified image: try it at the next boot. */
void boot_set_trial(struct boot_state *s, uint64_t sequence, uint64_t job, uint64_t attempt);
/* In this trial the active slot is started again: others alone are new. */
void boot_keep_slot(struct boot_state *s);
/* Forgets a component by its place. */
void boot_drop_pair(struct boot_state *s, size_t nth);
/* In this trial the component uses its other file.  False when there are too many. */
bool boot_try_pair(struct boot_state *s, const char *name);
/* The trial was called off before it began. */
void boot_clear_trial(struct boot_state *s);
/* The image on trial proved itself. */
void boot_confirm(struct boot_state *s);
/* The trial ended badly. */
void boot_fall_back(struct boot_state *s, enum boot_outcome outcome, const char *reason);
