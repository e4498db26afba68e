/* The error registry and the results are complete and consistent. */

#include "base/err.h"
#include "tests/tap.h"

#include <ctype.h>

static bool is_code(const char *code)
{
	for (; *code; code++)
		if (!islower((unsigned char)*code) && *code != '-')
			return false;
	return true;
}

int main(void)
{
	for (int e = ERR_NONE + 1; e < ERR_COUNT; e++) {
		const char *code = err_code(e);

		ok(is_code(code) && *code, "%s: a code of lower-case words", code);
		ok(*err_title(e), "%s: has a title", code);
		ok(err_rc(e) != RC_OK && err_rc(e) != RC_RETRY, "%s: a result that may be sent",
		   code);
		if (e > ERR_NONE + 1)
			ok(strcmp(err_code(e - 1), code) < 0, "%s: sorted, and there once",
			   code);
	}
	for (int rc = RC_INVALID; rc <= RC_INTERNAL; rc++) {
		enum err e = err_of_rc(rc);

		ok(e != ERR_NONE, "%s has an error", rc_name(rc));
		ok(strcmp(rc_name(rc), "unknown") != 0, "%s has a name", rc_name(rc));
		/* A gone thing is told as not found; a lost race is never sent. */
		if (rc != RC_GONE && rc != RC_RETRY)
			is_int((int)err_rc(e), rc, "and the error has the same result");
	}
	is_str(rc_name((enum rc)999), "unknown", "a number that is no result");
	is_str(err_code((enum err)999), "internal", "a number that is no error");
	return tap_done();
}
