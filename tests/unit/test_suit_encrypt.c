/* Published encryption infos and the manifests around them open to their plaintexts; wrong keys
 * and changed bytes do not. */

#include "suit/cbor.h"
#include "suit/command.h"
#include "tests/tap.h"
#include "tests/unit/suit_secret.h"

#define C (&suit_crypto_openssl)

static const char plain[] = "This is a real firmware image.";
static struct suit_key *device;

static struct suit_party shared(const char *kid)
{
	return (struct suit_party){ .kid = suit_text(kid),
				    .secret = { suit_secret_kek, sizeof(suit_secret_kek) } };
}

static struct suit_party own(const char *kid)
{
	return (struct suit_party){ .kid = suit_text(kid), .key = device };
}

static const struct vector {
	const char *info, *content, *kid;
	bool ecdh;
	const char *plain; /* a file; NULL: the text above */
} vectors[] = {
#define FE "firmware-encryption/"
	{ FE "suit-encryption-info-aes-kw-aes-gcm.cbor",
	  FE "encrypted-payload-aes-kw-aes-gcm.cbor", "kid-1", false, NULL },
	{ FE "suit-encryption-info-aes-kw-aes-ctr.cbor",
	  FE "encrypted-payload-aes-kw-aes-ctr.cbor", "kid-1", false, NULL },
	{ FE "suit-encryption-info-es-ecdh-aes-gcm.cbor",
	  FE "encrypted-payload-es-ecdh-aes-gcm.cbor", "kid-2", true, NULL },
	{ FE "suit-encryption-info-es-ecdh-aes-ctr.cbor",
	  FE "encrypted-payload-es-ecdh-aes-ctr.cbor", "", true, NULL },
	{ "libcsuit/encryption_info_aes.cose", "libcsuit/encrypted_image_aes.bin", "", false,
	  "libcsuit/raw_image.bin" },
	{ "libcsuit/encryption_info_config_aes.cose", "libcsuit/encrypted_config_aes.bin", "",
	  false, "libcsuit/config.json" },
	{ "libcsuit/encryption_info_esdh.cose", "libcsuit/encrypted_image_esdh.bin", "kid-2",
	  true, "libcsuit/raw_image.bin" },
	{ "libcsuit/encryption_info_config_esdh.cose", "libcsuit/encrypted_config_esdh.bin",
	  "kid-2", true, "libcsuit/config.json" },
	{ "pycose/kek-a256gcm.cose", "pycose/kek-a256gcm.bin", "kid-1", false, NULL },
	{ "pycose/ecdh-a256gcm.cose", "pycose/ecdh-a256gcm.bin", "kid-2", true, NULL },
};

static struct suit_bytes plain_of(const struct vector *v)
{
	return v->plain ? suit_data(v->plain) : suit_text(plain);
}

static void test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct suit_party party = v->ecdh ? own(v->kid) : shared(v->kid);
		struct suit_bytes want = plain_of(v);
		uint8_t out[256];
		uint64_t n = 0;
		enum suit_rc rc = suit_secret_open(suit_data(v->info), suit_data(v->content),
						   &party, 7, out, &n);

		tap_ok(rc == SUIT_OK, "%s: %s", v->info, suit_rc_text(rc));
		is_bytes(out, n, want.p, want.n, v->content);
	}
}

/* --- the manifests that carry them -------------------------------------------------------- */

static struct suit_bytes find_in(struct suit_bytes sequence, int64_t parameter);

/* In an argument: of override-parameters, or of what holds sequences. */
static struct suit_bytes find_in_argument(int64_t command, struct suit_bytes arg,
					  int64_t parameter)
{
	struct suit_bytes found = { 0 };
	struct scbor c;

	scbor_init(&c, arg);
	if (command == SUIT_OVERRIDE_PARAMETERS) {
		size_t n = scbor_map(&c, 32);
		for (size_t i = 0; i < n && !found.p; i++) {
			bool mine = scbor_int(&c) == parameter;
			struct suit_bytes value = scbor_any(&c);
			struct scbor v;
			scbor_init(&v, value);
			found = mine ? scbor_bytes(&v) : found;
		}
	} else if (command == SUIT_TRY_EACH) {
		size_t n = scbor_array(&c, SUIT_COMMANDS_MAX);
		for (size_t i = 0; i < n && !found.p && scbor_peek(&c) == SCBOR_BYTES; i++)
			found = find_in(scbor_bytes(&c), parameter);
	} else if (command == SUIT_RUN_SEQUENCE) {
		found = find_in(scbor_bytes(&c), parameter);
	}
	return found;
}

