/* The call: errors in words, and what runs after its commit. */

#include "core/call.h"

#include "core/core.h"
#include "core/roster_update.h"

#include <assert.h>

#define FIELDS_MAX 32 /* more wrong fields than this are not told one by one */

struct call_hook {
	struct call_hook *next;
	void (*fn)(struct call *c, void *arg);
	void *arg;
};

enum rc call_fail(struct call *c, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->detail = arena_vprintf(c->mem, fmt, ap);
	va_end(ap);
	c->err = e;
	return err_rc(e);
}

enum rc call_field(struct call *c, const char *pointer, const char *fmt, ...)
{
	struct call_field **end = &c->fields;
	int count = 0;

	c->err = ERR_VALIDATION;
	for (; *end; end = &(*end)->next)
		count++;
	if (count == FIELDS_MAX)
		return err_rc(ERR_VALIDATION);

	struct call_field *f = arena_new(c->mem, struct call_field);
	va_list ap;
	va_start(ap, fmt);
	f->detail = arena_vprintf(c->mem, fmt, ap);
	va_end(ap);
	f->pointer = arena_text(c->mem, pointer);
	*end = f;
	return err_rc(ERR_VALIDATION);
}

void call_after_commit(struct call *c, void (*fn)(struct call *c, void *arg), void *arg)
{
	struct call_hook *hook = arena_new(c->mem, struct call_hook);

	hook->fn = fn;
	hook->arg = arg;
	if (c->last_hook)
		c->last_hook->next = hook;
	else
		c->hooks = hook;
	c->last_hook = hook;
}

void call_before_commit(struct call *c)
{
	if (c->hooks)
		c->turn = roster_turn(c->core->roster);
}

void call_run_hooks(struct call *c)
{
	assert(!c->hooks || c->turn);
	for (struct call_hook *h = c->hooks; h; h = h->next)
		h->fn(c, h->arg);
	c->hooks = c->last_hook = NULL;
}

void call_clear(struct call *c)
{
	c->err = ERR_NONE;
	c->detail = NULL;
	c->fields = NULL;
	c->hooks = c->last_hook = NULL;
	c->turn = 0;
}
