/* What the server reads from an upload.  test_A01: no flipped bit and no truncation of a signed
 * envelope is accepted by the very functions that an upload goes through. */

#include "base/clean.h"
#include "core/release_read.h"
#include "suit/build.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"
#include "tests/tap.h"

static struct arena *mem;
static struct suit_key *author, *other;

#define C (&suit_crypto_openssl)

static void must(enum suit_rc rc, const char *what)
{
	if (rc == SUIT_OK)
		return;
	printf("Bail out! %s: %s\n", what, suit_rc_text(rc));
	exit(99);
}

static struct suit_bytes text(const char *s)
{
	return (struct suit_bytes){ (const uint8_t *)s, strlen(s) };
}

static void set_image(struct suit_build *b, size_t i, uint8_t seed)
{
	struct digest d = { { seed } };
	char hex[DIGEST_TEXT_SIZE];

	memcpy(b->image[i].digest.b, d.b, sizeof(d.b));
	b->image[i].size = 1000u + seed;
	b->image[i].uri = text(arena_printf(mem, "img/%s", digest_format(&d, hex)));
	b->image_count = i + 1;
}

static struct suit_build simple(void)
{
	struct suit_build b = { .sequence = 7 };

	must(suit_vendor_id(C, "acme.example", &b.vendor_id), "vendor id");
	must(suit_class_id(C, &b.vendor_id, "lock-7", &b.class_id), "class id");
	b.component.segment[0] = text("main");
	b.component.count = 1;
	set_image(&b, 0, 1);
	return b;
}

static struct bytes build(const struct suit_build *b)
{
	uint8_t *buf = arena_alloc(mem, 8192);
	size_t n = 0;

	must(suit_build(C, b, buf, 8192, &n), "build");
	return (struct bytes){ buf, n };
}

static struct bytes sign(struct bytes plain, const struct suit_key *key)
{
	uint8_t *buf = arena_alloc(mem, 8192), kid[SUIT_KID_SIZE];
	struct suit_envelope e;
	struct suit_bytes in = { plain.p, plain.n }, id = { kid, sizeof(kid) };
	size_t n = 0;

	must(suit_key_kid(key, kid), "kid");
	must(suit_envelope_decode(C, in, &e), "decode");
	must(suit_envelope_sign(C, key, suit_key_alg(key), id, &e, buf, 8192, &n), "sign");
	return (struct bytes){ buf, n };
}

static struct bytes spki(const struct suit_key *key)
{
	uint8_t *buf = arena_alloc(mem, SUIT_SPKI_MAX);
	size_t n = 0;

	must(suit_key_spki(key, buf, SUIT_SPKI_MAX, &n), "spki");
	return (struct bytes){ buf, n };
}

static enum rc try_read(struct bytes envelope, struct release_facts *f, const char **why)
{
	struct release_refusal refusal = { .why = "" };

	enum rc rc = release_read(envelope, NULL, mem, f, &refusal);
	*why = refusal.why;
	return rc;
}

static bool signed_by(const struct release_facts *f, struct bytes public_key)
{
	const struct suit_envelope *e = &f->parts.list[0]->envelope;

	return release_signed_by(e, &e->block[0], public_key);
}

static void test_facts(void)
{
	struct suit_build b = simple();
	struct release_facts f;
	const char *why;

	b.version[0] = 3;
	b.version[1] = 7;
	b.version_count = 2;
	b.text_version = text("3.7.0");
	is_int(try_read(sign(build(&b), author), &f, &why), RC_OK, "read");
	is_str(f.components, "main", "component");
	is_int(f.touched_count, 1, "nothing else is touched");
	is_str(f.needs, "", "any device reads it");
	is_int(f.bytes, 1001, "what a device fetches");
	is_int(f.image_bytes, 1001, "the largest image");
	ok(!f.base_component, "whatever it has now");
	is_str(f.version, "3.7.0", "version");
	is_int((int64_t)f.sequence, 7, "sequence");
	is_int(f.image_count, 1, "one image");
	is_int(f.images[0].size, 1001, "its size");
	ok(memcmp(f.vendor_id.b, b.vendor_id.b, 16) == 0, "vendor");
	ok(memcmp(f.class_id.b, b.class_id.b, 16) == 0, "class");
	ok(signed_by(&f, spki(author)), "signed by the author");
	ok(!signed_by(&f, spki(other)), "and by nobody else");
	ok(!signed_by(&f, bytes_of("x")), "nor by no key");
}

static void test_slots(void)
{
	struct suit_build b = simple();
	struct release_facts f;
	const char *why;

	set_image(&b, 1, 2);
	b.image[0].has_slot = b.image[1].has_slot = true;
	b.image[1].slot = 1;
	is_int(try_read(sign(build(&b), author), &f, &why), RC_OK, "two slots");
	is_int(f.image_count, 2, "two images");
	b.image[1] = b.image[0];
	b.image[1].slot = 1;
	is_int(try_read(sign(build(&b), author), &f, &why), RC_OK, "the same for both");
	is_int(f.image_count, 1, "is one image");
	ok(f.version == NULL, "no version in it");
}

