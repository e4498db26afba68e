/* The published envelopes decode and verify; what must not, does not; ours equals the worked
 * example byte for byte. */

#include "suit/plan.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define C (&suit_crypto_openssl)

static const struct vector {
	const char *file, *key;
	enum suit_rc decode, verify, plan;
} vectors[] = {
#define SPEC "keys/spec-p256-public.pem"
#define ED   "keys/worked-ed25519-public.pem"
	{ "manifest-draft37-es256/example0.signed.cbor", SPEC, SUIT_OK, SUIT_OK, SUIT_MISSING },
	{ "manifest-draft37-es256/example1.signed.cbor", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "manifest-draft37-es256/example2.signed.cbor", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "manifest-draft37-es256/example2.severed-signed.cbor", SPEC, SUIT_OK, SUIT_OK,
	  SUIT_UNSUPPORTED },
	{ "manifest-draft37-es256/example3.signed.cbor", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "manifest-draft37-es256/example4.signed.cbor", SPEC, SUIT_OK, SUIT_OK,
	  SUIT_UNSUPPORTED },
	{ "manifest-draft37-es256/example5.signed.cbor", SPEC, SUIT_OK, SUIT_OK,
	  SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_exp0.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_MISSING },
	{ "libcsuit/suit_manifest_exp1.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "libcsuit/suit_manifest_exp2A.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_exp2B.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "libcsuit/suit_manifest_exp3.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "libcsuit/suit_manifest_exp4.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_exp5.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_expAF.suit", SPEC, SUIT_OK, SUIT_UNSUPPORTED,
	  SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_expAFS.suit", SPEC, SUIT_OK, SUIT_UNSUPPORTED,
	  SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_expAW.suit", SPEC, SUIT_OK, SUIT_UNSUPPORTED,
	  SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_expEW.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "libcsuit/suit_manifest_expED.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	/* TEEP's are untagged */
	{ "libcsuit/suit_manifest_expU.suit", SPEC, SUIT_MALFORMED, 0, 0 },
	{ "libcsuit/suit_manifest_expI.suit", SPEC, SUIT_MALFORMED, 0, 0 },
	{ "libcsuit/suit_manifest_expD.suit", SPEC, SUIT_MALFORMED, 0, 0 },
	{ "worked/ab-minimal.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "worked/ab-minimal-ed25519.suit", ED, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "worked/ab-minimal-eddsa.suit", ED, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "worked/ab-minimal.suit", ED, SUIT_OK, SUIT_KEY, SUIT_OK },
	{ "worked/ab-minimal-ed25519.suit", SPEC, SUIT_OK, SUIT_KEY, SUIT_OK },
	{ "worked/ab-minimal.suit", "keys/libcsuit-device_esp256_public.pem", SUIT_OK,
	  SUIT_SIGNATURE, SUIT_OK },
	{ "worked/ab-severable.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_OK },
	{ "worked/managed.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "worked/delta-component.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "worked/encrypted-aeskw-gcm.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	{ "worked/integrated.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
	/* a private directive is legal in a manifest; no plan can speak for it */
	{ "worked/delta-custom-directive.suit", SPEC, SUIT_OK, SUIT_OK, SUIT_UNSUPPORTED },
};

static void test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct suit_bytes bytes = suit_data(v->file);
		struct suit_plan plans[SUIT_SLOTS_MAX];
		struct suit_envelope e;
		size_t n = 0;

		tap_ok(bytes.n > 0, "%s is there", v->file);
		enum suit_rc rc = suit_envelope_decode(C, bytes, &e);
		tap_ok(rc == v->decode, "%s: decode: %s", v->file, suit_rc_text(rc));
		if (rc != SUIT_OK || v->decode != SUIT_OK)
			continue;
		struct suit_key *key = suit_data_key(v->key);
		is_int((int64_t)e.block_count, 1, "one block");
		rc = suit_block_verify(C, &e, &e.block[0], key);
		tap_ok(rc == v->verify, "%s with %s: %s", v->file, v->key, suit_rc_text(rc));
		suit_key_free(key);
		rc = suit_plan_all(&e, plans, &n);
		tap_ok(rc == v->plan, "%s: plan: %s", v->file, suit_rc_text(rc));
	}
}

static void digest_of_file(const char *name, struct suit_digest *ret)
{
	struct suit_message m = { .piece = { suit_data(name) }, .count = 1 };

	is_int(C->sha256(&m, ret), SUIT_OK, "digest");
}

/* refs: the worked example of two slots. */
static void test_build_equals_worked_example(void)
{
	static const uint8_t zero[1] = { 0 };
	struct suit_build in = { .sequence = 1763683200, .image_count = 2, .invoke = true };
	struct suit_bytes want = suit_data("worked/ab-minimal.suit");
	struct suit_envelope e, w;
	uint8_t buf[2048];
	size_t n = 0;

	is_int(suit_vendor_id(C, "example.com", &in.vendor_id), SUIT_OK, "vendor id");
	is_int(suit_class_id(C, &in.vendor_id, "sensor-a rev1", &in.class_id), SUIT_OK,
	       "class id");
	in.component = (struct suit_component_id){ .segment = { { zero, 1 } }, .count = 1 };
	for (uint64_t i = 0; i < 2; i++) {
		in.image[i] =
			(struct suit_build_image){ .has_slot = true, .slot = i, .size = 1320 };
		digest_of_file(i ? "worked/fw-b.bin" : "worked/fw-a.bin", &in.image[i].digest);
	}
	in.image[0].uri = suit_text("coap://updates.example.com/fw/a.bin");
	in.image[1].uri = suit_text("coap://updates.example.com/fw/b.bin");
	is_int(suit_build(C, &in, buf, sizeof(buf), &n), SUIT_OK, "build");
	is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e), SUIT_OK,
	       "ours decodes");
	is_int(suit_envelope_decode(C, want, &w), SUIT_OK, "theirs decodes");
	is_bytes(e.manifest.p, e.manifest.n, w.manifest.p, w.manifest.n, "the same manifest");
	is_bytes(e.digest.b, 32, w.digest.b, 32, "the same manifest digest");

	size_t wanted = 0;
	is_int(suit_build(C, &in, buf, 100, &wanted), SUIT_NO_SPACE, "too small a buffer");
	is_int((int64_t)wanted, (int64_t)n, "says the size");
}

