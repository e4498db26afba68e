/* Digests, MACs, random numbers and the bucket hash. */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

/* Before anything else uses OpenSSL: gives it the allocator of base/memory.h. */
void hash_start(void);

struct sha256; /* incremental; create, update any number of times, finish once */

void sha256_of(struct bytes b, struct digest *ret);
struct sha256 *sha256_create(void);
void sha256_update(struct sha256 *s, struct bytes b);
/* Frees s. */
void sha256_finish(struct sha256 *s, struct digest *ret);
void sha256_free(struct sha256 *s);

static inline void clean_sha256(struct sha256 **s)
{
	sha256_free(*s);
}

void hmac_sha256(struct bytes key, struct bytes b, struct digest *ret);
/* From the kernel; aborts if that fails. */
void random_bytes(void *p, size_t n);

/* The id of a device: HMAC-SHA-256(tenant secret, endpoint name) cut to 16 bytes. */
void device_id_derive(struct bytes tenant_secret, const char *endpoint_name, struct uuid *ret);

/* The bucket hash places a device in a campaign.  It is the same in SQL (function
 * bucket_hash in db/schema) and here, with frozen vectors in tests/data/bucket.tsv.
 *
 *   h  = the first 8 bytes of the device id, big-endian, top two bits dropped (62 bits)
 *   hi = h >> 31,  lo = h & 0x7fffffff,  p = 2^31 - 1
 *   b1 = (hi*s[0] + lo*s[1] + s[2]) mod p,  b2 = (hi*s[3] + lo*s[4] + s[5]) mod p
 *   bucket = b1 * 2^31 + b2, in [0, BUCKET_END)
 *
 * Each half is a pairwise independent family, so two campaigns pick independent first stages;
 * device ids are the output of an HMAC, so h is uniform.  No step leaves 63 bits, so SQL's
 * bigint computes it without overflow. */
#define BUCKET_SALTS 6
#define BUCKET_END   (INT64_C(2147483647) << 31)

struct bucket_salt {
	int64_t s[BUCKET_SALTS]; /* each in [1, 2^31 - 2] */
};

/* Derived from the campaign id by SHA-256. */
void bucket_salt_derive(const struct uuid *campaign_id, struct bucket_salt *ret);
int64_t bucket_device_hash(const struct uuid *device_id);
int64_t bucket_hash(int64_t device_hash, const struct bucket_salt *salt);
