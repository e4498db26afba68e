/* The cheapest way through a new image.  A lane is one way to go on: beside the old image at
 * one offset, or with bytes as they are.  All lanes that may still win are carried from byte to
 * byte with what they cost so far, as Viterbi's decoder does; those that leaving the best one
 * would beat are dropped.  New ones begin where the old image has bytes like those that come:
 * matches by the suffix array, and places close to the best lane's.  Such a place was often
 * good before the match, so each joins as far back as it pays.
 *
 * Ways share their beginnings: a step knows the one before it, and how many refer to it. */

#include "suit/diff_path.h"

#include <assert.h>
#include <string.h>

#define LANES_MAX  256
#define BACK       128 /* how far back a lane may join */
#define BACK_SCORE 8   /* it looks back over so many differences that stand close */
#define STRIDE_MAX 24  /* of tables whose entries all moved by as much */
#define NEIGHBOURS 8   /* of the best match in the suffix array, each way */
#define MATCH_MIN  3   /* of those */
#define NEARBY     32  /* bytes from the best lane's place, each way */
#define NEARBY_MIN 2   /* bytes that agree there */
#define SURE       32  /* what agrees so long needs no other lane */
#define COMPARED   4096
/* Where there is more work than may be: so many lanes, one match each way, a look at one byte
 * of so many. */
#define FEW_LANES 16
#define FEW_LOOKS 16

/* In 1/16 bit, as all costs.  Zeros: the first behind a difference, the next, and so on. */
static const uint16_t cost_zero[] = { 32, 24, 4, 1 };
#define COST_AGAIN  16  /* a difference like one a few words before it */
#define COST_NUMBER 128 /* a byte of a record's move */
#define COST_SLACK  512 /* what a lane may lag behind, beside a record */

struct lane {
	uint64_t cost;
	int64_t offset; /* old - new; of the extra lane: of the lane that it left */
	uint32_t step;
	unsigned run; /* of zeros just before, up to 3 */
};

struct path {
	const struct suit_diff *d;
	size_t at;
	struct lane lane[LANES_MAX];
	size_t lanes;
	struct lane extra;
	struct lane past[BACK]; /* the best lane at each of the last bytes */
	uint32_t free;          /* steps, linked by `before` */
	size_t free_count;
	uint64_t work; /* steps of the inner loops so far */
};

/* Of an image of few bytes that come in any order, all of it looks like all of it. */
static bool too_slow(const struct path *p)
{
	return p->work > SUIT_DIFF_WORK_FIRST + SUIT_DIFF_WORK_BYTE * (uint64_t)p->at;
}

/* --- steps -------------------------------------------------------------------------------- */

static uint32_t step_take(struct path *p, size_t at, uint32_t old, uint32_t before)
{
	struct suit_diff_step *step = p->d->step;
	uint32_t ret = p->free;

	assert(p->free_count > 0);
	p->free = step[ret].before;
	p->free_count--;
	step[ret] = (struct suit_diff_step){ (uint32_t)at, old, before, 1 };
	if (before != SUIT_DIFF_NONE)
		step[before].uses++;
	return ret;
}

static void step_drop(struct path *p, uint32_t i)
{
	struct suit_diff_step *step = p->d->step;

	while (i != SUIT_DIFF_NONE && --step[i].uses == 0) {
		uint32_t before = step[i].before;
		step[i].before = p->free;
		p->free = i;
		p->free_count++;
		i = before;
	}
}

static void steps_free(struct path *p)
{
	p->free = SUIT_DIFF_NONE;
	p->free_count = p->d->step_count;
	for (size_t i = p->d->step_count; i-- > 0; p->free = (uint32_t)i)
		p->d->step[i].before = p->free;
}

/* --- costs -------------------------------------------------------------------------------- */

static bool inside(const struct suit_diff *d, size_t at, int64_t offset)
{
	int64_t old = (int64_t)at + offset;

	return old >= 0 && old < (int64_t)d->old.n;
}

static bool agrees(const struct suit_diff *d, size_t at, int64_t offset)
{
	return d->old.p[(int64_t)at + offset] == d->fresh.p[at];
}

static uint8_t difference(const struct suit_diff *d, size_t at, int64_t offset)
{
	return (uint8_t)(d->fresh.p[at] - d->old.p[(int64_t)at + offset]);
}

/* Addresses in a table that moved differ by the same: a compressor sees that. */
static bool again(const struct suit_diff *d, size_t at, int64_t offset)
{
	uint8_t value = difference(d, at, offset);

	for (size_t k = 4; k <= STRIDE_MAX && k <= at && inside(d, at - k, offset); k += 4)
		if (difference(d, at - k, offset) == value)
			return true;
	return false;
}

/* What a byte that is written as it is costs, or one that differs by this. */
static uint64_t value_cost(const struct suit_diff *d, unsigned mean, uint8_t value)
{
	int cost = (int)mean + (d->value ? d->value[value] : 0);

	return cost > 0 ? (uint64_t)cost : 0;
}

