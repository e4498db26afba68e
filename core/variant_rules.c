/* One table of checks: all of them must hold, and each says what is missing when it does not.
 */

#include "core/variant_rules.h"

#include "base/rc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATCH "patch-" /* how the names of deltas' formats begin */
#define KEY   "key-"

/* --- lists of words, joined by a comma --- */

/* The next word of the list and its size; NULL at the end. */
static const char *next_word(const char **list, size_t *ret_size)
{
	const char *word = *list;

	if (!*word)
		return NULL;
	*ret_size = strcspn(word, ",");
	*list = word + *ret_size + (word[*ret_size] == ',');
	return word;
}

static bool has_word(const char *list, const char *wanted, size_t wanted_size)
{
	size_t size;
	const char *word;

	while ((word = next_word(&list, &size)))
		if (size == wanted_size && memcmp(word, wanted, size) == 0)
			return true;
	return false;
}

/* A need is met by one word or, "a|b", by either.  The next of these, and what comes after it.
 */
static size_t next_of_need(const char **need, size_t *left)
{
	const char *bar = memchr(*need, '|', *left);
	size_t size = bar ? (size_t)(bar - *need) : *left;

	*need += size + (bar != NULL);
	*left -= size + (bar != NULL);
	return size;
}

static bool meets(const char *formats, const char *need, size_t size)
{
	while (size) {
		const char *word = need;
		size_t n = next_of_need(&need, &size);
		if (has_word(formats, word, n))
			return true;
	}
	return false;
}

/* --- what a variant is --- */

bool variant_is_delta(const struct variant *v)
{
	const char *list = v->needs, *word;
	size_t size;

	while ((word = next_word(&list, &size)))
		if (size > strlen(PATCH) && memcmp(word, PATCH, strlen(PATCH)) == 0)
			return true;
	return v->base_component != NULL;
}

static bool is_encrypted(const struct variant *v)
{
	const char *list = v->needs, *word;
	size_t size;

	while ((word = next_word(&list, &size)))
		if (meets("aes-kw,ecdh-es,gcm,ctr,chacha20", word, size))
			return true;
	return false;
}

bool variant_has_base(const struct variant *v, const struct component *components,
		      int component_count)
{
	for (int i = 0; v->base_component && i < component_count; i++)
		if (strcmp(components[i].name, v->base_component) == 0)
			return components[i].has_digest &&
			       digest_equal(&components[i].digest, &v->base_digest);
	return !v->base_component;
}

/* --- checks --- */

struct text {
	char *p;
	size_t used;
};

PRINTF(2, 3) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(t->p + t->used, VARIANT_LACK_MAX - t->used, fmt, ap);
	va_end(ap);
	t->used += n > 0 ? (size_t)n : 0;
	if (t->used >= VARIANT_LACK_MAX)
		t->used = VARIANT_LACK_MAX - 1;
}

/* One of them is enough: whose key it is for (release_key_word()). */
static bool is_key(const char *word, size_t size)
{
	return size > strlen(KEY) && memcmp(word, KEY, strlen(KEY)) == 0;
}

static bool names_keys(const struct variant *v)
{
	const char *list = v->needs, *word;
	size_t size;

	while ((word = next_word(&list, &size)))
		if (is_key(word, size))
			return true;
	return false;
}

static bool is_for_it(const struct variant *v, const struct variant_device *d)
{
	const char *list = v->needs, *word;
	size_t size;

	while ((word = next_word(&list, &size)))
		if (is_key(word, size) && has_word(d->formats, word, size))
			return true;
	return !names_keys(v);
}

static void say_for_it(const struct variant *v, const struct variant_device *d, struct text *t)
{
	(void)v;
	(void)d;
	add(t, "it lets other devices in");
}

static bool is_read(const struct variant *v, const struct variant_device *d)
{
	const char *list = v->needs, *word;
	size_t size;

	while ((word = next_word(&list, &size)))
		if (!is_key(word, size) && !meets(d->formats, word, size))
			return false;
	return true;
}

static void say_need(const char *need, size_t size, struct text *t)
{
	const char *before = "";

	while (size) {
		const char *word = need;
		size_t n = next_of_need(&need, &size);
		add(t, "%s%.*s", before, (int)n, word);
		before = " or ";
	}
}

static void say_read(const struct variant *v, const struct variant_device *d, struct text *t)
{
	const char *list = v->needs, *word, *before = "the device does not read ";
	size_t size;

	while ((word = next_word(&list, &size))) {
		if (is_key(word, size) || meets(d->formats, word, size))
			continue;
		add(t, "%s", before);
		say_need(word, size, t);
		before = ", ";
	}
}

static bool is_secret_enough(const struct variant *v, const struct variant_device *d)
{
	return !d->only_encrypted || is_encrypted(v);
}

static void say_secret(const struct variant *v, const struct variant_device *d, struct text *t)
{
	(void)v;
	(void)d;
	add(t, "the device takes encrypted payloads only");
}

static bool is_wanted(const struct variant *v, const struct variant_device *d)
{
	return !d->no_delta || !variant_is_delta(v);
}

static void say_wanted(const struct variant *v, const struct variant_device *d, struct text *t)
{
	(void)v;
	(void)d;
	add(t, "a delta has failed");
}

