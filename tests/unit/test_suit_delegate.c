/* A manifest that a delegate alone has signed: what it may command, and what of it reaches the
 * author's manifest that it depends on. */

#include "tests/tap.h"
#include "tests/unit/suit_board.h"
#include "tests/unit/suit_seq.h"

static uint8_t root_buf[DRAFT_MAX], dep_buf[DRAFT_MAX];
static struct suit_envelope root, dep;

static bool root_is(void *ctx, const struct suit_envelope *e)
{
	(void)ctx;
	return e == &root;
}

static bool both_are(void *ctx, const struct suit_envelope *e)
{
	(void)ctx;
	return e == &root || e == &dep;
}

static struct suit_platform platform_of(bool (*delegated)(void *, const struct suit_envelope *))
{
	struct suit_platform p = *board_platform();

	p.delegated = delegated;
	return p;
}

static void runs(const struct seq *install, const struct suit_platform *p, enum suit_rc want,
		 const char *trace, const char *name)
{
	struct board b = { .dependency = { NULL, NULL, &dep } };
	struct draft d = { .components = 2, .dependency = 4, .section = { { 20, install } } };

	is_int(draft_decode(&d, root_buf, &root), SUIT_OK, "decodes");
	enum suit_rc rc = suit_process(&root, SUIT_UPDATE_PROCEDURE, p, &b, &run_state);
	ok(rc == want, "%s: %s", name, suit_rc_text(rc));
	is_str(b.trace, trace, name);
}

static void seq_admits(struct seq *s)
{
	seq_index(s, 2);
	seq_parameter(s, SUIT_PARAM_DIGEST);
	put_digest(&s->o, &dep.digest);
	seq_command(s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(s, SUIT_PROCESS_DEPENDENCY);
}

static void test_it_does_nothing_itself(void)
{
	static const int64_t deeds[] = { SUIT_WRITE, SUIT_FETCH,  SUIT_COPY, SUIT_DO_INVOKE,
					 SUIT_WAIT,  SUIT_UNLINK, SUIT_SWAP, -257 };
	struct suit_platform author = *board_platform(), delegate = platform_of(root_is);
	struct seq s;

	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		char name[40];

		snprintf(name, sizeof(name), "command %d", (int)deeds[i]);
		seq_init(&s);
		seq_index(&s, 0);
		seq_uri(&s, "u");
		seq_uint(&s, SUIT_PARAM_SOURCE, 1);
		seq_bytes(&s, SUIT_PARAM_CONTENT, seq_chars("c"));
		seq_bytes(&s, SUIT_PARAM_WAIT, seq_chars("\xa1\x02\x01"));
		seq_command(&s, deeds[i]);
		runs(&s, &delegate, SUIT_KEY, "", name);
		is_int(run_state.reason, SUIT_REASON_UNAUTHORISED, "reason");
		struct board b = { .dependency = { NULL, NULL, &dep } };
		is_int(suit_process(&root, SUIT_UPDATE_PROCEDURE, &author, &b, &run_state),
		       SUIT_OK, "an author may");
	}
	seq_init(&s);
	seq_index(&s, 2);
	seq_uri(&s, "u");
	seq_command(&s, SUIT_FETCH);
	runs(&s, &delegate, SUIT_MISSING, "fetch 2 u;",
	     "a dependency is fetched, and not used");
	seq_command(&s, SUIT_UNLINK);
	runs(&s, &delegate, SUIT_KEY, "fetch 2 u;", "and not changed otherwise");
	for (int c = 0; c < 40; c++)
		ok(suit_delegate_may((enum suit_command)c, false) ==
			   (c == SUIT_PROCESS_DEPENDENCY),
		   "command %d", c);
}

/* The author's: everything that gives way to a dependent gives way to nothing of a delegate's
 * but the encryption info. */
static void test_what_reaches_the_author(void)
{
	static const uint8_t info[] = { 0xd8, 0x60, 0x84, 0x40, 0xa0, 0xf6,
					0x81, 0x83, 0x40, 0xa0, 0x40 };
	struct suit_digest good = digest_of(0xd1);
	struct suit_platform author = *board_platform(), delegate = platform_of(root_is);
	struct seq install, s;

	seq_init(&install);
	seq_index(&install, 0);
	seq_parameter_by(&install, SUIT_SET_PARAMETERS, SUIT_PARAM_URI);
	scbor_put_text(&install.o, seq_chars("theirs"));
	seq_parameter_by(&install, SUIT_SET_PARAMETERS, SUIT_PARAM_DIGEST);
	put_digest(&install.o, &good);
	seq_command(&install, SUIT_FETCH);
	seq_parameter_by(&install, SUIT_SET_PARAMETERS, SUIT_PARAM_SOURCE);
	scbor_put_uint(&install.o, 1);
	seq_command(&install, SUIT_COPY);
	struct draft inner = { .components = 2, .section = { { 20, &install } } };
	is_int(draft_decode(&inner, dep_buf, &dep), SUIT_OK, "decodes");

	seq_init(&s);
	seq_index(&s, 0);
	seq_uri(&s, "ours");
	seq_digest(&s, 0xd2);
	seq_bytes(&s, SUIT_PARAM_ENCRYPTION, (struct suit_bytes){ info, sizeof(info) });
	seq_admits(&s);
	runs(&s, &author, SUIT_OK,
	     "dependency 2;dependency 2;fetch 0 ours d2;copy 0<1 d2 decrypt;dependency 2;",
	     "an author's dependent sets what it wants");
	runs(&s, &delegate, SUIT_OK,
	     "dependency 2;dependency 2;fetch 0 theirs d1;copy 0<1 d1 decrypt;dependency 2;"
	     "dependency 2;",
	     "a delegate the encryption info alone");
}

