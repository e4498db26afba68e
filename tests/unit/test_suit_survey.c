/* The survey: what any device could be made to do, on published envelopes and on small
 * manifests for each rule. */

#include "suit/survey.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_seq.h"

#include <stdarg.h>

#define C (&suit_crypto_openssl)

static struct suit_survey survey;
static char text[4096];
static size_t text_n;

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_n += (size_t)vsnprintf(text + text_n, sizeof(text) - text_n, fmt, ap);
	va_end(ap);
}

/* "1 img/0 a1 100 encrypted if 0=b6;" for each payload, then "0=a1;" for each result, then the
 * components that are touched. */
static const char *tells(void)
{
	text_n = 0;
	text[0] = '\0';
	for (size_t i = 0; i < survey.payload_count; i++) {
		const struct suit_survey_payload *p = &survey.payload[i];
		say("%u %.*s", p->component, (int)p->uri.n, (const char *)p->uri.p);
		if (p->has_digest)
			say(" %02x", p->digest.b[0]);
		if (p->has_size)
			say(" %llu", (unsigned long long)p->size);
		say("%s%s", p->integrated ? " inside" : "", p->encrypted ? " encrypted" : "");
		if (p->has_precursor)
			say(" if %u=%02x", p->precursor_component, p->precursor.b[0]);
		say(";");
	}
	say(" ");
	for (size_t i = 0; i < survey.installed_count; i++)
		say("%u=%02x;", survey.installed[i].component, survey.installed[i].digest.b[0]);
	say(" ");
	for (size_t i = 0; i < survey.component_count; i++)
		if (survey.component[i].touched)
			say("%zu%s", i, survey.component[i].dependency ? "d" : "");
	return text;
}

static const char *wants(void)
{
	text_n = 0;
	text[0] = '\0';
	for (size_t i = 0; i < survey.precursor_count; i++)
		say("%u=%02x;", survey.precursor[i].component, survey.precursor[i].digest.b[0]);
	say("%s", survey.precursors_differ ? " differ" : "");
	return text;
}

/* A dependency is what the envelope holds. */
static enum suit_rc resolve(void *ctx, const struct suit_digest *digest, struct suit_bytes uri,
			    struct suit_bytes integrated, const struct suit_envelope **ret)
{
	static struct suit_envelope e;

	(void)uri;
	if (ctx) {
		*ret = ctx;
		return SUIT_OK;
	}
	if (suit_envelope_decode(C, integrated, &e) != SUIT_OK ||
	    !suit_digest_equal(&e.digest, digest))
		return SUIT_MISSING;
	*ret = &e;
	return SUIT_OK;
}

static void surveys(const struct seq *install, size_t n, enum suit_rc want, const char *told,
		    const char *name)
{
	static uint8_t buf[DRAFT_MAX];
	struct draft d = { .components = n, .section = { { 20, install } } };
	struct suit_envelope e;

	is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
	enum suit_rc rc = suit_survey(&e, NULL, NULL, &survey);
	ok(rc == want, "%s: %s", name, suit_rc_text(rc));
	if (rc == SUIT_OK)
		is_str(tells(), told, name);
}

#define FW "coap://updates.example.com/fw/"

