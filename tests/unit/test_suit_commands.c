/* Each condition and directive of the processor, with and without what it needs. */

#include "tests/tap.h"
#include "tests/unit/suit_board.h"
#include "tests/unit/suit_seq.h"

/* --- conditions --------------------------------------------------------------------------- */

struct condition_case {
	enum suit_command command;
	enum suit_parameter key;
	uint64_t value;
	const char *trace;
};

/* Each with its parameter, on a board where it holds and on one where it does not. */
static void test_conditions_of_numbers(void)
{
	static const struct condition_case cases[] = {
		{ SUIT_COND_SLOT, SUIT_PARAM_SLOT, 5, "slot 0;" },
		{ SUIT_COND_USE_BEFORE, SUIT_PARAM_USE_BEFORE, 101, "now 0;" },
		{ SUIT_COND_MIN_BATTERY, SUIT_PARAM_BATTERY, 20, "battery 0;" },
		{ SUIT_COND_AUTHORIZED, SUIT_PARAM_PRIORITY, 3, "authorized 0 3;" },
	};
	struct board good = { .slot = 5, .now = 100, .battery = 20 };
	struct board bad = { .slot = 4, .now = 101, .battery = 19, .no = { "authorized" } };
	struct seq s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct condition_case *c = &cases[i];
		seq_init(&s);
		seq_uint(&s, c->key, c->value);
		seq_command(&s, c->command);
		installs(&s, 1, &good, SUIT_OK, c->trace, "it holds");
		installs(&s, 1, &bad, SUIT_CONDITION, c->trace, "it does not");
		seq_init(&s);
		seq_command(&s, c->command);
		installs(&s, 1, &good, SUIT_CONDITION, "", "without its parameter");
	}
}

static void test_identity(void)
{
	static const enum suit_parameter keys[] = { SUIT_PARAM_VENDOR, SUIT_PARAM_CLASS,
						    SUIT_PARAM_DEVICE };
	static const enum suit_command commands[] = { SUIT_COND_VENDOR, SUIT_COND_CLASS,
						      SUIT_COND_DEVICE };
	static const char *const traces[] = { "vendor 0 e1;", "class 0 e1;", "device 0 e1;" };
	struct board b = { 0 };
	struct seq s;

	for (int i = 0; i < 3; i++) {
		seq_init(&s);
		seq_command(&s, commands[i]);
		installs(&s, 1, &b, SUIT_CONDITION, "", "no id");
		seq_init(&s);
		seq_id(&s, keys[i], 0xe1);
		seq_command(&s, commands[i]);
		b.no[0] = NULL;
		installs(&s, 1, &b, SUIT_OK, traces[i], "its id");
		b.no[0] = traces[i];
		b.no[0] = "vendor 0 e1;";
		b.no[0] = i == 0 ? "vendor" : i == 1 ? "class" : "device";
		installs(&s, 1, &b, SUIT_CONDITION, traces[i], "another's");
		struct suit_bytes m = run_state.failed.measured;
		ok(m.n > 3 && m.p[0] == 0xa1, "the actual one was measured");
		b.no[0] = NULL;
	}
	/* A private enterprise number, tagged. */
	seq_init(&s);
	seq_parameter(&s, SUIT_PARAM_VENDOR);
	scbor_put_tag(&s.o, 112);
	scbor_put_bytes(&s.o, seq_chars("\x88\x37"));
	seq_command(&s, SUIT_COND_VENDOR);
	installs(&s, 1, &b, SUIT_OK, "vendor 0 d8;", "a PEN comes encoded");
}

static void test_images(void)
{
	struct board b = { .no = { "image 0 aa" } };
	struct seq s;

	seq_init(&s);
	seq_command(&s, SUIT_COND_IMAGE_NOT_MATCH);
	installs(&s, 1, &b, SUIT_CONDITION, "", "not-match without a digest does not hold");
	seq_init(&s);
	seq_digest(&s, 0xaa);
	seq_command(&s, SUIT_COND_IMAGE_NOT_MATCH);
	installs(&s, 1, &b, SUIT_OK, "image 0 aa;", "another image: not-match holds");
	seq_digest(&s, 0xbb);
	seq_command(&s, SUIT_COND_IMAGE_NOT_MATCH);
	installs(&s, 1, &b, SUIT_CONDITION, "image 0 aa;image 0 bb;", "the same: it does not");
	b = (struct board){ .fails = "image", .failure = SUIT_CRYPTO };
	installs(&s, 1, &b, SUIT_CRYPTO, "image 0 aa;", "not to know is not another image");
	seq_init(&s);
	seq_command(&s, SUIT_COND_ABORT);
	installs(&s, 1, &b, SUIT_CONDITION, "", "abort");
}

