/* The waiting room of hellos, and a herd in simulated time: a server that can do so many
 * handshakes in a second, and senders that repeat themselves and give up as DTLS clients do. */

#include "server/coap/coap_gate.h"

#include "base/clock.h"
#include "tests/tap.h"

#include <stdlib.h>

#define MS   USEC_PER_MS
#define S    USEC_PER_SEC
#define ROOM 1000000 /* for sessions: not what is short */

static struct hello hello_of(uint32_t id, int64_t at)
{
	return (struct hello){ .id = id, .at = at };
}

static void repeat(struct gate *g, uint32_t id, uint8_t times, int64_t at)
{
	struct hello h = hello_of(id, at);

	h.sequence[5] = times;
	gate_wait(g, &h);
}

static void wait_one(struct gate *g, uint32_t id, int64_t at)
{
	repeat(g, id, 0, at);
}

/* All who are let in come back with their cookie, but where a test says otherwise. */
static uint64_t came;

static bool come_in(struct gate *g, int64_t now, struct hello *ret)
{
	bool in = gate_next(g, now, ret);

	came += in;
	return in;
}

static void pace(struct gate *g, int64_t now, int64_t took_us, uint64_t handshakes)
{
	struct gate_load load = { .took_us = took_us,
				  .begun = came,
				  .handshakes = handshakes,
				  .handshakes_us = handshakes * 20 * MS };

	gate_pace(g, now, &load);
}

static void test_calm(void)
{
	struct gate *g = gate_create(ROOM);
	struct hello h;
	int n = 0;

	for (uint32_t i = 1; i <= 200; i++)
		wait_one(g, i, S + i);
	pace(g, 2 * S, MS, 0);
	ok(gate_is_busy(g), "they wait");
	while (come_in(g, 2 * S, &h))
		n++;
	is_int(n, 200, "while turns are short all come in at once");
	ok(!gate_is_busy(g), "and nobody waits any more");
	gate_free(g);
}

static void test_stale(void)
{
	struct gate *g = gate_create(ROOM);
	struct hello h;

	wait_one(g, 1, S);
	wait_one(g, 2, 10 * S);
	wait_one(g, 3, 10 * S + 1);
	wait_one(g, 2, 10 * S + 2);
	for (int i = 0; i < 2; i++) {
		ok(come_in(g, 11 * S, &h), "one comes in");
		ok(h.id == 2 ? h.at == 10 * S + 2 : h.id == 3, "by what its sender said last");
	}
	ok(!come_in(g, 11 * S, &h),
	   "one that came twice is let in once, and an old one is not");
	gate_free(g);
}

/* Who came early or late has the same chance, and so has who asked often or once; in the order
 * of coming, or the other way round, one kind of devices could keep all others out. */
static void test_order(uint32_t crowd, int times)
{
	struct gate *g = gate_create(ROOM);
	struct hello h;
	int early = 0;

	for (uint32_t i = 0; i < crowd / 2; i++)
		wait_one(g, i, S + i);
	for (int n = 0; n < times; n++)
		for (uint32_t i = crowd / 2; i < crowd; i++)
			wait_one(g, i, S + i + n);
	pace(g, 2 * S, MS, 0);
	for (int i = 0; i < 200 && come_in(g, 2 * S, &h); i++)
		early += h.id < crowd / 2;
	ok(early > 60 && early < 140,
	   "R12: %d of the first 200 of %d are of the earlier half, the later half asked %d "
	   "times",
	   early, (int)crowd, times);
	gate_free(g);
}

static void test_full(void)
{
	struct gate *g = gate_create(ROOM);
	struct hello h;
	int n = 0;

	for (uint32_t i = 0; i < 300000; i++)
		wait_one(g, i, S + i);
	for (int64_t now = 2 * S; gate_is_busy(g); now += 50 * MS) {
		pace(g, now, MS, (uint64_t)n);
		while (come_in(g, now, &h))
			n++;
	}
	is_int(n, 131072, "there is room for so many and no more");
	gate_free(g);
}

/* Of so many in each turn of 10 ms, how many come in while turns take so long. */
static int let_in(struct gate *g, int64_t *now, int64_t took_us, int finished_each)
{
	static uint64_t handshakes;
	static uint32_t id;
	struct hello h;
	int n = 0;

	for (int64_t end = *now + 2 * S; *now < end; *now += 10 * MS) {
		for (int i = 0; i < 100; i++)
			wait_one(g, id++, *now);
		handshakes += (uint64_t)finished_each;
		pace(g, *now, took_us, handshakes);
		while (come_in(g, *now, &h))
			n += *now >= end - S;
	}
	return n;
}

