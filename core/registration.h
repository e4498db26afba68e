/* A device registers: what it says of itself is stored, and what that proves about its jobs. */
#pragma once

#include "base/model/device.h"
#include "core/call.h"

/* Was exactly this registration (by the SHA-256 of its body) committed last? */
bool registration_is_known(const struct roster_device *d, const struct digest *digest);

/* The actor is the device; ERR_DENIED when the registration carries another name.  An equal
 * registration changes nothing, nor does one of a boot before the one that is known, which came
 * late (as far as sessions with this daemon tell; another daemon's are not compared). */
enum rc registration_commit(struct call *c, const struct registration *in,
			    const struct digest *digest) MUST_CHECK;

/* One of many registrations, and what becomes of it. */
struct registrant {
	struct call *call;
	const struct registration *registration;
	struct digest digest; /* of its body */
	enum rc rc;
};
/* As registration_commit(), for several devices at once, one registration each, all in one
 * transaction; a result for each.  Anything but RC_OK: the transaction is lost. */
enum rc registration_commit_many(struct registrant *list, size_t n) MUST_CHECK;
