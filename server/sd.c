/* systemd's notify protocol. */

#include "server/sd.h"

#include "base/bytes.h"
#include "base/clean.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void sd_tell(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEAN(fd) int fd = -1;

	if (!path || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			      (struct sockaddr *)&address, len) < 0)
		return; /* systemd is gone; it will see us by other means */
}

int64_t sd_watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	int64_t v = 0, for_pid = 0;

	if (!usec || parse_i64(bytes_of(usec), 1, INT64_MAX, &v) != RC_OK)
		return 0;
	if (pid &&
	    (parse_i64(bytes_of(pid), 1, INT64_MAX, &for_pid) != RC_OK || for_pid != getpid()))
		return 0;
	return v;
}
