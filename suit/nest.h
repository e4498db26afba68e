/* Byte strings, arrays and maps whose length is known only once they are written.  They are
 * written in place: one byte is kept for the head, and what was written moves up when the head
 * turns out longer.  No scratch memory, and never a byte more than the result needs. */
#pragma once

#include "suit/cbor.h"

/* Keeps a place for the head; returns where. */
size_t suit_nest_begin(struct scbor_out *o);
/* The content since `at` is a byte string. */
void suit_nest_end_bytes(struct scbor_out *o, size_t at);
/* The content since `at` is count items, or count pairs. */
void suit_nest_end_array(struct scbor_out *o, size_t at, size_t count);
void suit_nest_end_map(struct scbor_out *o, size_t at, size_t count);
