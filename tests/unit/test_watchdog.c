/* The watchdog is fed only when every network thread moved. */

#include "server/sd.h"
#include "server/watchdog.h"
#include "tests/tap.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fd;

/* An abstract socket that plays systemd. */
static bool open_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64], pid[24];

	snprintf(name, sizeof(name), "@muster-test-watchdog-%d", (int)getpid());
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return bind(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0;
}

static const char *told(void)
{
	static char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

int main(void)
{
	struct watchdog w;
	uint64_t beats[3] = { 0, 1, 1 };

	ok(open_socket(), "a socket");
	watchdog_init(&w);
	is_int(w.interval_us, 15000000, "half of what systemd asks for");
	ok(watchdog_is_due(&w, 1), "due at once");
	watchdog_look(&w, 1, beats, 3);
	is_str(told(), "WATCHDOG=1", "fed, though a thread only begins");
	ok(!watchdog_is_due(&w, 15000000), "not due yet");
	ok(watchdog_is_due(&w, 15000001), "due again");
	beats[0]++;
	beats[2]++;
	watchdog_look(&w, 15000001, beats, 3);
	is_str(told(), "", "one thread stood still: not fed");
	beats[0]++;
	beats[1]++;
	beats[2]++;
	watchdog_look(&w, 30000001, beats, 3);
	is_str(told(), "WATCHDOG=1", "it moves again: fed");
	sd_tell("READY=1\nSTATUS=x");
	is_str(told(), "READY=1\nSTATUS=x", "other words");
	setenv("WATCHDOG_PID", "1", 1);
	watchdog_init(&w);
	ok(!watchdog_is_due(&w, INT64_MAX), "another process's watchdog is not ours");
	unsetenv("NOTIFY_SOCKET");
	sd_tell("READY=1");
	is_str(told(), "", "without systemd nothing is said");
	close(fd);
	return tap_done();
}
