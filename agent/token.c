/* Nobody is there to ask, and nobody sees how often a token was tried. */
#include "agent/token.h"

#include "agent/log.h"
#include "agent/pin.h"
#include "suit/keeper_pkcs11.h"
#include "suit/wipe.h"

#include <errno.h>
#include <string.h>

struct asking {
	const char *uri, *pin_file, *state_dir;
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
	if (!pin_read(path, a->uri, &a->pin, &why)) {
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
	return !refused;
}

static void tell_fault(void *arg, const char *text)
{
	(void)arg;
	log_line("the key in the token: %s", text);
}

bool token_key_load(const char *setting, const char *uri, const char *pin_file,
		    const char *state_dir, struct suit_key **ret)
{
	struct asking asking = { .uri = uri, .pin_file = pin_file, .state_dir = state_dir };
	struct suit_pkcs11_host host = { take_pin, tell_fault, &asking, true };
	struct suit_pkcs11_why why;
	enum suit_rc rc = suit_pkcs11_key_load(uri, &host, ret, &why);
	if (rc != SUIT_OK && why.text[0])
		log_line("%s: %s", setting, why.text);
	if (rc != SUIT_OK && why.pin_refused && !pin_note_refused(state_dir, &asking.pin))
		log_errno("%s/%s cannot be written", state_dir, PIN_REFUSED_FILE);
	suit_wipe(&asking.pin, sizeof(asking.pin));
	return rc == SUIT_OK;
}
