/* The old image of targets that read patches, before the first input. */
#pragma once

#include "tests/fuzz/target.h"
#include "tests/unit/suit_data.h"

#include <string.h>

static uint8_t old_image[4096];
static size_t old_image_n;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct suit_bytes file = suit_data("delta/old.bin");

	(void)argc;
	(void)argv;
	check(file.n > 0 && file.n <= sizeof(old_image));
	memcpy(old_image, file.p, file.n);
	old_image_n = file.n;
	return 0;
}
