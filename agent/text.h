/* Text forms: `key = value` files, numbers, hexadecimal and base64.  Nothing here allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_pair {
	char *key;
	char *value;
};

enum text_line { TEXT_END, TEXT_PAIR, TEXT_BAD };

/* The next pair of a NUL-terminated text, which it cuts up in place.  Blank lines and those
 * that begin with # are passed over; line counts them all. */
enum text_line text_next(char **cursor, unsigned *line, struct text_pair *ret);
/* Decimal digits alone, at most max. */
bool text_number(const char *s, uint64_t max, uint64_t *ret);
/* yes/no, true/false, on/off. */
bool text_bool(const char *s, bool *ret);
/* Exactly 2n hexadecimal digits. */
bool text_unhex(const char *s, uint8_t *ret, size_t n);
/* Base64 of RFC 4648 section 4, with its padding, at most size bytes. */
bool text_unbase64(const char *s, uint8_t *ret, size_t size, size_t *ret_n);
