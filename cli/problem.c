/* RFC 9457 problem documents. */

#include "cli/problem.h"

#include "base/clean.h"
#include "base/err.h"

#include <string.h>

enum exit_code problem_exit_code(long status)
{
	switch (status) {
	case 401:
	case 403:
		return EXIT_AUTH;
	case 404:
	case 410:
		return EXIT_NOT_FOUND;
	case 409:
	case 412:
		return EXIT_CONFLICT;
	}
	return EXIT_FAILED;
}

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text && *text != '\0' ? text : NULL;
}

static const char *with_fields(const json_t *problem, const char *text, struct arena *mem)
{
	const char *detail = member(problem, "detail");
	size_t i;
	json_t *error;
	json_array_foreach(json_object_get(problem, "errors"), i, error)
	{
		const char *where = member(error, "pointer"), *why = member(error, "detail");
		if (why && detail && strcmp(why, detail) == 0)
			continue;
		text = arena_printf(mem, "%s; %s: %s", text, where ? where : "?",
				    why ? why : "?");
	}
	return text;
}

const char *problem_text(long status, const json_t *problem, struct arena *mem)
{
	const char *type = member(problem, "type"), *title = member(problem, "title");
	const char *detail = member(problem, "detail");
	const char *text = detail ? detail : title;
	if (!text)
		return arena_printf(mem, "the server answered with status %ld", status);
	text = with_fields(problem, text, mem);
	size_t prefix = strlen(ERR_URN_PREFIX);
	if (!type || strncmp(type, ERR_URN_PREFIX, prefix) != 0)
		return text;
	return arena_printf(mem, "%s (%s)", text, type + prefix);
}

enum exit_code problem_tell(long status, const json_t *problem)
{
	CLEAN(arena) struct arena *mem = arena_create();
	const char *text = problem_text(status, problem, mem);
	if (status == 401)
		return cli_fail(EXIT_AUTH, "%s; try: muster login URL", text);
	return cli_fail(problem_exit_code(status), "%s", text);
}