/* All of it is read whatever the first byte says, and one byte more or less is noticed. */
static void test_check_content(void)
{
	uint8_t want[64], is[65];
	struct board b = { 0 };
	struct seq s;

	for (size_t n = 0; n <= 64; n += 32) {
		memset(want, 7, sizeof(want));
		memset(is, 7, sizeof(is));
		seq_init(&s);
		seq_bytes(&s, SUIT_PARAM_CONTENT, (struct suit_bytes){ want, n });
		seq_command(&s, SUIT_COND_CHECK_CONTENT);
		const char *trace = n == 0    ? "read 0 0;"
				    : n == 32 ? "read 0 0;read 0 32;"
					      : "read 0 0;read 0 32;read 0 64;";
		b.content = (struct suit_bytes){ is, n };
		installs(&s, 1, &b, SUIT_OK, trace, "the same content");
		b.content.n = n + 1;
		installs(&s, 1, &b, SUIT_CONDITION, trace, "one byte more");
		if (n == 0)
			continue;
		b.content.n = n - 1;
		installs(&s, 1, &b, SUIT_CONDITION, trace, "one byte less");
		b.content.n = n;
		is[0] = 8;
		installs(&s, 1, &b, SUIT_CONDITION, trace, "the first byte differs");
		is[0] = 7;
		is[n - 1] = 8;
		installs(&s, 1, &b, SUIT_CONDITION, trace, "the last byte differs");
	}
}

static void match_put(struct scbor_out *o, uint64_t op, const int64_t *v, size_t n)
{
	uint8_t bytes[64];
	struct scbor_out inner;

	scbor_out_init(&inner, bytes, sizeof(bytes));
	scbor_put_array(&inner, 2);
	scbor_put_uint(&inner, op);
	scbor_put_array(&inner, n);
	for (size_t i = 0; i < n; i++)
		scbor_put_int(&inner, v[i]);
	scbor_put_bytes(o, scbor_out_bytes(&inner));
}

/* The draft's examples: comparison ends with the manifest's numbers. */
static void test_versions(void)
{
	static const struct {
		uint64_t op;
		int64_t want[4];
		size_t want_n;
		int64_t is[4];
		size_t is_n;
		enum suit_rc rc;
	} cases[] = {
		{ 3, { 1 }, 1, { 1, 7, 2 }, 3, SUIT_OK },
		{ 3, { 1 }, 1, { 2 }, 1, SUIT_CONDITION },
		{ 2, { 1, 0 }, 2, { 1, 9, 5 }, 3, SUIT_OK },
		{ 5, { 1, 10 }, 2, { 1, 9, 5 }, 3, SUIT_OK },
		{ 5, { 1, 10 }, 2, { 1, 10, 0 }, 3, SUIT_CONDITION },
		{ 1, { 1, 2 }, 2, { 1, 2, 9 }, 3, SUIT_CONDITION },
		{ 1, { 1, 2 }, 2, { 1, 3 }, 2, SUIT_OK },
		{ 4, { 1, 2 }, 2, { 1, 2, 9 }, 3, SUIT_OK },
		{ 5, { 2, 0, 0 }, 3, { 2, 0, -1, 1 }, 4, SUIT_OK }, /* rc.1 < 2.0.0 */
		{ 1, { 2, 0, -1, 1 }, 4, { 2, 0 }, 2, SUIT_OK },    /* 2.0 > its rc */
		{ 1, { 2, 0, -2 }, 3, { 2, 0, -1 }, 3, SUIT_OK },   /* rc > beta */
		{ 2, { 0, 9 }, 2, { 1, 0 }, 2, SUIT_OK },
	};
	struct seq s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct board b = { .version_n = cases[i].is_n };
		memcpy(b.version, cases[i].is, sizeof(cases[i].is));
		seq_init(&s);
		seq_parameter(&s, SUIT_PARAM_VERSION);
		match_put(&s.o, cases[i].op, cases[i].want, cases[i].want_n);
		seq_command(&s, SUIT_COND_VERSION);
		installs(&s, 1, &b, cases[i].rc, "version 0;", "a version");
	}
	static const char *const bad[] = { "\x82\x06\x81\x01", "\x82\x03\x80", "\x81\x03",
					   "\x82\x03\x81\x01\x01", "\x82\x03\x81\x61v" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(suit_version_match(seq_chars(bad[i]), cases[0].is, 1), SUIT_MALFORMED,
		       "no version match");
}

/* --- directives --------------------------------------------------------------------------- */

