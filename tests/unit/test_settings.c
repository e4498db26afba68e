/* Where the configuration comes from. */

#include "server/settings.h"
#include "tests/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	char path[] = "/tmp/muster-settings-XXXXXX", inside[64];
	int fd = mkstemp(path);

	ok(fd >= 0, "a file");
	close(fd);
	ok(!settings_missing(path), "it is there");
	/* ENOTDIR, which root is told as well; EACCES it is not. */
	snprintf(inside, sizeof(inside), "%s/musterd.conf", path);
	ok(!settings_missing(inside), "what cannot be looked at is not missing");
	unlink(path);
	ok(settings_missing(path), "it is gone");
	ok(settings_missing("/tmp/muster-settings-nowhere/musterd.conf"), "nor is its folder");
	return tap_done();
}
