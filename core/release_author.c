/* Whose signatures an upload carries, and what these authors may touch. */
#include "core/release_author.h"

#include "core/component_name.h"
#include "core/release_check.h"
#include "core/release_rules.h"
#include "db/author_key_store.h"

#include <string.h>

#define SCOPES_MAX 128

/* What the keys that signed one part are registered for. */
struct signers {
	const struct release_facts *f;
	int part;
	const char *name; /* of the part, for people */
	const char *scope[SCOPES_MAX];
	int scope_count;
	bool author; /* not by delegates alone: then theirs do not count */
};

static bool verifies(struct signers *s, const struct suit_block *block,
		     const struct author_key *keys, int n)
{
	const struct suit_envelope *e = &s->f->parts.list[s->part]->envelope;
	bool good = false;

	for (int i = 0; i < n; i++) {
		if (!release_signed_by(e, block, keys[i].public_key))
			continue;
		good = true;
		if (!keys[i].delegate && !s->author)
			s->scope_count = 0;
		s->author = s->author || !keys[i].delegate;
		if (s->author == !keys[i].delegate && s->scope_count < SCOPES_MAX)
			s->scope[s->scope_count++] = keys[i].component;
	}
	return good;
}

static enum rc check_signature(struct call *c, struct signers *s,
			       const struct suit_block *block)
{
	struct author_key key = { .vendor_id = s->f->vendor_id,
				  .class_id = s->f->class_id,
				  .kid = { block->kid.p, block->kid.n } };
	char class[UUID_TEXT_SIZE];
	struct author_key *keys = NULL;
	int n = 0;

	enum rc rc = author_key_store_find(c->db, c->tenant, &key, c->mem, &keys, &n);
	if (rc != RC_OK)
		return rc;
	if (n == 0)
		return release_refuse(c, ERR_AUTHOR_KEY_UNKNOWN,
				      "%s: no author key with id %s is registered for class "
				      "%s: an administrator registers it (muster key register)",
				      s->name, hex_encode(c->mem, key.kid),
				      uuid_format(&key.class_id, class));
	if (verifies(s, block, keys, n))
		return RC_OK;
	return release_refuse(
		c, ERR_SIGNATURE_INVALID,
		"%s: the signature under key id %s does not verify: sign it again", s->name,
		hex_encode(c->mem, key.kid));
}

/* --- what they may touch --- */

static bool is_covered(const struct signers *s, const char *component)
{
	for (int i = 0; i < s->scope_count; i++)
		if (release_scope_covers(s->scope[i], component))
			return true;
	return false;
}

static bool is_touched(const struct release_facts *f, const char *component)
{
	for (int i = 0; i < f->touched_count; i++)
		if (strcmp(f->touched[i], component) == 0)
			return true;
	return false;
}

static const char *scopes_text(struct call *c, const struct signers *s)
{
	const char *text = "";

	for (int i = 0; i < s->scope_count; i++)
		text = arena_printf(c->mem, "%s%s%s", text, *text ? ", " : "", s->scope[i]);
	return text;
}

/* NULL: it has none, and then nothing touches it, for that was refused. */
static const char *name_of(struct call *c, const struct suit_component_id *id)
{
	struct bytes segments[SUIT_SEGMENTS_MAX];
	const char *name = NULL;

	for (size_t i = 0; i < id->count; i++)
		segments[i] = (struct bytes){ id->segment[i].p, id->segment[i].n };
	if (component_name_format(segments, (int)id->count, c->mem, &name) != RC_OK)
		return NULL;
	return name;
}

static enum rc check_component(struct call *c, const struct signers *s,
			       const struct suit_component_id *id)
{
	const char *name = name_of(c, id);

	if (!name || !is_touched(s->f, name) || is_covered(s, name))
		return RC_OK;
	return release_refuse(c, ERR_AUTHOR_NOT_ALLOWED,
			      "%s has component %s, and its authors may touch %s alone: let an "
			      "author of %s sign it too, or leave the component out",
			      s->name, name, scopes_text(c, s), name);
}

/* Where devices are to keep the manifest itself. */
static enum rc check_own_place(struct call *c, const struct signers *s,
			       const struct suit_envelope *e)
{
	struct suit_component_id id;
	const char *name = NULL;

	if (e->own_id.n == 0)
		return RC_OK;
	if (suit_component_read(e->own_id, &id) == SUIT_OK)
		name = name_of(c, &id);
	if (name && is_covered(s, name))
		return RC_OK;
	return release_refuse(
		c, ERR_AUTHOR_NOT_ALLOWED,
		"%s is to be kept in %s (manifest_component), and its authors may "
		"touch %s alone: choose a place below theirs",
		s->name, name ? name : "a place without a name", scopes_text(c, s));
}

static enum rc check_delegate(struct call *c, const struct signers *s, struct release_facts *f)
{
	if (s->author)
		return RC_OK;
	if (s->part > 0)
		return release_refuse(c, ERR_AUTHOR_NOT_ALLOWED,
				      "%s is signed by a delegate alone, who signs no update: "
				      "let its author sign it",
				      s->name);
	f->delegated = true;
	return RC_OK;
}

static enum rc check_part(struct call *c, struct release_facts *f, int part)
{
	const struct suit_envelope *e = &f->parts.list[part]->envelope;
	struct signers s = { .f = f, .part = part, .name = release_part_name(f, part, c->mem) };
	enum rc rc = RC_OK;

	/* A MAC is for devices that hold its key; the server never does, and passes over it. */
	for (size_t i = 0; rc == RC_OK && i < e->block_count; i++)
		if (!suit_block_is_mac(&e->block[i]))
			rc = check_signature(c, &s, &e->block[i]);
	if (rc == RC_OK)
		rc = check_delegate(c, &s, f);
	if (rc == RC_OK)
		rc = check_own_place(c, &s, e);
	for (size_t i = 0; rc == RC_OK && i < e->component_count; i++)
		rc = check_component(c, &s, &e->component[i]);
	return rc;
}

enum rc release_check_authors(struct call *c, struct release_facts *f)
{
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < f->parts.count; i++)
		rc = check_part(c, f, i);
	return rc;
}
