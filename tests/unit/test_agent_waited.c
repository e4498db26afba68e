/* Which waits of an update are over: in memory, and through restarts. */
#include "agent/file.h"
#include "agent/waited.h"

#include "base/clean.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

static const char *dir;

/* All of its waits are there, so many are over. */
static struct update make_update(size_t over)
{
	struct update u = { .job = 3, .attempt = 1, .wait_count = UPDATE_WAITS_MAX };
	memset(u.manifest.b, 7, sizeof(u.manifest.b));
	for (size_t i = 0; i < UPDATE_WAITS_MAX; i++)
		u.wait[i].until.time = 100 + i;
	while (u.waited < over)
		update_wait_over(&u);
	return u;
}

/* A device that has just started knows how many are over before it knows what they are. */
static void test_more_are_over_than_are_known(void)
{
	int64_t moment;
	struct update u = { .job = 3, .attempt = 1 };
	for (size_t i = 0; i < UPDATE_WAITS_MAX; i++)
		u.wait[i].until.time = UINT64_MAX; /* nobody asks for what is not counted */
	for (u.waited = 0; u.waited <= UPDATE_WAITS_MAX; u.waited++)
		is_int(update_next_wait(&u, &moment), WAIT_OVER, "over, and none is known");
}

static void test_each_is_known_by_its_place(void)
{
	struct update u = make_update(2);
	ok(update_has_waited(&u, 0, &u.wait[0].until), "the first");
	ok(update_has_waited(&u, 1, &u.wait[1].until), "the second");
	ok(!update_has_waited(&u, 2, &u.wait[2].until), "not the third");
	ok(!update_has_waited(&u, 0, &u.wait[1].until), "nor another in the first place");
}

static size_t loads(uint64_t job, uint64_t attempt, uint8_t manifest)
{
	struct update u = { .job = job, .attempt = attempt, .waited = 9 };
	memset(u.manifest.b, manifest, sizeof(u.manifest.b));
	waited_load(dir, &u);
	return u.waited;
}

static void test_restart(void)
{
	for (size_t over = 1; over <= UPDATE_WAITS_MAX; over++) {
		struct update u = make_update(over), then = make_update(0);
		ok(waited_save(dir, &u), "saved");
		waited_load(dir, &then);
		is_int((int64_t)then.waited, (int64_t)over, "as many");
		for (size_t i = 0; i < UPDATE_WAITS_MAX; i++)
			ok(update_has_waited(&then, i, &u.wait[i].until) == (i < over),
			   "and the same");
	}
	is_int((int64_t)loads(4, 1, 7), 0, "not of another job");
	is_int((int64_t)loads(3, 2, 7), 0, "nor attempt");
	is_int((int64_t)loads(3, 1, 8), 0, "nor manifest");
	ok(waited_drop(dir) && loads(3, 1, 7) == 0, "dropped");
	ok(waited_drop(dir), "again");
}

/* However much of the file is there, it says all or nothing. */
static void test_what_is_not_whole(void)
{
	char path[FILE_PATH_MAX], text[512];
	size_t n = 0, some = 0;
	struct update u = make_update(3);
	ok(waited_save(dir, &u) && file_path(dir, WAITED_FILE, path) &&
		   file_read_text(path, text, sizeof(text), &n),
	   "saved and read");
	for (size_t cut = 0; cut < n; cut++)
		some += !file_replace(dir, WAITED_FILE, text, cut) || loads(3, 1, 7) != 0;
	is_int((int64_t)some, 0, "no part of it counts");
	ok(file_replace(dir, WAITED_FILE, text, n) && loads(3, 1, 7) == 3, "all of it does");
	text[n - 2] = 'x';
	ok(file_replace(dir, WAITED_FILE, text, n) && loads(3, 1, 7) == 0, "a wrong digit");
	memset(text + n, 'a', sizeof(text) - n);
	ok(file_replace(dir, WAITED_FILE, text, sizeof(text)) && loads(3, 1, 7) == 0,
	   "too long");
	ok(waited_drop(dir), "dropped");
}

int main(void)
{
	CLEAN(temp_dir) struct temp_dir made = temp_dir_make();

	dir = made.path;
	test_more_are_over_than_are_known();
	test_each_is_known_by_its_place();
	test_restart();
	test_what_is_not_whole();
	is_int(temp_dir_count(&made), 0, "nothing is left");
	return tap_done();
}
