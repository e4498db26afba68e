/* The waiting room, and the pace at which it is emptied: faster and faster while turns are
 * short, the shorter the faster; while they are long, as fast as handshakes are finished and a
 * little slower.  The same while handshakes take long, but never so slow that devices which
 * need long by nature would suffer. */

#include "server/coap/coap_gate.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <stdlib.h>

#define PLACES     (1u << 17)         /* 13 MB, touched as far as they are needed */
#define STALE_MIN  (8 * USEC_PER_SEC) /* see stale_us */
#define STALE_MAX  (64 * USEC_PER_SEC)
#define LATE_US    (250 * USEC_PER_MS) /* a turn that is too long */
#define BUSY_US    (20 * USEC_PER_MS)  /* a turn that leaves little of a processor */
#define STEP_US    (50 * USEC_PER_MS)  /* between two changes of pace */
#define CALM_US    (2 * USEC_PER_SEC)  /* nobody waited for so long */
#define RATE_CALM  2000.0              /* let in in a second, as long as nothing is known */
#define RATE_MIN   20.0
#define RATE_MAX   100000.0
#define RATE_SLOW  200.0 /* however long handshakes take */
#define RATE_OPEN  500.0 /* may be let in while nothing is finished: an attack, perhaps */
#define FASTER     1.12
#define ABOVE      1.05                /* of what is finished, while handshakes are not brisk */
#define BRISK_US   (400 * USEC_PER_MS) /* a handshake in which nobody waited */
#define SLOW_US    (1 * USEC_PER_SEC)  /* after ten times as long it may be given up */
#define AHEAD      4.0                 /* of what is finished: it is known seconds late */
#define LEAST      0.5                 /* of what is finished, while there is too much */
#define NEW_SHARE  0.2                 /* of the newest step in the mean of what is finished */
#define NEW_MOST   0.6                 /* the same, after a turn of many steps */
#define BURST_S    0.1
#define TURN_MAX_S 1.0 /* who is asked more seldom lets fewer in */
#define STEPS_MAX  6.0 /* made up for at once, where turns are longer than a step */
#define RESUMES    0.25
#define STAY_S     4                  /* of a session, before others need its room */
#define RETURN_US  (2 * USEC_PER_SEC) /* most who were let in have come back by then */
#define RETURNS    0.125              /* of them; where fewer do, most are forged */
#define RETURNS_OF 200                /* let in, to say so */
#define PRICE_MIN  0.005

struct gate {
	double rate;     /* let in in a second */
	double most;     /* the same, whatever the turns are like */
	double finished; /* handshakes in a second, of late */
	double mean_us;  /* what one took, of late */
	uint64_t handshakes, handshakes_us;
	double steps; /* that have passed since the last */
	double tokens;
	double price; /* of letting one in; the rest of a token it pays when it comes back */
	uint64_t let_in, begun;
	int64_t returns_at; /* since when let_in counts */
	uint64_t returned;  /* begun by then */
	int64_t tokens_at, paced_at, waited_at;
	struct hello *line; /* of those who wait, in no order and without a gap */
	uint32_t waiting;
	uint32_t *place_of; /* in the line, from 1, by id; 0: nobody with such an id waits */
	uint64_t dice;
};

static double within(double v, double least, double most)
{
	return v < least ? least : v > most ? most : v;
}

struct gate *gate_create(int sessions_max)
{
	struct gate *g = xcalloc(1, sizeof(*g));

	g->line = xcalloc(PLACES, sizeof(*g->line));
	g->place_of = xcalloc(PLACES, sizeof(*g->place_of));
	g->most = within((double)sessions_max / STAY_S, RATE_MIN, RATE_MAX);
	g->rate = within(RATE_CALM, RATE_MIN, g->most);
	g->price = 1;
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	free(g->line);
	free(g->place_of);
	free(g);
}

static void stand(struct gate *g, uint32_t place, const struct hello *h)
{
	g->line[place] = *h;
	g->place_of[h->id % PLACES] = place + 1;
}

void gate_wait(struct gate *g, const struct hello *h)
{
	uint32_t place = g->place_of[h->id % PLACES];

	stand(g, place ? place - 1 : g->waiting++, h);
}

/* The last one closes the gap. */
static void leave(struct gate *g, uint32_t place)
{
	g->place_of[g->line[place].id % PLACES] = 0;
	if (place < --g->waiting)
		stand(g, place, &g->line[g->waiting]);
}

/* They keep for BURST_S, or from one turn to the next. */
static bool has_tokens(struct gate *g, int64_t now)
{
	double passed = within((double)(now - g->tokens_at) / USEC_PER_SEC, 0, TURN_MAX_S);
	double most = g->rate * (passed > BURST_S ? passed : BURST_S);

	if (passed > 0)
		g->tokens = within(g->tokens + passed * g->rate, -most, most < 1 ? 1 : most);
	g->tokens_at = now;
	return g->tokens > 0;
}

