/* Whole images in memory. */

#include "cli/blob.h"

#include <errno.h>
#include <string.h>

#define READ_STEP 65536

bool blob_reserve(struct blob *b, size_t more)
{
	if (b->size - b->n >= more)
		return true;
	size_t grown = b->size + b->size / 2, size = b->n + more;
	if (size < more)
		return false;
	size = size > grown ? size : grown;
	uint8_t *p = realloc(b->p, size);
	if (!p)
		return false;
	b->p = p;
	b->size = size;
	return true;
}

bool blob_add(struct blob *b, struct bytes bytes)
{
	if (!blob_reserve(b, bytes.n))
		return false;
	if (bytes.n > 0)
		memcpy(b->p + b->n, bytes.p, bytes.n);
	b->n += bytes.n;
	return true;
}

enum exit_code blob_no_memory(void)
{
	return cli_fail(EXIT_FAILED, "this needs more memory than it may have");
}

enum exit_code blob_load(struct blob *b, const char *path, size_t max)
{
	CLEAN(file) FILE *from = fopen(path, "re");
	if (!from)
		return cli_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED,
				"cannot open %s: %s", path, strerror(errno));
	while (b->n <= max) {
		if (!blob_reserve(b, READ_STEP))
			return blob_no_memory();
		size_t n = fread(b->p + b->n, 1, READ_STEP, from);
		b->n += n;
		if (n == 0)
			break;
	}
	if (ferror(from))
		return cli_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	if (b->n > max)
		return cli_fail(EXIT_FAILED, "%s is larger than %zu bytes", path, max);
	return EXIT_DONE;
}