static uint64_t byte_cost(const struct suit_diff *d, size_t at, int64_t offset, unsigned *run)
{
	if (agrees(d, at, offset)) {
		uint64_t cost = cost_zero[*run];
		*run += *run < 3;
		return cost;
	}
	if (again(d, at, offset))
		return COST_AGAIN;
	*run = 0;
	return value_cost(d, d->costs.differing, difference(d, at, offset));
}

static uint64_t move_cost(const struct suit_diff *d, int64_t move)
{
	uint64_t left = (uint64_t)(move < 0 ? -move : move) >> 6, n = 1;

	for (; left > 0; left >>= 7)
		n++;
	return d->costs.record + COST_NUMBER * n;
}

/* --- lanes -------------------------------------------------------------------------------- */

static const struct lane *best_lane(const struct path *p)
{
	const struct lane *best = &p->extra;

	for (size_t i = 0; i < p->lanes; i++)
		if (p->lane[i].cost <= best->cost)
			best = &p->lane[i];
	return best;
}

static bool has_lane(const struct path *p, int64_t offset)
{
	for (size_t i = 0; i < p->lanes; i++)
		if (p->lane[i].offset == offset)
			return true;
	return false;
}

/* Bytes before this one from which it may pay to be beside the old image at this offset. */
static size_t back_of(const struct path *p, int64_t offset)
{
	const struct suit_diff *d = p->d;
	size_t n = 0;
	int score = 0;

	for (; n < BACK - 1 && n < p->at && inside(d, p->at - n - 1, offset); n++) {
		size_t at = p->at - n - 1;
		if (agrees(d, at, offset) || again(d, at, offset))
			score -= score > 0;
		else if ((score += 2) > BACK_SCORE)
			break;
	}
	return n;
}

/* A lane at this offset, joined where it is cheapest by now; ret_from is where. */
static struct lane lane_join(struct path *p, int64_t offset, size_t *ret_from)
{
	struct lane ret = { .cost = UINT64_MAX, .offset = offset };
	size_t back = back_of(p, offset);

	p->work += 2 * back + 2;
	for (size_t at = p->at - back;; at++) {
		const struct lane *past = &p->past[at % BACK];
		uint64_t joined = past->cost + move_cost(p->d, offset - past->offset);
		if (joined < ret.cost) {
			ret.cost = joined;
			ret.run = 0;
			*ret_from = at;
		}
		if (at == p->at)
			return ret;
		ret.cost += byte_cost(p->d, at, offset, &ret.run);
	}
}

/* Where a lane of this cost may stand; none when all others are cheaper. */
static struct lane *lane_room(struct path *p, uint64_t cost)
{
	struct lane *worst = &p->lane[0];

	if (p->lanes < LANES_MAX) {
		p->lane[p->lanes].step = SUIT_DIFF_NONE;
		return &p->lane[p->lanes++];
	}
	for (size_t i = 1; i < LANES_MAX; i++)
		if (p->lane[i].cost > worst->cost)
			worst = &p->lane[i];
	return worst->cost > cost ? worst : NULL;
}

/* The extra lane may take a step at each byte and past lanes hold on to them, so that many
 * stay free for it: there is always a way on. */
static void lane_try(struct path *p, size_t old)
{
	int64_t offset = (int64_t)old - (int64_t)p->at;
	size_t from = p->at;

	p->work += p->lanes;
	if (p->free_count < 2 * BACK || has_lane(p, offset))
		return;
	struct lane found = lane_join(p, offset, &from);
	struct lane *room = lane_room(p, found.cost);
	if (!room)
		return;
	found.step = step_take(p, from, (uint32_t)((int64_t)from + offset),
			       p->past[from % BACK].step);
	step_drop(p, room->step);
	*room = found;
}

/* --- where to look ------------------------------------------------------------------------ */

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Bytes that agree from there on, given that the first `n` do. */
static size_t common(struct path *p, size_t old, size_t n, size_t max)
{
	const struct suit_diff *d = p->d;
	size_t at = p->at, first = n;

	max = smaller(max, smaller(d->old.n - old, d->fresh.n - at));
	while (n < max && d->old.p[old + n] == d->fresh.p[at + n])
		n++;
	p->work += 1 + (n - first) / 8;
	return n;
}

/* Does the old image's suffix stand before the new image's, when n bytes agree? */
static bool before(const struct suit_diff *d, size_t old, size_t at, size_t n)
{
	if (old + n == d->old.n)
		return true;
	return at + n < d->fresh.n && d->old.p[old + n] < d->fresh.p[at + n];
}

/* Where what comes would stand among the old image's suffixes, by halving: behind the
 * one returned or behind the next.  n: what it has in common with both. */
static size_t place_find(struct path *p, size_t n[2])
{
	const struct suit_diff *d = p->d;
	size_t low = 0, high = d->old.n - 1;

	n[0] = common(p, (size_t)d->order[low], 0, COMPARED);
	n[1] = common(p, (size_t)d->order[high], 0, COMPARED);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2, old = (size_t)d->order[middle];
		/* All between two neighbours agree in what both of them agree in. */
		size_t m = common(p, old, smaller(n[0], n[1]), COMPARED);
		bool is_before = before(d, old, p->at, m);
		*(is_before ? &low : &high) = middle;
		n[!is_before] = m;
	}
	return low;
}