/* A session that had to go before its device said anything was work for nothing, and its
 * device comes again. */
static void test_B09_room(bool resumes)
{
	struct gate *g = gate_create(2000);
	struct hello h;
	uint32_t id = 0;
	int n = 0;

	for (int64_t now = 10 * S; now < 18 * S; now += 10 * MS) {
		for (int i = 0; i < 100; i++) {
			h = hello_of(id++, now);
			h.resumes = resumes;
			gate_wait(g, &h);
		}
		pace(g, now, MS, id);
		while (come_in(g, now, &h))
			n += now >= 14 * S;
	}
	ok(n > 1800 && n <= 2050, "in four seconds no more than there is room for (%d)", n);
	gate_free(g);
}

/* After a calm no more come in at once than in any other moment. */
static void test_B09_calm_before(void)
{
	struct gate *g = gate_create(2000);
	struct hello h;
	int n = 0;

	for (int64_t now = S; now <= 10 * S; now += 100 * MS)
		pace(g, now, MS, 0);
	for (uint32_t i = 0; i < 2000; i++)
		wait_one(g, i, 10 * S);
	while (come_in(g, 10 * S, &h))
		n++;
	ok(n > 0 && n <= 51, "a tenth of a second's worth (%d)", n);
	gate_free(g);
}

/* Workers that get no processor; or a database that is slow, which costs us nothing. */
static void test_workers(void)
{
	for (int busy = 0; busy < 2; busy++) {
		struct gate *g = gate_create(ROOM);
		struct gate_load load = { .took_us = busy ? 60 * MS : 2 * MS,
					  .waits_us = 3 * S };
		struct hello h;
		uint32_t id = 0;
		int n = 0;

		for (int64_t now = 10 * S; now < 13 * S; now += 50 * MS) {
			for (int i = 0; i < 500; i++)
				wait_one(g, id++, now);
			load.begun = came;
			load.handshakes += 40;
			load.handshakes_us += UINT64_C(40) * 20 * MS;
			gate_pace(g, now, &load);
			while (come_in(g, now, &h))
				n += now >= 12 * S;
		}
		ok(busy ? n > 300 && n < 480 : n > 2000,
		   "R12: workers are late, and turns are %s: %d come in (800 are finished)",
		   busy ? "long" : "short", n);
		gate_free(g);
	}
}

static void test_pace(void)
{
	struct gate *g = gate_create(ROOM);
	int64_t now = 10 * S;

	int n = let_in(g, &now, 375 * MS, 8);
	ok(n > 400 && n < 640, "when turns are long, fewer than are finished come in (%d, 800)",
	   n);
	n = let_in(g, &now, 800 * MS, 8);
	ok(n > 300 && n < 500, "and fewer when they are longer (%d)", n);
	n = let_in(g, &now, 9 * MS, 8);
	ok(n > 2500 && n < 4000, "when they are short, up to what peers may still have (%d)",
	   n);
	n = let_in(g, &now, 9 * MS, 90);
	ok(n > 5000, "and more and more while they finish (%d)", n);
	n = let_in(g, &now, 800 * MS, 0);
	ok(n > 0 && n < 60, "a thread that finishes nothing still gets some to try (%d)", n);
	gate_free(g);
}

/* --- the herd ------------------------------------------------------------------------------
 */

#define SENDERS     20000
#define SENDERS_MAX 100000

/* A herd that can be served at so many handshakes in a second. */
struct scene {
	uint32_t senders;
	int capacity;
	bool ours;        /* our threads cannot do more; else the peers cannot */
	int64_t turn;     /* us, of the thread's loop */
	int64_t patience; /* us, of a sender; and up to as much again: nobody's clock is
			   * another's */
	int dear;      /* every other sender's handshake costs so much more; and they speak in
			* turns with the others, half a second each, as processes do */
	int64_t apart; /* us: so much later these begin */
};

struct sender {
	int64_t gives_up_at, repeats_at;
	int64_t pause;
	uint8_t repeats;
	bool let_in, served;
};

static struct sender senders[SENDERS_MAX];

