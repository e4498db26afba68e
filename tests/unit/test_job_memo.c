/* What is remembered of jobs: of the right device, the latest, and not for long. */

#include "base/clean.h"
#include "core/job_memo.h"
#include "tests/tap.h"

static const struct uuid device = { { 1 } }, other = { { 2 } };

static struct job job_of(int64_t id, int64_t bytes)
{
	return (struct job){ .job_id = id,
			     .device_id = device,
			     .component = "main",
			     .state = JOB_DOWNLOADING,
			     .attempt = 3,
			     .boot_id = bytes_of("boot"),
			     .bytes_done = bytes,
			     .row_version = 4000000000 };
}

static bool get(struct job_memo *memo, int64_t id, int64_t now, struct arena *mem,
		struct job *ret)
{
	return job_memo_get(memo, &device, id, now, mem, ret);
}

static void test_kept(struct job_memo *memo, struct arena *mem)
{
	struct job job = job_of(7, 100), back;

	ok(!get(memo, 7, 50, mem, &back), "nothing is known at first");
	ok(!get(memo, 0, 50, mem, &back), "nor of a job that cannot be");
	job_memo_put(memo, &job, 50);
	ok(get(memo, 7, 60, mem, &back), "what was put is there");
	is_int(back.bytes_done, 100, "its numbers");
	is_int(back.row_version, 4000000000, "its version");
	is_bytes(back.boot_id.p, back.boot_id.n, "boot", 4, "its boot");
	ok(!back.component, "no pointer of who put it");
	ok(!job_memo_get(memo, &other, 7, 60, mem, &back), "for no other device");
	job = job_of(7, 200);
	job_memo_put(memo, &job, 70);
	ok(get(memo, 7, 70, mem, &back) && back.bytes_done == 200, "the latest counts");
}

static void test_forgotten(struct job_memo *memo, struct arena *mem)
{
	struct job job = job_of(7, 1), next = job_of(7 + JOB_MEMO_PLACES, 2), back;

	job_memo_put(memo, &job, 100);
	ok(get(memo, 7, 100 + JOB_MEMO_LIFE_US, mem, &back), "for its life");
	ok(!get(memo, 7, 101 + JOB_MEMO_LIFE_US, mem, &back), "and no longer");
	ok(!get(memo, 7, 99, mem, &back), "nor when the clock was set back");
	job_memo_drop(memo, 7 + JOB_MEMO_PLACES);
	ok(get(memo, 7, 100, mem, &back), "another's end changes nothing");
	job_memo_put(memo, &next, 100);
	ok(!get(memo, 7, 100, mem, &back), "a later job takes the place");
	job_memo_drop(memo, 7 + JOB_MEMO_PLACES);
	ok(!get(memo, 7 + JOB_MEMO_PLACES, 100, mem, &back), "what is dropped is gone");
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct job_memo *memo = job_memo_create();
	struct job job = job_of(7, 1), back;

	test_kept(memo, mem);
	test_forgotten(memo, mem);
	job_memo_put(NULL, &job, 1);
	job_memo_drop(NULL, 7);
	ok(!get(NULL, 7, 1, mem, &back), "without a memory nothing is known");
	job_memo_free(memo);
	job_memo_free(NULL);
	return tap_done();
}
