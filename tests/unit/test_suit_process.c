/* The processor, on manifests put together command by command and a device that writes down
 * what it is asked and told. */

#include "tests/tap.h"
#include "tests/unit/suit_board.h"
#include "tests/unit/suit_seq.h"

/* --- sections ----------------------------------------------------------------------------- */

/* A section that says its key by a version condition's stand-in: an unlink of one component. */
static void says(struct seq *s, uint64_t size)
{
	seq_init(s);
	seq_uint(s, SUIT_PARAM_SIZE, size);
	seq_digest(s, (uint8_t)size);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
}

static void test_sections(void)
{
	static const uint8_t keys[] = { 7, 8, 9, 15, 16, 18, 20, 24 };
	struct seq s[8], shared;
	struct board b = { 0 };

	says(&shared, 3);
	for (size_t i = 0; i < 8; i++)
		says(&s[i], keys[i]);
	struct draft update = { .components = 1,
				.shared = &shared,
				.section = { { 7, &s[0] },
					     { 15, &s[3] },
					     { 16, &s[4] },
					     { 18, &s[5] },
					     { 20, &s[6] } } };
	plays(&update, &b, SUIT_UPDATE_PROCEDURE, SUIT_OK,
	      "image 0 03 3;image 0 0f 15;image 0 03 3;image 0 10 16;image 0 03 3;"
	      "image 0 12 18;image 0 03 3;image 0 14 20;image 0 03 3;image 0 07 7;",
	      "update: in order, shared before each");
	struct draft invoke = { .components = 1,
				.shared = &shared,
				.section = { { 7, &s[0] },
					     { 8, &s[1] },
					     { 9, &s[2] },
					     { 20, &s[6] },
					     { 24, &s[7] } } };
	plays(&invoke, &b, SUIT_INVOKE_PROCEDURE, SUIT_OK,
	      "image 0 03 3;image 0 07 7;image 0 03 3;image 0 08 8;image 0 03 3;image 0 09 9;",
	      "invoke");
	plays(&invoke, &b, SUIT_UNINSTALL_PROCEDURE, SUIT_OK, "image 0 03 3;image 0 18 24;",
	      "uninstall");
	b.no[0] = "image 0 10";
	plays(&update, &b, SUIT_UPDATE_PROCEDURE, SUIT_CONDITION,
	      "image 0 03 3;image 0 0f 15;image 0 03 3;image 0 10 16;",
	      "nothing runs after a section that failed");
	is_int((int64_t)run_state.failed.section, 16, "it says which");
	is_int(run_state.reason, SUIT_REASON_CONDITION, "and why");
}

/* What was severed away is missed where it is needed, and only there. */
static void test_severed_away(void)
{
	struct seq fetch, validate;
	struct board b = { 0 };

	seq_init(&fetch);
	seq_uri(&fetch, "u");
	seq_command(&fetch, SUIT_FETCH);
	says(&validate, 7);
	struct draft d = { .components = 1,
			   .section = { { 7, &validate }, { 16, &fetch }, { 20, NULL } } };
	plays(&d, &b, SUIT_UPDATE_PROCEDURE, SUIT_MISSING, "fetch 0 u;", "install is gone");
	is_int((int64_t)run_state.failed.section, 20, "says where");
	is_int(run_state.reason, SUIT_REASON_SEVERING, "says why");
	plays(&d, &b, SUIT_INVOKE_PROCEDURE, SUIT_OK, "image 0 07 7;", "it boots without");
}

/* --- parameters --------------------------------------------------------------------------- */