static struct suit_bytes find_in(struct suit_bytes sequence, int64_t parameter)
{
	struct suit_bytes found = { 0 }, arg;
	struct scbor c;
	int64_t command;

	suit_sequence_open(&c, sequence);
	while (!found.p && suit_sequence_next(&c, &command, &arg))
		found = find_in_argument(command, arg, parameter);
	return found;
}

static struct suit_bytes find(const struct suit_envelope *e, int64_t parameter)
{
	struct suit_bytes found = { 0 };

	for (int s = 0; s < SUIT_SECTIONS && !found.p; s++)
		if (e->section[s].p)
			found = find_in(e->section[s], parameter);
	return found;
}

static void test_manifests(void)
{
	static const struct {
		const char *file, *content, *kid; /* content NULL: parameter 18 */
		bool ecdh;
		const char *plain;
	} manifests[] = {
		{ "libcsuit/suit_manifest_expAF.suit", "libcsuit/encrypted-firmware-aes.bin",
		  "kid-1", false, NULL },
		{ "libcsuit/suit_manifest_expAFS.suit", "libcsuit/encrypted-firmware-aes.bin",
		  "kid-1", false, NULL },
		{ "libcsuit/suit_manifest_expAW.suit", NULL, "kid-1", false, NULL },
		{ "libcsuit/suit_manifest_expEW.suit", NULL, "kid-2", true, NULL },
		/* gives the info to a dependency, which writes the content */
		{ "libcsuit/suit_manifest_expED.suit",
		  FE "encrypted-payload-es-ecdh-aes-gcm.cbor", "kid-2", true, NULL },
		{ FE "suit-manifest-aes-kw.cbor", FE "encrypted-payload-aes-kw-aes-gcm.cbor",
		  "kid-1", false, NULL },
		{ FE "suit-manifest-aes-kw-slot.cbor",
		  FE "encrypted-payload-aes-kw-aes-gcm.cbor", "kid-1", false, NULL },
		{ FE "suit-manifest-aes-kw-content.cbor", NULL, "kid-1", false, NULL },
		{ FE "suit-manifest-es-ecdh-content.cbor", NULL, "", true, NULL },
		{ FE "suit-manifest-es-ecdh-dependency.cbor",
		  FE "encrypted-payload-es-ecdh-aes-gcm.cbor", "", true, NULL },
		{ "worked/encrypted-aeskw-gcm.suit", "worked/fw-a.enc", "kid-1", false,
		  "worked/fw-a.bin" },
	};

	for (size_t i = 0; i < sizeof(manifests) / sizeof(manifests[0]); i++) {
		const char *kid = manifests[i].kid, *file = manifests[i].file;
		struct suit_party party = manifests[i].ecdh ? own(kid) : shared(kid);
		struct suit_bytes want =
			manifests[i].plain ? suit_data(manifests[i].plain) : suit_text(plain);
		struct suit_envelope e;
		uint8_t out[2048];
		uint64_t n = 0;
		enum suit_rc rc = suit_envelope_decode(C, suit_data(file), &e);

		if (!tap_ok(rc == SUIT_OK, "%s decodes: %s", file, suit_rc_text(rc)))
			continue;
		struct suit_bytes content =
			manifests[i].content ? suit_data(manifests[i].content) : find(&e, 18);
		rc = suit_secret_open(find(&e, 19), content, &party, 16, out, &n);
		tap_ok(rc == SUIT_OK, "%s opens: %s", file, suit_rc_text(rc));
		is_bytes(out, n, want.p, want.n, "to the plaintext");
	}
}

