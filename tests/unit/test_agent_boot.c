/* Boot state and the launcher's decisions. */
#include "agent/boot.h"
#include "agent/file.h"
#include "agent/launcher.h"

#include "tests/tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/muster-boot-XXXXXX";

static void remove_file(const char *name)
{
	char path[FILE_PATH_MAX];
	if (file_path(dir, name, path))
		unlink(path);
}

static bool put_file(const char *name, const char *text)
{
	return file_replace(dir, name, text, strlen(text));
}

static void test_round_trip(void)
{
	struct boot_state s, t;
	memset(&s, 0, sizeof(s));
	s = (struct boot_state){ .active = 'b',
				 .trial = 'a',
				 .tries = 3,
				 .sequence = UINT64_MAX,
				 .trial_sequence = 8,
				 .job = 9,
				 .attempt = 10,
				 .last = { BOOT_ROLLED_BACK, 11, 12, "why it ended" } };
	ok(boot_save(dir, &s) && boot_load(dir, &t), "saved and loaded");
	ok(t.active == 'b' && t.trial == 'a' && t.tries == 3 && t.sequence == UINT64_MAX,
	   "slots");
	ok(t.trial_sequence == 8 && t.job == 9 && t.attempt == 10, "the trial");
	ok(t.last.outcome == BOOT_ROLLED_BACK && t.last.job == 11 && t.last.attempt == 12,
	   "last");
	is_str(t.last.reason, "why it ended", "reason");
}

static void test_fresh_and_damaged(void)
{
	static const char *const damaged[] = {
		"",
		"active=\n",
		"active=c\ntrial=-\n",
		"active=a\ntrial=a\n",
		"active=a\ntrial=-\nsequence=-1\n",
		"active=a\ntrial=-\nlast_outcome=3\n",
		"active=a\ntrial=-\nunknown=1\n",
		"active=a\ntrial=-\nsequence\n",
		"active=ab\ntrial=-\n",
	};
	struct boot_state s = { .active = 'x' };
	remove_file(BOOT_FILE);
	ok(boot_load(dir, &s) && s.active == 'a' && s.trial == BOOT_NO_TRIAL && s.sequence == 0,
	   "no file: a new device");
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		s.active = 'x';
		ok(put_file(BOOT_FILE, damaged[i]) && !boot_load(dir, &s) && s.active == 'x',
		   "damaged state %zu is refused and nothing is written", i);
	}
}

/* A file that lost its end must not pass for one that never saw a sequence number. */
static void test_cut_short(void)
{
	char path[FILE_PATH_MAX], text[1024];
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL, .sequence = 12 }, t;
	size_t n = 0;
	int taken = 0;
	ok(boot_save(dir, &s) && file_path(dir, BOOT_FILE, path) &&
		   file_read_text(path, text, sizeof(text), &n),
	   "saved");
	for (size_t cut = 0; cut < n; cut++)
		taken += file_replace(dir, BOOT_FILE, text, cut) && boot_load(dir, &t);
	is_int(taken, 0, "test_R11: cut short anywhere it is refused");
	text[n - 2] = '\0';
	ok(file_replace(dir, BOOT_FILE, text, n) && !boot_load(dir, &t), "with a NUL too");
	text[n - 2] = '=';
	memcpy(text + n, "sequence=1\n", 11);
	ok(file_replace(dir, BOOT_FILE, text, n + 11) && !boot_load(dir, &t),
	   "and when it says a thing twice");
}

