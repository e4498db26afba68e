/* A wall clock that is wrong.  Preloaded by tests; MUSTER_CLOCK names a file that holds the
 * error in microseconds as a 64-bit number, which may be changed while the program runs.  The
 * monotonic clock stays as it is. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(ret, name, ...) ((ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

static const volatile int64_t *error_us;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("MUSTER_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*error_us), PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		error_us = p;
}

static int64_t error_now(void)
{
	return error_us ? *error_us : 0;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	int64_t error = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? error_now() : 0;

	if (!real)
		real = REAL(int, clock_gettime, clockid_t, struct timespec *);
	int done = real(id, t);
	if (done != 0 || error == 0)
		return done;
	int64_t us = (int64_t)t->tv_sec * 1000000 + t->tv_nsec / 1000 + error;
	t->tv_sec = us / 1000000;
	t->tv_nsec = us % 1000000 * 1000;
	return 0;
}

int gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec t;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &t) != 0)
		return -1;
	*tv = (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}
