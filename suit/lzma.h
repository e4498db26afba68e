/* LZMA in its .lzma container (FORMAT_ALONE: five bytes of properties, eight of size), as a
 * stream: one bit at a time, so it stops and goes on at any byte.  Made for a microcontroller
 * that receives a patch more slowly than it decodes one: 20 KiB of state for the usual
 * properties and a dictionary of 4 KiB. */
#pragma once

#include "suit/inflate.h"

#define SUIT_LZMA_LCLP_MAX 4 /* literal context and position bits together */

/* The state of a stream.  The memory behind it is the probabilities, then the dictionary. */
struct suit_lzma {
	uint32_t range, code;
	uint32_t dict_size; /* bytes that the memory has for it */
	uint32_t head;      /* where the dictionary goes on */
	uint32_t filled;    /* bytes in it */
	uint32_t position;  /* bytes written so far; may wrap */
	uint32_t left;      /* of the copy under way */
	uint32_t rep[4];    /* distances - 1 */
	uint64_t size_left; /* of the whole, when the header says it */
	uint32_t value;     /* of a number that is being read */
	uint16_t tree;      /* index of the probabilities that are read from */
	uint16_t symbol;    /* in that tree */
	uint8_t phase;
	uint8_t bits_left; /* of a reversed tree or of direct bits */
	uint8_t history;   /* the kinds of the last symbols: LZMA's "state" */
	uint8_t lc, lp, pb;
	uint8_t match_byte; /* what a literal behind a match is compared with */
	uint8_t in_rep;     /* the length that is read is a repeated match's */
	uint8_t sized;      /* size_left counts */
	uint8_t header_n;
	uint8_t header[13];
	uint16_t prob[];
};

#define SUIT_LZMA_PROBS(lclp) (1847u + (768u << (lclp)))
/* Bytes of state. */
#define SUIT_LZMA_STATE(lclp, dict_size)                                                       \
	(sizeof(struct suit_lzma) + 2 * SUIT_LZMA_PROBS(lclp) + (dict_size))

extern const struct suit_inflater suit_inflater_lzma;
