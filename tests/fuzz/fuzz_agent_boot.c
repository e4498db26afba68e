/* The device's boot state: what is taken names a confirmed slot, and saved again it is read as
 * the same. */

#include "agent/boot.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	scratch_make();
	return 0;
}

static void check_state(const struct boot_state *s)
{
	check(s->active == 'a' || s->active == 'b');
	bool pairs = false;
	check(s->pair_count <= BOOT_PAIRS_MAX);
	for (size_t i = 0; i < s->pair_count; i++) {
		char now = boot_pair_slot(s, s->pair[i].name);
		check(boot_name_is_good(s->pair[i].name) && (now == 'a' || now == 'b'));
		pairs = pairs || now != boot_pair_active(s, s->pair[i].name);
	}
	/* A trial is of something, and nothing is half on trial. */
	check(s->trial != BOOT_NO_TRIAL || !pairs);
	check(s->trial == BOOT_NO_TRIAL || s->trial == boot_other(s->active) || pairs);
	check(boot_slot(s) == 'a' || boot_slot(s) == 'b');
	check(memchr(s->last.reason, 0, sizeof(s->last.reason)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_state s, again;

	memset(&s, 0, sizeof(s));
	memset(&again, 0, sizeof(again));
	scratch_write(BOOT_FILE, data, size);
	if (!boot_load(scratch.path, &s))
		return 0;
	/* A file that was cut short would forget which sequence numbers were seen. */
	check(size > 0 && data[size - 1] == '\n' && !memchr(data, 0, size));
	check(memmem(data, size, "sequence=", 9) != NULL);
	check_state(&s);
	check(boot_save(scratch.path, &s) && boot_load(scratch.path, &again));
	check(s.active == again.active && s.trial == again.trial && s.tries == again.tries);
	check(s.sequence == again.sequence && s.trial_sequence == again.trial_sequence);
	check(s.job == again.job && s.attempt == again.attempt);
	check(s.last.outcome == again.last.outcome && s.last.job == again.last.job);
	check(strcmp(s.last.reason, again.last.reason) == 0);
	check(s.pair_count == again.pair_count &&
	      memcmp(s.pair, again.pair, sizeof(s.pair)) == 0);
	return 0;
}
