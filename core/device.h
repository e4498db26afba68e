/* Devices, the operator's side: provision, label, list, replace the credential, revoke, delete.
 * What a device itself says arrives through core/registration.h. */
#pragma once

#include "core/call.h"
#include "db/device_store.h"

#include <stdbool.h>

/* Nominal life of a device certificate; certs/ spreads it by a tenth to either side. */
#define DEVICE_CERT_DAYS 750

enum credential_source {
	CREDENTIAL_MAKE_PSK, /* the server makes 32 random bytes */
	CREDENTIAL_GIVEN_PSK,
	CREDENTIAL_CSR,
};

struct credential_new {
	enum credential_source source;
	struct bytes psk;    /* CREDENTIAL_GIVEN_PSK: PSK_MIN to PSK_MAX bytes */
	const char *csr_pem; /* CREDENTIAL_CSR */
};

/* What the caller is shown once. */
struct credential_issued {
	struct bytes psk; /* only when the server made it */
	const char *certificate_pem;
	const char *chain_pem;
};

/* First a letter or digit, then letters, digits, '.', '_', ':', '-'; at most
 * ENDPOINT_NAME_MAX bytes. */
bool endpoint_name_valid(const char *name);
/* A letter or '_', then letters, digits, '_', '.', '-'; at most ATTRIBUTE_NAME_MAX bytes. */
bool attribute_name_valid(const char *name);
bool attribute_value_valid(const char *value);

struct device_new {
	const char *endpoint;
	struct credential_new credential;
	struct attribute attributes[ATTRIBUTES_MAX];
	int attribute_count;
	const char *report_key_pem; /* or NULL: its SUIT reports need no signature */
};

enum rc device_create(struct call *c, const struct device_new *in, struct device_item *ret,
		      struct credential_issued *ret_issued) MUST_CHECK;
/* ERR_NOT_FOUND also for a name that cannot be one. */
enum rc device_get(struct call *c, const char *endpoint, struct device_item *ret) MUST_CHECK;
/* Up to f->limit devices by endpoint name. */
enum rc device_list(struct call *c, const struct device_filter *f, struct device_item **ret,
		    int *ret_count) MUST_CHECK;
/* revision: the one the operator read; ERR_PRECONDITION_FAILED when it has changed. */
struct device_update {
	const char *endpoint;
	int64_t revision;
	struct attribute_change changes[ATTRIBUTES_MAX];
	int change_count;
	bool sets_report_key;
	const char *report_key_pem; /* NULL takes it away */
};
enum rc device_update(struct call *c, const struct device_update *in,
		      struct device_item *ret) MUST_CHECK;
/* Replaces key or certificate; sessions opened with the old one are ended.  Makes a revoked
 * device provisioned again. */
enum rc device_replace_credential(struct call *c, const char *endpoint,
				  const struct credential_new *in, struct device_item *ret,
				  struct credential_issued *ret_issued) MUST_CHECK;
/* Its credential opens nothing any more; its open jobs end.  Again: nothing changes. */
enum rc device_revoke(struct call *c, const char *endpoint, struct device_item *ret) MUST_CHECK;
/* ERR_IN_USE with an open job. */
enum rc device_delete(struct call *c, const char *endpoint, int64_t revision) MUST_CHECK;
