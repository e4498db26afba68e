/* The PIN's file, and the memory of one that was refused. */
#include "agent/pin.h"

#include "agent/file.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static struct temp_dir dir;
static char path[FILE_PATH_MAX];
static struct pin pin;
static const char *why;

static bool reads(const char *text, size_t n)
{
	return file_replace(dir.path, "pin", text, n) && pin_read(path, "pkcs11:a", &pin, &why);
}

static void test_one_line(void)
{
	char longest[257];
	memset(longest, '7', sizeof(longest));
	ok(reads("1234\n", 5), "a line");
	is_str(pin.text, "1234", "without its end");
	ok(reads("12 34\r\n", 7), "of any machine");
	is_str(pin.text, "12 34", "with what belongs to it");
	ok(reads(longest, 255) && strlen(pin.text) == 255, "as long as it may be");
	ok(!reads(longest, 256) && errno == 0 && strstr(why, "at most 255"), "and not longer");
	ok(!reads("", 0) && !reads("\r\n\n", 3), "nothing is no PIN");
	ok(!reads("12\n34", 5) &&
		   !reads("12\0"
			  "34",
			  5) &&
		   !reads("12\x7f", 3),
	   "nor is this");
	is_str(pin.text, "", "nothing of it is left");
}

static void test_nobody_else(void)
{
	static const mode_t modes[] = { 0604, 0602, 0601, 0640, 0620, 0610 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		ok(reads("1234", 4) && chmod(path, modes[i]) == 0, "mode %o", (int)modes[i]);
		ok(!pin_read(path, "pkcs11:a", &pin, &why) && strstr(why, "0600"),
		   "is refused");
	}
	if (geteuid() == 0) {
		ok(reads("1234", 4) && chown(path, 12345, (gid_t)-1) == 0, "somebody else's");
		ok(!pin_read(path, "pkcs11:a", &pin, &why) && strstr(why, "owner"),
		   "is refused");
	}
	ok(unlink(path) == 0 && !pin_read(path, "pkcs11:a", &pin, &why) && errno == ENOENT,
	   "no file");
	ok(mkfifo(path, 0600) == 0 && !pin_read(path, "pkcs11:a", &pin, &why) &&
		   strstr(why, "not a file"),
	   "a pipe is no file, and is not waited for");
	ok(unlink(path) == 0, "gone");
}

static void test_refused(void)
{
	struct pin first;
	struct stat st;
	char place[32], noted[FILE_PATH_MAX];
	ok(file_path(dir.path, PIN_REFUSED_FILE, noted), "path");
	ok(reads("1234\n", 5) && !pin_was_refused(dir.path, &pin), "a new PIN");
	first = pin;
	ok(stat(path, &st) == 0, "its file");
	snprintf(place, sizeof(place), "%" PRIu64 " ", (uint64_t)st.st_ino);
	ok(strncmp(pin.stamp, place, strlen(place)) == 0,
	   "a disk may have another number after a boot, and the file is the same");
	ok(pin_note_refused(dir.path, &pin) && pin_was_refused(dir.path, &pin), "noted");
	ok(pin_read(path, "pkcs11:a", &pin, &why) && pin_was_refused(dir.path, &pin),
	   "still so when it is read again");
	ok(!strstr(pin.stamp, "1234"), "the PIN itself is not written down");
	ok(pin_read(path, "pkcs11:b", &pin, &why) && !pin_was_refused(dir.path, &pin),
	   "for another token it is another");
	ok(pin_note_refused(dir.path, &pin) && pin_was_refused(dir.path, &pin) &&
		   pin_was_refused(dir.path, &first),
	   "which refuses it, too: both are known");
	for (int i = 0; i < 200; i++)
		pin_note_refused(dir.path, &pin);
	ok(pin_was_refused(dir.path, &pin), "the last one always, and the file stays small");
	ok(stat(noted, &st) == 0 && st.st_size <= 4 * PIN_STAMP_MAX, "%d bytes",
	   (int)st.st_size);
	ok(pin_note_refused(dir.path, &first), "the first one again");
	ok(reads("1234\n", 5) && !pin_was_refused(dir.path, &pin),
	   "a file that is written anew counts as new, whatever is in it");
	ok(pin_was_refused(dir.path, &first), "and the old one is known still");
	pin_forget_refused(dir.path);
	ok(!pin_was_refused(dir.path, &first), "until all is well");
	ok(!pin_note_refused("/none", &pin), "where nothing can be written, it says so");
}

int main(void)
{
	dir = temp_dir_make();
	ok(file_path(dir.path, "pin", path), "path");
	test_one_line();
	test_nobody_else();
	test_refused();
	clean_temp_dir(&dir);
	return tap_done();
}
