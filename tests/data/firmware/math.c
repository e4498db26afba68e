/* Fixed-point mathematics, Q16.16. */

#include "lock.h"

fixed fixed_mul(fixed a, fixed b)
{
	int64_t v = ((int64_t)a * b + 0x8000) >> 16;
	if (v > INT32_MAX)
		return INT32_MAX;
	return v < INT32_MIN ? INT32_MIN : (fixed)v;
}

fixed fixed_div(fixed a, fixed b)
{
	if (b == 0)
		return a < 0 ? INT32_MIN : INT32_MAX;
	uint32_t x = a < 0 ? (uint32_t)-a : (uint32_t)a, y = b < 0 ? (uint32_t)-b : (uint32_t)b;
	uint32_t q = x / y, r = x % y;
	for (int i = 0; i < 16; i++) {
		q <<= 1;
		uint32_t top = r >> 31;
		r <<= 1;
		if (top || r >= y) {
			r -= y;
			q |= 1;
		}
	}
	return (a < 0) != (b < 0) ? -(fixed)q : (fixed)q;
}

fixed fixed_sqrt(fixed a)
{
	uint64_t x = a > 0 ? (uint64_t)a << 16 : 0, root = 0, bit = (uint64_t)1 << 46;
	while (bit > x)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (x >= root + bit) {
			x -= root + bit;
			root = (root >> 1) + bit;
		} else {
			root >>= 1;
		}
	}
	return (fixed)root;
}

/* A full turn is 65536. */
fixed fixed_sin(uint16_t angle)
{
	unsigned quarter = angle >> 14, part = angle & 0x3fff;
	if (quarter & 1)
		part = 0x4000 - part;
	unsigned at = part >> 6, rest = part & 63;
	int32_t low = sine_table[at], high = sine_table[at < 256 ? at + 1 : 256];
	int32_t v = low + (int32_t)(((int64_t)(high - low) * (int32_t)rest) >> 6);
	v >>= 14;
	return quarter & 2 ? -v : v;
}

fixed fixed_log2(fixed a)
{
	if (a <= 0)
		return INT32_MIN;
	fixed ret = 0;
	uint32_t x = (uint32_t)a;
	while (x < 65536) {
		x <<= 1;
		ret -= 65536;
	}
	while (x >= 131072) {
		x >>= 1;
		ret += 65536;
	}
	for (fixed bit = 32768; bit; bit >>= 1) {
		x = (uint32_t)(((uint64_t)x * x) >> 16);
		if (x < 131072)
			continue;
		x >>= 1;
		ret += bit;
	}
	return ret;
}

fixed biquad_step(struct biquad *b, fixed x)
{
	fixed y = fixed_mul(b->b0, x) + fixed_mul(b->b1, b->x1) + fixed_mul(b->b2, b->x2) -
		  fixed_mul(b->a1, b->y1) - fixed_mul(b->a2, b->y2);
	b->x2 = b->x1;
	b->x1 = x;
	b->y2 = b->y1;
	b->y1 = y;
	return y;
}

static fixed limit(fixed v, fixed min, fixed max)
{
	return v < min ? min : v > max ? max : v;
}

fixed pid_step(struct pid *p, fixed error, fixed dt)
{
#if RELEASE >= 2
	if (error < p->dead_zone && error > -p->dead_zone)
		error = 0;
#endif
	p->sum = limit(p->sum + fixed_mul(fixed_mul(p->ki, error), dt), p->min, p->max);
	fixed slope = fixed_div(error - p->last, dt);
	p->last = error;
	return limit(fixed_mul(p->kp, error) + p->sum + fixed_mul(p->kd, slope), p->min,
		     p->max);
}