/* --- who can open, and what was changed --------------------------------------------------- */

static void test_finding(void)
{
	struct suit_bytes info = suit_data(vectors[0].info);
	struct suit_bytes content = suit_data(vectors[0].content);
	struct suit_key *stranger = NULL, *ed25519 = NULL;
	uint8_t out[256], wrong[32] = "bbbbbbbbbbbbbbbb";
	uint64_t n;
	struct suit_party p = shared("kid-1");

	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_OK, "by kid");
	p = shared("");
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_OK, "the only one");
	p = shared("kid-9");
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_MISSING, "another kid");
	p = own("kid-1");
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_MISSING,
	       "another kind of key");
	p.key = NULL;
	p.secret = (struct suit_bytes){ wrong, 32 };
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_MISSING,
	       "a key of another size");
	p.secret.n = 24;
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_KEY, "of none");
	p.secret.n = 16;
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_DECRYPT, "a wrong key");

	info = suit_data(vectors[2].info);
	content = suit_data(vectors[2].content);
	is_int(suit_key_generate(SUIT_KEY_P256, &stranger), SUIT_OK, "a stranger");
	is_int(suit_key_generate(SUIT_KEY_ED25519, &ed25519), SUIT_OK, "another curve");
	p = own("kid-1");
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_OK,
	       "the only one, which has no kid");
	p.key = stranger;
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_DECRYPT, "a wrong device");
	p.key = ed25519;
	is_int(suit_secret_open(info, content, &p, 5, out, &n), SUIT_KEY, "a signing key");
	suit_key_free(stranger);
	suit_key_free(ed25519);
}

/* Flips every bit, and counts the flips with which it still opens. */
static size_t flips_taken(const struct vector *v, struct suit_bytes info,
			  struct suit_bytes content, struct suit_bytes flipped)
{
	struct suit_party party = v->ecdh ? own("kid-2") : shared("kid-1");
	uint8_t out[256], *p = (uint8_t *)flipped.p;
	size_t taken = 0;
	uint64_t n;

	for (size_t bit = 0; bit < 8 * flipped.n; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		taken += suit_secret_open(info, content, &party, 9, out, &n) == SUIT_OK;
		p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	return taken;
}

/* With a tag, every bit counts.  Without one the info is still held by its form and by the key
 * wrap, all but the IV's 128 bits; the ciphertext not at all: image-match shows it. */
static void test_flips(void)
{
	for (size_t i = 0; i < 4; i++) {
		const struct vector *v = &vectors[i];
		struct suit_bytes info = suit_data(v->info), content = suit_data(v->content);
		bool ctr = i % 2 == 1;

		tap_ok(flips_taken(v, info, content, info) == (ctr ? 128 : 0),
		       "%s: flips of the info", v->info);
		tap_ok(flips_taken(v, info, content, content) == (ctr ? 8 * content.n : 0),
		       "%s: flips of the ciphertext", v->info);
	}
}

static void test_truncations(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct suit_bytes info = suit_data(vectors[i].info);
		struct suit_encryption e;
		size_t taken = 0;

		for (size_t cut = 0; cut < info.n; cut++) {
			uint8_t *copy = malloc(cut + 1);
			memcpy(copy, info.p, cut);
			taken += suit_encryption_decode((struct suit_bytes){ copy, cut }, &e) ==
				 SUIT_OK;
			free(copy);
		}
		uint8_t longer[512] = { 0 };
		memcpy(longer, info.p, info.n);
		taken += suit_encryption_decode((struct suit_bytes){ longer, info.n + 1 },
						&e) == SUIT_OK;
		tap_ok(taken == 0, "%s: truncations, and a byte more", vectors[i].info);
	}
}

/* --- what is refused ---------------------------------------------------------------------- */

