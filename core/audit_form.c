/* The form: a tag, then each field as a length of four bytes, big-endian, and its bytes.  So no
 * two different entries have the same form. */

#include "core/audit_form.h"

#include "base/clean.h"

#include <string.h>

#define TAG "muster-audit-1"

static void put_bytes(struct sha256 *s, const void *p, size_t n)
{
	uint8_t length[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			      (uint8_t)n };

	sha256_update(s, (struct bytes){ length, sizeof(length) });
	sha256_update(s, (struct bytes){ p, n });
}

static void put_text(struct sha256 *s, const char *text)
{
	put_bytes(s, text, strlen(text));
}

/* Eight bytes, big-endian. */
static void put_number(struct sha256 *s, int64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
	put_bytes(s, b, sizeof(b));
}

void audit_hash(const struct audit_entry *e, struct digest *ret)
{
	struct sha256 *s = sha256_create();

	put_text(s, TAG);
	put_number(s, e->tenant);
	put_number(s, e->seq);
	put_number(s, e->at);
	put_number(s, e->actor_kind);
	put_bytes(s, e->actor_id.b, uuid_is_zero(&e->actor_id) ? 0 : sizeof(e->actor_id.b));
	put_text(s, e->action);
	put_text(s, e->object_kind);
	put_text(s, e->object_id);
	put_text(s, e->reason);
	put_text(s, e->detail);
	put_bytes(s, e->prev.b, sizeof(e->prev.b));
	sha256_finish(s, ret);
}