static bool has_base(const struct variant *v, const struct variant_device *d)
{
	return variant_has_base(v, d->components, d->component_count);
}

static void say_base(const struct variant *v, const struct variant_device *d, struct text *t)
{
	(void)d;
	add(t, "the device's %s is not what the delta is from", v->base_component);
}

static bool takes(int64_t size, int64_t limit)
{
	return limit == 0 || size <= limit;
}

static bool takes_envelope(const struct variant *v, const struct variant_device *d)
{
	return takes(v->envelope_bytes, d->max_envelope);
}

static void say_envelope(const struct variant *v, const struct variant_device *d,
			 struct text *t)
{
	add(t, "the envelope has %" PRId64 " bytes, the device takes %" PRId64,
	    v->envelope_bytes, d->max_envelope);
}

static bool takes_image(const struct variant *v, const struct variant_device *d)
{
	return takes(v->image_bytes, d->max_image);
}

static void say_image(const struct variant *v, const struct variant_device *d, struct text *t)
{
	add(t, "an image has %" PRId64 " bytes, the device takes %" PRId64, v->image_bytes,
	    d->max_image);
}

static const struct check {
	bool (*test)(const struct variant *v, const struct variant_device *d);
	void (*say)(const struct variant *v, const struct variant_device *d, struct text *t);
	bool of_size;
} checks[] = {
	{ is_for_it, say_for_it, false },        { is_read, say_read, false },
	{ is_secret_enough, say_secret, false }, { is_wanted, say_wanted, false },
	{ has_base, say_base, false },           { takes_envelope, say_envelope, true },
	{ takes_image, say_image, true },
};

/* How many do not hold. */
static int faults_of(const struct variant *v, const struct variant_device *d)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		n += !checks[i].test(v, d);
	return n;
}

bool variant_fits(const struct variant *v, const struct variant_device *device)
{
	return faults_of(v, device) == 0;
}

/* --- the choice --- */

static bool costs_less(const struct variant *a, const struct variant *b)
{
	int64_t of_a = a->bytes + a->envelope_bytes, of_b = b->bytes + b->envelope_bytes;

	if (of_a != of_b)
		return of_a < of_b;
	return memcmp(a->manifest.b, b->manifest.b, sizeof(a->manifest.b)) < 0;
}

/* Whole images before deltas, then what lacks less. */
static bool is_nearer(const struct variant *a, const struct variant *b,
		      const struct variant_device *d)
{
	bool delta_a = variant_is_delta(a), delta_b = variant_is_delta(b);
	int faults_a = faults_of(a, d), faults_b = faults_of(b, d);

	if (delta_a != delta_b)
		return delta_b;
	return faults_a != faults_b ? faults_a < faults_b : costs_less(a, b);
}

static void explain(const struct variant *nearest, const struct variant_device *d,
		    struct variant_choice *ret)
{
	struct text t = { ret->lack, 0 };
	const char *before = ": ";

	ret->too_large = nearest != NULL;
	add(&t, nearest ? "no manifest of the release fits" : "the release has no manifest");
	for (size_t i = 0; nearest && i < ARRAY_LEN(checks); i++) {
		if (checks[i].test(nearest, d))
			continue;
		add(&t, "%s", before);
		checks[i].say(nearest, d, &t);
		ret->too_large &= checks[i].of_size;
		before = "; ";
	}
}

/* Of the keys that open it the device has an own one at most, and nobody can tell whose it is
 * for. */
static bool may_be_closed(const struct variant *v, const struct variant_device *d)
{
	const char *list = v->needs, *word;
	size_t size;

	if (names_keys(v))
		return false;
	while ((word = next_word(&list, &size)))
		if (meets("ecdh-es", word, size) &&
		    !(meets("aes-kw", word, size) &&
		      has_word(d->formats, "aes-kw", strlen("aes-kw"))))
			return true;
	return false;
}

/* Also into a delta that failed: no_delta is a wish. */
static bool is_let_in(const struct variant *variants, int count, const struct variant_device *d)
{
	struct variant_device any = *d;

	any.no_delta = false;
	for (int i = 0; i < count; i++)
		if (names_keys(&variants[i]) && variant_fits(&variants[i], &any))
			return true;
	return false;
}

void variant_choose(const struct variant *variants, int count,
		    const struct variant_device *device, struct variant_choice *ret)
{
	int best = -1, nearest = -1;
	int64_t largest = 0;
	bool let_in = is_let_in(variants, count, device);

	*ret = (struct variant_choice){ 0 };
	for (int i = 0; i < count; i++) {
		const struct variant *v = &variants[i];
		if (nearest < 0 || is_nearer(v, &variants[nearest], device))
			nearest = i;
		if (!variant_fits(v, device) || (let_in && may_be_closed(v, device)))
			continue;
		if (best < 0 || costs_less(v, &variants[best]))
			best = i;
		if (v->bytes > largest)
			largest = v->bytes;
	}
	if (best < 0) {
		explain(nearest < 0 ? NULL : &variants[nearest], device, ret);
		return;
	}
	ret->variant = &variants[best];
	ret->bytes_saved = largest - variants[best].bytes;
}
