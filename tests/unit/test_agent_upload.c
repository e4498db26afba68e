/* A body by blocks against every kind of server. */
#include "agent/upload.h"

#include "tests/tap.h"

#define BODY_MAX     1600
#define REQUESTS_MAX 300

static uint8_t body[BODY_MAX];

/* An honest server, as it should be (RFC 7959): blocks of one tag, in order. */
struct server {
	uint8_t got[BODY_MAX];
	size_t n;
	uint32_t tag;
	uint8_t szx_max;
	bool strict;      /* 4.13 to a larger block, not only a word about it */
	uint32_t lose_at; /* it forgets what it has before this request, from 1; 0: never */
	uint32_t requests;
	uint32_t tags;
	size_t longest;
	bool whole;
};

static struct link_answer tell(unsigned code, const struct link_request *r, uint8_t szx)
{
	return (struct link_answer){ .code = code,
				     .has_block1 = r->part,
				     .block1_num = r->num,
				     .block1_szx = szx < r->szx ? szx : r->szx };
}

static struct link_answer serve(struct server *s, const struct link_request *r)
{
	size_t offset = (size_t)r->num << (r->szx + 4);
	bool starts = !r->part || r->num == 0;
	if (++s->requests == s->lose_at)
		s->tag = 0;
	s->longest = r->body_n > s->longest ? r->body_n : s->longest;
	if (s->strict && r->szx > s->szx_max)
		return tell(413, r, s->szx_max);
	if (starts) {
		s->tags += r->tag != s->tag;
		s->tag = r->tag;
		s->n = 0;
	}
	if (r->tag != s->tag || offset != s->n)
		return tell(408, r, r->szx);
	if (r->more && r->body_n != (size_t)16 << r->szx)
		return tell(400, r, r->szx);
	memcpy(s->got + s->n, r->body, r->body_n);
	s->n += r->body_n;
	s->whole = !r->part || !r->more;
	return tell(s->whole ? 204 : 231, r, s->szx_max);
}

/* The code of the last answer. */
static unsigned run(struct upload *u, struct server *s)
{
	for (;;) {
		struct link_request r = { 0 };
		upload_request(u, &r);
		struct link_answer a = serve(s, &r);
		if (upload_take(u, &a) != UPLOAD_MORE || s->requests == REQUESTS_MAX)
			return a.code;
	}
}

static struct suit_bytes bytes(size_t n)
{
	return (struct suit_bytes){ body, n };
}

static bool arrived(const struct server *s, size_t n)
{
	return s->whole && s->n == n && memcmp(s->got, body, n) == 0;
}

static void test_whole(void)
{
	static const struct {
		size_t size, block;
		unsigned requests;
	} row[] = { { 1600, 1024, 2 }, { 1025, 1024, 2 }, { 1024, 1024, 1 },
		    { 1, 1024, 1 },    { 1600, 64, 25 },  { 1601 - 17, 16, 99 },
		    { 17, 16, 2 },     { 1600, 4096, 2 } };
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct server s = { .szx_max = 6 };
		struct upload u = { 0 };
		ok(upload_begin(&u, bytes(row[i].size), row[i].block), "begin %d by %d",
		   (int)row[i].size, (int)row[i].block);
		is_int(run(&u, &s), 204, "taken");
		is_int(s.requests, row[i].requests, "as many requests as blocks");
		ok(arrived(&s, row[i].size), "the bytes are right");
		ok(s.longest <= row[i].block, "no message is larger than a block");
	}
}

static void test_one_message_has_no_options(void)
{
	struct upload u = { 0 };
	struct link_request r = { 0 };
	ok(upload_begin(&u, bytes(1024), 1024), "a body of one block");
	upload_request(&u, &r);
	ok(!r.part && r.body_n == 1024, "is a message like any other");
	ok(upload_begin(&u, bytes(1025), 1024), "one byte more");
	upload_request(&u, &r);
	ok(r.part && r.more && r.num == 0 && r.szx == 6 && r.body_n == 1024, "is not");
}

static void test_limits(void)
{
	struct upload u = { 0 };
	ok(!upload_begin(&u, bytes(0), 1024), "nothing to send");
	ok(!upload_begin(&u, bytes(UPLOAD_MAX + 1), 1024), "too much");
}

