/* Names of what a device can be. */

#include "base/model/device.h"

const char *device_lifecycle_name(enum device_lifecycle l)
{
	static const char *const names[] = {
		[DEVICE_PROVISIONED] = "provisioned",
		[DEVICE_ACTIVE] = "active",
		[DEVICE_REVOKED] = "revoked",
	};

	return (unsigned)l < ARRAY_LEN(names) ? names[l] : "unknown";
}

const char *credential_kind_name(enum credential_kind k)
{
	static const char *const names[] = {
		[CREDENTIAL_NONE] = "none",
		[CREDENTIAL_PSK] = "psk",
		[CREDENTIAL_CERT] = "cert",
	};

	return (unsigned)k < ARRAY_LEN(names) ? names[k] : "unknown";
}
