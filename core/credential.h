/* Credentials of devices: a pre-shared key or a certificate, made into what is stored, what the
 * roster holds and what the operator is shown once. */
#pragma once

#include "core/device.h"

struct credential_made {
	struct device_credential stored;
	struct bytes psk; /* plain, for the roster; empty for a certificate */
	struct credential_issued issued;
};

/* Field errors at /psk or /csr. */
enum rc credential_make(struct call *c, const char *endpoint, const struct credential_new *in,
			struct credential_made *ret) MUST_CHECK;
