/* SUIT_Reports: the published ones decode, ours read back, wrong ones are refused. */

#include "suit/cbor.h"
#include "suit/report.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

/* The payload of a COSE_Sign1. */
static struct suit_bytes payload_of(struct suit_bytes cose)
{
	struct scbor c;

	scbor_init(&c, cose);
	scbor_tag(&c, 18);
	scbor_array(&c, 4);
	scbor_bytes(&c);
	scbor_any(&c);
	return scbor_bytes(&c);
}

static void test_published(void)
{
	struct suit_report r;
	enum suit_rc rc = suit_report_decode(
		payload_of(suit_data("reports/success-ab-severable.cbor")), &r);

	ok(rc == SUIT_OK, "success: %s", suit_rc_text(rc));
	ok(rc == SUIT_OK && r.success, "it is a success");
	struct suit_envelope e;
	is_int(suit_envelope_decode(&suit_crypto_openssl, suit_data("worked/ab-severable.suit"),
				    &e),
	       SUIT_OK, "its manifest");
	is_bytes(r.manifest_digest.b, 32, e.digest.b, 32, "names the manifest");
}

static void test_there_and_back(bool success)
{
	struct suit_report r = { .success = success,
				 .result_code = -3,
				 .reason = SUIT_REASON_CONDITION };
	struct suit_report got;
	uint8_t buf[256];
	size_t n = 0;

	memset(r.manifest_digest.b, 0xab, 32);
	r.reference_uri = suit_text("coaps://x/m");
	r.nonce = suit_text("nonce");
	is_int(suit_report_encode(&r, buf, sizeof(buf), &n), SUIT_OK, "encode");
	is_int(suit_report_decode((struct suit_bytes){ buf, n }, &got), SUIT_OK, "decode");
	is_int(got.success, success, "result");
	is_int(got.result_code, success ? 0 : -3, "code");
	is_int((int64_t)got.reason, success ? 0 : SUIT_REASON_CONDITION, "reason");
	is_bytes(got.nonce.p, got.nonce.n, "nonce", 5, "nonce");
	is_bytes(got.manifest_digest.b, 32, r.manifest_digest.b, 32, "digest");
	for (size_t cut = 0; cut < n; cut++)
		if (suit_report_decode((struct suit_bytes){ buf, cut }, &got) == SUIT_OK)
			ok(false, "cut at %zu is taken", cut);
	is_int(suit_report_encode(&r, buf, n - 1, &n), SUIT_NO_SPACE, "too small a buffer");
}

/* Where it failed, by which dependencies, and what was measured there. */
static void test_record(void)
{
	static const uint8_t measured[] = { 0xa1, 0x05, 0x03 };
	struct suit_report got, r = { .failed = { .section = 20,
						  .offset = 300,
						  .component = 7,
						  .depth = 2,
						  .dependency = { 1, 4 },
						  .measured = { measured, 3 } } };
	uint8_t buf[256];
	size_t n = 0;

	is_int(suit_report_encode(&r, buf, sizeof(buf), &n), SUIT_OK, "encode");
	is_int(suit_report_decode((struct suit_bytes){ buf, n }, &got), SUIT_OK, "decode");
	ok(got.failed.section == 20 && got.failed.offset == 300 && got.failed.component == 7 &&
		   got.failed.depth == 2 && got.failed.dependency[0] == 1 &&
		   got.failed.dependency[1] == 4,
	   "the place");
	is_bytes(got.failed.measured.p, got.failed.measured.n, measured, 3, "the measured");
}

static void test_refused(void)
{
	static const uint8_t none[] = { 0xa0 }, unknown[] = { 0xa1, 0x18, 0x64, 0x00 };
	struct suit_report r;

	is_int(suit_report_decode((struct suit_bytes){ none, 1 }, &r), SUIT_MISSING, "empty");
	is_int(suit_report_decode((struct suit_bytes){ unknown, 4 }, &r), SUIT_UNKNOWN,
	       "unknown key");
}

int main(void)
{
	test_published();
	test_there_and_back(true);
	test_there_and_back(false);
	test_record();
	test_refused();
	return tap_done();
}