static void sender_begin(const struct scene *c, struct sender *s, int64_t at)
{
	*s = (struct sender){ .gives_up_at = at + c->patience + rand() % c->patience,
			      .repeats_at = at,
			      .pause = S };
}

static bool may_speak(const struct scene *c, uint32_t id, int64_t now)
{
	return c->dear == 1 || now / (S / 2) % 2 == id % 2;
}

static int64_t cost_of(const struct scene *c, uint32_t id)
{
	return S / c->capacity * (id % 2 ? c->dear : 1);
}

static void senders_turn(const struct scene *c, struct gate *g, int64_t now)
{
	for (uint32_t i = 0; i < c->senders; i++) {
		struct sender *s = &senders[i];

		if (s->served)
			continue;
		if (now > s->gives_up_at)
			sender_begin(c, s, now + S + rand() % (4 * S));
		if (now < s->repeats_at || s->let_in || !may_speak(c, i, now))
			continue;
		repeat(g, i, s->repeats++, now);
		s->repeats_at = now + s->pause;
		s->pause *= 2;
	}
}

/* Handshakes that were let in stand in line; a turn does what there is, as far as its time
 * goes. Whether our threads or the peers' cannot do more is seen by the length of turns, or by
 * the time that handshakes take; one that stands for ten seconds has given way. */
static int simulate(const struct scene *c, int64_t seconds, int each_second[])
{
	static uint32_t line[SENDERS_MAX * 8];
	static int64_t since[SENDERS_MAX * 8];
	struct gate *g = gate_create(ROOM);
	struct gate_load load = { 0 };
	size_t first = 0, last = 0;
	int64_t took = 0, stands = 0, now = S;
	struct hello h;
	int served = 0;

	for (uint32_t i = 0; i < c->senders; i++)
		sender_begin(c, &senders[i], now + (i % 2 ? c->apart : 0));
	while (now < (seconds + 1) * S) {
		senders_turn(c, g, now);
		load.took_us = c->ours ? took : MS;
		load.begun = came;
		gate_pace(g, now, &load);
		for (int i = 0; i < 512 && come_in(g, now, &h); i++) {
			senders[h.id].let_in = true;
			stands += cost_of(c, h.id);
			since[last % (SENDERS_MAX * 8)] = now;
			line[last++ % (SENDERS_MAX * 8)] = h.id;
		}
		for (took = 0; first < last && took < c->turn;) {
			int64_t stood = now - since[first % (SENDERS_MAX * 8)];
			uint32_t id = line[first++ % (SENDERS_MAX * 8)];
			struct sender *s = &senders[id];

			took += cost_of(c, id);
			stands -= cost_of(c, id);
			if (s->served || !s->let_in || (!c->ours && stood > 10 * S))
				continue; /* it had given up, or had to */
			load.handshakes++;
			load.handshakes_us += (uint64_t)stood + MS;
			s->served = true;
			served++;
			each_second[(now - S) / S]++;
		}
		/* What still stands there would make the next turn long. */
		took += stands;
		now += c->turn;
	}
	gate_free(g);
	return served;
}

static void test_herd(int capacity, bool ours, int64_t turn, int64_t patience)
{
	enum { SECONDS = 250 };
	int each[SECONDS] = { 0 }, least = capacity, all = SENDERS / capacity;
	int last = all * 9 / 10;
	struct scene scene = { SENDERS, capacity, ours, turn, patience, 1, 0 };
	int served = simulate(&scene, all * 3 / 2 < 59 ? 59 : all * 3 / 2 - 1, each);

	for (int i = 2; i < last; i++) {
		int mean = (each[i] + each[i + 1]) / 2;
		least = mean < least ? mean : least;
	}
	printf("# by second, %s:", ours ? "our pace" : "the peers' pace");
	for (int i = 0; i < last + 4 && i < SECONDS; i++)
		printf(" %d", each[i]);
	printf("\n");
	/* What peers can do is only seen by how long theirs take, and late. */
	ok(least >= capacity * (ours ? 90 : 85) / 100,
	   "R12: %d a second are done of %d that can be, from the third "
	   "second until few are left",
	   least, capacity);
	ok(served >= SENDERS * 99 / 100, "R12: %d of %d are served in time", served, SENDERS);
}

