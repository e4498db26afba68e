/* An envelope as an upload: what would be offered is complete and bounded. */

#include "base/model/device.h"
#include "core/component_name.h"
#include "core/release_read.h"
#include "core/version.h"
#include "tests/fuzz/target.h"

#include <string.h>

static void check_facts(const struct release_facts *f, struct arena *mem)
{
	struct bytes key;

	check(f->image_count >= 1 && f->image_count <= MANIFEST_IMAGES_MAX);
	check(component_name_valid(f->component) && !uuid_is_zero(&f->class_id));
	check(!f->version || version_key(f->version, mem, &key) == RC_OK);
	for (int i = 0; i < f->image_count; i++)
		check(f->images[i].size > 0);
	for (size_t i = 0; i < f->envelope.block_count; i++)
		(void)release_signed_by(f, &f->envelope.block[i], (struct bytes){ 0 });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *mem = arena_create();
	struct release_facts facts;
	struct bytes envelope = { data, size }, *signers = NULL;
	const char *why = NULL;
	int n = 0;

	enum rc rc = release_read(envelope, mem, &facts, &why);
	check(rc == RC_OK || (why && *why));
	if (rc == RC_OK)
		check_facts(&facts, mem);
	if (release_signers(envelope, mem, &signers, &n) == RC_OK)
		check(n >= 0 && n <= SUIT_BLOCKS_MAX);
	arena_free(mem);
	return 0;
}
