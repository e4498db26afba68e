/* RIOT's dialect: signed, verified, and what it refuses.  Its vectors are in test_cli_source.c.
 */

#include "suit/dialect_riot.h"
#include "suit/encode.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define C (&suit_crypto_openssl)

struct fixture {
	struct suit_source source;
	struct suit_source_component component;
	struct suit_source_image image[2];
	struct suit_uuid class_id;
};

static void fill(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	for (uint8_t i = 0; i < 2; i++)
		f->image[i] = (struct suit_source_image){
			.whole = { .has_digest = true, .has_size = true, .size = 5000 + i },
			.has_slot = true,
			.slot = 4096 * (i + 1u),
			.uri = suit_text(i ? "coap://[::1]/b" : "coap://[::1]/a"),
		};
	f->component = (struct suit_source_component){ .install = SUIT_INSTALL_FETCH,
						       .image = f->image,
						       .image_count = 2 };
	f->component.id.segment[0] = suit_text("ram");
	f->component.id.count = 1;
	f->source = (struct suit_source){ .sequence = 5,
					  .has_vendor = true,
					  .class_id = &f->class_id,
					  .class_count = 1,
					  .component = &f->component,
					  .component_count = 1 };
}

static enum suit_rc encode(const struct fixture *f)
{
	uint8_t buf[SUIT_RIOT_MAX];
	size_t n = 0;

	return suit_riot_encode(C, &f->source, NULL, buf, sizeof(buf), &n);
}

static void test_vectors_verify(void)
{
	static const char *const names[] = { "riot-draft09/ram0.signed.cbor",
					     "riot-draft09/two-slot.signed.cbor" };
	struct suit_key *key = suit_data_key("riot-draft09/ed25519-test-key.pub.pem");
	struct suit_key *other = suit_data_key("keys/worked-ed25519-public.pem");
	struct suit_key *p256 = suit_data_key("keys/spec-p256-public.pem");

	for (size_t i = 0; i < 2; i++) {
		struct suit_bytes b = suit_data(names[i]);
		is_int(suit_riot_verify(C, b, key), SUIT_OK, names[i]);
		is_int(suit_riot_verify(C, b, other), SUIT_SIGNATURE, "not with another key");
		is_int(suit_riot_verify(C, b, p256), SUIT_KEY, "nor with another kind");
	}
	is_int(suit_riot_verify(C, suit_data("riot-draft09/ram0.unsigned.cbor"), key),
	       SUIT_MISSING, "no signature");
	is_int(suit_riot_verify(C, suit_data("worked/ab-minimal.suit"), key), SUIT_MALFORMED,
	       "not the new form");
	suit_key_free(key);
	suit_key_free(other);
	suit_key_free(p256);
}

static void test_every_flip_and_cut_is_refused(void)
{
	struct suit_key *key = suit_data_key("riot-draft09/ed25519-test-key.pub.pem");
	struct suit_bytes b = suit_data("riot-draft09/two-slot.signed.cbor");
	uint8_t copy[SUIT_RIOT_MAX];
	size_t accepted = 0;

	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		memcpy(copy, b.p, b.n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		accepted +=
			suit_riot_verify(C, (struct suit_bytes){ copy, b.n }, key) == SUIT_OK;
	}
	for (size_t n = 0; n < b.n; n++)
		accepted += suit_riot_verify(C, (struct suit_bytes){ b.p, n }, key) == SUIT_OK;
	is_int((int64_t)accepted, 0, "no flipped bit and no shorter envelope is taken");
	suit_key_free(key);
}

static void test_signs_with_ed25519_alone(void)
{
	struct suit_key *ed = NULL, *p256 = NULL;
	uint8_t buf[SUIT_RIOT_MAX], again[SUIT_RIOT_MAX];
	struct fixture f;
	size_t n = 0, wanted = 0;

	fill(&f);
	is_int(suit_key_generate(SUIT_KEY_ED25519, &ed), SUIT_OK, "a key");
	is_int(suit_key_generate(SUIT_KEY_P256, &p256), SUIT_OK, "another");
	is_int(suit_riot_encode(C, &f.source, ed, buf, sizeof(buf), &n), SUIT_OK, "signed");
	is_int(suit_riot_verify(C, (struct suit_bytes){ buf, n }, ed), SUIT_OK, "verifies");
	is_int(suit_riot_encode(C, &f.source, p256, again, sizeof(again), &wanted), SUIT_KEY,
	       "RIOT knows Ed25519 alone");
	is_int(suit_riot_encode(C, &f.source, ed, again, n - 1, &wanted), SUIT_NO_SPACE,
	       "too small a buffer");
	is_int((int64_t)wanted, (int64_t)n, "says the size");
	is_int(suit_riot_encode(C, &f.source, ed, again, n, &wanted), SUIT_OK,
	       "the exact size");
	is_bytes(again, wanted, buf, n, "gives the same: Ed25519 has no dice");
	suit_key_free(ed);
	suit_key_free(p256);
}

