/* Limits of this process before it works on images that others may have made. */
#pragma once

#include "cli/exit_code.h"

#include <stdint.h>

#define LIMITS_CPU_S 600 /* a process that needs more ends with EXIT_FAILED */

/* From here on: so many bytes of address space more than now, and LIMITS_CPU_S of processor
 * time.  A limit that is lower already stays. */
void limits_take(uint64_t memory_bytes);
