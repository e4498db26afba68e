/* Class ids from text. */

#include "cli/class_ids.h"

#include "cli/parse.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"

#include <string.h>

enum exit_code class_ids_of(const char *text, struct arena *mem, struct class_ids *ret)
{
	struct suit_uuid vendor_id, class_id;
	const char *vendor, *name;
	if (parse_class(text, mem, &vendor, &name) != RC_OK)
		return cli_fail(
			EXIT_FAILED,
			"\"%s\" is no class; write VENDOR/NAME, such as acme.example/lock-7",
			text);
	enum suit_rc rc = suit_vendor_id(&suit_crypto_openssl, vendor, &vendor_id);
	if (rc == SUIT_OK)
		rc = suit_class_id(&suit_crypto_openssl, &vendor_id, name, &class_id);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "class \"%s\": %s", text, suit_rc_text(rc));
	memcpy(ret->vendor.b, vendor_id.b, sizeof(ret->vendor.b));
	memcpy(ret->class.b, class_id.b, sizeof(ret->class.b));
	uuid_format(&ret->vendor, ret->vendor_text);
	uuid_format(&ret->class, ret->class_text);
	return EXIT_DONE;
}
