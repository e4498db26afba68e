/* Elements of a manifest behind its head: keys that hold commands, or text, or, severed, a
 * digest. For manifest.c and encode.c alone. */
#pragma once

#include "suit/suit.h"

enum {
	SUIT_ELEMENT_COSWID = 14,
	SUIT_ELEMENT_TEXT = 23,
};

#define SUIT_ELEMENTS 10

struct suit_element_kind {
	uint8_t key;
	int8_t section; /* enum suit_section; -1: not a sequence */
	bool severable;
};

/* In the order of their keys. */
extern const struct suit_element_kind suit_element_kind[SUIT_ELEMENTS];