static void test_transitions(void)
{
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL, .sequence = 4 };
	is_int(boot_slot(&s), 'a', "the confirmed slot starts");
	boot_set_trial(&s, 7, 1, 2);
	is_int(boot_slot(&s), 'b', "the trial starts");
	is_int((int64_t)s.sequence, 4, "A02: a trial does not raise the floor");
	struct boot_state failed = s;
	boot_fall_back(&failed, BOOT_ROLLED_BACK, "because");
	is_int(boot_slot(&failed), 'a', "after falling back the old slot starts");
	ok(failed.last.job == 1 && failed.last.attempt == 2 && failed.sequence == 4,
	   "and the job is remembered");
	boot_confirm(&s);
	ok(s.active == 'b' && s.trial == BOOT_NO_TRIAL && s.sequence == 7, "confirmed");
	ok(s.last.outcome == BOOT_NOTHING, "nothing bad to tell");
}

/* All components go over and come back by one record. */
static void test_pairs(void)
{
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL, .sequence = 4 }, t;
	is_int(boot_pair_slot(&s, "config"), 'a', "a component that never had an update");
	boot_set_trial(&s, 7, 1, 2);
	boot_keep_slot(&s);
	ok(boot_try_pair(&s, "config") && boot_save(dir, &s) && boot_load(dir, &t),
	   "a configuration alone on trial");
	ok(boot_slot(&t) == 'a' && boot_pair_slot(&t, "config") == 'b' &&
		   boot_pair_active(&t, "config") == 'a',
	   "the same slot starts, with the other file");
	boot_confirm(&t);
	ok(boot_pair_active(&t, "config") == 'b' && t.active == 'a' && t.sequence == 7,
	   "confirmed");
	boot_set_trial(&t, 8, 1, 2);
	ok(boot_try_pair(&t, "config") && boot_try_pair(&t, "modem"), "three on trial");
	ok(boot_pair_slot(&t, "config") == 'a' && boot_pair_slot(&t, "modem") == 'b',
	   "each at its own other file");
	boot_fall_back(&t, BOOT_ROLLED_BACK, "because");
	ok(boot_slot(&t) == 'a' && boot_pair_slot(&t, "config") == 'b' &&
		   boot_pair_slot(&t, "modem") == 'a',
	   "and all come back");
	ok(boot_save(dir, &t) && boot_load(dir, &s) && s.pair_count == 2, "saved");
	for (int i = 2; i < BOOT_PAIRS_MAX; i++)
		ok(boot_try_pair(&t, i == 2 ? "c2" : "c3"), "there is room");
	ok(!boot_try_pair(&t, "one-more") && !boot_try_pair(&t, "a/b"), "and no more");
}

static void test_pairs_that_make_no_sense(void)
{
	static const char *const change[][2] = {
		{ "pair.config=ab", "pair.config=ac" }, { "pair.config=ab", "pair.config=aa" },
		{ "pair.config=ab", "pair.config=a" },  { "pair.config=ab", "pair.co/nf=ab" },
		{ "pair.config=ab", "pair.config=a-" }, { "\ntrial=a", "\ntrial=-" },
		{ "pair.modem=a-", "pair.config=ab" },
	};
	char path[FILE_PATH_MAX], text[1024], changed[1024];
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL }, t;
	size_t n = 0;
	int taken = 0;
	boot_set_trial(&s, 7, 1, 2);
	boot_keep_slot(&s);
	ok(boot_try_pair(&s, "modem") && boot_try_pair(&s, "config"), "two");
	s.pair[0].trial = BOOT_NO_TRIAL;
	ok(boot_save(dir, &s) && file_path(dir, BOOT_FILE, path) &&
		   file_read_text(path, text, sizeof(text), &n) && boot_load(dir, &t),
	   "saved");
	for (size_t cut = 0; cut < n; cut++)
		taken += file_replace(dir, BOOT_FILE, text, cut) && boot_load(dir, &t);
	is_int(taken, 0, "cut short anywhere it is refused");
	for (size_t i = 0; i < sizeof(change) / sizeof(*change); i++) {
		const char *at = strstr(text, change[i][0]);
		snprintf(changed, sizeof(changed), "%.*s%s%s", at ? (int)(at - text) : 0, text,
			 change[i][1], at ? at + strlen(change[i][0]) : "");
		ok(at && put_file(BOOT_FILE, changed) && !boot_load(dir, &t), "refused: %s",
		   change[i][1]);
	}
}

