/* JSON forms of operators, tokens and the audit. */

#include "api/rest/operator_json.h"

json_t *operator_json(const struct operator_item *o)
{
	json_t *j = json_object();

	js_put_uuid(j, "operator_id", &o->operator_id);
	js_put_text(j, "name", o->name);
	js_put_text(j, "role", role_name(o->role));
	js_put_bool(j, "disabled", o->disabled);
	if (o->has_certificate)
		js_put_digest(j, "certificate", &o->certificate);
	js_put_time(j, "created_at", o->created_at);
	js_put_i64(j, "revision", o->revision);
	return j;
}

void operator_issued_json(json_t *o, const struct operator_issued *issued)
{
	js_put_text(o, "certificate_pem", issued->certificate_pem);
	js_put_text(o, "chain_pem", issued->chain_pem);
}

json_t *token_json(const struct token_item *t)
{
	json_t *j = json_object();

	js_put_uuid(j, "token_id", &t->token_id);
	js_put_text(j, "label", t->label);
	js_put_time(j, "created_at", t->created_at);
	js_put_time(j, "expires_at", t->expires_at);
	return j;
}

static const char *actor_kind_name(enum actor_kind k)
{
	switch (k) {
	case ACTOR_OPERATOR:
		return "operator";
	case ACTOR_DEVICE:
		return "device";
	case ACTOR_SYSTEM:
		return "system";
	case ACTOR_NONE:
		return "none";
	}
	return "none";
}

json_t *audit_json(const struct audit_entry *e)
{
	json_t *j = json_object();

	js_put_i64(j, "seq", e->seq);
	js_put_time(j, "at", e->at);
	js_put_text(j, "actor_kind", actor_kind_name(e->actor_kind));
	js_put_uuid(j, "actor_id", &e->actor_id);
	js_put_text(j, "action", e->action);
	js_put_text(j, "object_kind", e->object_kind);
	js_put_text(j, "object_id", e->object_id);
	js_put_text(j, "reason", e->reason);
	js_put_raw(j, "detail", e->detail);
	js_put_digest(j, "hash", &e->hash);
	js_put_digest(j, "prev", &e->prev);
	return j;
}

bool role_read(struct js *in, enum js_need need, enum role *ret)
{
	static const enum role roles[] = { ROLE_VIEWER, ROLE_PUBLISHER, ROLE_OPERATOR,
					   ROLE_ADMIN };
	static const char *const words[] = { "viewer", "publisher", "operator", "admin", NULL };
	int i = js_word(in, "role", need, words);

	if (i < 0)
		return false;
	*ret = roles[i];
	return true;
}
