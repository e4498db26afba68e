/* musterd ca: makes the certificate authority, shows it, issues a device certificate with a
 * fresh key for whoever has no tool of their own.  `muster device add --cert` is the usual way;
 * a certificate alone lets nobody in, the device must be provisioned too. */

#include "base/clean.h"
#include "certs/certs.h"
#include "certs/pem_file.h"
#include "core/device.h"
#include "server/command.h"
#include "server/folder.h"
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEVICE_DAYS 825

CLEAN_DEFINE(certs, struct certs *, certs_free)

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "musterd: ca: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	return COMMAND_FAILED;
}

static int ca_make(const struct command_line *line, const struct settings *s)
{
	const char *why = NULL;

	if (folder_make(s->state_dir) != RC_OK || folder_act_as_owner(s->state_dir) != RC_OK)
		return fail(s->state_dir, strerror(errno));
	const char *dir = settings_state_path(s, line->mem, "ca");
	if (ca_init(dir, line->name ? line->name : "Muster", line->mem, &why) != RC_OK)
		return fail("not made", why);
	printf("%s made; keep root.key somewhere else, the server does not need it\n", dir);
	return COMMAND_DONE;
}

static enum rc open_certs(const struct command_line *line, const struct settings *s,
			  struct certs **ret)
{
	const char *dir = settings_state_path(s, line->mem, "ca");
	enum rc rc = certs_open(dir, ret);

	if (rc != RC_OK)
		fail(dir, rc == RC_NOT_FOUND ? "there is none: run `musterd ca init`"
					     : "cannot be read");
	return rc;
}

static int ca_show(const struct command_line *line, const struct settings *s)
{
	CLEAN(certs) struct certs *certs = NULL;

	if (open_certs(line, s, &certs) != RC_OK)
		return COMMAND_FAILED;
	fputs(certs_root_pem(certs), stdout);
	return COMMAND_DONE;
}

static enum rc write_pem(const struct command_line *line, const char *suffix, const char *pem,
			 mode_t mode)
{
	const char *path = arena_printf(line->mem, "%s/%s.%s", line->out ? line->out : ".",
					line->words[1], suffix);
	enum rc rc = pem_file_write(path, bytes_of(pem), mode);

	if (rc != RC_OK)
		fail(path, "cannot be written");
	else
		puts(path);
	return rc;
}

static int ca_issue(const struct command_line *line, const struct settings *s)
{
	CLEAN(certs) struct certs *certs = NULL;
	const char *key = NULL, *why = NULL;
	struct bytes csr, der;

	if (line->word_count != 2 || !endpoint_name_valid(line->words[1]))
		return fail("issue needs the endpoint name of a device", NULL);
	if (open_certs(line, s, &certs) != RC_OK)
		return COMMAND_FAILED;
	struct cert_request request = { .common_name = line->words[1],
					.days = line->days ? (int)line->days : DEVICE_DAYS };
	if (cert_request_create(request.common_name, line->mem, &key, &csr) != RC_OK)
		return fail("no key", NULL);
	if (certs_sign_device(certs, csr, &request, line->mem, &der, &why) != RC_OK)
		return fail("not issued", why);
	const char *chain = arena_printf(line->mem, "%s%s", cert_pem(line->mem, der),
					 certs_chain_pem(certs));
	if (write_pem(line, "key", key, 0600) != RC_OK ||
	    write_pem(line, "crt", chain, 0644) != RC_OK)
		return COMMAND_FAILED;
	return COMMAND_DONE;
}

int cmd_ca(const struct command_line *line)
{
	static const struct {
		const char *word;
		int (*run)(const struct command_line *line, const struct settings *s);
	} actions[] = { { "init", ca_make }, { "show", ca_show }, { "issue", ca_issue } };
	const char *word = line->word_count ? line->words[0] : "";
	struct settings settings;

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].word, word) != 0)
			continue;
		if (settings_load(line->config, line->mem, &settings) != RC_OK)
			return COMMAND_FAILED;
		return actions[i].run(line, &settings);
	}
	fprintf(stderr, "musterd: ca: say init, show or issue\n");
	return COMMAND_USAGE;
}
