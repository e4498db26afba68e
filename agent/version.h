/* What this image is.  The version is compiled in: an image is its version.  */
#pragma once

#include <stdbool.h>

extern const char agent_version[];
/* Only test images are built so (see version.c). */
extern const bool agent_test_never_confirms;