/* 96([protected, unprotected, payload, [recipient...]]) from hexadecimal parts. */
static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t n = 0;

	for (; hex[0] && hex[1]; hex += 2) {
		char digits[3] = { hex[0], hex[1], 0 };
		ret[n++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n;
}

#define GCM "43a10101a1054c000102030405060708090a0bf6"
#define CTR "40a20139fffd0550000102030405060708090a0b0c0d0e0ff6"
#define K16 "5818000102030405060708090a0b0c0d0e0f1011121314151617"
#define K32                                                                                    \
	"5828"                                                                                 \
	"000102030405060708090a0b0c0d0e0f10111213141516171819"                                 \
	"1a1b1c1d1e1f2021222324252627"
#define X         "21582000000000000000000000000000000000000000000000000000000000000000ff"
#define Y         "22582000000000000000000000000000000000000000000000000000000000000000ff"
#define KW        "8340a10122" K16
#define ECDH(map) "8344a101381c" map K16

static void test_refused(void)
{
	static const struct {
		const char *hex;
		enum suit_rc want;
		const char *name;
	} infos[] = {
		{ "d86084" GCM "81" KW, SUIT_OK, "GCM and key wrap" },
		{ "d86084" CTR "81" KW, SUIT_OK, "CTR and key wrap" },
		{ "d86084" GCM "81" ECDH("a120a40102 2001" X Y), SUIT_OK, "ECDH" },
		{ "d86084" GCM "82" KW ECDH("a120a401022001" X Y), SUIT_OK, "both" },
		{ "d86084" GCM "81" ECDH("a120a4" Y X "20010102"), SUIT_OK, "in any order" },
		{ "d86084" GCM "818340a2044131 0122" K16, SUIT_OK, "in any order" },
		{ "84" GCM "81" KW, SUIT_MALFORMED, "no tag" },
		{ "d85f84" GCM "81" KW, SUIT_MALFORMED, "another tag" },
		{ "d86085" GCM "81" KW "f6", SUIT_MALFORMED, "five elements" },
		{ "d8609f" GCM "81" KW "ff", SUIT_MALFORMED, "indefinite" },
		{ "d86084" GCM "80", SUIT_MALFORMED, "nobody" },
		{ "d86084" GCM "f6", SUIT_MALFORMED, "no list" },
		{ "d8608443a10101a1054c000102030405060708090a0b4000 81" KW, SUIT_MALFORMED,
		  "an attached ciphertext" },
		{ "d8608443a10102a1054c000102030405060708090a0bf681" KW, SUIT_UNSUPPORTED,
		  "A192GCM" },
		{ "d8608440a201010 54c000102030405060708090a0bf681" KW, SUIT_MALFORMED,
		  "GCM unprotected" },
		{ "d8608444a1010100a1054c000102030405060708090a0bf681" KW, SUIT_MALFORMED,
		  "a byte more in the protected header" },
		{ "d8608445a10139fffda10550000102030405060708090a0b0c0d0e0ff681" KW,
		  SUIT_MALFORMED, "CTR protected" },
		{ "d8608441a0a20139fffd0550000102030405060708090a0b0c0d0e0ff681" KW,
		  SUIT_MALFORMED, "an empty map for an empty header" },
		{ "d8608443a10101a1054b000102030405060708090af681" KW, SUIT_MALFORMED,
		  "a short IV" },
		{ "d8608443a10101a0f681" KW, SUIT_MALFORMED, "no IV" },
		{ "d8608443a10101a2054c000102030405060708090a0b054c000102030405060708090a0bf68"
		  "1" KW,
		  SUIT_MALFORMED, "two IVs" },
		{ "d8608443a10101a20101054c000102030405060708090a0bf681" KW, SUIT_MALFORMED,
		  "the algorithm twice" },
		{ "d8608443a10101a2044131054c000102030405060708090a0bf681" KW, SUIT_MALFORMED,
		  "a kid of the content" },
		{ "d8608443a10101a206000 54c000102030405060708090a0bf681" KW, SUIT_UNKNOWN,
		  "another header" },
		{ "d8608443a10601a1054c000102030405060708090a0bf681" KW, SUIT_UNKNOWN,
		  "another protected one" },
		{ "d8608440a1054c000102030405060708090a0bf681" KW, SUIT_MALFORMED,
		  "no algorithm" },
		{ "d86084" GCM "818443a10122a0" K16 "80", SUIT_MALFORMED,
		  "four in a recipient" },
		{ "d86084" GCM "818343a10122a0" K16, SUIT_MALFORMED, "key wrap protected" },
		{ "d86084" GCM "818340a20122054131" K16, SUIT_MALFORMED,
		  "an IV in a recipient" },
		{ "d86084" GCM "818340a1 0125" K16, SUIT_UNSUPPORTED, "direct" },
		{ "d86084" GCM "818340a1012b" K16, SUIT_UNSUPPORTED, "an unknown one" },
		{ "d86084" GCM "82" KW "8340a10125" K16, SUIT_UNSUPPORTED,
		  "behind a known one" },
		{ "d86084" GCM "818340a2 0100 0122" K16, SUIT_MALFORMED,
		  "algorithm 0, then -3" },
		{ "d86084" GCM "818340a2 0122 0122" K16, SUIT_MALFORMED, "-3 twice" },
		{ "d86084" GCM "818340a2 0122 0440" K16, SUIT_MALFORMED, "an empty kid" },
		{ "d86084" GCM "818340a3 0122 044131 044132" K16, SUIT_MALFORMED, "two kids" },
		{ "d86084" GCM "818340a10122 57000102030405060708090a0b0c0d0e0f10111213141516",
		  SUIT_MALFORMED, "a short key" },
		{ "d86084" GCM "818340a10122" K32, SUIT_MALFORMED, "a key of another size" },
		{ "d86084" GCM "818340a20122 20a401022001" X Y K16, SUIT_MALFORMED,
		  "key wrap with a sender's key" },
		{ "d86084" GCM "818340a201381c 20a401022001" X Y K16, SUIT_MALFORMED,
		  "ECDH unprotected" },
		{ "d86084" GCM "818344a101381ca0" K16, SUIT_MALFORMED, "ECDH without key" },
		{ "d86084" GCM "81" ECDH("a120a301022001" X), SUIT_MALFORMED, "without y" },
		{ "d86084" GCM "81" ECDH("a120a401022001" X X), SUIT_MALFORMED, "x twice" },
		{ "d86084" GCM "81" ECDH("a120a401020102" X Y), SUIT_MALFORMED, "kty twice" },
		{ "d86084" GCM "81" ECDH("a120a401012001" X Y), SUIT_MALFORMED, "OKP" },
		{ "d86084" GCM "81" ECDH("a120a401022002" X Y), SUIT_MALFORMED, "P-384" },
		{ "d86084" GCM "81" ECDH("a120a401022001" X "22f5"), SUIT_MALFORMED,
		  "a compressed point" },
		{ "d86084" GCM "81" ECDH("a120a401020326" X Y), SUIT_UNKNOWN,
		  "an algorithm in the key" },
		{ "d86084" GCM "81" ECDH("a120a401022001" X "22412a"), SUIT_MALFORMED,
		  "a short y" },
	};

	for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
		struct suit_encryption e;
		char text[2048];
		uint8_t bytes[1024];
		size_t n = 0;

		for (const char *p = infos[i].hex; *p; p++)
			if (*p != ' ')
				text[n++] = *p;
		text[n] = '\0';
		n = from_hex(text, bytes);
		is_int(suit_encryption_decode((struct suit_bytes){ bytes, n }, &e),
		       infos[i].want, infos[i].name);
	}
}

/* (0, 255) twice passes as form; it is no point of the curve. */
static void test_point_beside_the_curve(void)
{
	struct suit_party p = own("");
	struct suit_content_key key;
	struct suit_encryption e;
	uint8_t bytes[512];
	size_t n = from_hex("d86084" GCM "81" ECDH("a120a401022001" X Y), bytes);

	is_int(suit_encryption_decode((struct suit_bytes){ bytes, n }, &e), SUIT_OK, "form");
	is_int(suit_content_key_open(C, &e, &p, &key), SUIT_KEY, "beside the curve");
}

int main(void)
{
	device = suit_secret_device();
	test_vectors();
	test_manifests();
	test_finding();
	test_flips();
	test_truncations();
	test_refused();
	test_point_beside_the_curve();
	suit_key_free(device);
	return tap_done();
}