static void test_640_bytes(void)
{
	static uint8_t path[SUIT_URI_MAX];
	uint8_t buf[2 * SUIT_RIOT_MAX];
	struct fixture f;
	size_t n = 0, base;

	memset(path, 'a', sizeof(path));
	fill(&f);
	/* Longer URIs, until exactly 640 bytes are reached. */
	f.image[0].uri = (struct suit_bytes){ path, 200 };
	f.image[1].uri = (struct suit_bytes){ path, 100 };
	is_int(suit_riot_encode(C, &f.source, NULL, buf, sizeof(buf), &base), SUIT_OK, "fits");
	f.image[1].uri.n += SUIT_RIOT_MAX - base;
	is_int(suit_riot_encode(C, &f.source, NULL, buf, sizeof(buf), &n), SUIT_OK,
	       "640 bytes fit");
	is_int((int64_t)n, SUIT_RIOT_MAX, "exactly");
	f.image[1].uri.n++;
	is_int(suit_riot_encode(C, &f.source, NULL, buf, sizeof(buf), &n), SUIT_TOO_LARGE,
	       "641 do not");
}

#define REFUSAL(name, statement)                                                               \
	static void refuse_##name(struct fixture *f)                                           \
	{                                                                                      \
		statement;                                                                     \
	}
static const struct suit_metadata metadata;
REFUSAL(sequence, f->source.sequence = UINT64_C(1) << 32)
REFUSAL(no_vendor, f->source.has_vendor = false)
REFUSAL(no_class, f->source.class_count = 0)
REFUSAL(pen, f->source.vendor.pen = suit_text("\x81"))
REFUSAL(device, f->source.has_device = true)
REFUSAL(reference, f->source.reference_uri = suit_text("x"))
REFUSAL(version, f->source.version_count = 1)
REFUSAL(guard, f->source.guard.has_battery = true)
REFUSAL(early, f->component.fetch_early = true)
REFUSAL(invoke, f->component.invoke = true)
REFUSAL(metadata, f->component.metadata = &metadata)
REFUSAL(uninstall, f->component.uninstall = true)
REFUSAL(integrated, f->image[0].uri = suit_text("#a"))
REFUSAL(no_size, f->image[0].whole.has_size = false)
REFUSAL(given, f->source.given[SUIT_INSTALL] = suit_text("\x82\x03\x0f"))
REFUSAL(left_out, f->source.leave_out = SUIT_BIT(SUIT_VALIDATE))
REFUSAL(coswid, f->source.coswid = suit_text("\xa0"))

static const struct {
	const char *name;
	void (*change)(struct fixture *f);
	enum suit_rc rc;
} refusals[] = {
	{ "a sequence over 32 bits", refuse_sequence, SUIT_TOO_LARGE },
	{ "no vendor", refuse_no_vendor, SUIT_MISSING },
	{ "no class", refuse_no_class, SUIT_MISSING },
	{ "an enterprise number", refuse_pen, SUIT_UNSUPPORTED },
	{ "a device id", refuse_device, SUIT_UNSUPPORTED },
	{ "a reference", refuse_reference, SUIT_UNSUPPORTED },
	{ "a set-version", refuse_version, SUIT_UNSUPPORTED },
	{ "a guard", refuse_guard, SUIT_UNSUPPORTED },
	{ "a fetch before the install", refuse_early, SUIT_UNSUPPORTED },
	{ "invoke", refuse_invoke, SUIT_UNSUPPORTED },
	{ "metadata", refuse_metadata, SUIT_UNSUPPORTED },
	{ "uninstall", refuse_uninstall, SUIT_UNSUPPORTED },
	{ "an integrated payload", refuse_integrated, SUIT_UNSUPPORTED },
	{ "no size", refuse_no_size, SUIT_UNSUPPORTED },
	{ "a given sequence", refuse_given, SUIT_UNSUPPORTED },
	{ "a section left out", refuse_left_out, SUIT_UNSUPPORTED },
	{ "a CoSWID", refuse_coswid, SUIT_UNSUPPORTED },
};

static void test_refusals(void)
{
	struct fixture f;

	fill(&f);
	is_int(encode(&f), SUIT_OK, "the source as it stands");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		fill(&f);
		refusals[i].change(&f);
		tap_ok(encode(&f) == refusals[i].rc, "refused: %s", refusals[i].name);
	}
}

int main(void)
{
	test_vectors_verify();
	test_every_flip_and_cut_is_refused();
	test_signs_with_ed25519_alone();
	test_640_bytes();
	test_refusals();
	return tap_done();
}
