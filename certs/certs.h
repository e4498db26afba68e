/* Trust: the embedded CA under STATE/ca, the server's own certificate, device and operator
 * certificates.  P-256 throughout.  The CA key is a file (mode 0600) for now; PKCS#11 comes
 * with EST.  Every function is thread-safe. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct certs;

/* Makes a root, and an issuing CA below it, under dir; RC_CONFLICT when there is one already.
 * Root key and issuing key are separate files, so the root's can be taken away. */
enum rc ca_init(const char *dir, const char *name, struct arena *mem,
		const char **ret_why) MUST_CHECK;
/* Opens what ca_init made; RC_NOT_FOUND when there is none. */
enum rc certs_open(const char *dir, struct certs **ret) MUST_CHECK;
void certs_free(struct certs *c);

/* The chain a peer needs to check us: issuing CA and root, PEM. */
const char *certs_chain_pem(const struct certs *c);
/* The root alone, PEM: what a device or an operator pins. */
const char *certs_root_pem(const struct certs *c);

struct cert_request {
	const char *common_name;  /* endpoint name of a device; host name of a server */
	const char *const *hosts; /* DNS names and IP addresses of a server certificate */
	int host_count;
	/* At most 825 for operators, 398 for servers, and 750 for devices, whose life varies by
	 * a tenth to either side. */
	int days;
};

/* Signs a PKCS#10 request (DER) for a device: proof of possession is checked; the subject and
 * every extension come from us, nothing from the request but its key (P-256 only).  Serial: 128
 * random bits. */
enum rc certs_sign_device(struct certs *c, struct bytes csr_der, const struct cert_request *r,
			  struct arena *mem, struct bytes *ret_der,
			  const char **ret_why) MUST_CHECK;
/* Likewise for an operator's client certificate (common name is the operator's name). */
enum rc certs_sign_operator(struct certs *c, struct bytes csr_der, const struct cert_request *r,
			    struct arena *mem, struct bytes *ret_der,
			    const char **ret_why) MUST_CHECK;
/* Makes a key and a server certificate as PEM files (key mode 0600), when they are missing or
 * within 30 days of their end. */
enum rc certs_ensure_server(struct certs *c, const char *cert_path, const char *key_path,
			    const struct cert_request *r) MUST_CHECK;
/* There is one that need not be made anew. */
bool certs_server_good(struct certs *c, const char *cert_path, const char *key_path,
		       const struct cert_request *r);
/* When the first certificate of a PEM file ends, UTC.  RC_INVALID when there is none. */
enum rc cert_file_end(const char *path, int64_t *ret_us) MUST_CHECK;
/* A new P-256 key and a certificate request for it: what `muster` and agents do locally is in
 * their own folders; this one serves `musterd ca issue`. */
enum rc cert_request_create(const char *common_name, struct arena *mem,
			    const char **ret_key_pem, struct bytes *ret_csr_der) MUST_CHECK;
char *cert_pem(struct arena *mem, struct bytes der);
enum rc cert_csr_from_pem(const char *pem, struct arena *mem, struct bytes *ret_der) MUST_CHECK;
void cert_fingerprint(struct bytes der, struct digest *ret);
