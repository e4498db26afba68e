/* The saved login: which server, which token, which CA.  One JSON file of mode 0600 under
 * $XDG_CONFIG_HOME/muster (or ~/.config/muster). */
#pragma once

#include "base/arena.h"
#include "cli/exit_code.h"

struct login {
	const char *url;    /* https://host:port, without a slash at the end */
	const char *token;  /* NULL while logging in */
	const char *ca_pem; /* the pinned root; nothing else is trusted. NULL: see
			       client_fetch_ca */
};

/* Checks and trims a URL typed by a person. */
enum exit_code login_url(const char *text, struct arena *mem, const char **ret) MUST_CHECK;
/* EXIT_AUTH when nobody is logged in. */
enum exit_code login_load(struct arena *mem, struct login *ret) MUST_CHECK;
/* Whether a login could be saved now: asked before the server is, which gives a token once. */
enum exit_code login_try_save(struct arena *mem) MUST_CHECK;
enum exit_code login_save(const struct login *l, struct arena *mem) MUST_CHECK;
/* No error when there is none. */
enum exit_code login_forget(struct arena *mem) MUST_CHECK;
