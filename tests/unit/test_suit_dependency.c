/* Dependencies: found, verified and processed for the manifest that names them, section by
 * section, and never without that. */

#include "tests/tap.h"
#include "tests/unit/suit_board.h"
#include "tests/unit/suit_seq.h"

static uint8_t root_buf[DRAFT_MAX], dep_buf[DRAFT_MAX];
static struct suit_envelope root, dep;

static void decodes(const struct draft *d, uint8_t *buf, struct suit_envelope *e)
{
	is_int(draft_decode(d, buf, e), SUIT_OK, "decodes");
}

/* After each section without it, a dependency is asked whether it had needed one: so traces end
 * with "dependency 1". Indexes of the root: 0 a component, 1 the dependency, whose own
 * component 0 is the same. */
static void seq_of_dependency(struct seq *s)
{
	seq_init(s);
	seq_index(s, 1);
	seq_parameter(s, SUIT_PARAM_DIGEST);
	put_digest(&s->o, &dep.digest);
}

static void runs(struct board *b, const struct suit_platform *p, enum suit_rc want,
		 const char *trace, const char *name)
{
	b->n = 0;
	b->trace[0] = '\0';
	if (!b->dependency[1])
		b->dependency[1] = &dep;
	enum suit_rc rc = suit_process(&root, SUIT_UPDATE_PROCEDURE, p, b, &run_state);
	ok(rc == want, "%s: %s", name, suit_rc_text(rc));
	is_str(b->trace, trace, name);
}

static void fetches(struct seq *s, const char *uri)
{
	seq_init(s);
	seq_uri(s, uri);
	seq_command(s, SUIT_FETCH);
}

/* The dependency: fetches in 16, installs in 20 what it says itself. */
static void dependency_decode(struct seq *shared, struct seq *fetch, struct seq *install)
{
	struct draft d = { .components = 1,
			   .shared = shared,
			   .section = { { 16, fetch }, { 20, install } } };

	decodes(&d, dep_buf, &dep);
}

static void test_sections(void)
{
	struct seq shared, fetch, install, resolve, s16, s20;
	struct board b = { 0 };

	seq_init(&shared);
	seq_digest(&shared, 0xd0);
	fetches(&fetch, "dep");
	seq_init(&install);
	seq_command(&install, SUIT_COND_IMAGE_MATCH);
	dependency_decode(&shared, &fetch, &install);

	seq_of_dependency(&resolve);
	seq_uri(&resolve, "d");
	seq_command(&resolve, SUIT_FETCH);
	seq_command(&resolve, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&resolve, SUIT_PROCESS_DEPENDENCY);
	seq_init(&s16);
	seq_index(&s16, 1);
	seq_command(&s16, SUIT_PROCESS_DEPENDENCY);
	s20 = s16;
	s20.o.p = s20.body;
	seq_index(&s20, 0);
	seq_command(&s20, SUIT_UNLINK);
	struct draft d = { .components = 1,
			   .dependency = 2,
			   .section = { { 15, &resolve }, { 16, &s16 }, { 20, &s20 } } };
	decodes(&d, root_buf, &root);
	char start[100];
	snprintf(start, sizeof(start), "fetch 1 d %02x;", dep.digest.b[0]);
	char want[300];
	snprintf(want, sizeof(want), "%s%s", start,
		 "dependency 1;dependency 1;dependency 1;fetch 0 dep d0;"
		 "dependency 1;dependency 1;image 0 d0;unlink 0;dependency 1;");
	runs(&b, board_platform(), SUIT_OK, want,
	     "verified once, processed in each section, and the root goes on after it");

	/* What it sets is kept for the dependent, and where it failed is told by the way. */
	b.no[0] = "image 0 d0";
	snprintf(want, sizeof(want), "%s%s", start,
		 "dependency 1;dependency 1;dependency 1;fetch 0 dep d0;"
		 "dependency 1;dependency 1;image 0 d0;");
	runs(&b, board_platform(), SUIT_CONDITION, want, "a condition inside fails it all");
	ok(run_state.failed.depth == 1 && run_state.failed.dependency[0] == 1 &&
		   run_state.failed.section == 20 && run_state.failed.offset == 1,
	   "by the dependency's section and offset");
}