/* Cheap and dear ones: as many as can be done of both together, until nearly all are done. */
static void test_mixed(const struct scene *c, int from, int window)
{
	enum { SECONDS = 600 };
	int each[SECONDS] = { 0 }, most = 0, least = c->capacity * window;
	int even = c->capacity * 2 / (1 + c->dear);
	int last = (int)c->senders / even * 8 / 10;
	int served = simulate(c, last * 2, each);

	printf("# cheap and dear, by %d seconds:", window);
	for (int i = from; i + window <= last; i += window) {
		int sum = 0;

		for (int k = 0; k < window; k++)
			sum += each[i + k];
		most = sum > most ? sum : most;
		least = sum < least ? sum : least;
		printf(" %d", sum);
	}
	printf("\n");
	ok(least * 10 >= most * 9, "R12: never fewer than nine tenths of the peak (%d of %d)",
	   least, most);
	ok(served >= (int)c->senders * 99 / 100, "R12: %d of %d are served", served,
	   (int)c->senders);
}

/* --- forged hellos --------------------------------------------------------------------------
 */

#define DEVICES 1500

struct device {
	int64_t begins_at, repeats_at, pause, in_at;
};

static void devices_turn(struct gate *g, struct device *d, int64_t now)
{
	for (uint32_t i = 0; i < DEVICES; i++, d++) {
		if (d->in_at || now < d->repeats_at)
			continue;
		wait_one(g, i, now);
		d->repeats_at = now + d->pause;
		d->pause *= 2;
	}
}

/* 50,000 in a second, each from another address; and 50 devices in a second among them. */
static void flood(struct device *devices, int64_t seconds)
{
	struct gate *g = gate_create(ROOM);
	struct gate_load load = { .took_us = 2 * MS };
	uint32_t id = DEVICES;
	struct hello h;

	for (uint32_t i = 0; i < DEVICES; i++)
		devices[i].repeats_at = devices[i].begins_at = 10 * S + i * 20 * MS;
	for (int64_t now = 10 * S; now < (10 + seconds) * S; now += 10 * MS) {
		for (int i = 0; i < 500; i++)
			wait_one(g, id++, now);
		devices_turn(g, devices, now);
		gate_pace(g, now, &load);
		while (gate_next(g, now, &h)) {
			if (h.id >= DEVICES)
				continue;
			devices[h.id].in_at = now;
			load.begun++;
			load.handshakes++;
			load.handshakes_us += 20 * MS;
		}
	}
	gate_free(g);
}

static void test_B02_flood(void)
{
	static struct device devices[DEVICES];
	int late = 0, never = 0;

	for (uint32_t i = 0; i < DEVICES; i++)
		devices[i].pause = S;
	flood(devices, 45);
	for (uint32_t i = 0; i < DEVICES; i++) {
		int64_t waited = devices[i].in_at - devices[i].begins_at;

		never += !devices[i].in_at || waited > 15 * S;
		late += i >= 500 && waited > S / 10; /* the first ten seconds tell what it is */
	}
	is_int(never, 0, "B02: among forged hellos every device comes in before it gives up");
	ok(late <= 1000 / 20,
	   "B02: and at once, once it is known that they are (%d of 1000 late)", late);
}

int main(void)
{
	srand(1);
	test_B02_flood();
	test_calm();
	test_stale();
	test_order(20000, 1);
	test_order(100000, 1);
	test_order(100000, 4);
	test_full();
	test_pace();
	test_workers();
	test_B09_calm_before();
	test_B09_room(false);
	test_B09_room(true);
	test_herd(500, true, 10 * MS, 10 * S);
	test_herd(2000, true, 10 * MS, 10 * S);
	test_herd(500, false, 10 * MS, 10 * S);
	test_herd(2000, false, 10 * MS, 10 * S);
	/* A slow machine: each turn finds so much that it is long. */
	test_herd(500, true, 125 * MS, 10 * S);
	/* As patient as libcoap, or as our agent: in the pauses of half a minute, and of a
	 * whole one, somebody waits, too. */
	test_herd(500, true, 10 * MS, 40 * S);
	test_herd(125, true, 40 * MS, 120 * S);
	test_mixed(&(struct scene){ SENDERS, 1000, true, 20 * MS, 10 * S, 5, 0 }, 2, 4);
	/* More than half a minute's, and dear ones wait longest when cheap ones ask most. */
	test_mixed(&(struct scene){ SENDERS_MAX, 1000, true, 50 * MS, 40 * S, 4, 15 * S }, 15,
		   15);
	return tap_done();
}
