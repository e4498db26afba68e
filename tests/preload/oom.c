/* Memory runs out in the daemon: the n-th allocation of its request threads (their names begin
 * with coap-, http- or worker-) fails, once or with all that follow.  Preloaded by tests, which
 * arm it through a file that both map (MUSTER_OOM_FILE): struct control.  MUSTER_OOM_TRACE
 * names a file that gets the call stack of what failed first. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct control {
	_Atomic int64_t armed;  /* 1: count, and fail number `at` */
	_Atomic int64_t at;     /* from 1; 0: none */
	_Atomic int64_t length; /* how many fail from there on */
	_Atomic int64_t calls;  /* since it was armed: the test sets it to 0 */
	_Atomic int64_t failed;
};

static struct control *control;
static const char *trace;

/* dlsym() allocates before we know whom to ask. */
static char first_bytes[65536];
static size_t first_used;

static void *first_alloc(size_t n)
{
	void *p = first_bytes + first_used;

	first_used += (n + 15) / 16 * 16;
	if (first_used > sizeof(first_bytes))
		abort();
	return p;
}

static int is_first(const void *p)
{
	return (const char *)p >= first_bytes &&
	       (const char *)p < first_bytes + sizeof(first_bytes);
}

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*memalign)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void (*free)(void *);
} real;

static int asking;

static int ask(void)
{
	if (real.free)
		return 1;
	if (asking)
		return 0;
	asking = 1;
	real.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	real.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	real.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	real.memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
	real.posix_memalign =
		(int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
	real.free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	asking = 0;
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("MUSTER_OOM_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *frames[4];

	ask();
	(void)backtrace(frames, 4); /* loads what it needs */
	trace = getenv("MUSTER_OOM_TRACE");
	if (fd < 0)
		return;
	void *p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		control = p;
}

static int is_request_thread(void)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return strncmp(name, "coap-", 5) == 0 || strncmp(name, "http-", 5) == 0 ||
	       strncmp(name, "worker-", 7) == 0;
}

static void write_trace(void)
{
	void *frames[48];
	int fd = trace ? open(trace, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	backtrace_symbols_fd(frames, backtrace(frames, 48), fd);
	close(fd);
}

static int fails(void)
{
	if (!control || !atomic_load(&control->armed) || !is_request_thread())
		return 0;
	int64_t n = atomic_fetch_add(&control->calls, 1) + 1, at = atomic_load(&control->at);
	if (at == 0 || n < at || n >= at + atomic_load(&control->length))
		return 0;
	if (atomic_fetch_add(&control->failed, 1) == 0)
		write_trace();
	errno = ENOMEM;
	return 1;
}

static void *malloc_or_fail(size_t n)
{
	if (!ask())
		return first_alloc(n);
	return fails() ? NULL : real.malloc(n);
}

static void *calloc_or_fail(size_t count, size_t n)
{
	if (!ask())
		return first_alloc(count * n);
	return fails() ? NULL : real.calloc(count, n);
}

static void *realloc_or_fail(void *p, size_t n)
{
	if (!ask() || is_first(p))
		abort();
	return fails() ? NULL : real.realloc(p, n);
}

/* The daemon's own malloc asks for these. */
void *__libc_malloc(size_t n)
{
	return malloc_or_fail(n);
}

void *__libc_calloc(size_t count, size_t n)
{
	return calloc_or_fail(count, n);
}

void *__libc_realloc(void *p, size_t n)
{
	return realloc_or_fail(p, n);
}

void *malloc(size_t n)
{
	return malloc_or_fail(n);
}

void *calloc(size_t count, size_t n)
{
	return calloc_or_fail(count, n);
}

void *realloc(void *p, size_t n)
{
	return realloc_or_fail(p, n);
}

void *memalign(size_t align, size_t n)
{
	ask();
	return fails() ? NULL : real.memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	ask();
	return fails() ? ENOMEM : real.posix_memalign(p, align, n);
}

void free(void *p)
{
	if (p && !is_first(p) && ask())
		real.free(p);
}