static void test_parameters(void)
{
	struct seq shared, s, validate;
	struct board b = { 0 };

	seq_init(&s);
	seq_parameter_by(&s, SUIT_SET_PARAMETERS, SUIT_PARAM_SIZE);
	scbor_put_uint(&s.o, 1);
	seq_digest(&s, 0xa1);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	seq_parameter_by(&s, SUIT_SET_PARAMETERS, SUIT_PARAM_SIZE);
	scbor_put_uint(&s.o, 2);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	seq_uint(&s, SUIT_PARAM_SIZE, 3);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	installs(&s, 1, &b, SUIT_OK, "image 0 a1 1;image 0 a1 1;image 0 a1 3;",
		 "set only when unset, override always");

	/* They stay over the sections of a procedure, and a new run begins with none. */
	seq_init(&shared);
	seq_init(&validate);
	seq_command(&validate, SUIT_COND_IMAGE_MATCH);
	struct draft d = { .components = 1,
			   .shared = &shared,
			   .section = { { 7, &validate }, { 20, &s } } };
	plays(&d, &b, SUIT_UPDATE_PROCEDURE, SUIT_OK,
	      "image 0 a1 1;image 0 a1 1;image 0 a1 3;image 0 a1 3;", "kept over sections");
	plays(&d, &b, SUIT_INVOKE_PROCEDURE, SUIT_CONDITION, "",
	      "cleared at the start: no digest, no match");

	/* { 1: {14: 5}, 2: {14: 6} }, after which component 2 is the current one */
	seq_init(&s);
	seq_all(&s);
	seq_digest(&s, 0xa1);
	seq_open(&s, SUIT_OVERRIDE_MULTIPLE);
	scbor_put_map(&s.o, 2);
	for (uint64_t i = 1; i <= 2; i++) {
		scbor_put_uint(&s.o, i);
		scbor_put_map(&s.o, 1);
		scbor_put_int(&s.o, SUIT_PARAM_SIZE);
		scbor_put_uint(&s.o, 4 + i);
	}
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	seq_list(&s, 2, 1);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	installs(&s, 3, &b, SUIT_OK, "image 2 a1 6;image 2 a1 6;image 1 a1 5;",
		 "override-multiple");

	/* { 0: [14] } from component 0 to 1 */
	seq_init(&s);
	seq_index(&s, 0);
	seq_digest(&s, 0xa0);
	seq_uint(&s, SUIT_PARAM_SIZE, 7);
	seq_index(&s, 1);
	seq_digest(&s, 0xa1);
	seq_open(&s, SUIT_COPY_PARAMS);
	scbor_put_map(&s.o, 1);
	scbor_put_uint(&s.o, 0);
	scbor_put_array(&s.o, 1);
	scbor_put_int(&s.o, SUIT_PARAM_SIZE);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	installs(&s, 2, &b, SUIT_OK, "image 1 a1 7;", "copy-params");
	seq_open(&s, SUIT_COPY_PARAMS);
	scbor_put_map(&s.o, 1);
	scbor_put_uint(&s.o, 0);
	scbor_put_array(&s.o, 1);
	scbor_put_int(&s.o, SUIT_PARAM_URI);
	installs(&s, 2, &b, SUIT_MISSING, "image 1 a1 7;",
		 "copy-params of one that is not set");
}

/* --- indexes ------------------------------------------------------------------------------ */

static void test_indexes(void)
{
	struct seq s, inner;
	struct board b = { 0 };

	seq_init(&s);
	seq_all(&s);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	installs(&s, 8, &b, SUIT_OK,
		 "fetch 0 u;fetch 1 u;fetch 2 u;fetch 3 u;fetch 4 u;fetch 5 u;fetch 6 u;"
		 "fetch 7 u;",
		 "true: all, in order");

	seq_init(&s);
	seq_all(&s);
	seq_uri(&s, "u");
	seq_list(&s, 2, 0);
	seq_command(&s, SUIT_FETCH);
	installs(&s, 3, &b, SUIT_OK, "fetch 2 u;fetch 0 u;", "a list, in its order");
	b.fails = "fetch 2";
	installs(&s, 3, &b, SUIT_OPERATION, "fetch 2 u;", "the first failure ends the list");
	is_int((int64_t)run_state.failed.component, 2, "says which component");
	b.fails = NULL;

	/* A sequence inside is run once for each, with one index; then the list is back. */
	seq_init(&inner);
	seq_command(&inner, SUIT_FETCH);
	seq_index(&inner, 1);
	seq_command(&inner, SUIT_UNLINK);
	seq_init(&s);
	seq_all(&s);
	seq_uri(&s, "u");
	seq_list(&s, 2, 0);
	seq_run(&s, &inner);
	seq_command(&s, SUIT_UNLINK);
	installs(&s, 3, &b, SUIT_OK, "fetch 2 u;unlink 1;fetch 0 u;unlink 1;unlink 2;unlink 0;",
		 "run-sequence in a list");

	/* With one index, what the sequence sets stays. */
	seq_init(&s);
	seq_index(&s, 0);
	seq_uri(&s, "u");
	seq_run(&s, &inner);
	seq_command(&s, SUIT_UNLINK);
	installs(&s, 2, &b, SUIT_OK, "fetch 0 u;unlink 1;unlink 1;", "and with one");
}