static void test_vectors(void)
{
	static const struct {
		const char *file;
		enum suit_rc rc;
		const char *told;
		bool custom;
	} vectors[] = {
		{ "worked/ab-minimal.suit", SUIT_OK,
		  "0 " FW "a.bin 15 1320;0 " FW "b.bin 33 1320; 0=15;0=33; 0", false },
		{ "worked/ab-severable.suit", SUIT_OK,
		  "0 " FW "a.bin 15 1320;0 " FW "b.bin 33 1320; 0=15;0=33; 0", false },
		{ "worked/managed.suit", SUIT_OK, "0 " FW "a.bin 15 1320; 0=15; 0", false },
		{ "worked/integrated.suit", SUIT_OK, "0 #config.json a4 15 inside; 0=a4; 0",
		  false },
		{ "worked/encrypted-aeskw-gcm.suit", SUIT_OK,
		  "1 " FW "a.enc 5b 1336 encrypted; 0=15; 01", false },
		{ "worked/delta-component.suit", SUIT_OK,
		  "1 " FW "1.1.0-1.2.0.patch 1c 168 if 0=b6;2 " FW "full-1.2.0.bin 15 1320;"
		  " 0=15; 012",
		  false },
		{ "worked/delta-custom-directive.suit", SUIT_OK,
		  "1 " FW "1.1.0-1.2.0.patch 1c 168 if 0=b6;1 " FW "full-1.2.0.bin 15 1320;"
		  " 0=15; 01",
		  true },
		{ "manifest-draft37-es256/example4.signed.cbor", SUIT_OK,
		  "1 http://example.com/file.bin 00; 0=00; 01", false },
		{ "manifest-draft37-es256/example5.signed.cbor", SUIT_OK,
		  "0 http://example.com/file1.bin 00 34768;1 http://example.com/file2.bin 01 "
		  "76834; 0=00;1=01; 01",
		  false },
		{ "manifest-draft37-es256/example2.severed-signed.cbor", SUIT_MISSING, "",
		  false },
		{ "libcsuit/suit_manifest_expAF.suit", SUIT_OK,
		  "1 coaps://example.com/encrypted-firmware 46 encrypted;  01", false },
		/* A dependency's validate section is left out. */
		{ "libcsuit/suit_manifest_expED.suit", SUIT_MISSING, "", false },
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct suit_envelope e;
		is_int(suit_envelope_decode(C, suit_data(vectors[i].file), &e), SUIT_OK,
		       vectors[i].file);
		enum suit_rc rc = suit_survey(&e, resolve, NULL, &survey);
		ok(rc == vectors[i].rc, "%s: %s", vectors[i].file, suit_rc_text(rc));
		if (rc != SUIT_OK)
			continue;
		is_str(tells(), vectors[i].told, vectors[i].file);
		is_int(survey.custom, vectors[i].custom, "custom");
		is_int(survey.vendor_class, vectors[i].file[0] != 'l', "vendor and class");
	}
}

/* A payload without digest at its fetch has the one that it is compared with first. */
static void test_digest_after_fetch(void)
{
	struct seq s;

	seq_init(&s);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	seq_digest(&s, 0xa1);
	seq_uint(&s, SUIT_PARAM_SIZE, 9);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	surveys(&s, 1, SUIT_OK, "0 u a1 9; 0=a1; 0", "the digest comes after");
	seq_digest(&s, 0xa2);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	surveys(&s, 1, SUIT_CONDITION, "", "it has not two");
	seq_init(&s);
	seq_uri(&s, "u");
	seq_digest(&s, 0xa1);
	seq_command(&s, SUIT_FETCH);
	surveys(&s, 1, SUIT_OK, "0 u a1;  0", "what nobody compares is no result");
	ok(!survey.vendor_class, "and nobody asked whose device it is");
}

/* Facts do not contradict each other: one slot, one precursor. */
static void test_consistent(void)
{
	struct seq s, a, b;

	for (int i = 0; i < 2; i++) {
		struct seq *one = i ? &b : &a;
		seq_init(one);
		seq_digest(one, (uint8_t)(0xb0 + i));
		seq_command(one, SUIT_COND_IMAGE_MATCH);
		seq_uri(one, i ? "from b1" : "from b0");
		seq_command(one, SUIT_FETCH);
	}
	seq_init(&s);
	seq_try(&s, &a, &b, true);
	surveys(&s, 1, SUIT_OK, "0 from b0 b0 if 0=b0;0 from b1 b1 if 0=b1;  0",
		"each under its precursor");
	is_int(survey.runs, 3, "three ways");

	/* One after the other: who holds b0 does not hold b1. */
	struct seq first, second, nothing;
	seq_init(&nothing);
	seq_init(&first);
	seq_digest(&first, 0xb0);
	seq_command(&first, SUIT_COND_IMAGE_MATCH);
	seq_init(&second);
	seq_digest(&second, 0xb1);
	seq_command(&second, SUIT_COND_IMAGE_MATCH);
	seq_init(&s);
	seq_try(&s, &first, &nothing, false);
	seq_try(&s, &second, &nothing, false);
	surveys(&s, 1, SUIT_OK, "  ", "two precursors");
	is_int(survey.runs, 3, "not four ways");

	/* Twice in a row, so the second might take the other way. */
	seq_init(&a);
	seq_uint(&a, SUIT_PARAM_SLOT, 0);
	seq_command(&a, SUIT_COND_SLOT);
	seq_digest(&a, 0xa0);
	seq_init(&b);
	seq_uint(&b, SUIT_PARAM_SLOT, 1);
	seq_command(&b, SUIT_COND_SLOT);
	seq_digest(&b, 0xa1);
	seq_init(&s);
	seq_try(&s, &a, &b, false);
	seq_init(&a);
	seq_uint(&a, SUIT_PARAM_SLOT, 0);
	seq_command(&a, SUIT_COND_SLOT);
	seq_uri(&a, "0");
	seq_init(&b);
	seq_uint(&b, SUIT_PARAM_SLOT, 1);
	seq_command(&b, SUIT_COND_SLOT);
	seq_uri(&b, "1");
	seq_try(&s, &a, &b, false);
	seq_command(&s, SUIT_FETCH);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	surveys(&s, 1, SUIT_OK, "0 0 a0;0 1 a1; 0=a0;0=a1; 0", "the slot stays");
	is_int(survey.runs, 3, "slot 0, slot 1, neither");
}

