/* The rules of a plan, on manifests put together command by command: what a server stores must
 * be what a device will really compare, fetch and find. */

#include "suit/plan.h"
#include "tests/tap.h"
#include "tests/unit/suit_seq.h"

/* Alternatives, one for each slot: slot, condition, then a digest of that number. */
static void seq_slots(struct seq *s, const uint64_t *slot, size_t count, bool nil)
{
	scbor_put_int(&s->o, SUIT_TRY_EACH);
	scbor_put_array(&s->o, count + nil);
	for (size_t i = 0; i < count; i++) {
		struct seq one;
		seq_init(&one);
		seq_uint(&one, SUIT_PARAM_SLOT, slot[i]);
		seq_command(&one, SUIT_COND_SLOT);
		seq_digest(&one, (uint8_t)i);
		put_seq(&s->o, &one);
	}
	if (nil)
		scbor_put_null(&s->o);
	s->items += 2;
}

static void shared_ids(struct seq *s)
{
	seq_init(s);
	seq_id(s, SUIT_PARAM_VENDOR, 0xaa);
	seq_id(s, SUIT_PARAM_CLASS, 0xcc);
	seq_command(s, SUIT_COND_VENDOR);
	seq_command(s, SUIT_COND_CLASS);
}

static void install_fetch(struct seq *s)
{
	seq_init(s);
	seq_uri(s, "img/0");
	seq_uint(s, SUIT_PARAM_SIZE, 100);
	seq_command(s, SUIT_FETCH);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
}

/* An envelope of one component with these sequences; decoded into e, which points into buf. */
static enum suit_rc envelope(const struct seq *shared, const struct seq *install,
			     uint8_t buf[DRAFT_MAX], struct suit_envelope *e)
{
	struct draft d = { .components = 1, .shared = shared, .section = { { 20, install } } };

	return draft_decode(&d, buf, e);
}

static enum suit_rc plan_all(const struct seq *shared, const struct seq *install,
			     struct suit_plan plans[SUIT_SLOTS_MAX], size_t *n)
{
	uint8_t buf[DRAFT_MAX];
	struct suit_envelope e;

	is_int(envelope(shared, install, buf, &e), SUIT_OK, "it decodes");
	return suit_plan_all(&e, plans, n);
}

/* Slots may be any number, such as an address in flash. */
static void test_slots_by_name(void)
{
	static const uint64_t far[] = { 0, 0x8000, UINT64_C(1) << 40 };
	static const uint64_t many[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct seq shared, install;
	size_t n = 0;

	install_fetch(&install);
	shared_ids(&shared);
	seq_slots(&shared, far, 3, false);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_OK, "slots far apart");
	is_int((int64_t)n, 3, "each has a plan");
	for (size_t i = 0; i < n; i++)
		ok(plans[i].slot == far[i] && plans[i].digest.b[0] == i, "slot %zu, its digest",
		   i);

	shared_ids(&shared);
	seq_slots(&shared, many, 9, false);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_TOO_LARGE, "one slot too many");

	/* Every other slot would take the digest set before: no list of plans can say that. */
	shared_ids(&shared);
	seq_digest(&shared, 7);
	seq_slots(&shared, far, 2, true);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_UNSUPPORTED, "slots without name");

	shared_ids(&shared);
	seq_digest(&shared, 7);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_OK, "no slot at all");
	ok(n == 1 && !plans[0].slot_matters && plans[0].digest.b[0] == 7, "one plan");
}

/* The ids that a server reads are the ones that a device compares. */
static void test_A11_ids_stay(void)
{
	static const enum suit_parameter keys[] = { SUIT_PARAM_VENDOR, SUIT_PARAM_CLASS };
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct seq shared, install;
	size_t n = 0;

	install_fetch(&install);
	for (int i = 0; i < 2; i++) {
		shared_ids(&shared);
		seq_digest(&shared, 7);
		seq_id(&shared, keys[i], 0xee);
		is_int(plan_all(&shared, &install, plans, &n), SUIT_UNSUPPORTED,
		       "test_A11: another id after its condition");
	}
	shared_ids(&shared);
	seq_digest(&shared, 7);
	seq_id(&shared, SUIT_PARAM_VENDOR, 0xaa);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_OK, "the same id again");
	ok(plans[0].vendor_id.b[15] == 0xaa && plans[0].class_id.b[15] == 0xcc, "and its ids");
}

/* Nothing is fetched before identity, digest and size are known; nothing stays unmatched. */
static void test_order(void)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct seq shared, install;
	size_t n = 0;

	install_fetch(&install);
	seq_init(&shared);
	seq_id(&shared, SUIT_PARAM_VENDOR, 0xaa);
	seq_id(&shared, SUIT_PARAM_CLASS, 0xcc);
	seq_digest(&shared, 7);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_MISSING, "ids, but no condition");

	shared_ids(&shared);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_MISSING, "no digest");

	seq_digest(&shared, 7);
	seq_init(&install);
	seq_uri(&install, "img/0");
	seq_command(&install, SUIT_FETCH);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_MISSING, "no size");

	seq_init(&install);
	seq_uri(&install, "img/0");
	seq_uint(&install, SUIT_PARAM_SIZE, 100);
	seq_command(&install, SUIT_FETCH);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_MISSING, "never matched");

	seq_digest(&install, 8);
	seq_command(&install, SUIT_COND_IMAGE_MATCH);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_UNSUPPORTED,
	       "matched against another digest than the fetch had");
}

/* A vendor's own command is legal in a section, has no place in the shared sequence, and no
 * plan speaks for it. */
static void test_custom_command(void)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct seq shared, install;
	struct suit_envelope e;
	uint8_t buf[DRAFT_MAX];
	size_t n = 0;

	shared_ids(&shared);
	seq_digest(&shared, 7);
	install_fetch(&install);
	seq_command(&install, -257);
	is_int(plan_all(&shared, &install, plans, &n), SUIT_UNSUPPORTED, "in install");
	install_fetch(&install);
	seq_command(&install, -256);
	is_int(envelope(&shared, &install, buf, &e), SUIT_UNKNOWN, "-256 is nobody's");
	install_fetch(&install);
	seq_command(&shared, -257);
	is_int(envelope(&shared, &install, buf, &e), SUIT_UNKNOWN, "in the shared sequence");
}

int main(void)
{
	test_slots_by_name();
	test_A11_ids_stay();
	test_order();
	test_custom_command();
	return tap_done();
}