static void test_its_dependency_is_an_authors(void)
{
	struct suit_platform both = platform_of(both_are);
	struct draft inner = { .components = 1 };
	struct seq s;

	is_int(draft_decode(&inner, dep_buf, &dep), SUIT_OK, "decodes");
	seq_init(&s);
	seq_admits(&s);
	runs(&s, &both, SUIT_KEY, "dependency 2;", "not another delegate's");
	is_int(run_state.reason, SUIT_REASON_UNAUTHORISED, "reason");
}

/* Whom an update is for, its author says. */
static void test_conditions_are_the_authors_own(void)
{
	struct suit_platform author = *board_platform(), delegate = platform_of(root_is);
	struct seq install, s;

	author.identity_first = delegate.identity_first = true;
	seq_init(&install);
	seq_index(&install, 0);
	seq_command(&install, SUIT_UNLINK);
	struct draft inner = { .components = 1, .section = { { 20, &install } } };
	is_int(draft_decode(&inner, dep_buf, &dep), SUIT_OK, "decodes");
	seq_init(&s);
	seq_index(&s, 0);
	seq_id(&s, SUIT_PARAM_VENDOR, 0xa1);
	seq_id(&s, SUIT_PARAM_CLASS, 0xa2);
	seq_command(&s, SUIT_COND_VENDOR);
	seq_command(&s, SUIT_COND_CLASS);
	seq_admits(&s);
	runs(&s, &author, SUIT_OK,
	     "vendor 0 a1;class 0 a2;dependency 2;dependency 2;unlink 0;dependency 2;",
	     "an author's conditions hold below");
	runs(&s, &delegate, SUIT_MISSING, "vendor 0 a1;class 0 a2;dependency 2;dependency 2;",
	     "a delegate's do not");
}

static void whole(const struct draft *d, struct board *b, enum suit_rc want, const char *name)
{
	struct suit_platform p = platform_of(root_is);

	b->dependency[2] = &dep;
	is_int(draft_decode(d, root_buf, &root), SUIT_OK, "decodes");
	enum suit_rc rc = suit_process(&root, SUIT_UPDATE_PROCEDURE, &p, b, &run_state);
	ok(rc == want, "%s: %s, %s", name, suit_rc_text(rc), b->trace);
}

/* Yields what lets devices into it. */
static void author_is(const struct draft *d, struct seq *ret_admits)
{
	is_int(draft_decode(d, dep_buf, &dep), SUIT_OK, "decodes");
	seq_init(ret_admits);
	seq_admits(ret_admits);
}

static void seq_fetches(struct seq *s)
{
	seq_init(s);
	seq_index(s, 2);
	seq_uri(s, "u");
	seq_command(s, SUIT_FETCH);
}

/* Every section of the author's runs, to its end: what it would refuse is not passed over. */
static void test_nothing_of_the_authors_is_left_out(void)
{
	struct seq fetches, admits, tries, deeds, refuses, halfway;
	struct draft inner = { .components = 1,
			       .section = { { 7, &refuses }, { 20, &deeds } } };
	struct draft d = { .components = 1, .dependency = 4 };

	seq_init(&refuses);
	seq_command(&refuses, SUIT_COND_SLOT);
	seq_init(&deeds);
	seq_command(&deeds, SUIT_UNLINK);
	seq_init(&halfway);
	seq_command(&halfway, SUIT_UNLINK);
	seq_command(&halfway, SUIT_COND_ABORT);

	author_is(&inner, &admits);
	seq_fetches(&fetches);
	d.section[0] = (struct draft_section){ 7, &fetches };
	d.section[1] = (struct draft_section){ 20, &admits };
	whole(&d, &(struct board){ 0 }, SUIT_MISSING, "fetched again, so that it is not known");
	seq_admits(&fetches);
	whole(&d, &(struct board){ 0 }, SUIT_CONDITION, "it is run, and does not hold");

	inner.section[0] = (struct draft_section){ 16, &refuses };
	author_is(&inner, &admits);
	d.section[0] = (struct draft_section){ 20, &admits };
	d.section[1].key = 0;
	whole(&d, &(struct board){ 0 }, SUIT_MISSING, "known too late");

	inner.section[0] = (struct draft_section){ 20, &halfway };
	inner.section[1].key = 0;
	author_is(&inner, &admits);
	seq_fetches(&fetches);
	seq_init(&tries);
	seq_try(&tries, &admits, &fetches, false);
	d.section[0] = (struct draft_section){ 20, &tries };
	whole(&d, &(struct board){ 0 }, SUIT_MISSING, "half of it, and then another way");
	seq_init(&tries);
	seq_try(&tries, &admits, &admits, true);
	whole(&d, &(struct board){ 0 }, SUIT_MISSING, "half of it, and then none");

	inner.section[0] = (struct draft_section){ 20, NULL };
	author_is(&inner, &admits);
	seq_init(&tries);
	seq_index(&tries, 2);
	seq_parameter(&tries, SUIT_PARAM_DIGEST);
	put_digest(&tries.o, &dep.digest);
	seq_command(&tries, SUIT_COND_DEPENDENCY_INTEGRITY);
	whole(&d, &(struct board){ 0 }, SUIT_MISSING, "severed away");
}

int main(void)
{
	test_it_does_nothing_itself();
	test_what_reaches_the_author();
	test_its_dependency_is_an_authors();
	test_conditions_are_the_authors_own();
	test_nothing_of_the_authors_is_left_out();
	return tap_done();
}
