/* What a fuzz target is: libFuzzer's entry points.  A target asserts what must hold for
 * whatever comes, it does not only not crash. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool good)
{
	if (!good)
		abort();
}
