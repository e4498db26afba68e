/* Heads that are written after their content. */

#include "suit/nest.h"

#include <string.h>

size_t suit_nest_begin(struct scbor_out *o)
{
	static const uint8_t place;
	size_t at = o->n;

	scbor_put_raw(o, (struct suit_bytes){ &place, 1 });
	return at;
}

static void end(struct scbor_out *o, size_t at, enum scbor_major major, uint64_t value)
{
	uint8_t bytes[9];
	struct scbor_out head;
	size_t content = at + 1, n = o->n - content;

	/* A number's head differs from the others' only in the major type. */
	scbor_out_init(&head, bytes, sizeof(bytes));
	scbor_put_uint(&head, value);
	bytes[0] = (uint8_t)(bytes[0] | (unsigned)major << 5);
	o->n += head.n - 1;
	if (!scbor_out_fits(o))
		return;
	memmove(o->p + at + head.n, o->p + content, n);
	memcpy(o->p + at, bytes, head.n);
}

void suit_nest_end_bytes(struct scbor_out *o, size_t at)
{
	end(o, at, SCBOR_BYTES, o->n - at - 1);
}

void suit_nest_end_array(struct scbor_out *o, size_t at, size_t count)
{
	end(o, at, SCBOR_ARRAY, count);
}

void suit_nest_end_map(struct scbor_out *o, size_t at, size_t count)
{
	end(o, at, SCBOR_MAP, count);
}