/* An image-match of component 0 that leads nowhere, or else a fetch into component 1. */
static void seq_else(struct seq *s, uint8_t digest, uint64_t size)
{
	struct seq here, there;

	seq_init(&here);
	seq_digest(&here, digest);
	if (size > 0)
		seq_uint(&here, SUIT_PARAM_SIZE, size);
	seq_command(&here, SUIT_COND_IMAGE_MATCH);
	seq_init(&there);
	seq_index(&there, 1);
	seq_uri(&there, "v");
	seq_command(&there, SUIT_FETCH);
	seq_try(s, &here, &there, false);
}

/* A device compares the size too: where it cannot be this one, the other way is taken. */
static void test_size(void)
{
	struct seq s;

	seq_init(&s);
	seq_index(&s, 0);
	seq_digest(&s, 0xa1);
	seq_uint(&s, SUIT_PARAM_SIZE, 9);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	seq_else(&s, 0xa1, 10);
	surveys(&s, 2, SUIT_OK, "0 u a1 9;1 v; 0=a1; 01", "another size than the fetch's");
	is_int(survey.runs, 1, "that is no question");

	/* Of what was there before it is one: a device may not know the size. */
	seq_init(&s);
	seq_index(&s, 0);
	seq_digest(&s, 0xa1);
	seq_uint(&s, SUIT_PARAM_SIZE, 9);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	seq_else(&s, 0xa1, 10);
	surveys(&s, 2, SUIT_OK, "1 v if 0=a1;  1", "another size than before");
	is_int(survey.runs, 3, "both ways");
	seq_index(&s, 0);
	seq_else(&s, 0xa1, 9);
	surveys(&s, 2, SUIT_OK, "1 v if 0=a1;  1", "and the first again");
	is_int(survey.runs, 3, "has its answer");
}

static void seq_match(struct seq *s, uint8_t digest, uint64_t size)
{
	seq_index(s, 0);
	seq_digest(s, digest);
	if (size > 0)
		seq_uint(s, SUIT_PARAM_SIZE, size);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
}

/* What is written has the second digest that it is compared with, just as well as the first. */
static void test_digest_after_change(void)
{
	struct seq s;

	for (int how = 0; how < 3; how++) {
		seq_init(&s);
		seq_index(&s, 0);
		seq_bytes(&s, SUIT_PARAM_CONTENT, suit_text("abc"));
		seq_command(&s, SUIT_WRITE);
		seq_else(&s, 0xa1, how == 2 ? 4 : 0);
		seq_match(&s, how == 2 ? 0xa1 : 0xa2, how > 0 ? 3 : 0);
		surveys(&s, 2, SUIT_OK, how == 2 ? "1 v; 0=a1; 01" : "1 v; 0=a2; 01",
			"the first is another's");
		is_int(survey.runs, 3, "the first, the second, neither");
	}
	/* Written once more it is another content. */
	seq_init(&s);
	seq_index(&s, 0);
	seq_digest(&s, 0xa1);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	for (int i = 0; i < 2; i++) {
		seq_index(&s, 0);
		seq_bytes(&s, SUIT_PARAM_CONTENT, suit_text("abc"));
		seq_command(&s, SUIT_WRITE);
		if (i == 0)
			seq_else(&s, 0xa1, 0);
	}
	seq_match(&s, 0xa1, 0);
	surveys(&s, 2, SUIT_OK, "1 v if 0=a1; 0=a1; 01", "written twice");
	is_str(wants(), "0=a1;", "only what was installed is a precursor");

	/* So are the bytes that a condition reads there. */
	struct seq same, other;
	seq_init(&s);
	seq_index(&s, 0);
	seq_bytes(&s, SUIT_PARAM_CONTENT, suit_text("abc"));
	seq_command(&s, SUIT_COND_CHECK_CONTENT);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	seq_init(&same);
	seq_command(&same, SUIT_COND_CHECK_CONTENT);
	seq_init(&other);
	seq_index(&other, 1);
	seq_uri(&other, "v");
	seq_command(&other, SUIT_FETCH);
	seq_try(&s, &same, &other, false);
	surveys(&s, 2, SUIT_OK, "0 u;1 v;  01", "check-content");
}

