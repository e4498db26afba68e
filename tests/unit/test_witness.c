/* The witness: when a database has gone back, and files that a crash may have cut short. */

#include "base/clean.h"
#include "core/witness_file.h"
#include "core/witness_rules.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <stdio.h>

static const struct uuid here = { { 1 } }, elsewhere = { { 2 } };
static const struct digest some = { { 3 } }, other = { { 4 } };

static const struct witness_mark mark = {
	.witness_id = { { 9 } },
	.instance_id = { { 1 } },
	.epoch = 5,
	.counter = 100,
	.audit_seq = 7,
	.audit_hash = { { 3 } },
};
static const struct witness_row same = { .instance_id = { { 1 } },
					 .epoch = 5,
					 .has_counter = true,
					 .counter = 100,
					 .has_audit = true,
					 .audit_hash = { { 3 } } };

static void judged(struct witness_row row, enum witness_verdict wanted, const char *name)
{
	const char *why = NULL;

	is_int(witness_judge(&mark, &row, &why), wanted, name);
	if (wanted == WITNESS_BEHIND)
		ok(why != NULL, "and says why: %s", why);
}

static void test_A03_verdicts(void)
{
	struct witness_row row = same;
	struct witness_mark fresh = mark;
	const char *why;

	judged(row, WITNESS_SAME, "the database is where it was left");
	row.counter = 101;
	judged(row, WITNESS_SAME, "or further on");
	row.counter = 99;
	judged(row, WITNESS_BEHIND, "the counter went back");
	row = same;
	row.has_counter = false;
	judged(row, WITNESS_BEHIND, "the counter is gone");
	row = same;
	row.has_audit = false;
	judged(row, WITNESS_BEHIND, "the audit is shorter");
	row = same;
	row.audit_hash = other;
	judged(row, WITNESS_BEHIND, "the audit went another way");
	row = same;
	row.instance_id = elsewhere;
	row.epoch = 6;
	judged(row, WITNESS_BEHIND, "another database");
	row = same;
	row.epoch = 4;
	judged(row, WITNESS_BEHIND, "from before the last fence");
	row = (struct witness_row){ .instance_id = here, .epoch = 6 };
	judged(row, WITNESS_FENCED, "fenced by another daemon");
	fresh.audit_seq = 0;
	row = same;
	row.has_audit = false;
	is_int(witness_judge(&fresh, &row, &why), WITNESS_SAME,
	       "nothing of the audit was seen");
}

static void test_A03_mark(const char *dir, struct arena *mem)
{
	struct witness_mark got;
	const char *path = arena_printf(mem, "%s/witness", dir);

	is_int(witness_load(dir, mem, &got), RC_NOT_FOUND, "no file yet");
	is_int(witness_save(dir, &mark), RC_OK, "saved");
	ok(witness_load(dir, mem, &got) == RC_OK &&
		   uuid_equal(&got.witness_id, &mark.witness_id) &&
		   uuid_equal(&got.instance_id, &here) && got.epoch == 5 &&
		   got.counter == 100 && got.audit_seq == 7 &&
		   digest_equal(&got.audit_hash, &some),
	   "and read again");
	is_int(witness_save(dir, &mark), RC_OK, "and over it");
	is_int(temp_dir_entries(dir), 1, "nothing else is left");

	CLEAN(file) FILE *f = fopen(path, "r+");
	char text[512];
	size_t n = f ? fread(text, 1, sizeof(text), f) : 0;
	bool refused = n > 100;
	for (size_t cut = 0; f && cut < n; cut++)
		refused = refused && ftruncate(fileno(f), (off_t)(n - 1 - cut)) == 0 &&
			  witness_load(dir, mem, &got) == RC_INVALID;
	ok(refused, "a file that was cut anywhere is not guessed at");
}

static struct audit_entry entry(int64_t seq, const char *action)
{
	return (struct audit_entry){ .seq = seq,
				     .hash = some,
				     .action = action,
				     .object_id = "an-id",
				     .detail = "{\"a\":\"b\"}" };
}

static void test_A03_acts(const char *dir, struct arena *mem)
{
	struct audit_entry first[] = { entry(1, "device.create"), entry(2, "device.revoke") };
	struct audit_entry more[] = { entry(3, "token.delete") };
	struct witness_act *acts;
	int n = -1;

	ok(witness_acts(dir, mem, &acts, &n) == RC_OK && n == 0, "no acts yet");
	is_int(witness_keep(dir, first, 2, mem), RC_OK, "two entries");
	ok(witness_acts(dir, mem, &acts, &n) == RC_OK && n == 1 && acts[0].seq == 2 &&
		   strcmp(acts[0].action, "device.revoke") == 0 &&
		   strcmp(acts[0].object_id, "an-id") == 0 &&
		   strcmp(acts[0].detail, "{\"a\":\"b\"}") == 0 &&
		   digest_equal(&acts[0].hash, &some),
	   "what closes something is kept, the rest is not");

	CLEAN(file) FILE *f = fopen(arena_printf(mem, "%s/witness.acts", dir), "a");
	ok(f && fputs("3\t0300", f) >= 0 && fflush(f) == 0, "a crash cuts a line short");
	ok(witness_acts(dir, mem, &acts, &n) == RC_OK && n == 1, "it does not count");
	is_int(witness_keep(dir, more, 1, mem), RC_OK, "the next is written");
	ok(witness_acts(dir, mem, &acts, &n) == RC_OK && n == 2 && acts[1].seq == 3,
	   "on a line of its own");
	is_int(witness_put_away(dir, 8, mem), RC_OK, "put away");
	ok(witness_acts(dir, mem, &acts, &n) == RC_OK && n == 0, "nothing is left");
	is_int(witness_put_away(dir, 8, mem), RC_OK, "which may be done again");
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(temp_dir) struct temp_dir a = temp_dir_make();
	CLEAN(temp_dir) struct temp_dir b = temp_dir_make();

	test_A03_verdicts();
	test_A03_mark(a.path, mem);
	test_A03_acts(b.path, mem);
	return tap_done();
}
