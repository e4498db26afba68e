/* Nobody is there to ask, and nobody sees how often a token was tried. */
#include "agent/token.h"

#include "agent/log.h"
#include "agent/pin.h"
#include "suit/keeper_pkcs11.h"
#include "suit/wipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As long as the key: tokens refuse PINs later, too. */
struct asking {
	const char *pin_file, *state_dir;
	struct pin pin;
};

static bool take_pin(void *arg, const char *source, const char *label,
		     char ret[SUIT_PIN_MAX + 1])
{
	struct asking *a = arg;
	const char *path = source ? source : a->pin_file, *why;
	if (!path[0]) {
		log_line("token %s wants a PIN: give pin_file, or pin-source in its URI",
			 label);
		return false;
	}
	/* this program starts in another folder than agent.conf is in */
	if (path[0] != '/') {
		log_line("pin-source is not an absolute path");
		return false;
	}
	if (!pin_read(path, label, &a->pin, &why)) {
		if (errno)
			log_errno("%s: %s", path, why);
		else
			log_line("%s: %s", path, why);
		return false;
	}
	bool refused = pin_was_refused(a->state_dir, &a->pin);
	if (refused)
		log_line("%s: token %s has refused this PIN, and is not asked again before the "
			 "file is written anew (%s/%s tells)",
			 path, label, a->state_dir, PIN_REFUSED_FILE);
	else
		memcpy(ret, a->pin.text, sizeof(a->pin.text));
	suit_wipe(a->pin.text, sizeof(a->pin.text));
	return !refused;
}

/* The note may be of another key of this agent.  A token with keys of its own for the PIN had
 * none from here. */
static bool may_try(void *arg)
{
	const struct asking *a = arg;
	return !a->pin.stamp[0] || !pin_was_refused(a->state_dir, &a->pin);
}

static void note_refused(void *arg)
{
	const struct asking *a = arg;
	if (a->pin.stamp[0] && !pin_note_refused(a->state_dir, &a->pin))
		log_errno("%s/%s cannot be written", a->state_dir, PIN_REFUSED_FILE);
}

static void tell_fault(void *arg, const char *text)
{
	(void)arg;
	log_line("the key in the token: %s", text);
}

bool token_key_load(const char *setting, const char *uri, const char *pin_file,
		    const char *state_dir, struct suit_key **ret)
{
	struct asking *a = calloc(1, sizeof(*a));
	struct suit_pkcs11_host host = { take_pin, may_try, note_refused, tell_fault,
					 free,     a,       true };
	struct suit_pkcs11_why why;
	if (!a) {
		log_errno("%s", setting);
		return false;
	}
	a->pin_file = pin_file;
	a->state_dir = state_dir;
	enum suit_rc rc = suit_pkcs11_key_load(uri, &host, ret, &why);
	if (rc != SUIT_OK && why.text[0])
		log_line("%s: %s", setting, why.text);
	if (rc != SUIT_OK)
		free(a);
	return rc == SUIT_OK;
}
