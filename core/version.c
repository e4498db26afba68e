/* Versions to keys.  A key is a row of marked tokens, so that memcmp() decides at the first
 * token that differs.  The values of the marks are the order, and they are in the database:
 * they never change. */
#include "core/version.h"

#include <string.h>

#define NUMBERS_MAX ((VERSION_TEXT_MAX + 1) / 2)

enum mark {
	MARK_BEFORE = 1, /* what follows makes it older */
	MARK_END = 2,
	MARK_AFTER = 3, /* what follows makes it newer */
	MARK_WORD = 4,
	MARK_NUMBER = 5,
	MARK_PRE_WORD = 6, /* in a pre-release letters come after numbers (SemVer 11.4.3) */
};

struct parser {
	const char *p;
	bool semver; /* three numbers: '-' and '+' mean what SemVer says */
	uint8_t key[VERSION_KEY_MAX];
	size_t n;
};

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

/* VERSION_KEY_MAX has room for every text of VERSION_TEXT_MAX: a token costs at most three
 * bytes more than its text, and one more for each separator. */
static void put(struct parser *v, const char *p, size_t n)
{
	memcpy(v->key + v->n, p, n);
	v->n += n;
}

static void put_mark(struct parser *v, enum mark m)
{
	v->key[v->n++] = (uint8_t)m;
}

static void put_number(struct parser *v, const char *p, size_t n)
{
	while (n > 1 && *p == '0') {
		p++;
		n--;
	}
	put_mark(v, MARK_NUMBER);
	v->key[v->n++] = (uint8_t)n;
	put(v, p, n);
}

static void put_word(struct parser *v, enum mark m, const char *p, size_t n)
{
	put_mark(v, m);
	put(v, p, n);
	v->key[v->n++] = 0;
}

static size_t run(const char *p, bool (*is)(char))
{
	size_t n = 0;

	while (is(p[n]))
		n++;
	return n;
}

/* Numbers and words, with or without dots between them; at least one. */
static bool put_tokens(struct parser *v, enum mark word)
{
	do {
		size_t digits = run(v->p, is_digit),
		       letters = digits ? 0 : run(v->p, is_letter);

		if (digits)
			put_number(v, v->p, digits);
		else if (letters)
			put_word(v, word, v->p, letters);
		else
			return false;
		v->p += digits + letters;
		if (*v->p == '.' && (is_digit(v->p[1]) || is_letter(v->p[1])))
			v->p++;
	} while (is_digit(*v->p) || is_letter(*v->p));
	return true;
}

static bool is_hex(char ch)
{
	return is_digit(ch) || (ch >= 'a' && ch <= 'f');
}

/* "-779-g5064df2" or "-779-g5064df2-dirty", to the end of the text. */
static bool is_describe(const char *p)
{
	if (*p++ != '-')
		return false;
	size_t n = run(p, is_digit);
	if (!n || p[n] != '-' || p[n + 1] != 'g')
		return false;
	p += n + 2;
	n = run(p, is_hex);
	return n >= 4 && n <= 40 && (p[n] == 0 || strcmp(p + n, "-dirty") == 0);
}

static bool put_describe(struct parser *v)
{
	size_t digits = run(v->p + 1, is_digit), n = strlen(v->p);

	put_mark(v, MARK_AFTER);
	put_number(v, v->p + 1, digits);
	if (v->p[n - 1] == 'y')
		put_word(v, MARK_WORD, "dirty", 5);
	v->p += n;
	return true;
}

static bool is_identifier(char ch)
{
	return is_digit(ch) || is_letter(ch) || ch == '-';
}

/* Length of a SemVer identifier that stops before a git-describe suffix. */
static size_t identifier_len(const char *p)
{
	size_t n = run(p, is_identifier);

	for (size_t i = 0; i < n; i++)
		if (p[i] == '-' && is_describe(p + i))
			return i;
	return n;
}

/* SemVer section 11: identifiers of digits alone are numbers, others are texts, as a whole. */
static bool put_identifiers(struct parser *v)
{
	put_mark(v, MARK_BEFORE);
	do {
		v->p++; /* the hyphen or the dot */
		size_t n = identifier_len(v->p);
		if (!n)
			return false;
		if (run(v->p, is_digit) == n)
			put_number(v, v->p, n);
		else
			put_word(v, MARK_PRE_WORD, v->p, n);
		v->p += n;
	} while (*v->p == '.');
	return true;
}

static bool put_hyphen(struct parser *v)
{
	if (is_describe(v->p))
		return put_describe(v);
	if (v->semver)
		return put_identifiers(v);
	v->p++;
	bool before = is_letter(*v->p);
	put_mark(v, before ? MARK_BEFORE : MARK_AFTER);
	return put_tokens(v, before ? MARK_PRE_WORD : MARK_WORD);
}

static bool put_plus(struct parser *v)
{
	v->p++;
	if (!v->semver) {
		put_mark(v, MARK_AFTER);
		return put_tokens(v, MARK_WORD);
	}
	/* SemVer section 10: build metadata does not order. */
	bool any = false;
	for (; is_identifier(*v->p) || (any && *v->p == '.'); v->p++)
		any = true;
	return any && v->p[-1] != '.' && !*v->p;
}

static bool put_suffix(struct parser *v)
{
	bool ok = true;

	switch (*v->p) {
	case '~':
		v->p++;
		put_mark(v, MARK_BEFORE);
		ok = put_tokens(v, MARK_PRE_WORD);
		break;
	case '-':
		ok = put_hyphen(v);
		break;
	case '+':
		ok = put_plus(v);
		break;
	default:
		ok = is_letter(*v->p) && put_tokens(v, MARK_WORD);
		break;
	}
	return ok;
}

static bool put_epoch(struct parser *v)
{
	size_t n = run(v->p, is_digit);

	if (v->p[n] != ':') {
		put_number(v, "0", 1);
		return true;
	}
	put_number(v, v->p, n);
	v->p += n + 1;
	return n > 0;
}

static bool is_zero(const char *p, size_t n)
{
	while (n && *p == '0') {
		p++;
		n--;
	}
	return n == 0;
}

static bool put_release(struct parser *v)
{
	struct {
		const char *p;
		size_t n;
	} numbers[NUMBERS_MAX];
	int count = 0;

	for (;; v->p++) {
		size_t n = run(v->p, is_digit);
		if (!n)
			return false;
		numbers[count].p = v->p;
		numbers[count++].n = n;
		v->p += n;
		if (*v->p != '.')
			break;
	}
	v->semver = count == 3;
	/* 3.7 is 3.7.0, but 1.0k is not 1k. */
	while (!is_letter(*v->p) && count > 1 &&
	       is_zero(numbers[count - 1].p, numbers[count - 1].n))
		count--;
	for (int i = 0; i < count; i++)
		put_number(v, numbers[i].p, numbers[i].n);
	return true;
}

enum rc version_key(const char *text, struct arena *mem, struct bytes *ret)
{
	struct parser v = { .p = text };

	if (strlen(text) > VERSION_TEXT_MAX)
		return RC_INVALID;
	if (*v.p == 'v' || *v.p == 'V')
		v.p++;
	if (!put_epoch(&v) || !put_release(&v))
		return RC_INVALID;
	while (*v.p)
		if (!put_suffix(&v))
			return RC_INVALID;
	put_mark(&v, MARK_END);
	*ret = (struct bytes){ arena_copy(mem, v.key, v.n), v.n };
	return RC_OK;
}

int version_key_compare(struct bytes a, struct bytes b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	if (order)
		return order < 0 ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}
