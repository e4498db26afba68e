/* The canonical form of the audit: a frozen vector, and every field counts. */

#include "core/audit.h"
#include "core/audit_form.h"
#include "tests/tap.h"

static struct audit_entry sample(void)
{
	struct audit_entry e = {
		.tenant = 1,
		.seq = 2,
		.at = INT64_C(1700000000000000),
		.actor_kind = ACTOR_OPERATOR,
		.action = "campaign.start",
		.object_kind = "campaign",
		.object_id = "00000000-0000-4000-8000-000000000001",
		.reason = "r\xc3\xa9",
		.detail = "{\"from\":\"draft\"}",
	};

	memset(e.actor_id.b, 7, sizeof(e.actor_id.b));
	memset(e.prev.b, 9, sizeof(e.prev.b));
	return e;
}

static const char *hash_text(const struct audit_entry *e, char ret[DIGEST_TEXT_SIZE])
{
	struct digest d;

	audit_hash(e, &d);
	return digest_format(&d, ret);
}

/* Made by the Python form in tests/api/test_operators.py. */
#define FROZEN "fb6d0898e5bb79c42781439659dfa5183fc6e8865cf9a87aa9869334a60b0ff9"

static void test_vector(void)
{
	struct audit_entry e = sample();
	char text[DIGEST_TEXT_SIZE];

	is_str(hash_text(&e, text), FROZEN, "the frozen vector");
	memset(e.hash.b, 1, sizeof(e.hash.b));
	is_str(hash_text(&e, text), FROZEN, "the hash itself does not count");
}

#define CHANGED(change, name)                                                                  \
	do {                                                                                   \
		struct audit_entry e = sample();                                               \
		char text[DIGEST_TEXT_SIZE];                                                   \
		change;                                                                        \
		ok(strcmp(hash_text(&e, text), FROZEN) != 0, name " counts");                  \
	} while (0)

static void test_every_field_counts(void)
{
	CHANGED(e.tenant = 2, "tenant");
	CHANGED(e.seq = 3, "seq");
	CHANGED(e.at++, "at");
	CHANGED(e.actor_kind = ACTOR_DEVICE, "actor_kind");
	CHANGED(e.actor_id.b[15]++, "actor_id");
	CHANGED(memset(&e.actor_id, 0, sizeof(e.actor_id)), "no actor");
	CHANGED(e.action = "campaign.stop", "action");
	CHANGED(e.object_kind = "job", "object_kind");
	CHANGED(e.object_id = "2", "object_id");
	CHANGED(e.reason = "", "reason");
	CHANGED(e.detail = "{}", "detail");
	CHANGED(e.prev.b[0]++, "prev");
	/* The same bytes, cut elsewhere. */
	CHANGED((e.action = "campaign.startc", e.object_kind = "ampaign"),
		"the border of fields");
}

static void test_detail(void)
{
	struct arena *mem = arena_create();

	is_str(audit_detail(mem, NULL), "{}", "nothing");
	is_str(audit_detail(mem, "b", "2", "a", "1", "none", NULL, "c", "\"\\\n\x01", NULL),
	       "{\"a\":\"1\",\"b\":\"2\",\"c\":\"\\\"\\\\\\n\\u0001\"}",
	       "sorted, escaped, without what is NULL");
	arena_free(mem);
}

int main(void)
{
	test_vector();
	test_every_field_counts();
	test_detail();
	return tap_done();
}