/* Tries the longest matches of what comes; returns the length of the best. */
static size_t try_matches(struct path *p)
{
	const struct suit_diff *d = p->d;
	size_t n[2], tries = too_slow(p) ? 1 : NEIGHBOURS;

	if (d->old.n == 0)
		return 0;
	size_t low = place_find(p, n), high = smaller(low + 1, d->old.n - 1);
	size_t best = n[0] > n[1] ? n[0] : n[1];
	for (size_t i = 0; i < tries && n[0] >= MATCH_MIN; i++) {
		lane_try(p, (size_t)d->order[low]);
		if (low-- == 0)
			break;
		n[0] = common(p, (size_t)d->order[low], 0, SURE);
	}
	for (size_t i = 0; i < tries && n[1] >= MATCH_MIN; i++) {
		lane_try(p, (size_t)d->order[high]);
		if (++high == d->old.n)
			break;
		n[1] = common(p, (size_t)d->order[high], 0, SURE);
	}
	return best;
}

/* Code that only slid by some instructions. */
static void try_nearby(struct path *p, int64_t offset)
{
	const struct suit_diff *d = p->d;

	if (d->fresh.n - p->at < NEARBY_MIN)
		return;
	p->work += 2 * NEARBY;
	for (int64_t slide = -NEARBY; slide <= NEARBY; slide++) {
		int64_t old = (int64_t)p->at + offset + slide;
		if (old < 0 || old + NEARBY_MIN > (int64_t)d->old.n)
			continue;
		if (memcmp(d->old.p + old, d->fresh.p + p->at, NEARBY_MIN) == 0)
			lane_try(p, (size_t)old);
	}
}

/* Returns the number of bytes that need no other look. */
static size_t look(struct path *p)
{
	const struct lane *best = best_lane(p);
	int64_t offset = best->offset;

	if (best != &p->extra && inside(p->d, p->at, offset)) {
		size_t old = (size_t)((int64_t)p->at + offset);
		size_t n = common(p, old, 0, SIZE_MAX);
		if (n >= SURE)
			return n;
	}
	if (!too_slow(p))
		try_nearby(p, offset);
	size_t n = try_matches(p);
	if (n >= SURE)
		return n;
	return too_slow(p) ? FEW_LOOKS : 1;
}

/* --- from byte to byte -------------------------------------------------------------------- */

static void remember(struct path *p)
{
	const struct lane *best = best_lane(p);
	struct lane *past = &p->past[p->at % BACK];

	p->d->step[best->step].uses++;
	step_drop(p, past->step);
	*past = *best;
}

static void extra_advance(struct path *p)
{
	const struct lane *past = &p->past[p->at % BACK];

	if (p->extra.cost > past->cost) {
		uint32_t step = step_take(p, p->at, SUIT_DIFF_EXTRA, past->step);
		step_drop(p, p->extra.step);
		p->extra = (struct lane){ past->cost, past->offset, step, 0 };
	}
	p->extra.cost += value_cost(p->d, p->d->costs.extra, p->d->fresh.p[p->at]);
}

static void advance(struct path *p)
{
	const struct lane *past = &p->past[p->at % BACK];
	uint64_t limit = past->cost + p->d->costs.record + COST_SLACK;
	size_t kept = 0, few = too_slow(p) ? FEW_LANES : LANES_MAX;

	extra_advance(p);
	p->work += p->lanes;
	for (size_t i = 0; i < p->lanes; i++) {
		struct lane l = p->lane[i];
		if (l.cost > limit || !inside(p->d, p->at, l.offset) ||
		    (kept >= few && l.offset != past->offset)) {
			step_drop(p, l.step);
			continue;
		}
		l.cost += byte_cost(p->d, p->at, l.offset, &l.run);
		p->lane[kept++] = l;
	}
	p->lanes = kept;
	p->at++;
}

static uint32_t turned(struct suit_diff_step *step, uint32_t last)
{
	uint32_t ret = SUIT_DIFF_NONE;

	while (last != SUIT_DIFF_NONE) {
		uint32_t before = step[last].before;
		step[last].before = ret;
		ret = last;
		last = before;
	}
	return ret;
}

uint32_t suit_diff_path(const struct suit_diff *d, uint64_t *ret_work)
{
	struct path p = { .d = d, .lanes = 1, .extra = { UINT64_MAX, 0, SUIT_DIFF_NONE, 0 } };
	size_t next = 0;

	steps_free(&p);
	for (size_t i = 0; i < BACK; i++)
		p.past[i].step = SUIT_DIFF_NONE;
	p.lane[0].step = step_take(&p, 0, 0, SUIT_DIFF_NONE);
	while (p.at < d->fresh.n) {
		remember(&p);
		if (p.at >= next)
			next = p.at + look(&p);
		advance(&p);
	}
	*ret_work = p.work;
	return turned(d->step, best_lane(&p)->step);
}