/* A payload that one way fetches unguarded is not guarded. */
static void test_guard(void)
{
	struct seq s, a, nothing;

	seq_init(&a);
	seq_digest(&a, 0xb0);
	seq_command(&a, SUIT_COND_IMAGE_MATCH);
	seq_init(&nothing);
	seq_init(&s);
	seq_try(&s, &a, &nothing, true);
	seq_digest(&s, 0xa0);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	surveys(&s, 1, SUIT_OK, "0 u a0;  0", "with the precursor or without");

	/* "Already there, stop": the guard is that it is not. */
	seq_init(&s);
	seq_digest(&s, 0xa0);
	seq_command(&s, SUIT_COND_IMAGE_NOT_MATCH);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	surveys(&s, 1, SUIT_OK, "0 u a0; 0=a0; 0", "image-not-match");
	is_int(survey.runs, 2, "both ways");
	is_int(survey.successes, 1, "one of them goes on");
}

/* Each of the other conditions turns out both ways. */
static void test_both_ways(void)
{
	static const struct {
		enum suit_command command;
		enum suit_parameter key;
	} cases[] = { { SUIT_COND_USE_BEFORE, SUIT_PARAM_USE_BEFORE },
		      { SUIT_COND_MIN_BATTERY, SUIT_PARAM_BATTERY },
		      { SUIT_COND_AUTHORIZED, SUIT_PARAM_PRIORITY },
		      { SUIT_COND_SLOT, SUIT_PARAM_SLOT },
		      { SUIT_COND_CHECK_CONTENT, SUIT_PARAM_CONTENT },
		      { SUIT_COND_DEVICE, SUIT_PARAM_DEVICE },
		      { SUIT_COND_VERSION, SUIT_PARAM_VERSION } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (uint8_t op = 1; op <= 5; op++) {
			const uint8_t version[] = { 0x82, op, 0x82, 1, 7 };
			struct seq s, a, b;
			seq_init(&a);
			if (cases[i].key == SUIT_PARAM_CONTENT)
				seq_bytes(&a, cases[i].key, suit_text("abc"));
			else if (cases[i].key == SUIT_PARAM_DEVICE)
				seq_id(&a, cases[i].key, 3);
			else if (cases[i].key == SUIT_PARAM_VERSION)
				seq_bytes(&a, cases[i].key,
					  (struct suit_bytes){ version, sizeof(version) });
			else
				seq_uint(&a, cases[i].key, 5);
			seq_command(&a, cases[i].command);
			seq_uri(&a, "yes");
			seq_init(&b);
			seq_uri(&b, "no");
			seq_init(&s);
			seq_try(&s, &a, &b, false);
			seq_command(&s, SUIT_FETCH);
			surveys(&s, 1, SUIT_OK, "0 yes;0 no;  0", "both ways");
		}
	}
}