/* Everything that is no verified dependency of this manifest is not run. */
static void test_refused(void)
{
	struct seq install, s;
	struct board b = { 0 };

	fetches(&install, "dep");
	struct draft plain = { .components = 1, .section = { { 20, &install } } };
	decodes(&plain, dep_buf, &dep);
	struct draft d = { .components = 1, .dependency = 2, .section = { { 20, &s } } };

	seq_of_dependency(&s);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_MISSING, "", "not verified");

	seq_of_dependency(&s);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_uri(&s, "d");
	seq_command(&s, SUIT_FETCH);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	decodes(&d, root_buf, &root);
	char want[100];
	snprintf(want, sizeof(want), "dependency 1;fetch 1 d %02x;", dep.digest.b[0]);
	runs(&b, board_platform(), SUIT_MISSING, want, "verified, then fetched again");

	seq_of_dependency(&s);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_MISSING, "dependency 1;dependency 1;",
	     "verified, but its section is left out");
	is_int((int64_t)run_state.failed.section, 20, "says where");

	seq_init(&s);
	seq_index(&s, 1);
	seq_digest(&s, 0xee);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_DIGEST, "dependency 1;", "another manifest");

	struct seq soft, nothing;
	seq_init(&soft);
	seq_digest(&soft, 0xee);
	seq_command(&soft, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_init(&nothing);
	seq_init(&s);
	seq_index(&s, 1);
	seq_try(&s, &soft, &nothing, true);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_DIGEST, "dependency 1;", "nor softly");
	b.fails = "dependency";
	b.failure = SUIT_SIGNATURE;
	runs(&b, board_platform(), SUIT_SIGNATURE, "dependency 1;", "a signature");
	is_int(run_state.reason, SUIT_REASON_UNAUTHORISED, "reason");
	b = (struct board){ 0 };

	seq_init(&s);
	seq_index(&s, 0);
	seq_digest(&s, 0xee);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_MALFORMED, "", "a component is no dependency");

	seq_init(&s);
	seq_index(&s, 0);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_MISSING, "", "and cannot be processed");
	struct suit_platform p = *board_platform();
	p.dependency = NULL;
	seq_of_dependency(&s);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	decodes(&d, root_buf, &root);
	runs(&b, &p, SUIT_UNSUPPORTED, "", "a platform without dependencies");
}

/* Parameters of one component are shared: set-parameters of the dependent come first. */
static void test_parameters_cross(void)
{
	struct seq install, s;
	struct board b = { 0 };

	seq_init(&install);
	seq_parameter_by(&install, SUIT_SET_PARAMETERS, SUIT_PARAM_URI);
	scbor_put_text(&install.o, seq_chars("theirs"));
	seq_digest(&install, 0xd1);
	seq_command(&install, SUIT_FETCH);
	struct draft inner = { .components = 1, .section = { { 20, &install } } };
	decodes(&inner, dep_buf, &dep);

	seq_init(&s);
	seq_index(&s, 0);
	seq_parameter_by(&s, SUIT_SET_PARAMETERS, SUIT_PARAM_URI);
	scbor_put_text(&s.o, seq_chars("ours"));
	seq_digest(&s, 0xd2);
	seq_index(&s, 1);
	seq_parameter(&s, SUIT_PARAM_DIGEST);
	put_digest(&s.o, &dep.digest);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	seq_index(&s, 0);
	seq_command(&s, SUIT_FETCH);
	struct draft d = { .components = 1, .dependency = 2, .section = { { 20, &s } } };
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_OK,
	     "dependency 1;dependency 1;fetch 0 ours d1;fetch 0 ours d1;dependency 1;",
	     "a URI may be overridden, a digest not");

	/* With prefixes, a dependency's components are others than ours. */
	struct suit_platform p = *board_platform();
	p.prefixes = true;
	d.prefix = seq_chars("sub");
	decodes(&d, root_buf, &root);
	runs(&b, &p, SUIT_OK,
	     "dependency 1;dependency 1;fetch 0 theirs d1;fetch 0 ours d2;dependency 1;",
	     "under a prefix");
	runs(&b, board_platform(), SUIT_OK,
	     "dependency 1;dependency 1;fetch 0 ours d1;fetch 0 ours d1;dependency 1;",
	     "a prefix that nobody heeds");
}