static void test_smaller_blocks(void)
{
	struct upload u = { 0 };
	struct server s = { .szx_max = 2 };
	ok(upload_begin(&u, bytes(1600), 1024), "begin");
	is_int(run(&u, &s), 204, "taken by a server of small blocks");
	is_int(s.requests, 1 + 9,
	       "the first block counts as it was sent, the others are small");
	ok(arrived(&s, 1600), "the bytes are right");

	struct server strict = { .szx_max = 3, .strict = true };
	ok(upload_begin(&u, bytes(1600), 1024), "begin");
	is_int(run(&u, &strict), 204, "taken by one that says 4.13 to large messages");
	is_int(strict.requests, 1 + 13, "from the start, in its size");
	ok(arrived(&strict, 1600), "the bytes are right");
}

/* Whatever was there is gone, at each block once, as when the session was lost. */
static void test_lost_blocks(void)
{
	for (uint32_t at = 2; at <= 7; at++) {
		struct upload u = { 0 };
		struct server s = { .szx_max = 6, .lose_at = at };
		ok(upload_begin(&u, bytes(1600), 256), "begin");
		ok(run(&u, &s) == 204, "lost before request %d, and taken", (int)at);
		is_int(s.requests, at + 7, "the whole again");
		is_int(s.tags, 2, "under another tag");
		ok(arrived(&s, 1600), "the bytes are right");
	}
}

/* A tag is never that of a body before, however that one ended. */
static void test_tags(void)
{
	struct upload u = { 0 };
	struct link_request r = { 0 };
	uint32_t last = 0;
	for (int i = 0; i < 20; i++) {
		ok(upload_begin(&u, bytes(1600), 1024), "another body");
		upload_request(&u, &r);
		ok(r.tag == last + 1, "and another tag");
		last = r.tag;
	}
}

static void test_no_end(void)
{
	struct upload u = { 0 };
	struct link_request r = { 0 };
	struct link_answer a = { .code = 408 };
	unsigned n = 1;
	ok(upload_begin(&u, bytes(1600), 1024), "begin");
	for (; upload_take(&u, &a) == UPLOAD_MORE && n < REQUESTS_MAX; n++)
		upload_request(&u, &r);
	is_int(n, UPLOAD_TRIES, "one that always forgets is not served for ever");
	ok(upload_begin(&u, bytes(1600), 1024), "begin");
	upload_request(&u, &r);
	a = tell(413, &r, 6);
	is_int(upload_take(&u, &a), UPLOAD_OVER, "too large, and no smaller size would help");
	a = (struct link_answer){ .code = 413 };
	is_int(upload_take(&u, &a), UPLOAD_OVER, "too large");
}

/* Each is the answer to another block than the first of two. */
static void test_wrong_answers(void)
{
	static const struct link_answer wrong[] = {
		{ .code = 231 },
		{ .code = 231, .has_block1 = true, .block1_num = 1, .block1_szx = 6 },
		{ .code = 231, .has_block1 = true, .block1_num = 0, .block1_szx = 7 },
	};
	struct upload u = { 0 };
	struct link_request r = { 0 };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ok(upload_begin(&u, bytes(1600), 1024), "begin");
		ok(upload_take(&u, &wrong[i]) == UPLOAD_BAD, "wrong answer %d", (int)i);
	}
	ok(upload_begin(&u, bytes(100), 1024), "one message");
	is_int(upload_take(&u, &wrong[0]), UPLOAD_BAD, "nothing is left to continue with");
	ok(upload_begin(&u, bytes(1100), 1024), "two blocks");
	upload_request(&u, &r);
	struct link_answer a = tell(231, &r, 6);
	is_int(upload_take(&u, &a), UPLOAD_MORE, "the first is taken");
	is_int(upload_take(&u, &a), UPLOAD_BAD, "once");
	upload_request(&u, &r);
	a = tell(231, &r, 6);
	is_int(upload_take(&u, &a), UPLOAD_BAD, "behind the last there is none");
	a = (struct link_answer){ .code = 403 };
	is_int(upload_take(&u, &a), UPLOAD_OVER, "a refusal is the answer");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + i / 251);
	test_whole();
	test_one_message_has_no_options();
	test_limits();
	test_smaller_blocks();
	test_lost_blocks();
	test_tags();
	test_no_end();
	test_wrong_answers();
	return tap_done();
}