/* Places where something was only staged are no results; what a swap leaves behind neither. */
static void test_copy_and_swap(void)
{
	struct seq s;

	for (int swap = 0; swap < 2; swap++) {
		seq_init(&s);
		seq_index(&s, 1);
		seq_uri(&s, "u");
		seq_digest(&s, 0xa1);
		seq_command(&s, SUIT_FETCH);
		seq_command(&s, SUIT_COND_IMAGE_MATCH);
		seq_index(&s, 0);
		seq_uint(&s, SUIT_PARAM_SOURCE, 1);
		seq_command(&s, swap ? SUIT_SWAP : SUIT_COPY);
		seq_digest(&s, 0xa0);
		seq_command(&s, SUIT_COND_IMAGE_MATCH);
		surveys(&s, 2, SUIT_OK, "1 u a1; 0=a0; 01", swap ? "swap" : "copy");
	}
	seq_init(&s);
	seq_bytes(&s, SUIT_PARAM_CONTENT, suit_text("abc"));
	seq_command(&s, SUIT_WRITE);
	seq_digest(&s, 0xa0);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	surveys(&s, 1, SUIT_OK, " 0=a0; 0", "write");
	seq_command(&s, SUIT_UNLINK);
	surveys(&s, 1, SUIT_OK, "  0", "unlinked again");
}

static void test_dependencies(void)
{
	static uint8_t outer_buf[DRAFT_MAX], inner_buf[DRAFT_MAX];
	struct suit_envelope outer, inner;
	struct seq s, fetch;

	seq_init(&fetch);
	seq_uri(&fetch, "img");
	seq_digest(&fetch, 0xa0);
	seq_command(&fetch, SUIT_FETCH);
	seq_command(&fetch, SUIT_COND_IMAGE_MATCH);
	struct draft in = { .components = 1, .section = { { 20, &fetch } } };
	is_int(draft_decode(&in, inner_buf, &inner), SUIT_OK, "decodes");

	/* Fetched only where it is not there yet. */
	struct seq there, get;
	seq_init(&there);
	seq_command(&there, SUIT_COND_IMAGE_MATCH);
	seq_init(&get);
	seq_uri(&get, "dep");
	seq_command(&get, SUIT_FETCH);
	seq_init(&s);
	seq_index(&s, 1);
	seq_parameter(&s, SUIT_PARAM_DIGEST);
	put_digest(&s.o, &inner.digest);
	seq_try(&s, &there, &get, false);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	struct draft out = { .components = 1, .dependency = 2, .section = { { 20, &s } } };
	is_int(draft_decode(&out, outer_buf, &outer), SUIT_OK, "decodes");
	is_int(suit_survey(&outer, resolve, &inner, &survey), SUIT_OK, "with its dependency");
	char want[100];
	snprintf(want, sizeof(want), "0 img a0;1 dep %02x; 0=a0; 01d", inner.digest.b[0]);
	is_str(tells(), want, "both payloads, one component");
	is_int((int64_t)survey.component_count, 2, "the same component in both manifests");
	is_int(suit_survey(&outer, NULL, NULL, &survey), SUIT_UNSUPPORTED, "nobody resolves");
	is_int(suit_survey(&outer, resolve, NULL, &survey), SUIT_MISSING, "it is not there");
}

/* image-match of what a component holds, then a fetch into another one. */
static void delta_seq(struct seq *s, uint8_t precursor, const char *uri)
{
	seq_init(s);
	seq_index(s, 0);
	seq_digest(s, precursor);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
	seq_index(s, 1);
	seq_uri(s, uri);
	seq_digest(s, 0xd0);
	seq_uint(s, SUIT_PARAM_SIZE, 30);
	seq_command(s, SUIT_FETCH);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
}

/* Then copied over what it was made for. */
static void finish_seq(struct seq *s)
{
	seq_index(s, 0);
	seq_uint(s, SUIT_PARAM_SOURCE, 1);
	seq_command(s, SUIT_COPY);
	seq_digest(s, 0xa0);
	seq_uint(s, SUIT_PARAM_SIZE, 700);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
}

