/* malloc for the whole process: glibc's, and when that has nothing, the reserve.  The one thing
 * to know: this is for libraries that have no place for an allocator and do not survive without
 * memory (libtasn1 1.4.19 under GnuTLS writes through NULL).  The dynamic linker takes these,
 * because the program comes before its libraries; sanitizers bring their own. */

#include "base/memory.h"

#include <string.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                         \
	!HAS_FEATURE(address_sanitizer) && !HAS_FEATURE(thread_sanitizer)

/* glibc's own, under their other names: reserved, and meant for this.
 * NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *p, size_t size);

void *malloc(size_t size)
{
	void *p = __libc_malloc(size);

	return p ? p : memory_spare(NULL, size);
}

void *calloc(size_t count, size_t size)
{
	void *p = __libc_calloc(count, size);
	size_t total = 0;

	if (p || __builtin_mul_overflow(count, size, &total))
		return p;
	p = memory_spare(NULL, total);
	return p ? memset(p, 0, total) : NULL;
}

void *realloc(void *p, size_t size)
{
	void *q = __libc_realloc(p, size);

	return q || !size ? q : memory_spare(p, size);
}

#endif
