/* Sources of tests/data/suit/source give the vectors, byte for byte but for signatures. */

#include "cli/source.h"
#include "suit/cbor.h"
#include "suit/dialect_riot.h"
#include "suit/encode.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define C (&suit_crypto_openssl)

static struct cli cli;

/* A source of tests/data/suit/source, encoded; the code of reading it. */
static enum exit_code encode(const char *name, struct suit_bytes *ret)
{
	static uint8_t buf[SUIT_ENVELOPE_MAX];
	struct suit_source source;
	size_t n = 0;
	const char *path = arena_printf(cli.mem, "tests/data/suit/source/%s.json", name);
	enum exit_code code = source_read_file(&cli, path, &source);

	*ret = (struct suit_bytes){ 0 };
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc = suit_encode(C, &source, buf, sizeof(buf), &n);
	tap_ok(rc == SUIT_OK, "%s: encode: %s", name, suit_rc_text(rc));
	if (rc == SUIT_OK)
		*ret = (struct suit_bytes){ buf, n };
	return code;
}

/* The wrapper's digest, and everything behind the wrapper. */
static struct suit_bytes behind_wrapper(struct suit_bytes b, struct suit_bytes *ret_digest,
					size_t *ret_entries)
{
	struct scbor c, wrapper;

	scbor_init(&c, b);
	if (scbor_peek(&c) == SCBOR_TAG) /* TEEP's have none */
		scbor_tag(&c, 107);
	*ret_entries = scbor_map(&c, 32);
	scbor_uint(&c);
	scbor_init(&wrapper, scbor_bytes(&c));
	scbor_array(&wrapper, 8);
	*ret_digest = scbor_bytes(&wrapper);
	return (struct suit_bytes){ c.p, (size_t)(c.end - c.p) };
}

static void same_but_signatures(const char *name, struct suit_bytes got, struct suit_bytes want)
{
	struct suit_bytes d, wanted_d;
	size_t n, wanted_n;
	struct suit_bytes rest = behind_wrapper(got, &d, &n);
	struct suit_bytes wanted = behind_wrapper(want, &wanted_d, &wanted_n);

	tap_ok(n == wanted_n, "%s: as many elements", name);
	is_bytes(d.p, d.n, wanted_d.p, wanted_d.n, "the same manifest digest");
	is_bytes(rest.p, rest.n, wanted.p, wanted.n, "the same bytes behind the wrapper");
}

static const struct {
	const char *source, *vector;
	bool has_unsigned; /* the vector is unsigned itself: equal as a whole */
} vectors[] = {
	{ "example0", "manifest-draft37-es256/example0.unsigned.cbor", true },
	{ "example1", "manifest-draft37-es256/example1.unsigned.cbor", true },
	{ "example2", "manifest-draft37-es256/example2.signed.cbor", false },
	{ "example3", "manifest-draft37-es256/example3.unsigned.cbor", true },
	{ "example4", "manifest-draft37-es256/example4.unsigned.cbor", true },
	{ "example5", "manifest-draft37-es256/example5.unsigned.cbor", true },
	{ "example0", "libcsuit/suit_manifest_exp0.suit", false },
	{ "example1", "libcsuit/suit_manifest_exp1.suit", false },
	{ "example2", "libcsuit/suit_manifest_exp2B.suit", false },
	{ "example3", "libcsuit/suit_manifest_exp3.suit", false },
	{ "example4", "libcsuit/suit_manifest_exp4.suit", false },
	{ "example5", "libcsuit/suit_manifest_exp5.suit", false },
	{ "ab-minimal", "worked/ab-minimal.suit", false },
	{ "ab-minimal", "worked/ab-minimal-ed25519.suit", false },
	{ "ab-minimal", "worked/ab-minimal-eddsa.suit", false },
	{ "ab-severable", "worked/ab-severable.suit", false },
	{ "managed", "worked/managed.suit", false },
	{ "delta-component", "worked/delta-component.suit", false },
	{ "delta-custom-directive", "worked/delta-custom-directive.suit", false },
	{ "encrypted-aeskw-gcm", "worked/encrypted-aeskw-gcm.suit", false },
	{ "integrated", "worked/integrated.suit", false },
	{ "encryption-copy", "firmware-encryption/suit-manifest-aes-kw.cbor", false },
	{ "encryption-copy", "libcsuit/suit_manifest_expAF.suit", false },
	{ "encryption-slots", "firmware-encryption/suit-manifest-aes-kw-slot.cbor", false },
	{ "encryption-slots", "libcsuit/suit_manifest_expAFS.suit", false },
	{ "encryption-content", "firmware-encryption/suit-manifest-aes-kw-content.cbor",
	  false },
	{ "encryption-content", "libcsuit/suit_manifest_expAW.suit", false },
	{ "encryption-ecdh-content", "firmware-encryption/suit-manifest-es-ecdh-content.cbor",
	  false },
	{ "encryption-ecdh-content", "libcsuit/suit_manifest_expEW.suit", false },
	{ "encryption-dependency", "firmware-encryption/suit-manifest-es-ecdh-dependency.cbor",
	  false },
	{ "encryption-dependency", "libcsuit/suit_manifest_expED.suit", false },
	{ "teep-update", "libcsuit/suit_manifest_expU.suit", false },
	{ "teep-integrated", "libcsuit/suit_manifest_expI.suit", false },
	{ "teep-dependency", "libcsuit/suit_manifest_expD.suit", false },
};

static void test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct suit_bytes got, want = suit_data(vectors[i].vector);
		enum exit_code code = encode(vectors[i].source, &got);

		tap_ok(code == EXIT_DONE && want.n > 0, "%s: %s", vectors[i].source,
		       vectors[i].vector);
		if (got.n == 0)
			continue;
		same_but_signatures(vectors[i].source, got, want);
		if (vectors[i].has_unsigned)
			is_bytes(got.p, got.n, want.p, want.n, "the same envelope");
	}
}

static void test_riot_vectors(void)
{
	static const char *const names[] = { "ram0", "two-slot" };
	static uint8_t buf[SUIT_RIOT_MAX];

	for (size_t i = 0; i < 2; i++) {
		struct suit_source source;
		char path[128], vector[128];
		size_t n = 0;
		snprintf(path, sizeof(path), "tests/data/suit/source/riot-%s.json", names[i]);
		snprintf(vector, sizeof(vector), "riot-draft09/%s.unsigned.cbor", names[i]);
		struct suit_bytes want = suit_data(vector);
		is_int(source_read_file(&cli, path, &source), EXIT_DONE, path);
		is_int(suit_riot_encode(C, &source, NULL, buf, sizeof(buf), &n), SUIT_OK,
		       "encodes");
		is_bytes(buf, n, want.p, want.n, vector);
	}
}

int main(void)
{
	cli.mem = arena_create();
	test_vectors();
	test_riot_vectors();
	arena_free(cli.mem);
	return tap_done();
}
