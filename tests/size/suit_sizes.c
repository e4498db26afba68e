/* Read by suit_size.py, never run: an array of each struct's size, so that the symbol table
 * tells them, and a program's use of the verify-and-process subset, so that the linker tells
 * its code. */

#include "suit/cose.h"
#include "suit/process.h"

char size_suit_envelope[sizeof(struct suit_envelope)];
char size_suit_run[sizeof(struct suit_run)];
char size_suit_platform[sizeof(struct suit_platform)];
char size_suit_target[sizeof(struct suit_target)];

static struct suit_envelope e;
static struct suit_run run;
extern const struct suit_crypto crypto;
extern const struct suit_platform platform;
extern const struct suit_key *key;

void entry(struct suit_bytes bytes, uint8_t *buf, size_t n);
void entry(struct suit_bytes bytes, uint8_t *buf, size_t n)
{
	enum suit_rc rc = suit_envelope_decode(&crypto, bytes, &e);

	for (size_t i = 0; i < e.block_count && rc == SUIT_OK; i++)
		rc = suit_block_verify(&crypto, &e, &e.block[i], key);
	if (rc == SUIT_OK)
		rc = suit_process(&e, SUIT_UPDATE_PROCEDURE, &platform, NULL, &run);
	struct suit_report report = { .reference_uri = e.reference_uri,
				      .manifest_digest = e.digest,
				      .success = rc == SUIT_OK,
				      .result_code = rc,
				      .failed = run.failed,
				      .reason = run.reason };
	(void)suit_report_encode(&report, buf, n, &n);
}
