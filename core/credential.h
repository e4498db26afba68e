/* Credentials of devices: a pre-shared key or a certificate, made into what is stored, what the
 * roster holds and what the operator is shown once. */
#pragma once

#include "core/device.h"

struct credential_made {
	struct device_credential stored;
	struct bytes proof; /* for the roster: the plain key, or the certificate's SHA-256 */
	struct credential_issued issued;
};

/* Field errors at /psk or /csr. */
enum rc credential_make(struct call *c, const char *endpoint, const struct credential_new *in,
			struct credential_made *ret) MUST_CHECK;
