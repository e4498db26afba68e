/* The ids of a class from its text, "vendor/name": the same UUIDv5s that the server makes, so
 * no request is needed and it works offline. */
#pragma once

#include "base/bytes.h"
#include "cli/exit_code.h"

struct class_ids {
	struct uuid vendor, class;
	char vendor_text[UUID_TEXT_SIZE], class_text[UUID_TEXT_SIZE];
};

enum exit_code class_ids_of(const char *text, struct arena *mem,
			    struct class_ids *ret) MUST_CHECK;
