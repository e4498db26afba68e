/* The saved login. */

#include "cli/login.h"

#include "base/clean.h"
#include "cli/file.h"
#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define LOGIN_FILE_MAX 65536
#define URL_MAX        512

static enum exit_code login_folder(struct arena *mem, const char **ret)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (base && *base == '/')
		*ret = arena_printf(mem, "%s/muster", base);
	else if (home && *home == '/')
		*ret = arena_printf(mem, "%s/.config/muster", home);
	else
		return cli_fail(EXIT_FAILED, "neither XDG_CONFIG_HOME nor HOME is set");
	return EXIT_DONE;
}

static enum exit_code login_path(struct arena *mem, const char **ret)
{
	const char *folder = NULL;
	enum exit_code code = login_folder(mem, &folder);
	if (code == EXIT_DONE)
		*ret = arena_printf(mem, "%s/login.json", folder);
	return code;
}

enum exit_code login_url(const char *text, struct arena *mem, const char **ret)
{
	size_t n = strlen(text);
	while (n > 0 && text[n - 1] == '/')
		n--;
	if (strncmp(text, "https://", 8) != 0 || n <= 8 || n > URL_MAX ||
	    strcspn(text + 8, "/?#@ ") < n - 8 || !text_is_clean(bytes_of(text)))
		return cli_fail(
			EXIT_FAILED,
			"\"%s\" is not a server; give one such as https://muster.example:8443",
			text);
	*ret = arena_printf(mem, "%.*s", (int)n, text);
	return EXIT_DONE;
}

static const char *kept(struct arena *mem, const json_t *file, const char *member)
{
	const char *text = json_string_value(json_object_get(file, member));
	return text ? arena_text(mem, text) : NULL;
}

enum exit_code login_load(struct arena *mem, struct login *ret)
{
	const char *path;
	enum exit_code code = login_path(mem, &path);
	if (code != EXIT_DONE)
		return code;
	struct stat info;
	if (stat(path, &info) != 0)
		return cli_fail(EXIT_AUTH, "you are not logged in; try: muster login URL");
	if ((info.st_mode & 077) != 0)
		return cli_fail(EXIT_AUTH, "others may read %s; try: chmod 600 %s", path, path);
	struct bytes content;
	code = file_read(path, LOGIN_FILE_MAX, mem, &content);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json) json_t *file = json_loadb((const char *)content.p, content.n, 0, NULL);
	*ret = (struct login){ .url = kept(mem, file, "url"),
			       .token = kept(mem, file, "token"),
			       .ca_pem = kept(mem, file, "ca") };
	if (!ret->url || !ret->token || !ret->ca_pem)
		return cli_fail(EXIT_AUTH, "%s is damaged; try: muster login URL", path);
	return EXIT_DONE;
}

static enum exit_code make_place(struct arena *mem, const char **ret_path)
{
	const char *folder = NULL;
	enum exit_code code = login_folder(mem, &folder);
	if (code == EXIT_DONE)
		code = file_make_folder(folder);
	return code == EXIT_DONE ? login_path(mem, ret_path) : code;
}

enum exit_code login_try_save(struct arena *mem)
{
	static const uint8_t like_a_login[4096];
	const char *path = NULL;
	enum exit_code code = make_place(mem, &path);
	if (code != EXIT_DONE)
		return code;
	const char *trial = arena_printf(mem, "%s.trial", path);
	code = file_replace(trial, (struct bytes){ like_a_login, sizeof(like_a_login) });
	unlink(trial);
	return code;
}

enum exit_code login_save(const struct login *l, struct arena *mem)
{
	const char *path = NULL;
	enum exit_code code = make_place(mem, &path);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *file =
		json_pack("{s:s, s:s, s:s}", "url", l->url, "token", l->token, "ca", l->ca_pem);
	CLEAN(mem) char *text = json_dumps(file, JSON_INDENT(2));
	if (!text)
		return cli_fail(EXIT_FAILED, "the server's answer is not text");
	return file_replace(path, bytes_of(text));
}

enum exit_code login_forget(struct arena *mem)
{
	const char *path;
	enum exit_code code = login_path(mem, &path);
	if (code == EXIT_DONE && unlink(path) != 0 && errno != ENOENT)
		code = cli_fail(EXIT_FAILED, "cannot remove %s: %s", path, strerror(errno));
	return code;
}