static void refused(const struct suit_build *b, const char *wanted)
{
	struct release_facts f;
	const char *why;

	enum rc rc = try_read(sign(build(b), author), &f, &why);
	ok(rc == RC_UNPROCESSABLE && strstr(why, wanted), "%s (it says: %s)", wanted, why);
}

static void test_A13_uris(void)
{
	static const char *const uris[] = { "coap://evil/x", "http://169.254.169.254/",
					    "//evil", "/img/00", "img/" };
	struct suit_build b = simple();

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		b.image[0].uri = text(uris[i]);
		refused(&b, "URI is not img/");
	}
	b.image[0].uri = text("#image");
	refused(&b, "something required is missing");
	b = simple();
	b.image[0].uri = (set_image(&b, 1, 9), b.image[1].uri);
	b.image_count = 1;
	refused(&b, "URI is not img/");
}

static void test_refused(void)
{
	struct suit_build b = simple();
	struct release_facts f;
	const char *why;

	is_int(try_read(build(&b), &f, &why), RC_UNPROCESSABLE, "not signed");
	b.image[0].size = UINT64_C(1) << 31;
	refused(&b, "larger than 1 GiB");
	b = simple();
	b.version[0] = -1;
	b.version_count = 1;
	refused(&b, "set-version");
	b = simple();
	b.version[0] = 1;
	b.version_count = 1;
	b.text_version = text("2");
	refused(&b, "two versions");
	b = simple();
	b.text_version = text("not a version");
	refused(&b, "not a version");
	b = simple();
	b.component.segment[0] = text("0123456789012345678901234567890 ");
	refused(&b, "id has no name");
	is_int(try_read((struct bytes){ (const uint8_t *)"", 0 }, &f, &why), RC_UNPROCESSABLE,
	       "nothing");
}

/* The same as core/release.c, but for the database: a key is found by its kid. */
static bool accepted(struct bytes envelope)
{
	struct release_facts f;
	const char *why = NULL;
	uint8_t kid[SUIT_KID_SIZE];
	const struct suit_key *keys[] = { author, other };

	if (try_read(envelope, &f, &why) != RC_OK)
		return false;
	const struct suit_envelope *e = &f.parts.list[0]->envelope;
	for (size_t i = 0; i < e->block_count; i++) {
		const struct suit_block *block = &e->block[i];
		bool good = block->kind != SUIT_BLOCK_SIGN1;
		for (size_t k = 0; k < ARRAY_LEN(keys) && !good; k++) {
			must(suit_key_kid(keys[k], kid), "kid");
			good = block->kid.n == sizeof(kid) &&
			       memcmp(block->kid.p, kid, sizeof(kid)) == 0 &&
			       release_signed_by(e, block, spki(keys[k]));
		}
		if (!good)
			return false;
	}
	return true;
}

static void test_A01_flips(void)
{
	struct suit_build b = simple();

	b.text_version = text("3.7.0");
	struct bytes whole = sign(sign(build(&b), author), other);
	uint8_t *p = arena_copy(mem, whole.p, whole.n);
	size_t wrong = 0;
	ok(accepted(whole), "whole, it is accepted");
	struct arena *keep = mem;
	for (size_t bit = 0; bit < 8 * whole.n; bit++) {
		mem = arena_create();
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wrong += accepted((struct bytes){ p, whole.n });
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		arena_free(mem);
	}
	mem = keep;
	is_int((int64_t)wrong, 0, arena_printf(mem, "%zu flips, none accepted", 8 * whole.n));
	for (size_t n = 0; n < whole.n; n++)
		wrong += accepted((struct bytes){ p, n });
	is_int((int64_t)wrong, 0, arena_printf(mem, "%zu truncations, none accepted", whole.n));
}

static void test_signers(void)
{
	struct suit_build b = simple();
	struct bytes *kids = NULL;
	uint8_t kid[SUIT_KID_SIZE];
	int n = 0;

	is_int(release_signers(sign(sign(build(&b), author), other), mem, &kids, &n), RC_OK,
	       "signers");
	is_int(n, 2, "two of them");
	must(suit_key_kid(other, kid), "kid");
	is_bytes(kids[1].p, kids[1].n, kid, sizeof(kid), "the second one");
}

int main(void)
{
	mem = arena_create();
	must(suit_key_generate(SUIT_KEY_P256, &author), "key");
	must(suit_key_generate(SUIT_KEY_ED25519, &other), "key");
	test_facts();
	test_slots();
	test_A13_uris();
	test_refused();
	test_A01_flips();
	test_signers();
	suit_key_free(author);
	suit_key_free(other);
	arena_free(mem);
	return tap_done();
}
