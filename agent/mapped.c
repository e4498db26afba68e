/* The handler does one system call and touches nothing but what is mapped. */
#include "agent/mapped.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *begin;
static size_t size, page_size;
static volatile sig_atomic_t bad;
static struct sigaction before;

static void on_bus(int number, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;
	int was = errno;
	(void)context;
	if (at >= begin && at < begin + size) {
		uint8_t *page = begin + (size_t)(at - begin) / page_size * page_size;
		bad = 1;
		if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == page) {
			errno = was;
			return;
		}
	}
	/* nobody expected it: back to what read there, and to its end */
	signal(number, SIG_DFL);
}

const void *mapped_open(int fd, size_t n)
{
	struct sigaction a = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	assert(!begin && n > 0);
	void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	begin = p;
	size = n;
	bad = 0;
	sigaction(SIGBUS, &a, &before);
	return p;
}

bool mapped_close(void)
{
	sigaction(SIGBUS, &before, NULL);
	munmap(begin, size);
	begin = NULL;
	errno = bad ? EIO : errno;
	return !bad;
}
