/* Bodies of the device API: the good form, and every way to be wrong that a peer may try. */

#include "api/device/cbor_read.h"
#include "api/device/device_codec.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <time.h>

static struct arena *mem;

static struct bytes hex(const char *text)
{
	struct bytes b = { 0 };

	if (hex_decode(mem, bytes_of(text), &b) != RC_OK)
		printf("Bail out! bad hexadecimal in the test\n");
	return b;
}

#define UUID   "000102030405060708090a0b0c0d0e0f"
#define DIGEST UUID UUID
/* 1: "d1", 2: vendor, 3: class, 4: {"main": [digest, "1.0"]}, 5: boot id */
#define ENDPOINT   "01626431"
#define VENDOR     "0250" UUID
#define CLASS      "0350" UUID
#define COMPONENTS "04a1646d61696e825820" DIGEST "63312e30"
#define BOOT       "0544deadbeef"
#define BASIC      ENDPOINT VENDOR CLASS COMPONENTS BOOT

static const char *decode(const char *text, struct registration *ret)
{
	const char *why = NULL;

	return registration_decode(hex(text), mem, ret, &why) == RC_OK ? NULL : why;
}

static void test_good(void)
{
	struct registration r;

	ok(!decode("a5" BASIC, &r), "the least registration");
	is_str(r.endpoint, "d1", "endpoint");
	is_int(r.vendor_id.b[15], 15, "vendor");
	ok(r.component_count == 1 && r.components[0].has_digest, "a component with a digest");
	is_str(r.components[0].name, "main", "its name");
	is_str(r.components[0].version, "1.0", "its version");
	is_int((int64_t)r.boot_id.n, 4, "boot id");
	is_int(r.next_wake_s, -1, "no wake hint");
	is_int(r.last_job, 0, "no verdict");

	ok(!decode("a9" BASIC "06a3011910000219200003190400"
		   "070a"
		   "08a16473697465666265726c696e"
		   "09a40118630201030c046474696d65",
		   &r),
	   "everything at once");
	ok(r.max_envelope == 4096 && r.max_image == 8192 && r.block_size == 1024,
	   "capabilities");
	is_int(r.next_wake_s, 10, "wakes in ten seconds");
	ok(r.attribute_count == 1 && strcmp(r.attributes[0].value, "berlin") == 0, "attribute");
	ok(r.last_job == 99 && r.last_attempt == 1 && r.last_outcome == JOB_ROLLED_BACK,
	   "the launcher's verdict");
	is_str(r.last_text, "time", "with its text");

	ok(r.format_count == 0 && !r.only_encrypted, "nothing said of formats");

	ok(!decode("a6" BASIC "06a20483646c7a6d61666165732d6b776a70617463682d6c7a6d6105f5", &r),
	   "formats");
	ok(r.format_count == 3 && strcmp(r.formats[0], "aes-kw") == 0 &&
		   strcmp(r.formats[1], "lzma") == 0 && strcmp(r.formats[2], "patch-lzma") == 0,
	   "come sorted");
	ok(r.only_encrypted, "it takes nothing else than what is encrypted");
	ok(!decode("a6" BASIC "06a2048005f4", &r) && r.format_count == 0 && !r.only_encrypted,
	   "no formats, and plain payloads");
	ok(!decode("a6" BASIC "06a1049062663062663162663262663362663462663562663662663762663862"
		   "6639636631306366313163663132636631336366313463663135",
		   &r) &&
		   r.format_count == 16,
	   "sixteen");

	ok(!decode("a7" BASIC "18fff6"
		   "6178820102",
		   &r),
	   "keys without a meaning are passed over");
	ok(!decode("a5" BOOT COMPONENTS CLASS VENDOR ENDPOINT, &r), "in any order");
	ok(!decode("b80501"
		   "7802"
		   "6431" VENDOR CLASS COMPONENTS BOOT,
		   &r),
	   "heads of any width");
	ok(!decode("a5" ENDPOINT VENDOR CLASS "04a1646d61696e82f6f6" BOOT, &r),
	   "digest and version not said");
	ok(!r.components[0].has_digest && !r.components[0].version, "are not there");
}

#define TEN_A "61616161616161616161"