/* The component index is what it was, after a dependency has set its own. */
static void test_index_comes_back(void)
{
	struct seq install, s;
	struct board b = { 0 };

	seq_init(&install);
	seq_index(&install, 2);
	seq_command(&install, SUIT_UNLINK);
	struct draft inner = { .components = 3, .section = { { 20, &install } } };
	decodes(&inner, dep_buf, &dep);
	seq_of_dependency(&s);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	seq_command(&s, SUIT_COND_IS_DEPENDENCY);
	struct draft d = { .components = 1, .dependency = 2, .section = { { 20, &s } } };
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_OK, "dependency 1;dependency 1;unlink 2;dependency 1;",
	     "the index comes back");
}

/* A prefix holds for what a dependency depends on, too; one before another is refused. */
static enum suit_rc by_depth(void *ctx, const struct suit_target *t,
			     const struct suit_envelope **ret)
{
	const struct suit_envelope *inner = ctx;

	*ret = t->envelope == &root ? &dep : inner;
	return SUIT_OK;
}

static enum suit_rc prefix_seen(void *ctx, const struct suit_target *t)
{
	(void)ctx;
	return t->prefix.n == 5 ? SUIT_OK : SUIT_CRYPTO;
}

static void test_prefix_deeper(void)
{
	static uint8_t inner_buf[DRAFT_MAX];
	struct suit_envelope inner;
	struct suit_platform p = { .prefixes = true,
				   .dependency = by_depth,
				   .unlink = prefix_seen };
	struct seq last, middle, s;

	seq_init(&last);
	seq_command(&last, SUIT_UNLINK);
	struct draft d = { .components = 1, .section = { { 20, &last } } };
	decodes(&d, inner_buf, &inner);
	for (int twice = 0; twice < 2; twice++) {
		seq_init(&middle);
		seq_index(&middle, 1);
		seq_parameter(&middle, SUIT_PARAM_DIGEST);
		put_digest(&middle.o, &inner.digest);
		seq_command(&middle, SUIT_COND_DEPENDENCY_INTEGRITY);
		seq_command(&middle, SUIT_PROCESS_DEPENDENCY);
		d = (struct draft){ .components = 1,
				    .dependency = 2,
				    .prefix =
					    twice ? seq_chars("two") : (struct suit_bytes){ 0 },
				    .section = { { 20, &middle } } };
		decodes(&d, dep_buf, &dep);
		seq_of_dependency(&s);
		seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
		seq_command(&s, SUIT_PROCESS_DEPENDENCY);
		d = (struct draft){ .components = 1,
				    .dependency = 2,
				    .prefix = seq_chars("one"),
				    .section = { { 20, &s } } };
		decodes(&d, root_buf, &root);
		is_int(suit_process(&root, SUIT_UPDATE_PROCEDURE, &p, &inner, &run_state),
		       twice ? SUIT_UNSUPPORTED : SUIT_OK,
		       twice ? "a prefix before a prefix" : "the prefix goes down");
	}
}

/* A source index counts in the manifest that set it, so nobody else may use it. */
static void test_source_crosses_not(void)
{
	struct seq install, s;
	struct board b = { 0 };

	seq_init(&install);
	seq_index(&install, 0);
	seq_command(&install, SUIT_COPY);
	struct draft inner = { .components = 2, .section = { { 20, &install } } };
	decodes(&inner, dep_buf, &dep);
	seq_init(&s);
	seq_index(&s, 0);
	seq_uint(&s, SUIT_PARAM_SOURCE, 1);
	seq_index(&s, 1);
	seq_parameter(&s, SUIT_PARAM_DIGEST);
	put_digest(&s.o, &dep.digest);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	struct draft d = { .components = 1, .dependency = 2, .section = { { 20, &s } } };
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_UNSUPPORTED, "dependency 1;dependency 1;",
	     "a source index of another manifest");
}

