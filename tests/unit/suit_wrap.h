/* An envelope around any bytes as its manifest, with the right digest and no signature, so that
 * tests get past the digest to what stands behind it. */
#pragma once

#include "suit/cbor.h"
#include "suit/crypto_openssl.h"

#include <stdlib.h>

/* buf has 64 bytes more than the manifest. */
static inline struct suit_bytes suit_wrap(struct suit_bytes manifest, uint8_t *buf, size_t size)
{
	uint8_t digest_bytes[48], auth_bytes[48];
	struct suit_digest digest;
	struct scbor_out d, a, o;

	scbor_out_init(&o, buf, size);
	scbor_put_bytes(&o, manifest);
	struct suit_message m = { .piece = { scbor_out_bytes(&o) }, .count = 1 };
	if (suit_crypto_openssl.sha256(&m, &digest) != SUIT_OK)
		abort();
	scbor_out_init(&d, digest_bytes, sizeof(digest_bytes));
	scbor_put_array(&d, 2);
	scbor_put_int(&d, SUIT_ALG_SHA256);
	scbor_put_bytes(&d, (struct suit_bytes){ digest.b, sizeof(digest.b) });
	scbor_out_init(&a, auth_bytes, sizeof(auth_bytes));
	scbor_put_array(&a, 1);
	scbor_put_bytes(&a, scbor_out_bytes(&d));

	scbor_out_init(&o, buf, size);
	scbor_put_tag(&o, 107);
	scbor_put_map(&o, 2);
	scbor_put_int(&o, 2);
	scbor_put_bytes(&o, scbor_out_bytes(&a));
	scbor_put_int(&o, 3);
	scbor_put_bytes(&o, manifest);
	if (!scbor_out_fits(&o))
		abort();
	return scbor_out_bytes(&o);
}