/* --- try-each, run-sequence, soft failure ------------------------------------------------- */

/* A condition that holds or not by its digest, then an unlink that shows it was passed. */
static void tests_digest(struct seq *s, uint8_t digest)
{
	seq_init(s);
	seq_digest(s, digest);
	seq_command(s, SUIT_COND_IMAGE_MATCH);
	seq_command(s, SUIT_UNLINK);
}

static void test_try_each(void)
{
	struct seq s, a, c, outer;
	struct board b = { .no = { "image 0 aa" } };

	tests_digest(&a, 0xaa);
	tests_digest(&c, 0xcc);
	seq_init(&s);
	seq_try(&s, &c, &a, false);
	installs(&s, 1, &b, SUIT_OK, "image 0 cc;unlink 0;", "the first that succeeds, alone");
	seq_init(&s);
	seq_try(&s, &a, &c, false);
	installs(&s, 1, &b, SUIT_OK, "image 0 aa;image 0 cc;unlink 0;", "then the next");
	is_int((int64_t)run_state.failed.section, 0, "nothing failed, then");
	seq_init(&s);
	seq_try(&s, &a, &a, false);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;image 0 aa;", "none: it fails");
	seq_init(&s);
	seq_try(&s, &a, &a, true);
	seq_command(&s, SUIT_UNLINK);
	installs(&s, 1, &b, SUIT_OK, "image 0 aa;image 0 aa;unlink 0;", "nil never fails");

	/* What is told is the last failure, and none that was soft. */
	seq_init(&s);
	seq_try(&s, &a, &a, false);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;image 0 aa;", "both fail");
	size_t first = 1 + 1 + 1 + 2 + 1 + 2 + 40;
	ok(run_state.failed.offset > first, "the second is told: %d",
	   (int)run_state.failed.offset);
	seq_init(&s);
	seq_try(&s, &a, &c, false);
	size_t at = 1 + s.o.n;
	seq_command(&s, SUIT_COND_ABORT);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;image 0 cc;unlink 0;", "then an abort");
	ok(run_state.failed.offset == at, "the abort is told");

	/* One inside another: when all inside failed, the next outside is tried. */
	seq_init(&outer);
	seq_try(&outer, &a, &a, false);
	seq_init(&s);
	seq_try(&s, &outer, &c, false);
	installs(&s, 1, &b, SUIT_OK, "image 0 aa;image 0 aa;image 0 cc;unlink 0;", "nested");

	/* A directive that fails ends everything, here too. */
	b.fails = "unlink";
	seq_init(&s);
	seq_try(&s, &c, &c, true);
	installs(&s, 1, &b, SUIT_OPERATION, "image 0 cc;unlink 0;", "a directive failed");
	b.failure = SUIT_CONDITION;
	installs(&s, 1, &b, SUIT_OPERATION, "image 0 cc;unlink 0;",
		 "even one that says it is a condition");
	is_int(run_state.reason, SUIT_REASON_OPERATION, "reason");

	/* So does a condition that cannot be answered. */
	b = (struct board){ .fails = "image", .failure = SUIT_CRYPTO };
	seq_init(&s);
	seq_try(&s, &a, &c, true);
	installs(&s, 1, &b, SUIT_CRYPTO, "image 0 aa;", "no answer is no");
}

/* [2* bstr, ?nil] */
static void test_try_each_takes_two(void)
{
	struct seq s, a;
	struct draft d = { .components = 1, .section = { { 20, &s } } };
	struct suit_envelope e;
	static uint8_t buf[DRAFT_MAX];

	tests_digest(&a, 0xaa);
	seq_init(&s);
	seq_try(&s, &a, NULL, false);
	is_int(draft_decode(&d, buf, &e), SUIT_MALFORMED, "one");
	seq_init(&s);
	seq_try(&s, &a, NULL, true);
	is_int(draft_decode(&d, buf, &e), SUIT_MALFORMED, "one and nil");
	seq_init(&s);
	seq_try(&s, &a, &a, true);
	is_int(draft_decode(&d, buf, &e), SUIT_OK, "two and nil");
	/* With more than one component nothing says which is meant. */
	d.components = 2;
	is_int(draft_decode(&d, buf, &e), SUIT_MISSING, "no index before it");
}