/* Nor does its dependent, though the dependency's bytes lie inside of its own envelope. */
static void test_source_crosses_not_back(void)
{
	struct seq install, s;
	struct board b = { 0 };

	seq_init(&install);
	seq_index(&install, 0);
	seq_uint(&install, SUIT_PARAM_SOURCE, 1);
	struct draft inner = { .components = 2, .section = { { 20, &install } } };
	decodes(&inner, dep_buf, &dep);
	seq_of_dependency(&s);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	seq_index(&s, 0);
	seq_command(&s, SUIT_COPY);
	struct draft d = { .components = 1,
			   .dependency = 2,
			   .section = { { 20, &s } },
			   .payload = "#d",
			   .content = dep.whole };
	decodes(&d, root_buf, &root);
	is_int((int64_t)root.payload_count, 1, "the dependency is inside");
	is_int(suit_envelope_decode(&suit_crypto_openssl, root.payload[0].content, &dep),
	       SUIT_OK, "decodes");
	runs(&b, board_platform(), SUIT_UNSUPPORTED, "dependency 1;dependency 1;",
	     "a source index of the dependency");
}

/* All components with true, dependencies told from the others. */
static void test_is_dependency(void)
{
	struct seq s, a, c;
	struct board b = { 0 };
	struct draft inner = { .components = 1 };

	decodes(&inner, dep_buf, &dep);
	seq_init(&a);
	seq_command(&a, SUIT_COND_IS_DEPENDENCY);
	seq_command(&a, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_init(&c);
	seq_command(&c, SUIT_UNLINK);
	seq_init(&s);
	seq_all(&s);
	seq_parameter(&s, SUIT_PARAM_DIGEST);
	put_digest(&s.o, &dep.digest);
	seq_try(&s, &a, &c, false);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	struct draft d = { .components = 3, .dependency = 2, .section = { { 20, &s } } };
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_OK,
	     "unlink 0;dependency 1;unlink 2;dependency 1;dependency 1;",
	     "one of three is a dependency, and \"all\" processes it alone");

	/* image-match of a dependency looks at its manifest's digest. */
	seq_of_dependency(&s);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	seq_digest(&s, 0xee);
	seq_command(&s, SUIT_COND_IMAGE_NOT_MATCH);
	seq_command(&s, SUIT_COND_IMAGE_MATCH);
	decodes(&d, root_buf, &root);
	runs(&b, board_platform(), SUIT_CONDITION, "dependency 1;dependency 1;dependency 1;",
	     "image-match by the manifest's digest");
	struct suit_bytes m = run_state.failed.measured;
	ok(m.n == 4 + 36 && memcmp(m.p + m.n - 32, dep.digest.b, 32) == 0,
	   "the actual one was measured");
	b.no[0] = "dependency";
	runs(&b, board_platform(), SUIT_CONDITION, "dependency 1;", "none there: no match");
}

/* A dependency that depends on itself, as far as its digest lets it, comes to an end. */
static enum suit_rc itself(void *ctx, const struct suit_target *t,
			   const struct suit_envelope **ret)
{
	struct suit_envelope *e = ctx;

	(void)t;
	*ret = e;
	return SUIT_OK;
}

static void test_depth(void)
{
	static const struct suit_platform p = { .dependency = itself };
	struct seq s;

	seq_init(&s);
	seq_index(&s, 1);
	seq_digest(&s, 0xee);
	seq_command(&s, SUIT_COND_DEPENDENCY_INTEGRITY);
	seq_command(&s, SUIT_PROCESS_DEPENDENCY);
	struct draft d = { .components = 1, .dependency = 2, .section = { { 20, &s } } };
	decodes(&d, root_buf, &root);
	root.digest = digest_of(0xee); /* which no manifest can have */
	is_int(suit_process(&root, SUIT_UPDATE_PROCEDURE, &p, &root, &run_state),
	       SUIT_TOO_LARGE, "too deep");
	is_int((int64_t)run_state.failed.depth, SUIT_NESTED_MAX, "at the bound");
	for (int i = 0; i < SUIT_NESTED_MAX; i++)
		is_int(run_state.failed.dependency[i], 1, "its way");
}

int main(void)
{
	test_sections();
	test_refused();
	test_parameters_cross();
	test_index_comes_back();
	test_prefix_deeper();
	test_source_crosses_not();
	test_source_crosses_not_back();
	test_is_dependency();
	test_depth();
	return tap_done();
}
