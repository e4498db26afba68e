/* Where the command line takes a token's PIN from, and its exit codes. */

#include "cli/pkcs11.h"

#include "cli/file.h"
#include "cli/prompt.h"
#include "suit/keeper_pkcs11.h"

#include <stdlib.h>
#include <string.h>

#define PIN_VARIABLE "MUSTER_PIN"

struct asking {
	struct cli *c;
	enum exit_code code; /* why there is no PIN */
};

bool pkcs11_is_uri(const char *path)
{
	return suit_pkcs11_is_uri(path);
}

static enum exit_code pin_find(struct cli *c, const char *source, const char *label,
			       const char **ret)
{
	const char *file = args_value(&c->args, "passphrase-file");
	const char *variable = getenv(PIN_VARIABLE);
	if (source)
		return file_read_secret(source, c->mem, ret);
	if (file)
		return file_read_secret(file, c->mem, ret);
	if (variable && *variable) {
		*ret = variable;
		return EXIT_DONE;
	}
	return prompt_secret(c, arena_printf(c->mem, "PIN of token %s: ", label), false, ret);
}

static bool pin_take(void *arg, const char *source, const char *label,
		     char ret[SUIT_PIN_MAX + 1])
{
	struct asking *a = arg;
	const char *pin = NULL;
	a->code = pin_find(a->c, source, label, &pin);
	if (a->code == EXIT_DONE && strlen(pin) > SUIT_PIN_MAX)
		a->code = cli_fail(EXIT_FAILED, "a PIN has at most %d bytes", SUIT_PIN_MAX);
	if (a->code == EXIT_DONE)
		memcpy(ret, pin, strlen(pin) + 1);
	return a->code == EXIT_DONE;
}

enum exit_code pkcs11_key_load(struct cli *c, const char *uri, struct suit_key **ret)
{
	struct asking asking = { .c = c };
	struct suit_pkcs11_host host = { .pin = pin_take, .arg = &asking };
	struct suit_pkcs11_why why;
	enum suit_rc rc = suit_pkcs11_key_load(uri, &host, ret, &why);
	if (rc == SUIT_OK)
		return EXIT_DONE;
	if (asking.code != EXIT_DONE)
		return asking.code;
	return cli_fail(rc == SUIT_MISSING ? EXIT_NOT_FOUND : EXIT_FAILED, "%s", why.text);
}
