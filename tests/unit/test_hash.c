/* Digests and MACs against published vectors; the bucket hash against frozen ones. */

#include "base/clean.h"
#include "base/hash.h"
#include "tests/tap.h"

#include <stdlib.h>

static const char *hex_of(const struct digest *d)
{
	static char text[DIGEST_TEXT_SIZE];

	return digest_format(d, text);
}

/* FIPS 180-2 appendix B. */
static void test_sha256(void)
{
	struct digest d;

	sha256_of(bytes_of("abc"), &d);
	is_str(hex_of(&d), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	       "SHA-256 of abc");
	sha256_of((struct bytes){ NULL, 0 }, &d);
	is_str(hex_of(&d), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	       "SHA-256 of nothing");
	struct sha256 *s = sha256_create();
	sha256_update(s, bytes_of("a"));
	sha256_update(s, bytes_of(""));
	sha256_update(s, bytes_of("bc"));
	sha256_finish(s, &d);
	is_str(hex_of(&d), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	       "in pieces");
	sha256_free(sha256_create());
}

/* RFC 4231 test case 2. */
static void test_hmac(void)
{
	struct digest d;

	hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"), &d);
	is_str(hex_of(&d), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
	       "HMAC-SHA-256");
}

static void test_device_id(void)
{
	char text[UUID_TEXT_SIZE];
	struct uuid id;

	device_id_derive(bytes_of("Jefe"), "what do ya want for nothing?", &id);
	is_str(uuid_format(&id, text), "5bdcc146-bf60-754e-6a04-2426089575c7",
	       "a device id is the MAC's first 16 bytes");
}

/* Lines of tests/data/bucket.tsv: campaign id, device id, hash, six salts, bucket. */
static void check_line(const char *line, int number)
{
	char campaign_text[64] = "", device_text[64] = "";
	long long hash = 0, s[BUCKET_SALTS] = { 0 }, bucket = 0;
	struct uuid campaign, device;
	struct bucket_salt salt;

	int n = sscanf(line, "%63s %63s %lld %lld %lld %lld %lld %lld %lld %lld", campaign_text,
		       device_text, &hash, &s[0], &s[1], &s[2], &s[3], &s[4], &s[5], &bucket);
	if (!ok(n == 10 && uuid_parse(campaign_text, &campaign) == RC_OK &&
			uuid_parse(device_text, &device) == RC_OK,
		"line %d can be read", number))
		return;
	bucket_salt_derive(&campaign, &salt);
	bool salts = true;
	for (int i = 0; i < BUCKET_SALTS; i++)
		salts = salts && salt.s[i] == s[i];
	ok(salts && bucket_device_hash(&device) == hash && bucket_hash(hash, &salt) == bucket,
	   "frozen vector in line %d", number);
}

static void test_frozen_buckets(void)
{
	CLEAN(file) FILE *f = fopen("tests/data/bucket.tsv", "re");
	char line[512];
	int number = 0;

	if (!ok(f != NULL, "tests/data/bucket.tsv opens (from the tree's root)"))
		return;
	while (fgets(line, sizeof(line), f))
		if (++number && line[0] != '#')
			check_line(line, number);
	ok(number > 30, "there are many vectors");
}

/* A tenth of the range holds a tenth of the devices, in two campaigns independently. */
static void test_buckets_are_spread(void)
{
	enum { DEVICES = 20000 };
	struct bucket_salt a, b;
	struct uuid id;
	int in_a = 0, in_both = 0;

	uuid_random(&id);
	bucket_salt_derive(&id, &a);
	uuid_random(&id);
	bucket_salt_derive(&id, &b);
	for (int i = 0; i < DEVICES; i++) {
		random_bytes(&id, sizeof(id));
		int64_t h = bucket_device_hash(&id);
		int64_t bucket_a = bucket_hash(h, &a), bucket_b = bucket_hash(h, &b);

		if (bucket_a < 0 || bucket_a >= BUCKET_END)
			ok(false, "bucket out of range");
		in_a += bucket_a < BUCKET_END / 10;
		in_both += bucket_a < BUCKET_END / 10 && bucket_b < BUCKET_END / 10;
	}
	/* six standard deviations: 2000 +- 255, 200 +- 85 */
	ok(in_a > 1745 && in_a < 2255, "a tenth is a tenth: %d of 20000", in_a);
	ok(in_both > 115 && in_both < 285, "a tenth of two is a hundredth: %d", in_both);
}

int main(void)
{
	test_sha256();
	test_hmac();
	test_device_id();
	test_frozen_buckets();
	test_buckets_are_spread();
	return tap_done();
}