static void test_sign_and_verify(enum suit_key_type type)
{
	struct suit_key *key = NULL, *other = NULL;
	uint8_t buf[4096], twice[4096];
	struct suit_envelope e;
	size_t n = 0;

	is_int(suit_key_generate(type, &key), SUIT_OK, "a key");
	is_int(suit_key_generate(type, &other), SUIT_OK, "another key");
	n = suit_data_signed(key, buf, sizeof(buf));
	is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e), SUIT_OK, "decodes");
	is_int(suit_block_verify(C, &e, &e.block[0], key), SUIT_OK, "verifies");
	is_int(suit_block_verify(C, &e, &e.block[0], other), SUIT_SIGNATURE,
	       "not with another");
	struct suit_bytes version = suit_text_version(&e, &e.component[0]);
	is_bytes(version.p, version.n, "2.0", 3, "text version");

	struct suit_digest before = e.digest;
	is_int(suit_envelope_sign(C, other, suit_key_alg(other), (struct suit_bytes){ 0 }, &e,
				  twice, sizeof(twice), &n),
	       SUIT_OK, "a second signature");
	is_int(suit_envelope_decode(C, (struct suit_bytes){ twice, n }, &e), SUIT_OK,
	       "decodes");
	is_int((int64_t)e.block_count, 2, "two blocks");
	is_int(suit_block_verify(C, &e, &e.block[0], key), SUIT_OK, "the first still verifies");
	is_int(suit_block_verify(C, &e, &e.block[1], other), SUIT_OK, "the second too");
	is_bytes(before.b, 32, e.digest.b, 32, "the identity stays");
	suit_key_free(key);
	suit_key_free(other);
}

static void test_plan_for_a_device(void)
{
	struct suit_envelope e;
	struct suit_plan plan;
	struct suit_digest digest;
	struct suit_uuid vendor, class_, wrong = { { 1 } };

	is_int(suit_envelope_decode(C, suit_data("worked/ab-minimal.suit"), &e), SUIT_OK,
	       "decode");
	is_int(suit_vendor_id(C, "example.com", &vendor), SUIT_OK, "vendor");
	is_int(suit_class_id(C, &vendor, "sensor-a rev1", &class_), SUIT_OK, "class");
	struct suit_facts facts = { &vendor, &class_, 1 };
	is_int(suit_plan(&e, &facts, &plan), SUIT_OK, "slot 1");
	digest_of_file("worked/fw-b.bin", &digest);
	is_bytes(plan.digest.b, 32, digest.b, 32, "its image");
	is_int((int64_t)plan.size, 1320, "its size");
	tap_ok(plan.slot_matters && plan.slot == 1, "its slot");
	facts.slot = 2;
	is_int(suit_plan(&e, &facts, &plan), SUIT_CONDITION, "no such slot");
	facts = (struct suit_facts){ &vendor, &wrong, 0 };
	is_int(suit_plan(&e, &facts, &plan), SUIT_CONDITION, "test_A11: another class");
	facts = (struct suit_facts){ &wrong, &class_, 0 };
	is_int(suit_plan(&e, &facts, &plan), SUIT_CONDITION, "test_A11: another vendor");
	struct suit_plan all[SUIT_SLOTS_MAX];
	size_t n = 0;
	is_int(suit_plan_all(&e, all, &n), SUIT_OK, "all");
	is_int((int64_t)n, 2, "two slots");
}

int main(void)
{
	test_vectors();
	test_build_equals_worked_example();
	test_sign_and_verify(SUIT_KEY_P256);
	test_sign_and_verify(SUIT_KEY_ED25519);
	test_plan_for_a_device();
	return tap_done();
}