static void test_launcher_counts_before_it_starts(void)
{
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL };
	struct boot_state seen, on_disk;
	char slot = 'x';
	boot_set_trial(&s, 7, 1, 2);
	boot_save(dir, &s);
	ok(launcher_next(dir, 2, &seen, &slot) && slot == 'b', "first start of the trial");
	ok(boot_load(dir, &on_disk) && on_disk.tries == 1, "is on the disk before it starts");
	ok(launcher_next(dir, 2, &seen, &slot) && slot == 'b', "second start");
	ok(launcher_next(dir, 2, &seen, &slot) && slot == 'a', "no third one: the old slot");
	ok(boot_load(dir, &on_disk) && on_disk.trial == BOOT_NO_TRIAL &&
		   on_disk.last.outcome == BOOT_ROLLED_BACK && on_disk.last.job == 1,
	   "and why is on the disk");
	ok(launcher_next(dir, 2, &seen, &slot) && slot == 'a', "it stays so");
}

/* With further components alone the slot says nothing. */
static void test_the_next_trial_is_another(struct boot_state *s)
{
	bool fell = false;
	boot_set_trial(s, 8, 4, 1);
	boot_keep_slot(s);
	boot_try_pair(s, "config");
	s->tries = 1;
	for (int i = 0; i < 4; i++) {
		struct boot_state next = *s;
		next.trial_sequence += i == 0;
		next.job += i == 1;
		next.attempt += i == 2;
		next.tries -= i == 3;
		ok(boot_save(dir, &next) && launcher_timed_out(dir, s, &fell) && !fell,
		   "another trial of the same slot stands, %d", i);
	}
	ok(boot_save(dir, s) && launcher_timed_out(dir, s, &fell) && fell, "itself not");
}

static void test_launcher_times_out(void)
{
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL };
	struct boot_state on_disk, started;
	bool fell = false;
	boot_set_trial(&s, 7, 1, 2);
	boot_save(dir, &s);
	ok(launcher_timed_out(dir, &s, &fell) && fell, "the trial is over");
	boot_set_trial(&s, 7, 1, 2);
	started = s;
	boot_confirm(&s);
	boot_save(dir, &s);
	ok(launcher_timed_out(dir, &started, &fell) && !fell,
	   "one that was confirmed meanwhile stands");
	ok(boot_load(dir, &on_disk) && on_disk.active == 'b' && on_disk.sequence == 7,
	   "confirmed");
	test_the_next_trial_is_another(&s);
}

static void test_launcher_without_a_state(void)
{
	struct boot_state s;
	char slot = 'x';
	put_file(BOOT_FILE, "rubbish\n");
	ok(!launcher_next(dir, 2, &s, &slot) && slot == 'x',
	   "damaged: what was known stays, and nothing changed");
}

static void test_failed_save_keeps_the_old_one(void)
{
	struct boot_state s = { .active = 'b', .trial = BOOT_NO_TRIAL }, t;
	char path[FILE_PATH_MAX];
	boot_save(dir, &s);
	s.active = 'a';
	/* the temporary file's name is taken by a folder, so it cannot be written */
	ok(file_path(dir, "boot.new", path) && mkdir(path, 0700) == 0, "in the way");
	ok(!boot_save(dir, &s), "the save fails");
	ok(boot_load(dir, &t) && t.active == 'b', "the old state is there");
	rmdir(path);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_round_trip();
	test_fresh_and_damaged();
	test_cut_short();
	test_transitions();
	test_pairs();
	test_pairs_that_make_no_sense();
	test_launcher_counts_before_it_starts();
	test_launcher_times_out();
	test_launcher_without_a_state();
	test_failed_save_keeps_the_old_one();
	remove_file(BOOT_FILE);
	rmdir(dir);
	return tap_done();
}