static const char *const bad[] = {
	"", "a0", "80", "f6", "a4" ENDPOINT VENDOR CLASS COMPONENTS, /* no boot id */
	"a4" VENDOR CLASS COMPONENTS BOOT,                           /* no endpoint */
	"a5" ENDPOINT VENDOR CLASS "04a0" BOOT,                      /* no component */
	"a6" BASIC BOOT,                                             /* a key twice */
	"a5" BASIC "00",                                             /* something behind */
	"a5"
	"0160" VENDOR CLASS COMPONENTS BOOT, /* empty endpoint */
	"a5"
	"01626400" VENDOR CLASS COMPONENTS BOOT, /* NUL in a text */
	"a5"
	"0162ff31" VENDOR CLASS COMPONENTS BOOT, /* not UTF-8 */
	"a5"
	"01426431" VENDOR CLASS COMPONENTS BOOT, /* bytes for a text */
	"a5" ENDPOINT "024f000102030405060708090a0b0c0d0e" CLASS COMPONENTS BOOT,
	"a5" ENDPOINT VENDOR CLASS COMPONENTS "0543deadbe",       /* boot id too short */
	"a5" ENDPOINT VENDOR CLASS COMPONENTS "0551" UUID "00",   /* too long */
	"a5" ENDPOINT VENDOR CLASS "04a1646d61696e81f6" BOOT,     /* half a component */
	"a5" ENDPOINT VENDOR CLASS "04a1646d61696e824100f6" BOOT, /* short digest */
	"a5" ENDPOINT VENDOR CLASS "04a1646d20696e82f6f6" BOOT,   /* blank in a name */
	"a5" ENDPOINT VENDOR CLASS "04a2646d61696e82f6f6646d61696e82f6f6" BOOT,
	"a6" BASIC "0720",                 /* negative wake time */
	"a6" BASIC "071b7fffffffffffffff", /* for ever */
	"a6" BASIC "09a10101",             /* verdict without outcome */
	"a6" BASIC "09a3010102010305",     /* "rebooting" is none */
	"a6" BASIC "08a1602162",           /* attribute without a name */
	"a6" BASIC "08a2616161316161"
	"6132", /* an attribute twice */
	"a6" BASIC "06a10491"
	"626630626631626632626633626634626635626636626637626638626639"
	"63663130636631316366313263663133636631346366313563663136", /* seventeen formats */
	"a6" BASIC "06a1048160", /* a format without a name */
	/* a long one */
	"a6" BASIC "06a104817821" TEN_A TEN_A TEN_A "616161",
	"a6" BASIC "06a10481644c5a4d41",   /* capitals */
	"a6" BASIC "06a1048163612c62",     /* a comma */
	"a6" BASIC "06a10483616161626161", /* a format twice */
	"a6" BASIC "06a104646c7a6d61",     /* no list */
	"a6" BASIC "06a10481446c7a6d61",   /* bytes for a text */
	"a6" BASIC "06a10501",             /* a number for true */
	"a6" BASIC "06a105f6",             /* null for true */
	"a6" BASIC "06a105",               /* an end where true is due */
	"bf" BASIC "ff",                   /* indefinite map */
	"a5"
	"017f6264316131ff" VENDOR CLASS COMPONENTS BOOT, /* indefinite text */
	"a6" BASIC "1864"
	"818181818181818181818100", /* too deep */
	"a6" BASIC "1864"
	"9b00ffffffffffffff", /* an endless array */
	"a6" BASIC "1864"
	"5bffffffffffffffff", /* endless bytes */
	"bb7fffffffffffffff", /* endless pairs */
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct registration r;
		const char *why = decode(bad[i], &r);
		ok(why && why[0], "test_B13: %zu is refused: %s", i, why ? why : "no");
	}
}

