/* Every published envelope, run on a device that writes down what it is asked and told; and
 * what another implementation was seen to get wrong. */

#include "suit/report.h"
#include "tests/tap.h"
#include "tests/unit/suit_board.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_seq.h"

#define C (&suit_crypto_openssl)

static const struct vector {
	const char *file;
	enum suit_procedure procedure;
	uint64_t slot;
	const char *absent; /* not on the device before something was fetched */
	const char *never;  /* on the device at all */
	enum suit_rc rc;
	const char *trace;
} vectors[] = {
	{ "manifest-draft37-es256/example0.signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK, "vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example0.signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;invoke 0 ;" },
	{ "manifest-draft37-es256/example1.signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 0 http://example.com/file.bin 00;"
	  "image 0 00 34768;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example1.signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK, "vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example2.severed-signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL,
	  NULL, SUIT_MISSING, "" },
	{ "manifest-draft37-es256/example2.severed-signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL,
	  NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;invoke 0 ;" },
	{ "manifest-draft37-es256/example2.signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 0 http://example.com/very/long/path/to/file/file.bin "
	  "00;"
	  "image 0 00 34768;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example2.signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;invoke 0 ;" },
	{ "manifest-draft37-es256/example3.signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "slot 0;vendor 0 fa;class 0 14;slot 0;fetch 0 http://example.com/file1.bin 00;"
	  "image 0 00 34768;slot 0;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example3.signed.cbor", SUIT_UPDATE_PROCEDURE, 1, NULL, NULL,
	  SUIT_OK,
	  "slot 0;slot 0;vendor 0 fa;class 0 14;slot 0;slot 0;"
	  "fetch 0 http://example.com/file2.bin 01;image 0 01 76834;"
	  "slot 0;slot 0;vendor 0 fa;class 0 14;image 0 01 76834;" },
	{ "manifest-draft37-es256/example3.signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK, "slot 0;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example4.signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 1 http://example.com/file.bin 00;"
	  "image 1 00;vendor 0 fa;class 0 14;copy 0<1 00;image 0 00 34768;"
	  "vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "manifest-draft37-es256/example4.signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;copy 2<0 01;image 2 01 76834;vendor 0 fa;"
	  "class 0 14;invoke 2 ;" },
	{ "manifest-draft37-es256/example5.signed.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 0 http://example.com/file1.bin 00;"
	  "image 0 00 34768;fetch 1 http://example.com/file2.bin 01;"
	  "image 1 01 76834;vendor 0 fa;class 0 14;image 0 00 34768;"
	  "image 1 01 76834;" },
	{ "manifest-draft37-es256/example5.signed.cbor", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;image 1 01 76834;"
	  "vendor 0 fa;class 0 14;invoke 0 ;" },
	{ "firmware-encryption/suit-manifest-aes-kw-content.cbor", SUIT_UPDATE_PROCEDURE, 0,
	  NULL, NULL, SUIT_OK, "write 0 46 decrypt;" },
	{ "firmware-encryption/suit-manifest-aes-kw-slot.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL,
	  NULL, SUIT_OK, "fetch 1 coaps://example.com/encrypted-firmware;copy 0<1 decrypt;" },
	{ "firmware-encryption/suit-manifest-aes-kw.cbor", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_OK, "fetch 1 coaps://example.com/encrypted-firmware;copy 0<1 decrypt;" },
	{ "firmware-encryption/suit-manifest-es-ecdh-content.cbor", SUIT_UPDATE_PROCEDURE, 0,
	  NULL, NULL, SUIT_OK, "write 0 46 decrypt;" },
	{ "firmware-encryption/suit-manifest-es-ecdh-dependency.cbor", SUIT_UPDATE_PROCEDURE, 0,
	  NULL, NULL, SUIT_OK,
	  "fetch 1 #dependency-manifest 4b inside;dependency 1;"
	  "dependency 1;write 0 46 decrypt;image 0 36 30;dependency 1;" },
	{ "libcsuit/suit_manifest_exp0.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp0.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;invoke 0 ;" },
	{ "libcsuit/suit_manifest_exp1.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 0 http://example.com/file.bin 00;"
	  "image 0 00 34768;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp1.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp2A.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL,
	  SUIT_MISSING, "" },
	{ "libcsuit/suit_manifest_exp2A.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;invoke 0 ;" },
	{ "libcsuit/suit_manifest_exp2B.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 0 http://example.com/very/long/path/to/file/file.bin "
	  "00;"
	  "image 0 00 34768;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp2B.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;invoke 0 ;" },
	{ "libcsuit/suit_manifest_exp3.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "slot 0;vendor 0 fa;class 0 14;slot 0;fetch 0 http://example.com/file1.bin 00;"
	  "image 0 00 34768;slot 0;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp3.suit", SUIT_UPDATE_PROCEDURE, 1, NULL, NULL, SUIT_OK,
	  "slot 0;slot 0;vendor 0 fa;class 0 14;slot 0;slot 0;"
	  "fetch 0 http://example.com/file2.bin 01;image 0 01 76834;"
	  "slot 0;slot 0;vendor 0 fa;class 0 14;image 0 01 76834;" },
	{ "libcsuit/suit_manifest_exp3.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "slot 0;vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp4.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 1 http://example.com/file.bin 00;"
	  "image 1 00;vendor 0 fa;class 0 14;copy 0<1 00;image 0 00 34768;"
	  "vendor 0 fa;class 0 14;image 0 00 34768;" },
	{ "libcsuit/suit_manifest_exp4.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;vendor 0 fa;"
	  "class 0 14;copy 2<0 01;image 2 01 76834;vendor 0 fa;"
	  "class 0 14;invoke 2 ;" },
	{ "libcsuit/suit_manifest_exp5.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;fetch 0 http://example.com/file1.bin 00;"
	  "image 0 00 34768;fetch 1 http://example.com/file2.bin 01;"
	  "image 1 01 76834;vendor 0 fa;class 0 14;image 0 00 34768;"
	  "image 1 01 76834;" },
	{ "libcsuit/suit_manifest_exp5.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 fa;class 0 14;image 0 00 34768;image 1 01 76834;"
	  "vendor 0 fa;class 0 14;invoke 0 ;" },
	{ "libcsuit/suit_manifest_expAF.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "fetch 1 coaps://example.com/encrypted-firmware;copy 0<1 decrypt;" },
	{ "libcsuit/suit_manifest_expAFS.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "fetch 1 coaps://example.com/encrypted-firmware;copy 0<1 decrypt;" },
	{ "libcsuit/suit_manifest_expAW.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "write 0 46 decrypt;" },
	{ "libcsuit/suit_manifest_expED.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "fetch 1 #dependency-manifest 4b inside;dependency 1;"
	  "dependency 1;write 0 46 decrypt;image 0 36 30;dependency 1;" },
	{ "libcsuit/suit_manifest_expEW.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "write 0 46 decrypt;" },
	{ "worked/ab-minimal-ed25519.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;fetch 0 coap://updates.example.com/fw/a.bin 15;"
	  "image 0 15 1320;vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;" },
	{ "worked/ab-minimal-ed25519.suit", SUIT_UPDATE_PROCEDURE, 1, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;slot 0;slot 0;"
	  "fetch 0 coap://updates.example.com/fw/b.bin 33;image 0 33 1320;"
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;image 0 33 1320;" },
	{ "worked/ab-minimal-ed25519.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;vendor 0 cf;"
	  "class 0 1f;slot 0;invoke 0 ;" },
	{ "worked/ab-minimal-eddsa.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;fetch 0 coap://updates.example.com/fw/a.bin 15;"
	  "image 0 15 1320;vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;" },
	{ "worked/ab-minimal-eddsa.suit", SUIT_UPDATE_PROCEDURE, 1, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;slot 0;slot 0;"
	  "fetch 0 coap://updates.example.com/fw/b.bin 33;image 0 33 1320;"
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;image 0 33 1320;" },
	{ "worked/ab-minimal-eddsa.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;vendor 0 cf;"
	  "class 0 1f;slot 0;invoke 0 ;" },
	{ "worked/ab-minimal.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;fetch 0 coap://updates.example.com/fw/a.bin 15;"
	  "image 0 15 1320;vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;" },
	{ "worked/ab-minimal.suit", SUIT_UPDATE_PROCEDURE, 1, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;slot 0;slot 0;"
	  "fetch 0 coap://updates.example.com/fw/b.bin 33;image 0 33 1320;"
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;image 0 33 1320;" },
	{ "worked/ab-minimal.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;vendor 0 cf;"
	  "class 0 1f;slot 0;invoke 0 ;" },
	{ "worked/ab-severable.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;fetch 0 coap://updates.example.com/fw/a.bin 15;"
	  "image 0 15 1320;vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;" },
	{ "worked/ab-severable.suit", SUIT_UPDATE_PROCEDURE, 1, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;slot 0;slot 0;"
	  "fetch 0 coap://updates.example.com/fw/b.bin 33;image 0 33 1320;"
	  "vendor 0 cf;class 0 1f;slot 0;slot 0;image 0 33 1320;" },
	{ "worked/ab-severable.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;slot 0;image 0 15 1320;vendor 0 cf;"
	  "class 0 1f;slot 0;invoke 0 ;" },
	{ "worked/delta-component.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 b6 1320;fetch 1 "
	  "coap://updates.example.com/fw/1.1.0-1.2.0.patch 1c;"
	  "image 1 1c 168;vendor 0 cf;class 0 1f;image 1 1c 168;"
	  "copy 0<1 b6;image 0 15 1320;vendor 0 cf;class 0 1f;"
	  "image 0 15 1320;" },
	{ "worked/delta-component.suit", SUIT_UPDATE_PROCEDURE, 0, "image 0 b6", "image 1 1c",
	  SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 b6 1320;fetch 2 "
	  "coap://updates.example.com/fw/full-1.2.0.bin 15;"
	  "image 2 15 1320;vendor 0 cf;class 0 1f;image 1 1c 168;"
	  "image 2 15 1320;copy 0<2 b6;image 0 15 1320;vendor 0 cf;"
	  "class 0 1f;image 0 15 1320;" },
	{ "worked/delta-component.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 15 1320;" },
	{ "worked/delta-custom-directive.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 b6 1320;fetch 1 "
	  "coap://updates.example.com/fw/1.1.0-1.2.0.patch 1c;"
	  "image 1 1c 168;vendor 0 cf;class 0 1f;image 1 1c 168;"
	  "custom 0 -257;image 0 15 1320;vendor 0 cf;class 0 1f;"
	  "image 0 15 1320;" },
	{ "worked/delta-custom-directive.suit", SUIT_UPDATE_PROCEDURE, 0, "image 0 b6",
	  "image 1 1c", SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 b6 1320;fetch 1 "
	  "coap://updates.example.com/fw/full-1.2.0.bin 15;"
	  "image 1 15 1320;vendor 0 cf;class 0 1f;image 1 1c 168;"
	  "image 1 15 1320;copy 0<1 b6;image 0 15 1320;vendor 0 cf;"
	  "class 0 1f;image 0 15 1320;" },
	{ "worked/delta-custom-directive.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 15 1320;" },
	{ "worked/encrypted-aeskw-gcm.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;fetch 1 coap://updates.example.com/fw/a.enc 5b;"
	  "image 1 5b 1336;vendor 0 cf;class 0 1f;copy 0<1 15 decrypt;"
	  "image 0 15 1320;vendor 0 cf;class 0 1f;image 0 15 1320;" },
	{ "worked/encrypted-aeskw-gcm.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 15 1320;" },
	{ "worked/integrated.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;fetch 0 #config.json a4 inside;"
	  "image 0 a4 15;vendor 0 cf;class 0 1f;image 0 a4 15;" },
	{ "worked/integrated.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 a4 15;" },
	{ "worked/managed.suit", SUIT_UPDATE_PROCEDURE, 0, NULL, NULL, SUIT_CONDITION,
	  "vendor 0 cf;class 0 1f;version 0;image 0 15 1320;" },
	{ "worked/managed.suit", SUIT_UPDATE_PROCEDURE, 0, "image 0 15", NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;version 0;image 0 15 1320;now 0;"
	  "battery 0;authorized 0 -5;wait 0 9;fetch 0 coap://updates.example.com/fw/a.bin 15;"
	  "image 0 15 1320;vendor 0 cf;class 0 1f;image 0 15 1320;" },
	{ "worked/managed.suit", SUIT_INVOKE_PROCEDURE, 0, NULL, NULL, SUIT_OK,
	  "vendor 0 cf;class 0 1f;image 0 15 1320;" },
};

static void board_init(struct board *b)
{
	*b = (struct board){
		.battery = 1000000, .now = 1, .version = { 1, 1 }, .version_n = 2
	};
}

static void test_vectors(void)
{
	struct suit_platform p = *board_platform();

	p.partial_dependents = true; /* the encryption draft's own example is one */
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct suit_envelope e, dependency;
		struct board b;

		board_init(&b);
		b.slot = v->slot;
		b.absent = v->absent;
		b.no[0] = v->never;
		is_int(suit_envelope_decode(C, suit_data(v->file), &e), SUIT_OK, v->file);
		if (e.dependency_count > 0) {
			is_int(suit_envelope_decode(C, e.payload[0].content, &dependency),
			       SUIT_OK, "its dependency");
			b.dependency[1] = &dependency;
		}
		enum suit_rc rc = suit_process(&e, v->procedure, &p, &b, &run_state);
		is_int(rc, v->rc, v->file);
		is_str(b.trace, v->trace, v->file);
	}
}

/* As the draft wants it: the dependency has a validate section, which its dependent leaves out.
 */
static void test_partial_dependent(void)
{
	struct suit_envelope e, dependency;
	struct board b;

	board_init(&b);
	is_int(suit_envelope_decode(C, suit_data("libcsuit/suit_manifest_expED.suit"), &e),
	       SUIT_OK, "decodes");
	is_int(suit_envelope_decode(C, e.payload[0].content, &dependency), SUIT_OK, "so does");
	b.dependency[1] = &dependency;
	is_int(suit_process(&e, SUIT_UPDATE_PROCEDURE, board_platform(), &b, &run_state),
	       SUIT_MISSING, "a section of a dependency that nobody runs is not passed over");
	is_int((int64_t)run_state.failed.section, 7, "it is validate");
}

/* A severed section whose bytes were changed never gets as far as being run. */
static void test_severed_section_changed(void)
{
	struct suit_bytes bytes = suit_data("worked/ab-severable.suit");
	struct suit_envelope e;
	uint8_t changed[2048];

	is_int(suit_envelope_decode(C, bytes, &e), SUIT_OK, "decodes");
	struct suit_bytes install = e.section[SUIT_INSTALL];
	memcpy(changed, bytes.p, bytes.n);
	for (size_t i = 0; i < install.n; i++) {
		changed[install.p - bytes.p + i] ^= 1;
		enum suit_rc rc =
			suit_envelope_decode(C, (struct suit_bytes){ changed, bytes.n }, &e);
		if (rc != SUIT_DIGEST)
			ok(false, "byte %zu of install: %s", i, suit_rc_text(rc));
		changed[install.p - bytes.p + i] ^= 1;
	}
	ok(true, "each of %zu bytes", install.n);
}

/* A part of an envelope is none. */
static void test_truncated(void)
{
	struct suit_bytes bytes = suit_data("libcsuit/suit_manifest_exp0.suit");
	struct suit_envelope e;

	for (size_t n = 0; n < bytes.n; n++)
		if (suit_envelope_decode(C, (struct suit_bytes){ bytes.p, n }, &e) == SUIT_OK)
			ok(false, "%zu of %zu bytes are taken", n, bytes.n);
	ok(true, "no cut of %zu bytes is taken", bytes.n);
}

/* --- the report --------------------------------------------------------------------------- */

struct reporting {
	struct board board;
	struct suit_records records;
	uint8_t buf[512];
};

static void on_record(void *ctx, const struct suit_record *record, bool success)
{
	struct reporting *r = ctx;

	(void)success;
	suit_records_add(&r->records, record);
}

static size_t records_count(struct suit_bytes records)
{
	struct scbor c;

	scbor_init(&c, records);
	return scbor_array(&c, 1000);
}

/* A condition that did not hold makes no success, and the report says where and what was there
 * instead. */
static void test_report_of_a_mismatch(void)
{
	struct suit_platform p = *board_platform();
	struct reporting r = { .board = { .no = { "vendor 0 cf" } } };
	struct suit_envelope e;
	struct suit_report got;
	uint8_t out[512];
	size_t n = 0;

	p.record = on_record;
	suit_records_init(&r.records, r.buf, sizeof(r.buf));
	is_int(suit_envelope_decode(C, suit_data("worked/ab-minimal.suit"), &e), SUIT_OK,
	       "decodes");
	enum suit_rc rc = suit_process(&e, SUIT_UPDATE_PROCEDURE, &p, &r, &run_state);
	is_int(rc, SUIT_CONDITION, "another vendor");
	struct suit_report report = { .reference_uri = e.reference_uri,
				      .manifest_digest = e.digest,
				      .records = suit_records_bytes(&r.records),
				      .success = rc == SUIT_OK,
				      .result_code = rc,
				      .failed = run_state.failed,
				      .reason = run_state.reason };
	is_int(suit_report_encode(&report, out, sizeof(out), &n), SUIT_OK, "a report");
	is_int(suit_report_decode((struct suit_bytes){ out, n }, &got), SUIT_OK, "is one");
	ok(!got.success && got.reason == SUIT_REASON_CONDITION, "no success");
	ok(got.failed.section == 3 && got.failed.offset == 1 + 1 + 1 + 36 &&
		   got.failed.component == 0,
	   "at the condition, in the shared sequence: %d", (int)got.failed.offset);
	static const uint8_t actual[] = { 0xa1, 0x01, 0x50, 0xac };
	ok(got.failed.measured.n == 19 && memcmp(got.failed.measured.p, actual, 4) == 0,
	   "with the device's own id");
	is_int((int64_t)records_count(got.records), 1, "and one record");
}

/* Each of the four bits of a reporting policy. */
static void test_reporting_policy(void)
{
	struct suit_platform p = *board_platform();

	p.record = on_record;
	for (unsigned policy = 0; policy < 16; policy++) {
		for (int fails = 0; fails < 2; fails++) {
			static uint8_t buf[DRAFT_MAX];
			struct reporting r = { 0 };
			struct suit_envelope e;
			struct seq s;

			suit_records_init(&r.records, r.buf, sizeof(r.buf));
			r.board.no[0] = fails ? "class" : NULL;
			seq_init(&s);
			seq_id(&s, SUIT_PARAM_CLASS, 2);
			seq_open(&s, SUIT_COND_CLASS);
			scbor_put_uint(&s.o, policy);
			struct draft d = { .components = 1, .section = { { 20, &s } } };
			is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
			is_int(suit_process(&e, SUIT_UPDATE_PROCEDURE, &p, &r, &run_state),
			       fails ? SUIT_CONDITION : SUIT_OK, "runs");
			bool wanted = policy & (fails ? 2u | 8u : 1u | 4u);
			bool measured = policy & (fails ? 8u : 4u);
			ok(r.records.count == wanted, "policy %u: recorded", policy);
			/* [[], 20, offset, 0, {}]: a measured id is 18 bytes more */
			ok(r.records.out.n == (wanted ? 6u + (measured ? 18u : 0u) : 0u),
			   "policy %u: measured", policy);
		}
	}
}

/* More records than fit are counted; those that fit stay whole. */
static void test_records_bounded(void)
{
	struct suit_record one = { .section = 20, .offset = 5 };
	struct suit_records l;
	uint8_t buf[256];

	for (size_t size = 0; size <= sizeof(buf); size++) {
		suit_records_init(&l, buf, size);
		for (int i = 0; i < 40; i++)
			suit_records_add(&l, &one);
		size_t fit = size > 3 ? (size - 3) / 6 : 0;
		if (fit > 40)
			fit = 40;
		if (l.count != fit || l.lost != 40 - fit)
			ok(false, "%zu bytes: %zu records, %zu lost", size, l.count, l.lost);
		struct suit_bytes b = suit_records_bytes(&l);
		struct scbor c;
		scbor_init(&c, b);
		if (fit > 0) {
			scbor_any(&c);
			if (!scbor_done(&c) || records_count(b) != fit)
				ok(false, "%zu bytes: no array of %zu", size, fit);
		}
	}
	is_int((int64_t)l.count, 40, "they all fit in the end");
}

int main(void)
{
	test_vectors();
	test_partial_dependent();
	test_severed_section_changed();
	test_truncated();
	test_report_of_a_mismatch();
	test_reporting_policy();
	test_records_bounded();
	return tap_done();
}
