/* An envelope as an upload, and a manifest: what would be offered is complete and bounded. */

#include "base/model/device.h"
#include "core/component_name.h"
#include "core/release_survey.h"
#include "core/version.h"
#include "suit/survey.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_wrap.h"

#include <string.h>

static void check_facts(const struct release_facts *f, struct arena *mem)
{
	const struct suit_envelope *e = &f->parts.list[0]->envelope;
	struct bytes key;
	int64_t sum = 0;

	check(f->image_count >= 0 && f->image_count <= MANIFEST_IMAGES_MAX);
	check(f->parts.count >= 1 && f->parts.count <= RELEASE_PARTS_MAX);
	check(*f->components && f->installed_count >= 1 && f->touched_count >= 1);
	check(!f->version || version_key(f->version, mem, &key) == RC_OK);
	for (int i = 0; i < f->installed_count; i++) {
		bool touched = false;
		check(component_name_valid(f->installed[i].component));
		for (int k = 0; k < f->touched_count; k++)
			touched = touched ||
				  strcmp(f->touched[k], f->installed[i].component) == 0;
		check(touched);
	}
	for (int i = 0; i < f->image_count; i++) {
		check(f->images[i].size > 0);
		sum += f->images[i].size;
	}
	/* One image may be fetched twice, into two places. */
	check(f->bytes >= 0 && f->bytes <= sum * SUIT_SURVEY_PAYLOADS_MAX);
	check(f->image_bytes >= 0);
	check(!f->base_component || component_name_valid(f->base_component));
	for (size_t i = 0; i < e->block_count; i++)
		(void)release_signed_by(e, &e->block[i], (struct bytes){ 0 });
}

/* As a manifest, so that mutations get past the digest; unsigned, so past the signatures too.
 */
static void survey(const uint8_t *data, size_t size, struct arena *mem)
{
	static uint8_t buf[ENVELOPE_MAX];
	struct release_facts facts = { .parts = { .mem = mem } };
	struct release_refusal refusal = { 0 };

	if (size > sizeof(buf) - 64)
		return;
	struct suit_bytes whole =
		suit_wrap((struct suit_bytes){ data, size }, buf, sizeof(buf));
	if (release_parts_open(&facts.parts, (struct bytes){ whole.p, whole.n }) != SUIT_OK)
		return;
	enum rc rc = release_survey(&facts, &refusal);
	check(rc == RC_OK || (rc == RC_UNPROCESSABLE && refusal.why && *refusal.why));
	if (rc == RC_OK)
		check_facts(&facts, mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *mem = arena_create();
	struct release_facts facts;
	struct bytes envelope = { data, size }, *signers = NULL;
	struct release_refusal refusal = { 0 };
	int n = 0;

	enum rc rc = release_read(envelope, NULL, mem, &facts, &refusal);
	check(rc == RC_OK || (refusal.err && refusal.why && *refusal.why));
	if (rc == RC_OK)
		check_facts(&facts, mem);
	if (release_signers(envelope, mem, &signers, &n) == RC_OK)
		check(n >= 0 && n <= SUIT_BLOCKS_MAX);
	survey(data, size, mem);
	arena_free(mem);
	return 0;
}