static void test_precursors(void)
{
	struct seq s, a, b;

	delta_seq(&s, 0xb0, "d0");
	finish_seq(&s);
	surveys(&s, 2, SUIT_OK, "1 d0 d0 30 if 0=b0; 0=a0; 01", "a delta");
	is_str(wants(), "0=b0;", "its precursor");
	is_int((int64_t)survey.fetched, 30, "bytes fetched");
	is_int((int64_t)survey.largest, 700, "the image is the largest");

	delta_seq(&a, 0xb0, "d0");
	delta_seq(&b, 0xb1, "d1");
	seq_init(&s);
	seq_try(&s, &a, &b, false);
	finish_seq(&s);
	surveys(&s, 2, SUIT_OK, "1 d0 d0 30 if 0=b0;1 d1 d0 30 if 0=b1; 0=a0; 01", "two");
	is_str(wants(), " differ", "of different precursors");

	seq_init(&b);
	seq_index(&b, 1);
	seq_uri(&b, "full");
	seq_digest(&b, 0xa0);
	seq_uint(&b, SUIT_PARAM_SIZE, 700);
	seq_command(&b, SUIT_FETCH);
	seq_init(&s);
	seq_try(&s, &a, &b, false);
	finish_seq(&s);
	surveys(&s, 2, SUIT_OK, "1 d0 d0 30 if 0=b0;1 full a0 700; 0=a0; 01", "or the whole");
	is_str(wants(), "", "needs none");
	is_int((int64_t)survey.fetched, 700, "the larger way");

	/* Who has it already changes nothing, and does not count. */
	struct seq there;
	seq_init(&there);
	seq_index(&there, 0);
	seq_digest(&there, 0xa0);
	seq_command(&there, SUIT_COND_IMAGE_MATCH);
	delta_seq(&a, 0xb0, "d0");
	finish_seq(&a);
	seq_init(&s);
	seq_try(&s, &there, &a, false);
	surveys(&s, 2, SUIT_OK, "1 d0 d0 30 if 0=b0; 0=a0; 01", "there, or a delta");
	is_str(wants(), "0=b0;", "one precursor for who needs it");
}

/* A comparison counts when the manifest does not go on without it. */
static void test_unmatched(void)
{
	static const char *const names[] = { "hard", "soft", "another way", "never" };

	for (int how = 0; how < 4; how++) {
		struct seq s, match, nothing, other;
		seq_init(&nothing);
		seq_init(&match);
		seq_command(&match, SUIT_COND_IMAGE_MATCH);
		seq_init(&other);
		seq_uri(&other, "v");
		seq_command(&other, SUIT_FETCH);
		seq_command(&other, SUIT_COND_IMAGE_MATCH);
		seq_init(&s);
		seq_uri(&s, "u");
		seq_digest(&s, 0xa0);
		seq_command(&s, SUIT_FETCH);
		if (how == 0)
			seq_command(&s, SUIT_COND_IMAGE_MATCH);
		else if (how < 3)
			seq_try(&s, &match, how == 1 ? &nothing : &other, false);
		surveys(&s, 1, SUIT_OK,
			how == 2   ? "0 u a0;0 v a0; 0=a0; 0"
			: how == 3 ? "0 u a0;  0"
				   : "0 u a0; 0=a0; 0",
			names[how]);
		is_int(survey.component[0].unmatched, how % 2, names[how]);
	}
}

static void test_identity(void)
{
	struct seq s, a, b;

	seq_init(&s);
	seq_id(&s, SUIT_PARAM_VENDOR, 1);
	seq_command(&s, SUIT_COND_VENDOR);
	seq_init(&a);
	seq_id(&a, SUIT_PARAM_CLASS, 2);
	seq_command(&a, SUIT_COND_CLASS);
	seq_init(&b);
	seq_id(&b, SUIT_PARAM_CLASS, 3);
	seq_command(&b, SUIT_COND_CLASS);
	seq_try(&s, &a, &b, false);
	seq_uri(&s, "u");
	seq_digest(&s, 0xa0);
	seq_command(&s, SUIT_FETCH);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	surveys(&s, 1, SUIT_OK, "0 u a0; 0=a0; 0", "for two classes");
	is_int((int64_t)survey.identity_count, 3, "a vendor and two classes");
	ok(survey.vendor_class && !survey.one_device, "both are asked for, no device is");
	seq_id(&s, SUIT_PARAM_DEVICE, 4);
	seq_command(&s, SUIT_COND_DEVICE);
	surveys(&s, 1, SUIT_OK, "0 u a0; 0=a0; 0", "for one device");
	ok(survey.one_device, "and for no other");
}

