/* What stands behind the manifest's digest: the bytes are the manifest of an envelope whose
 * digest is right, so the decoder of the map, the checks of sequences and the plan are reached.
 */

#include "suit/plan.h"
#include "suit/text.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_wrap.h"

#define MANIFEST_MAX 8192

static void inside(const struct suit_envelope *e, struct suit_bytes b)
{
	check(b.n == 0 || (b.p >= e->manifest.p && b.p + b.n <= e->manifest.p + e->manifest.n));
}

/* What is kept stands in the manifest, and reads again. */
static void check_kept(const struct suit_envelope *e)
{
	struct suit_component_id id;
	struct suit_element element;

	inside(e, e->own_id);
	inside(e, e->coswid);
	inside(e, e->text);
	check(e->own_id.n == 0 || suit_component_read(e->own_id, &id) == SUIT_OK);
	for (size_t i = 0; i < e->dependency_count; i++) {
		struct suit_bytes prefix = e->dependency[i].prefix;
		inside(e, prefix);
		check(prefix.n == 0 || suit_component_read(prefix, &id) == SUIT_OK);
	}
	for (uint8_t key = 0; key < 32; key++)
		if (suit_envelope_element(e, key, &element) == SUIT_OK)
			inside(e, element.content);
	for (size_t n = 0; suit_text_language(e, n).n > 0; n++)
		inside(e, suit_text_get(e, suit_text_language(e, n), NULL, SUIT_TEXT_MANIFEST));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[MANIFEST_MAX + 64];
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct suit_envelope e;
	size_t n = 0;

	if (size > MANIFEST_MAX)
		return 0;
	struct suit_bytes bytes =
		suit_wrap((struct suit_bytes){ data, size }, buf, sizeof(buf));
	if (suit_envelope_decode(&suit_crypto_openssl, bytes, &e) != SUIT_OK)
		return 0;
	check_kept(&e);
	if (suit_plan_all(&e, plans, &n) == SUIT_OK && (n == 0 || n > SUIT_SLOTS_MAX))
		abort();
	return 0;
}