/* Each alternative begins with the index that try-each had. */
static void test_try_each_index(void)
{
	struct seq s, a, c;
	struct board b = { .no = { "image 1 aa" } };

	seq_init(&a);
	seq_index(&a, 1);
	seq_digest(&a, 0xaa);
	seq_command(&a, SUIT_COND_IMAGE_MATCH);
	seq_init(&c);
	seq_command(&c, SUIT_UNLINK);
	seq_init(&s);
	seq_index(&s, 0);
	seq_try(&s, &a, &c, false);
	seq_command(&s, SUIT_UNLINK);
	installs(&s, 2, &b, SUIT_OK, "image 1 aa;unlink 0;unlink 0;", "the index comes back");
	seq_init(&s);
	seq_list(&s, 1, 0);
	seq_try(&s, &a, &c, false);
	installs(&s, 2, &b, SUIT_OK, "image 1 aa;unlink 1;image 1 aa;unlink 0;",
		 "once for each of a list");
}

static void test_soft_failure(void)
{
	struct seq s, a, hard;
	struct board b = { .no = { "image 0 aa" } };

	tests_digest(&a, 0xaa);
	seq_init(&s);
	seq_run(&s, &a);
	seq_command(&s, SUIT_UNLINK);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;", "run-sequence fails hard");

	seq_init(&a);
	seq_bool(&a, SUIT_PARAM_SOFT_FAILURE, true);
	seq_digest(&a, 0xaa);
	seq_command(&a, SUIT_COND_IMAGE_MATCH);
	seq_command(&a, SUIT_UNLINK);
	seq_init(&s);
	seq_run(&s, &a);
	seq_command(&s, SUIT_COND_ABORT);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;", "soft, and on to the abort");
	is_int((int64_t)run_state.failed.offset, (int64_t)(s.o.n - 1), "which is what failed");

	/* It ends with its sequence: one inside does not inherit it. */
	tests_digest(&hard, 0xaa);
	seq_init(&a);
	seq_bool(&a, SUIT_PARAM_SOFT_FAILURE, true);
	seq_run(&a, &hard);
	seq_command(&a, SUIT_UNLINK);
	seq_init(&s);
	seq_run(&s, &a);
	seq_command(&s, SUIT_UNLINK);
	installs(&s, 1, &b, SUIT_OK, "image 0 aa;unlink 0;", "nested: the outer one is soft");

	/* What it has set as the index ends with it too. */
	struct board second = { .no = { "image 1 aa" } };
	seq_init(&a);
	seq_bool(&a, SUIT_PARAM_SOFT_FAILURE, true);
	seq_index(&a, 1);
	seq_digest(&a, 0xaa);
	seq_command(&a, SUIT_COND_IMAGE_MATCH);
	seq_init(&s);
	seq_index(&s, 0);
	seq_uri(&s, "u");
	seq_run(&s, &a);
	seq_command(&s, SUIT_FETCH);
	installs(&s, 2, &second, SUIT_OK, "image 1 aa;fetch 0 u;", "back at its index");

	seq_init(&hard);
	seq_bool(&hard, SUIT_PARAM_SOFT_FAILURE, false);
	seq_digest(&hard, 0xaa);
	seq_command(&hard, SUIT_COND_IMAGE_MATCH);
	seq_init(&s);
	seq_try(&s, &hard, &hard, true);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;", "hard inside try-each");

	seq_init(&s);
	seq_bool(&s, SUIT_PARAM_SOFT_FAILURE, true);
	installs(&s, 1, &b, SUIT_MALFORMED, "", "not outside of one");
}

/* The charge of 1 that is in the battery is not enough. */
static void asks_battery(struct seq *s, bool soft)
{
	seq_init(s);
	if (soft)
		seq_bool(s, SUIT_PARAM_SOFT_FAILURE, true);
	seq_uint(s, SUIT_PARAM_BATTERY, 2);
	seq_command(s, SUIT_COND_MIN_BATTERY);
}

static void asks_consent(struct seq *s)
{
	seq_init(s);
	seq_uint(s, SUIT_PARAM_PRIORITY, 7);
	seq_command(s, SUIT_COND_AUTHORIZED);
}

static void ends_for(const struct seq *s, enum suit_rc want, const char *trace, int not_yet,
		     const char *what)
{
	struct board b = { .no = { "image 0 aa", "authorized" }, .battery = 1 };

	installs(s, 1, &b, want, trace, what);
	is_int(run_state.not_yet, not_yet, what);
}

/* What may hold later is told where it ended the run, or barred a way that was tried in vain.
 */
