/* Wiping what is secret. */
#pragma once

#include <stddef.h>

/* Zeros that no compiler leaves out: the empty instruction may read them. */
static inline void suit_wipe(void *p, size_t n)
{
	__builtin_memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}
