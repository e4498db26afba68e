/* From our results to CoAP response codes (RFC 7252 section 12.1.2). */
#pragma once

#include "api/req.h"

/* A code as it stands in the header: CODE(4, 04). */
#define CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))

#define CODE_CREATED    CODE(2, 1)
#define CODE_DELETED    CODE(2, 2)
#define CODE_VALID      CODE(2, 3)
#define CODE_CHANGED    CODE(2, 4)
#define CODE_CONTENT    CODE(2, 5)
#define CODE_CONTINUE   CODE(2, 31)
#define CODE_BAD_OPTION CODE(4, 2)

static inline int code_class(uint8_t code)
{
	return code >> 5;
}

/* The code of a failure; RC_OK and RC_RETRY never get here (5.00). */
uint8_t code_of_rc(enum rc rc);
/* The code of an answer to this method. */
uint8_t code_of_answer(enum method method, const struct res *res);