static void test_not_yet(void)
{
	struct seq s, charge, consent, image, abort, inner;

	asks_battery(&charge, false);
	asks_consent(&consent);
	tests_digest(&image, 0xaa);
	seq_init(&abort);
	seq_command(&abort, SUIT_COND_ABORT);
	ends_for(&charge, SUIT_CONDITION, "battery 0;", SUIT_COND_MIN_BATTERY, "the battery");
	ends_for(&consent, SUIT_CONDITION, "authorized 0 7;", SUIT_COND_AUTHORIZED, "consent");
	ends_for(&image, SUIT_CONDITION, "image 0 aa;", 0, "an image");
	seq_init(&s);
	seq_command(&s, SUIT_COND_MIN_BATTERY);
	ends_for(&s, SUIT_CONDITION, "", 0, "no charge is named: none will do");

	seq_init(&s);
	seq_try(&s, &charge, &image, false);
	ends_for(&s, SUIT_CONDITION, "battery 0;image 0 aa;", SUIT_COND_MIN_BATTERY,
		 "the other way fails");
	seq_init(&s);
	seq_try(&s, &charge, &image, true);
	ends_for(&s, SUIT_OK, "battery 0;image 0 aa;", 0, "none need succeed");
	seq_command(&s, SUIT_COND_ABORT);
	ends_for(&s, SUIT_CONDITION, "battery 0;image 0 aa;", 0,
		 "and then something else fails");

	/* Only what barred the way that went on is forgotten. */
	seq_init(&inner);
	seq_try(&inner, &consent, &image, true);
	seq_command(&inner, SUIT_COND_ABORT);
	seq_init(&s);
	seq_try(&s, &charge, &inner, false);
	ends_for(&s, SUIT_CONDITION, "battery 0;authorized 0 7;image 0 aa;",
		 SUIT_COND_MIN_BATTERY, "passed inside, barred outside");
	seq_init(&s);
	seq_try(&s, &inner, &abort, false);
	ends_for(&s, SUIT_CONDITION, "authorized 0 7;image 0 aa;", 0,
		 "passed inside, and in vain");

	asks_battery(&charge, true);
	seq_init(&s);
	seq_run(&s, &charge);
	seq_command(&s, SUIT_COND_ABORT);
	ends_for(&s, SUIT_CONDITION, "battery 0;", 0, "soft in a sequence of its own");
}

/* Where the order is free, what is written is not read. */
static void test_strict_order(void)
{
	struct seq s, inner;
	struct board b = { 0 };

	for (int strict = 0; strict < 2; strict++) {
		seq_init(&s);
		seq_bool(&s, SUIT_PARAM_STRICT_ORDER, strict);
		seq_index(&s, 1);
		seq_uri(&s, "u");
		seq_command(&s, SUIT_FETCH);
		seq_index(&s, 0);
		seq_uint(&s, SUIT_PARAM_SOURCE, 1);
		seq_command(&s, SUIT_COPY);
		seq_init(&inner);
		/* The parameter needs an index before it. */
		seq_index(&inner, 0);
		scbor_put_raw(&inner.o, scbor_out_bytes(&s.o));
		inner.items += s.items;
		if (strict)
			installs(&inner, 2, &b, SUIT_OK, "fetch 1 u;copy 0<1;", "strict");
		else
			installs(&inner, 2, &b, SUIT_MALFORMED, "fetch 1 u;", "a race");
	}
}

/* --- bounds ------------------------------------------------------------------------------- */

/* Sequences that run each other over and over come to an end. */
static void test_steps(void)
{
	static struct seq inner, s;
	struct board b = { 0 };

	seq_init(&inner);
	seq_digest(&inner, 1);
	for (int depth = 0; depth < 6; depth++) {
		seq_init(&s);
		seq_all(&s);
		seq_run(&s, &inner);
		seq_run(&s, &inner);
		inner = s;
		inner.o.p = inner.body;
	}
	installs(&s, 8, &b, SUIT_TOO_LARGE, "", "2^6 times 8^7 runs");
	is_int(run_state.steps, SUIT_STEPS_MAX + 1, "ended at the limit");
}

