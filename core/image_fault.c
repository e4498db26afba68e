/* The handler does one system call and touches nothing but what its thread watches. */

#include "core/image_fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size;

static _Thread_local struct {
	uintptr_t from, to; /* empty: nothing is watched */
	atomic_bool *bad;
} watched;

static void on_bus(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int was = errno;

	(void)context;
	if (at >= watched.from && at < watched.to) {
		atomic_store(watched.bad, true);
		void *page = (void *)(at & ~(uintptr_t)(page_size - 1)); /* NOLINT */
		if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == page) {
			errno = was;
			return;
		}
	}
	/* Nobody expected it: back to what read there, and to its end. */
	signal(number, SIG_DFL);
}

static void install(void)
{
	struct sigaction a = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	sigaction(SIGBUS, &a, NULL);
}

void image_faults_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
}

/* The compiler must not move what is read to before or behind. */
void image_watch(struct bytes mapped, atomic_bool *bad)
{
	watched.bad = bad;
	watched.from = (uintptr_t)mapped.p;
	watched.to = watched.from + mapped.n;
	atomic_signal_fence(memory_order_seq_cst);
}

void image_unwatch(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	watched.from = watched.to = 0;
}