/* A hello is repeated after 1, 2, 4 and more seconds (RFC 6347 section 4.2.4.1), and the
 * numbers of its records say how often it was: so long its sender waits for an answer. */
static int64_t stale_us(const struct hello *h)
{
	for (int64_t us = STALE_MIN, n = 3; us < STALE_MAX; us *= 2, n++)
		if (h->sequence[5] <= n)
			return us;
	return STALE_MAX;
}

/* Knuth's, MMIX: who is drawn is no secret. */
static uint32_t throw_dice(struct gate *g, uint32_t sides)
{
	g->dice = g->dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(g->dice >> 33) % sides;
}

/* Whoever is drawn gives up the place.  All who wait have the same chance, however often they
 * have asked: those of the last seconds, say, would be devices of one kind, and then of
 * another. Each that is found too old was put here by a hello, which pays for the look at it.
 */
static bool draw(struct gate *g, int64_t now, struct hello *ret)
{
	while (g->waiting > 0) {
		uint32_t place = throw_dice(g, g->waiting);

		*ret = g->line[place];
		leave(g, place);
		if (now - ret->at <= stale_us(ret))
			return true;
	}
	return false;
}

bool gate_next(struct gate *g, int64_t now, struct hello *ret)
{
	if (!has_tokens(g, now) || !draw(g, now, ret))
		return false;
	g->let_in++;
	g->tokens -= g->price * (ret->resumes ? within(g->rate / g->most, RESUMES, 1) : 1);
	return true;
}

bool gate_is_busy(const struct gate *g)
{
	return g->waiting > 0;
}

static void learn(struct gate *g, int64_t elapsed, const struct gate_load *load)
{
	uint64_t n = load->handshakes - g->handshakes;
	uint64_t us = load->handshakes_us - g->handshakes_us;
	double seen = (double)n * USEC_PER_SEC / (double)elapsed;

	g->handshakes = load->handshakes;
	g->handshakes_us = load->handshakes_us;
	g->steps = within((double)elapsed / STEP_US, 1, STEPS_MAX);
	double share = within(NEW_SHARE * g->steps, 0, NEW_MOST);
	g->finished += (seen - g->finished) * share;
	if (n > 0)
		g->mean_us += ((double)us / (double)n - g->mean_us) * share;
}

/* Who comes back pays what letting in did not cost. */
static void learn_price(struct gate *g, int64_t now, uint64_t begun)
{
	g->tokens -= (double)(begun - g->begun) * (1 - g->price);
	g->begun = begun;
	if (now - g->returns_at < RETURN_US)
		return;
	double returns = (double)(begun - g->returned) / (double)(g->let_in + 1);
	bool forged = g->let_in >= RETURNS_OF && returns < RETURNS;
	g->price = forged ? within(returns, PRICE_MIN, 1) : 1;
	g->let_in = 0;
	g->returned = begun;
	g->returns_at = now;
}

/* While our turns are short: what the peers can do. */
static double pace_of_peers(const struct gate *g, int64_t took_us)
{
	double most = g->finished * ABOVE;

	if (g->mean_us < BRISK_US) {
		bool ahead = g->rate > g->finished * AHEAD + RATE_OPEN;
		double room = 1 - (double)took_us / LATE_US;
		return ahead ? g->rate : g->rate * (1 + (FASTER - 1) * room * g->steps);
	}
	if (g->mean_us > SLOW_US)
		most = g->finished * within(SLOW_US / g->mean_us, LEAST, 1);
	return within(g->rate * FASTER, RATE_SLOW, within(most, RATE_SLOW, RATE_MAX));
}

/* Of our turns; or of the workers, where it is us who keep them from working. */
static int64_t lateness(const struct gate_load *load)
{
	bool workers_starve = load->took_us > BUSY_US && load->waits_us > load->took_us;

	return workers_starve ? load->waits_us : load->took_us;
}

/* While nobody waits nobody asks either: that time was no turn. */
static void forget_idle(struct gate *g, int64_t now, int64_t took_us)
{
	int64_t turn = (int64_t)(BURST_S * USEC_PER_SEC);

	if (turn < took_us)
		turn = took_us;
	if (g->tokens_at < now - turn)
		g->tokens_at = now - turn;
}

void gate_pace(struct gate *g, int64_t now, const struct gate_load *load)
{
	int64_t elapsed = now - g->paced_at;

	if (gate_is_busy(g))
		g->waited_at = now;
	else
		forget_idle(g, now, load->took_us);
	if (elapsed < STEP_US)
		return;
	g->paced_at = now;
	learn(g, elapsed, load);
	learn_price(g, now, load->begun);
	int64_t late_us = lateness(load);
	if (late_us > LATE_US)
		g->rate = g->finished * within((double)LATE_US / (double)late_us, LEAST, 1);
	else if (now - g->waited_at > CALM_US)
		g->rate = RATE_CALM;
	else
		g->rate = pace_of_peers(g, late_us);
	g->rate = within(g->rate, RATE_MIN, g->most);
}