static void test_progress(void)
{
	struct job_report r;
	const char *why;

	ok(progress_decode(hex("a10102"), mem, &r, &why) == RC_OK &&
		   r.state == JOB_DOWNLOADING && r.bytes_done == -1,
	   "downloading");
	ok(progress_decode(hex("a5010b0218640319271004060562"
			       "6e6f"),
			   mem, &r, &why) == RC_OK,
	   "failed, with everything");
	ok(r.state == JOB_FAILED && r.bytes_done == 100 && r.bytes_total == 10000 &&
		   r.cause == CAUSE_SPACE && strcmp(r.text, "no") == 0,
	   "is read");
	static const char *const wrong[] = {
		"a0",         /* no state */
		"a1010a",     /* succeeded is not for devices */
		"a1010c",     /* nor rolled back */
		"a1010d",     /* nor silent */
		"a10100",     /* queued */
		"a10101",     /* offered */
		"a10112",     /* current */
		"a1011864",   /* unknown */
		"a10120",     /* negative */
		"a2010b040b", /* stalled is the server's to say */
		"a2010b0400", /* no cause is none */
		"a201020220", /* negative bytes */
		"a20102021b7fffffffffffffff",
		"a20102056100", /* NUL */
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ok(progress_decode(hex(wrong[i]), mem, &r, &why) != RC_OK,
		   "progress %zu is refused: %s", i, why);
}

#define REPORT                                                                                 \
	"a318638260822f5820111111111111111111111111111111111111111111111111111111111111111103" \
	"80"                                                                                   \
	"04f5"

/* Bare and signed are told apart by their first byte; nobody verifies here. */
static void test_suit_reports(void)
{
	static const char *const wrong[] = {
		"",
		"a0",
		"d2",
		"d28443a10128a0f6420102",                   /* nothing inside */
		"d28443a10128a041a0420102",                 /* no report inside */
		"d28443a10128a0582d" REPORT "42010200",     /* something follows */
		"d28443a10128a0582d" REPORT "4201",         /* cut */
		"d18443a10105a0582d" REPORT "420102",       /* a MAC */
		"d28443a10128a1186401582d" REPORT "420102", /* a header nobody knows */
		"d28440a0582d" REPORT "420102",             /* no algorithm */
	};
	struct job_report r;
	struct signed_report s = { 0 };
	const char *why = NULL;

	ok(suit_report_progress(hex(REPORT), mem, &r, &s, &why) == RC_OK && !s.is_signed &&
		   r.state == JOB_REBOOTING && s.manifest.b[0] == 0x11,
	   "a bare report: %s", why ? why : "");
	ok(suit_report_progress(hex("d28443a10128a10441aa582d" REPORT "420102"), mem, &r, &s,
				&why) == RC_OK &&
		   s.is_signed && s.payload.n == 45 && s.block.alg == -9 &&
		   s.block.signature.n == 2 && s.block.kid.n == 1 && s.manifest.b[31] == 0x11,
	   "a signed one: %s", why ? why : "");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ok(suit_report_progress(hex(wrong[i]), mem, &r, &s, &why) == RC_INVALID,
		   "SUIT report %zu is refused: %s", i, why);
}

static void test_answers(void)
{
	static const struct digest d = { { 0xab } };
	struct roster_release release = { .manifest_digest = d, .envelope = bytes_of("12345") };
	struct offer none = { 0 }, job = { true, 1000, 2, &release };

	struct bytes b = registered_encode(mem, 1700000000999999, 60);
	ok(bytes_equal(b, hex("a2011a6553f10002183c")), "registered");
	b = offer_encode(mem, &none, 60);
	ok(bytes_equal(b, hex("a2010002183c")), "nothing to do");
	b = offer_encode(mem, &job, 60);
	ok(bytes_equal(b, hex("a6010102183c031903e80402055820ab000000000000000000000000000000"
			      "000000000000000000000000000000000605")),
	   "a job");
	ok(bytes_equal(reported_encode(false), hex("a0")), "reported");
	ok(bytes_equal(reported_encode(true), hex("a101f5")), "stop");
	ok(bytes_equal(time_encode(mem, 1700000000000000), hex("1a6553f100")), "time");
}

/* Every prefix of a good body is refused, and no mutation leads out of it. */
static void test_mutations(void)
{
	struct bytes good = hex("a9" BASIC "06a3011910000219200003190400"
				"070a"
				"08a16473697465666265726c696e"
				"09a40118630201030c046474696d65");
	uint64_t seed = (uint64_t)time(NULL);
	struct registration r;
	const char *why;
	int taken = 0;

	for (size_t n = 0; n < good.n; n++)
		taken += registration_decode((struct bytes){ good.p, n }, mem, &r, &why) ==
			 RC_OK;
	is_int(taken, 0, "every prefix is refused");
	printf("# seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 100000; i++) {
		uint8_t *copy = arena_copy(mem, good.p, good.n);
		for (int k = 0; k < 3; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			copy[(seed >> 33) % good.n] = (uint8_t)(seed >> 25);
		}
		if (registration_decode((struct bytes){ copy, good.n }, mem, &r, &why) == RC_OK)
			taken++;
		if (i % 1000 == 0) {
			arena_reset(mem);
			good = hex("a9" BASIC "06a3011910000219200003190400"
				   "070a"
				   "08a16473697465666265726c696e"
				   "09a40118630201030c046474696d65");
		}
	}
	ok(taken > 0, "%d of 100000 mutations are still registrations", taken);
}

int main(void)
{
	mem = arena_create();
	test_good();
	test_bad();
	test_progress();
	test_suit_reports();
	test_answers();
	test_mutations();
	arena_free(mem);
	return tap_done();
}
