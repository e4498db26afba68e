/* Credentials of devices.  A key is sealed before it leaves memory; a certificate is known by
 * its digest, so that an older one for the same name opens nothing any more. */
#include "core/credential.h"

#include "base/hash.h"
#include "certs/certs.h"
#include "certs/seal.h"
#include "core/core.h"

#define PSK_MADE_SIZE 32

static enum rc make_psk(struct call *c, struct bytes psk, struct credential_made *ret)
{
	if (psk.n < PSK_MIN || psk.n > PSK_MAX)
		return call_field(c, "/psk", "must be %d to %d bytes in base64", PSK_MIN,
				  PSK_MAX);
	ret->stored.kind = CREDENTIAL_PSK;
	ret->proof = psk;
	return seal(c->core->seal_key, "psk", psk, c->mem, &ret->stored.psk_sealed);
}

static enum rc make_random_psk(struct call *c, struct credential_made *ret)
{
	uint8_t *key = arena_alloc(c->mem, PSK_MADE_SIZE);

	random_bytes(key, PSK_MADE_SIZE);
	ret->issued.psk = (struct bytes){ key, PSK_MADE_SIZE };
	return make_psk(c, ret->issued.psk, ret);
}

static enum rc make_certificate(struct call *c, const char *endpoint, const char *csr_pem,
				struct credential_made *ret)
{
	struct cert_request request = { .common_name = endpoint, .days = DEVICE_CERT_DAYS };
	struct bytes csr, der;
	const char *why = NULL;

	if (cert_csr_from_pem(csr_pem, c->mem, &csr) != RC_OK)
		return call_field(c, "/csr", "must be the PEM of a certificate request");
	enum rc rc = certs_sign_device(c->core->certs, csr, &request, c->mem, &der, &why);
	if (rc == RC_INVALID || rc == RC_TOO_LARGE)
		return call_field(c, "/csr", "%s", why);
	if (rc != RC_OK)
		return rc;
	ret->stored.kind = CREDENTIAL_CERT;
	cert_fingerprint(der, &ret->stored.certificate);
	ret->proof = (struct bytes){ arena_copy(c->mem, &ret->stored.certificate,
						sizeof(struct digest)),
				     sizeof(struct digest) };
	ret->issued.certificate_pem = cert_pem(c->mem, der);
	ret->issued.chain_pem = certs_chain_pem(c->core->certs);
	return ret->issued.certificate_pem ? RC_OK : RC_INTERNAL;
}

enum rc credential_make(struct call *c, const char *endpoint, const struct credential_new *in,
			struct credential_made *ret)
{
	enum rc rc = RC_INTERNAL;

	*ret = (struct credential_made){ 0 };
	switch (in->source) {
	case CREDENTIAL_MAKE_PSK:
		rc = make_random_psk(c, ret);
		break;
	case CREDENTIAL_GIVEN_PSK:
		rc = make_psk(c, in->psk, ret);
		break;
	case CREDENTIAL_CSR:
		rc = make_certificate(c, endpoint, in->csr_pem, ret);
		break;
	}
	return rc;
}
