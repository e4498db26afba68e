/* An encryption info, behind a byte of no use.  What is taken says the same when it is written
 * again by another hand.  Payloads: fuzz_decrypt.c. */

#include "suit/cbor.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_secret.h"

#define C (&suit_crypto_openssl)

static struct suit_key *device;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	device = suit_secret_device();
	return 0;
}

/* --- the info ----------------------------------------------------------------------------- */

static void put_protected(struct scbor_out *o, int64_t alg)
{
	uint8_t bytes[16];
	struct scbor_out in;

	scbor_out_init(&in, bytes, sizeof(bytes));
	scbor_put_map(&in, 1);
	scbor_put_int(&in, 1);
	scbor_put_int(&in, alg);
	scbor_put_bytes(o, scbor_out_bytes(&in));
}

static void put_recipient(struct scbor_out *o, const struct suit_recipient *r)
{
	bool ecdh = r->alg == SUIT_ALG_ECDH_ES_A128KW;

	scbor_put_array(o, 3);
	if (ecdh)
		put_protected(o, r->alg);
	else
		scbor_put_bytes(o, (struct suit_bytes){ 0 });
	scbor_put_map(o, 1 + (r->kid.n > 0));
	if (!ecdh) {
		scbor_put_int(o, 1);
		scbor_put_int(o, r->alg);
	}
	if (r->kid.n > 0) {
		scbor_put_int(o, 4);
		scbor_put_bytes(o, r->kid);
	}
	if (ecdh) {
		scbor_put_int(o, -1);
		scbor_put_map(o, 4);
		scbor_put_int(o, 1);
		scbor_put_int(o, 2);
		scbor_put_int(o, -1);
		scbor_put_int(o, 1);
		scbor_put_int(o, -2);
		scbor_put_bytes(o, r->x);
		scbor_put_int(o, -3);
		scbor_put_bytes(o, r->y);
	}
	scbor_put_bytes(o, r->wrapped);
}

/* Every map sorted, so of the same size. */
static struct suit_bytes rewrite(const struct suit_encryption *e, uint8_t *buf, size_t size)
{
	struct suit_recipient r;
	struct scbor_out o;

	scbor_out_init(&o, buf, size);
	scbor_put_tag(&o, SUIT_TAG_ENCRYPT);
	scbor_put_array(&o, 4);
	if (e->alg->authenticated)
		put_protected(&o, e->alg->alg);
	else
		scbor_put_bytes(&o, (struct suit_bytes){ 0 });
	scbor_put_map(&o, e->alg->authenticated ? 1 : 2);
	if (!e->alg->authenticated) {
		scbor_put_int(&o, 1);
		scbor_put_int(&o, e->alg->alg);
	}
	scbor_put_int(&o, 5);
	scbor_put_bytes(&o, e->iv);
	scbor_put_null(&o);
	scbor_put_array(&o, e->recipient_count);
	for (size_t i = 0; i < e->recipient_count; i++) {
		check(suit_encryption_recipient(e, i, &r) == SUIT_OK);
		check(r.kid.n <= SUIT_KID_MAX && r.wrapped.n == e->alg->key_size + 8u);
		put_recipient(&o, &r);
	}
	check(suit_encryption_recipient(e, e->recipient_count, &r) == SUIT_MISSING);
	return scbor_out_bytes(&o);
}

static void try_open(const struct suit_encryption *e)
{
	struct suit_party party[] = { { .secret = { suit_secret_kek, 16 } },
				      { .key = device } };
	struct suit_content_key key;
	struct suit_recipient r;

	check(suit_encryption_recipient(e, 0, &r) == SUIT_OK);
	for (int i = 0; i < 2; i++) {
		party[i].kid = r.kid;
		enum suit_rc rc = suit_content_key_open(C, e, &party[i], &key);
		check(rc == SUIT_OK || rc == SUIT_DECRYPT || rc == SUIT_MISSING ||
		      rc == SUIT_KEY);
		check(rc != SUIT_OK ||
		      (key.alg == e->alg && memcmp(key.iv, e->iv.p, e->alg->iv_size) == 0));
	}
}

static void info(struct suit_bytes in)
{
	static uint8_t buf[65536], buf2[65536];
	struct suit_encryption e, again;

	if (suit_encryption_decode(in, &e) != SUIT_OK)
		return;
	check(e.recipient_count >= 1 && e.recipient_count <= SUIT_RECIPIENTS_MAX);
	check(e.iv.n == e.alg->iv_size);
	struct suit_bytes written = rewrite(&e, buf, sizeof(buf));
	check(written.n == in.n);
	check(suit_encryption_decode(written, &again) == SUIT_OK);
	check(suit_bytes_equal(rewrite(&again, buf2, sizeof(buf2)), written));
	try_open(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 4096)
		return 0;
	info((struct suit_bytes){ data + 1, size - 1 });
	return 0;
}