/* Parameters fill the pool, and no further. */
static void test_parameter_pool(void)
{
	static const enum suit_parameter keys[] = {
		SUIT_PARAM_SLOT,   SUIT_PARAM_SIZE,    SUIT_PARAM_USE_BEFORE,
		SUIT_PARAM_SOURCE, SUIT_PARAM_BATTERY, SUIT_PARAM_PRIORITY
	};
	struct board b = { 0 };
	struct seq s;

	seq_init(&s);
	seq_all(&s);
	for (size_t i = 0; i < 6; i++)
		seq_uint(&s, keys[i], 1);
	for (int k = 0; k < 3; k++)
		seq_id(&s,
		       k == 0   ? SUIT_PARAM_VENDOR
		       : k == 1 ? SUIT_PARAM_CLASS
				: SUIT_PARAM_DEVICE,
		       1);
	seq_digest(&s, 1);
	seq_uri(&s, "u");
	seq_bytes(&s, SUIT_PARAM_CONTENT, seq_chars("c"));
	seq_bytes(&s, SUIT_PARAM_VERSION, seq_chars("\x82\x03\x81\x01"));
	seq_bytes(&s, SUIT_PARAM_INVOKE_ARGS, seq_chars("c"));
	seq_bytes(&s, SUIT_PARAM_FETCH_ARGS, seq_chars("c"));
	seq_bytes(&s, SUIT_PARAM_WAIT, seq_chars("\xa1\x02\x01"));
	seq_command(&s, SUIT_FETCH);
	installs(&s, 8, &b, SUIT_OK,
		 "fetch 0 u 01;fetch 1 u 01;fetch 2 u 01;fetch 3 u 01;fetch 4 u 01;"
		 "fetch 5 u 01;fetch 6 u 01;fetch 7 u 01;",
		 "sixteen for each of eight components");
	seq_index(&s, 7);
	seq_bytes(&s, SUIT_PARAM_METADATA, seq_chars("\xa1\x05\x01"));
	b.n = 0;
	installs(&s, 8, &b, SUIT_TOO_LARGE,
		 "fetch 0 u 01;fetch 1 u 01;fetch 2 u 01;fetch 3 u 01;fetch 4 u 01;"
		 "fetch 5 u 01;fetch 6 u 01;fetch 7 u 01;",
		 "one more");
}

/* With the flag, nothing is done for a manifest that has not asked whose device this is. */
static void test_identity_first(void)
{
	struct suit_platform p = *board_platform();
	static uint8_t buf[DRAFT_MAX];
	struct suit_envelope e;

	p.identity_first = true;
	for (int with = 0; with < 4; with++) {
		struct board b = { 0 };
		struct seq s;
		seq_init(&s);
		seq_id(&s, SUIT_PARAM_VENDOR, 1);
		seq_id(&s, SUIT_PARAM_CLASS, 2);
		if (with & 1)
			seq_command(&s, SUIT_COND_VENDOR);
		if (with & 2)
			seq_command(&s, SUIT_COND_CLASS);
		seq_uri(&s, "u");
		seq_command(&s, SUIT_FETCH);
		struct draft d = { .components = 1, .section = { { 20, &s } } };
		is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
		is_int(suit_process(&e, SUIT_UPDATE_PROCEDURE, &p, &b, &run_state),
		       with == 3 ? SUIT_OK : SUIT_MISSING, "identity first");
		ok((strstr(b.trace, "fetch") != NULL) == (with == 3), "fetched: %s", b.trace);
	}
}

static enum suit_rc refuse_second(void *ctx, const struct suit_target *t)
{
	(void)ctx;
	return t->id->segment[0].p[0] == 1 ? SUIT_KEY : SUIT_OK;
}

/* A component that the author may not touch ends it before anything is done. */
static void test_component_refused(void)
{
	struct suit_platform p = *board_platform();
	static uint8_t buf[DRAFT_MAX];
	struct suit_envelope e;
	struct board b = { 0 };
	struct seq s;

	p.component = refuse_second;
	seq_init(&s);
	seq_index(&s, 0);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	struct draft d = { .components = 2, .section = { { 20, &s } } };
	is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
	is_int(suit_process(&e, SUIT_UPDATE_PROCEDURE, &p, &b, &run_state), SUIT_KEY,
	       "another author's component");
	is_int(run_state.reason, SUIT_REASON_COMPONENT_UNAUTHORISED, "reason");
	is_str(b.trace, "", "nothing was done");
}

int main(void)
{
	test_sections();
	test_severed_away();
	test_parameters();
	test_indexes();
	test_try_each();
	test_try_each_takes_two();
	test_try_each_index();
	test_soft_failure();
	test_not_yet();
	test_strict_order();
	test_steps();
	test_parameter_pool();
	test_identity_first();
	test_component_refused();
	return tap_done();
}
