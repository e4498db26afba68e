/* Adding to the audit: lock the head, chain the entry to it, move the head. */

#include "core/audit.h"

#include "core/audit_form.h"
#include "db/audit_store.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define DETAIL_MAX 16

enum rc audit_add(struct call *c, const struct audit_act *act)
{
	int64_t seq = 0;
	struct digest prev;

	enum rc rc = audit_store_lock_head(c->db, c->tenant, &seq, &prev);
	if (rc != RC_OK)
		return rc;

	struct audit_entry e = {
		.tenant = c->tenant,
		.seq = seq + 1,
		.at = c->now,
		.actor_kind = c->actor.kind == ACTOR_NONE ? ACTOR_SYSTEM : c->actor.kind,
		.actor_id = c->actor.id,
		.action = act->action,
		.object_kind = act->object_kind,
		.object_id = act->object_id,
		.reason = c->reason ? c->reason : "",
		.detail = act->detail ? act->detail : "",
		.prev = prev,
	};
	audit_hash(&e, &e.hash);
	return audit_store_append(c->db, &e);
}

/* A JSON text with its quotes; the shortest escapes (RFC 8785 section 3.2.2.2). */
static const char *quoted(struct arena *mem, const char *text)
{
	static const char hex[] = "0123456789abcdef", shorts[] = "\bb\ff\nn\rr\tt";
	char *out = arena_array(mem, strlen(text) + 1, 6), *p = out;

	*p++ = '"';
	for (; *text; text++) {
		unsigned char b = (unsigned char)*text;
		const char *s = b < 0x20 ? strchr(shorts, b) : NULL;

		if (b == '"' || b == '\\' || s)
			*p++ = '\\';
		if (b >= 0x20) {
			*p++ = (char)b;
		} else if (s) {
			*p++ = s[1];
		} else {
			memcpy(p, "\\u00", 4);
			p[4] = hex[b >> 4];
			p[5] = hex[b & 15];
			p += 6;
		}
	}
	*p = '"';
	return out;
}

struct pair {
	const char *name, *value;
};

/* Keeps the pairs sorted by name. */
static int pair_insert(struct pair *pairs, int count, struct pair new)
{
	int at = count;

	assert(count < DETAIL_MAX);
	for (; at > 0 && strcmp(pairs[at - 1].name, new.name) > 0; at--)
		pairs[at] = pairs[at - 1];
	pairs[at] = new;
	return count + 1;
}

const char *audit_detail(struct arena *mem, ...)
{
	struct pair pairs[DETAIL_MAX];
	int count = 0;
	va_list ap;

	va_start(ap, mem);
	for (const char *name = va_arg(ap, const char *); name;
	     name = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);
		if (value)
			count = pair_insert(pairs, count, (struct pair){ name, value });
	}
	va_end(ap);

	const char *text = "";
	for (int i = 0; i < count; i++)
		text = arena_printf(mem, "%s%s%s:%s", text, i ? "," : "",
				    quoted(mem, pairs[i].name), quoted(mem, pairs[i].value));
	return arena_printf(mem, "{%s}", text);
}

enum rc audit_list(struct call *c, int64_t after, int limit, struct audit_entry **ret,
		   int *ret_count)
{
	struct audit_page page = { .after = after, .limit = limit, .mem = c->mem };

	return audit_store_list(c->db, c->tenant, &page, ret, ret_count);
}