static void test_directives(void)
{
	static const enum suit_command need[] = { SUIT_FETCH, SUIT_COPY, SUIT_WRITE, SUIT_SWAP,
						  SUIT_WAIT };
	struct board b = { 0 };
	struct seq s;

	for (size_t i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		seq_init(&s);
		seq_command(&s, need[i]);
		installs(&s, 1, &b, SUIT_MISSING, "", "a directive without its parameter");
	}
	seq_init(&s);
	seq_index(&s, 1);
	seq_uri(&s, "u");
	seq_digest(&s, 0xd1);
	seq_command(&s, SUIT_FETCH);
	seq_index(&s, 0);
	seq_uint(&s, SUIT_PARAM_SOURCE, 1);
	seq_command(&s, SUIT_COPY);
	seq_command(&s, SUIT_SWAP);
	seq_bytes(&s, SUIT_PARAM_CONTENT, seq_chars("abc"));
	seq_command(&s, SUIT_WRITE);
	seq_bytes(&s, SUIT_PARAM_WAIT, seq_chars("\xa1\x02\x01"));
	seq_command(&s, SUIT_WAIT);
	seq_bytes(&s, SUIT_PARAM_INVOKE_ARGS, seq_chars("-x"));
	seq_command(&s, SUIT_DO_INVOKE);
	seq_command(&s, SUIT_UNLINK);
	seq_command(&s, -300);
	installs(&s, 2, &b, SUIT_OK,
		 "fetch 1 u d1;copy 0<1;swap 0<>1;write 0 3;wait 0 3;invoke 0 -x;unlink 0;"
		 "custom 0 -300;",
		 "all of them");
	b.no[0] = "custom";
	installs(&s, 2, &b, SUIT_CONDITION,
		 "fetch 1 u d1;copy 0<1;swap 0<>1;write 0 3;wait 0 3;invoke 0 -x;unlink 0;"
		 "custom 0 -300;",
		 "a vendor's own may be a condition");
	seq_init(&s);
	seq_uint(&s, SUIT_PARAM_SOURCE, 0);
	seq_command(&s, SUIT_COPY);
	installs(&s, 1, &b, SUIT_MALFORMED, "", "onto itself");
	seq_init(&s);
	seq_uint(&s, SUIT_PARAM_SOURCE, 1);
	seq_command(&s, SUIT_COPY);
	installs(&s, 1, &b, SUIT_UNKNOWN, "", "from a component that is none");
}

/* What a platform leaves out is refused at its command, not before. */
static void test_unsupported(void)
{
	static const struct {
		int64_t command;
		enum suit_parameter key;
	} all[] = {
		{ SUIT_COND_VENDOR, SUIT_PARAM_SIZE },
		{ SUIT_COND_IMAGE_MATCH, SUIT_PARAM_DIGEST },
		{ SUIT_COND_SLOT, SUIT_PARAM_SIZE },
		{ SUIT_COND_CHECK_CONTENT, SUIT_PARAM_SIZE },
		{ SUIT_COND_USE_BEFORE, SUIT_PARAM_SIZE },
		{ SUIT_COND_MIN_BATTERY, SUIT_PARAM_SIZE },
		{ SUIT_COND_AUTHORIZED, SUIT_PARAM_SIZE },
		{ SUIT_COND_VERSION, SUIT_PARAM_SIZE },
		{ SUIT_FETCH, SUIT_PARAM_SIZE },
		{ SUIT_WRITE, SUIT_PARAM_SIZE },
		{ SUIT_COPY, SUIT_PARAM_SIZE },
		{ SUIT_SWAP, SUIT_PARAM_SIZE },
		{ SUIT_DO_INVOKE, SUIT_PARAM_SIZE },
		{ SUIT_UNLINK, SUIT_PARAM_SIZE },
		{ SUIT_WAIT, SUIT_PARAM_SIZE },
		{ -257, SUIT_PARAM_SIZE },
	};
	static const struct suit_platform nothing = { 0 };
	static uint8_t buf[DRAFT_MAX];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct suit_envelope e;
		struct seq s;
		seq_init(&s);
		if (all[i].key == SUIT_PARAM_DIGEST)
			seq_digest(&s, 1);
		else
			seq_uint(&s, all[i].key, 1);
		size_t at = 1 + s.o.n;
		seq_command(&s, all[i].command);
		struct draft d = { .components = 1, .section = { { 20, &s } } };
		is_int(draft_decode(&d, buf, &e), SUIT_OK, "decodes");
		is_int(suit_process(&e, SUIT_UPDATE_PROCEDURE, &nothing, NULL, &run_state),
		       SUIT_UNSUPPORTED, "refused");
		ok(run_state.failed.offset == at && run_state.failed.section == 20 &&
			   run_state.reason == SUIT_REASON_COMMAND,
		   "at command %d", (int)all[i].command);
	}
}

/* What the envelope holds itself comes from there. */
static void test_integrated(void)
{
	struct board b = { 0 };
	struct seq s;

	seq_init(&s);
	seq_uri(&s, "#fw");
	seq_command(&s, SUIT_FETCH);
	installs(&s, 1, &b, SUIT_MISSING, "", "not in the envelope");
	struct draft d = { .components = 1,
			   .section = { { 20, &s } },
			   .payload = "#fw",
			   .content = seq_chars("image") };
	plays(&d, &b, SUIT_UPDATE_PROCEDURE, SUIT_OK, "fetch 0 #fw inside;", "in the envelope");
	d.content.n = 0;
	plays(&d, &b, SUIT_UPDATE_PROCEDURE, SUIT_OK, "fetch 0 #fw inside;", "an empty one");
	d.payload = "#fx";
	plays(&d, &b, SUIT_UPDATE_PROCEDURE, SUIT_MISSING, "", "another name");
}

int main(void)
{
	test_conditions_of_numbers();
	test_identity();
	test_images();
	test_check_content();
	test_versions();
	test_directives();
	test_unsupported();
	test_integrated();
	return tap_done();
}
