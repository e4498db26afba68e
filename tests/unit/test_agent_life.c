/* A life that waits: it is told what it is offered, and asked when it will look again. */
#include "agent/life.h"

#include "suit/cbor.h"
#include "tests/tap.h"

#include <time.h>

#define SEEDS 50

static const struct life_config config = { .observe = true,
					   .envelope_max = 16384,
					   .block_size = 1024 };
static const struct machine_ops nothing;

/* It has put off job 7 until so many seconds from now. */
static void put_off(struct life *l, struct link *link, uint64_t seed, int64_t left)
{
	link_init(link, NULL, NULL, seed);
	life_init(l, link, &nothing, NULL);
	l->config = &config;
	l->state = LIFE_WAITING;
	l->is_registered = true;
	l->put_off = true;
	l->update.job = 7;
	l->update.attempt = 1;
	l->update.wait_count = 1;
	l->update.wait[0].until.time = (uint64_t)(time(NULL) + left);
	link->observing = true;
}

/* The same job is offered again; yields when it looks at the clock, in ms from now. */
static int64_t offered(struct life *l, struct link *link)
{
	uint8_t body[128];
	const struct suit_digest digest = { 0 };
	struct scbor_out o;
	scbor_out_init(&o, body, sizeof(body));
	scbor_put_map(&o, 6);
	for (unsigned key = 1; key <= 6; key++) {
		static const uint64_t value[] = { 0, 1, 86400, 7, 1, 0, 100 };
		scbor_put_uint(&o, key);
		if (key == 5)
			scbor_put_bytes(&o, (struct suit_bytes){ digest.b, sizeof(digest.b) });
		else
			scbor_put_uint(&o, value[key]);
	}
	struct link_answer a = { .code = 205, .told = true, .body = scbor_out_bytes(&o) };
	link->events->answer(link->user, &a);
	int64_t now = link_now_ms();
	return life_step(l, now) - now;
}

/* A fleet without clocks that run on has power again, and none of it knows at first how long
 * it waits: all the same not all of them go on at once. */
static void test_not_all_at_the_same_moment(void)
{
	int64_t first = INT64_MAX, last = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct link link;
		struct life l;
		put_off(&l, &link, seed, 1000);
		int64_t next = offered(&l, &link);
		ok(next > 50000 && next <= 60000, "in a minute, as the clock may be set");
		l.update.wait[0].until.time -= 970; /* they pass */
		next = offered(&l, &link);
		first = next < first ? next : first;
		last = next > last ? next : last;
		life_finish(&l);
	}
	ok(first >= 28000 && first < 40000, "somebody soon");
	ok(last > 60000 && last <= 90000, "somebody late");
}

/* The answer to its report that it has put it off. */
static enum life_state told_so(bool observing)
{
	struct link link;
	struct life l;
	struct link_answer a = { .code = 204 };
	put_off(&l, &link, 1, 1000);
	l.state = LIFE_REPORTING;
	l.said = PROTO_DEFERRED;
	l.next = LIFE_NEXT_WAIT;
	l.again_s = 86400;
	link.observing = observing;
	link.events->answer(link.user, &a);
	enum life_state state = l.state;
	life_finish(&l);
	return state;
}

/* The session that observed was lost with the report under way, which went by another. */
static void test_who_waits_observes(void)
{
	is_int(told_so(true), LIFE_WAITING, "it waits, and hears of other offers");
	is_int(told_so(false), LIFE_ASKING, "it asks, so that it hears of them");
}

int main(void)
{
	test_who_waits_observes();
	test_not_all_at_the_same_moment();
	return tap_done();
}
