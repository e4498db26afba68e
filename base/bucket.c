/* The bucket hash: places devices in a campaign.  base/hash.h has the formula; SQL has the same
 * one.  Neither may ever change: running campaigns and tests/data/bucket.tsv depend on it. */

#include "base/hash.h"

#include <string.h>

#define PRIME INT64_C(2147483647)

static uint64_t first_8_bytes(const uint8_t *b)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v;
}

/* s[i] = 1 + (first 8 bytes of SHA-256("muster bucket" || campaign id || i) mod (2^31 - 2)). */
void bucket_salt_derive(const struct uuid *campaign_id, struct bucket_salt *ret)
{
	static const char label[] = "muster bucket";
	uint8_t input[sizeof(label) - 1 + sizeof(campaign_id->b) + 1];

	memcpy(input, label, sizeof(label) - 1);
	memcpy(input + sizeof(label) - 1, campaign_id->b, sizeof(campaign_id->b));
	for (uint8_t i = 0; i < BUCKET_SALTS; i++) {
		struct digest d;

		input[sizeof(input) - 1] = i;
		sha256_of((struct bytes){ input, sizeof(input) }, &d);
		ret->s[i] = 1 + (int64_t)(first_8_bytes(d.b) % (uint64_t)(PRIME - 1));
	}
}

int64_t bucket_device_hash(const struct uuid *device_id)
{
	return (int64_t)(first_8_bytes(device_id->b) & (UINT64_MAX >> 2));
}

int64_t bucket_hash(int64_t device_hash, const struct bucket_salt *salt)
{
	int64_t high = device_hash >> 31, low = device_hash & PRIME;
	int64_t b1 = (high * salt->s[0] + low * salt->s[1] + salt->s[2]) % PRIME;
	int64_t b2 = (high * salt->s[3] + low * salt->s[4] + salt->s[5]) % PRIME;

	return (b1 << 31) + b2;
}