static void test_procedures(void)
{
	static uint8_t buf[DRAFT_MAX];
	struct suit_envelope e;
	struct seq install, invoke;

	seq_init(&install);
	seq_index(&install, 0);
	seq_uri(&install, "u");
	seq_digest(&install, 0xa0);
	seq_command(&install, SUIT_FETCH);
	seq_command(&install, SUIT_COND_IMAGE_MATCH);
	seq_init(&invoke);
	seq_index(&invoke, 1);
	seq_command(&invoke, SUIT_DO_INVOKE);
	struct draft d = { .components = 2, .section = { { 9, &invoke }, { 20, &install } } };
	is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
	is_int(suit_survey(&e, NULL, NULL, &survey), SUIT_OK, "the update");
	is_str(tells(), "0 u a0; 0=a0; 0", "touches one");
	is_int(suit_survey_procedure(&e, SUIT_INVOKE_PROCEDURE, NULL, NULL, &survey), SUIT_OK,
	       "the start");
	ok(!survey.component[0].touched && survey.component[1].invoked, "runs the other");
	/* It gets stuck at its copy, which has no source. */
	seq_command(&install, SUIT_COPY);
	is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
	is_int(suit_survey(&e, NULL, NULL, &survey), SUIT_MISSING, "a device would get stuck");
	is_int((int64_t)survey.failed.section, 20, "in install");
	is_int((int64_t)survey.failed.component, 0, "at the first component");
	ok(survey.failed.offset > 0, "behind the start");
}

static void test_bounds(void)
{
	struct seq s, a, nothing;

	seq_init(&nothing);
	seq_init(&s);
	for (uint64_t i = 0; i < 11; i++) {
		seq_init(&a);
		seq_uint(&a, SUIT_PARAM_BATTERY, i);
		seq_command(&a, SUIT_COND_MIN_BATTERY);
		seq_try(&s, &a, &nothing, false);
	}
	surveys(&s, 1, SUIT_TOO_LARGE, "", "2^11 ways");
	is_int(survey.runs, SUIT_SURVEY_RUNS_MAX + 1, "ended at the limit");
	/* Few ways, each a long one. */
	struct seq tries;
	seq_init(&tries);
	for (uint64_t i = 0; i < 9; i++) {
		seq_init(&a);
		seq_uint(&a, SUIT_PARAM_BATTERY, i);
		seq_command(&a, SUIT_COND_MIN_BATTERY);
		seq_try(&tries, &a, &nothing, false);
	}
	seq_init(&a);
	seq_all(&a);
	for (uint64_t i = 0; i < 30; i++)
		seq_uint(&a, SUIT_PARAM_SIZE, i);
	seq_init(&s);
	seq_all(&s);
	seq_run(&s, &a);
	seq_run(&s, &tries);
	surveys(&s, 8, SUIT_TOO_LARGE, "", "2^9 ways of thousands of steps");
	ok(survey.runs > 10 && survey.runs < 100, "ended early, after %u ways", survey.runs);
	/* In several sequences, since one has no room for so many commands. */
	for (int over = 0; over < 2; over++) {
		seq_init(&s);
		seq_init(&a);
		for (uint64_t i = 0; i < SUIT_SURVEY_FACTS_MAX + (unsigned)over; i++) {
			if (i > 0 && i % 20 == 0) {
				seq_run(&s, &a);
				seq_init(&a);
			}
			seq_uint(&a, SUIT_PARAM_BATTERY, i);
			seq_command(&a, SUIT_COND_MIN_BATTERY);
		}
		seq_run(&s, &a);
		surveys(&s, 1, over ? SUIT_TOO_LARGE : SUIT_OK, "  ", "facts");
		seq_init(&s);
		seq_init(&a);
		for (int i = 0; i < SUIT_SURVEY_PAYLOADS_MAX + over; i++) {
			if (i == 20) {
				seq_run(&s, &a);
				seq_init(&a);
			}
			seq_uri(&a, "u");
			seq_command(&a, SUIT_FETCH);
		}
		seq_run(&s, &a);
		surveys(&s, 1, over ? SUIT_TOO_LARGE : SUIT_OK, "0 u;  0", "payloads");
	}
	seq_init(&s);
	seq_command(&s, SUIT_COND_ABORT);
	surveys(&s, 1, SUIT_CONDITION, "", "it never succeeds");
	seq_init(&s);
	seq_command(&s, SUIT_COPY);
	surveys(&s, 1, SUIT_MISSING, "", "a device would get stuck");
}

int main(void)
{
	test_vectors();
	test_digest_after_fetch();
	test_consistent();
	test_size();
	test_digest_after_change();
	test_guard();
	test_both_ways();
	test_copy_and_swap();
	test_dependencies();
	test_precursors();
	test_unmatched();
	test_identity();
	test_procedures();
	test_bounds();
	return tap_done();
}
