/* A download by blocks against every kind of server. */
#include "agent/fetch.h"

#include "tests/tap.h"

static uint8_t image[5000], slot[8192];
static uint64_t next_offset;
static bool full;

static bool take(void *user, uint64_t offset, const uint8_t *p, size_t n)
{
	(void)user;
	if (full || offset != next_offset || offset + n > sizeof(slot))
		return false;
	memcpy(slot + offset, p, n);
	next_offset = offset + n;
	return true;
}

static const struct fetch_sink sink = { take, NULL };

/* What an honest server of at most szx says to a request. */
static struct link_answer serve(const struct link_request *r, uint64_t size, uint8_t szx)
{
	uint64_t offset = (uint64_t)r->num << (r->szx + 4);
	szx = szx < r->szx ? szx : r->szx;
	uint64_t bytes = UINT64_C(16) << szx;
	uint64_t left = size - offset;
	return (struct link_answer){ .code = 205,
				     .has_block = true,
				     .num = (uint32_t)(offset / bytes),
				     .szx = szx,
				     .more = left > bytes,
				     .etag = { (const uint8_t *)"tag", 3 },
				     .body = { image + offset, left < bytes ? left : bytes } };
}

static void start(struct fetch *f, uint64_t size, uint64_t have, uint64_t block)
{
	memset(slot, 0, sizeof(slot));
	full = false;
	ok(fetch_begin(f, "img/x", size, have, block), "begin %d of %d by %d", (int)have,
	   (int)size, (int)block);
	next_offset = f->offset;
}

/* The number of requests that a whole download takes, or 0 when it fails. */
static unsigned run(struct fetch *f, uint8_t szx)
{
	struct link_request r;
	memset(&r, 0xff, sizeof(r)); /* who asks need not have cleared it */
	for (unsigned n = 1; n < 1000; n++) {
		fetch_request(f, &r);
		if (r.once || r.part || r.observe || r.body_n)
			return 0;
		struct link_answer a = serve(&r, f->size, szx);
		enum fetch_rc rc = fetch_take(f, &a, &sink);
		if (rc == FETCH_DONE)
			return n;
		if (rc != FETCH_MORE)
			return 0;
	}
	return 0;
}

static void test_whole(void)
{
	static const struct {
		uint64_t size, block;
		unsigned requests;
	} row[] = { { 5000, 1024, 5 }, { 4096, 1024, 4 }, { 1, 1024, 1 },
		    { 17, 16, 2 },     { 5000, 64, 79 },  { 1024, 1024, 1 } };
	struct fetch f;
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		start(&f, row[i].size, 0, row[i].block);
		is_int(run(&f, 6), row[i].requests, "as many requests as blocks");
		ok(memcmp(slot, image, row[i].size) == 0, "the bytes are right");
	}
}

static void test_smaller_blocks(void)
{
	struct fetch f;
	start(&f, 5000, 0, 1024);
	is_int(run(&f, 2), 79, "the server's smaller size is kept");
	ok(memcmp(slot, image, 5000) == 0, "the bytes are right");
}

static void test_R08_resume(void)
{
	struct fetch f;
	start(&f, 5000, 3072, 1024);
	is_int(run(&f, 6), 2, "only what is missing is fetched");
	ok(memcmp(slot + 3072, image + 3072, 5000 - 3072) == 0, "the bytes are right");
	start(&f, 5000, 3000, 1024);
	is_int((int64_t)f.offset, 2048, "an odd offset goes back to its block's start");
	start(&f, 5000, 5000, 1024);
	is_int((int64_t)f.offset, 5000, "what is whole is not asked for again");
}

static void test_limits(void)
{
	struct fetch f;
	ok(fetch_begin(&f, "img/x", 16u << 20, 0, 16), "2^20 blocks of 16");
	ok(!fetch_begin(&f, "img/x", (16u << 20) + 1, 0, 16), "one byte more does not go");
	ok(!fetch_begin(&f, "img/x", 0, 0, 1024), "nothing to fetch");
	ok(!fetch_begin(&f, "img/x", 10, 11, 1024), "more than all is there");
	char path[LINK_PATH_MAX + 1];
	memset(path, 'x', sizeof(path));
	path[LINK_PATH_MAX] = '\0';
	ok(!fetch_begin(&f, path, 10, 0, 1024), "a path that is too long");
}

/* Spoils one honest answer in each way that there is. */
static void spoil(struct link_answer *a, int way)
{
	switch (way) {
	case 0:
		a->num++; /* another block */
		break;
	case 1:
		a->body.n--; /* too short */
		break;
	case 2:
		a->body.n++; /* too long */
		break;
	case 3:
		a->more = !a->more; /* endless, or ended too soon */
		break;
	case 4:
		a->etag.p = (const uint8_t *)"gat"; /* another thing */
		break;
	case 5:
		a->etag.n = 9;
		break;
	case 6:
		a->szx = 7;
		break;
	case 7:
		a->has_block = false;
		break;
	case 8:
		a->body.n = 0;
		break;
	case 9:
		a->code = 204;
		break;
	case 10:
		a->code = 404;
		break;
	}
}

static void test_A08_hostile_server(void)
{
	struct fetch f;
	struct link_request r = { 0 };
	for (int way = 0; way <= 10; way++)
		for (uint64_t size = 2049; size <= 3072; size += 1023) {
			start(&f, size, 0, 1024);
			fetch_request(&f, &r);
			struct link_answer a = serve(&r, size, 6);
			fetch_take(&f, &a, &sink);
			uint64_t before = f.offset;
			fetch_request(&f, &r);
			a = serve(&r, size, 6);
			spoil(&a, way);
			is_int(fetch_take(&f, &a, &sink), way == 10 ? FETCH_REFUSED : FETCH_BAD,
			       "spoiled block is not taken");
			ok(f.offset == before && next_offset == before, "way %d stores nothing",
			   way);
		}
}

static void test_last_block(void)
{
	struct fetch f;
	struct link_request r = { 0 };
	start(&f, 1500, 1024, 1024);
	fetch_request(&f, &r);
	struct link_answer a = serve(&r, 1500, 6);
	a.more = true;
	is_int(fetch_take(&f, &a, &sink), FETCH_BAD, "A08: more after the end");
	a = serve(&r, 1500, 6);
	a.body.n = 1024;
	is_int(fetch_take(&f, &a, &sink), FETCH_BAD, "A14: a last block that is too long");
}

static void test_one_message(void)
{
	struct fetch f;
	struct link_answer a = { .code = 205, .body = { image, 700 } };
	start(&f, 700, 0, 1024);
	is_int(fetch_take(&f, &a, &sink), FETCH_DONE, "all in one message without blocks");
	start(&f, 700, 0, 1024);
	a.body.n = 701;
	is_int(fetch_take(&f, &a, &sink), FETCH_BAD, "one byte too many");
}

static void test_full_slot(void)
{
	struct fetch f;
	struct link_request r = { 0 };
	start(&f, 5000, 0, 1024);
	full = true;
	fetch_request(&f, &r);
	struct link_answer a = serve(&r, 5000, 6);
	is_int(fetch_take(&f, &a, &sink), FETCH_STORE, "the slot takes no more");
	is_int((int64_t)f.offset, 0, "and nothing counts as fetched");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7 + i / 251);
	test_whole();
	test_smaller_blocks();
	test_R08_resume();
	test_limits();
	test_A08_hostile_server();
	test_last_block();
	test_one_message();
	test_full_slot();
	return tap_done();
}
