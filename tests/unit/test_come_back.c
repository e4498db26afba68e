#include "api/come_back.h"

#include "base/clock.h"
#include "base/hash.h"
#include "tests/tap.h"

#include <stdlib.h>

#define DEVICES 30000

static int by_number(const void *a, const void *b)
{
	return (int)(*(const int64_t *)a - *(const int64_t *)b);
}

/* All are turned away in the same second; rate is what is answered in a second. */
static void test_spread(int rate, const char *name)
{
	static int64_t after[DEVICES];
	struct come_back b;
	struct uuid id;
	int64_t now = 1000 * USEC_PER_SEC;
	int most = 0;

	come_back_init(&b);
	b.window_at = now;
	for (int i = 1; i <= 10; i++)
		come_back_answered(&b, (uint64_t)rate / 10, now + i * USEC_PER_SEC / 10);
	now += USEC_PER_SEC;
	for (int i = 0; i < DEVICES; i++) {
		uuid_random(&id);
		after[i] = come_back_after_s(&b, &id, now + i * USEC_PER_SEC / DEVICES);
	}
	qsort(after, DEVICES, sizeof(*after), by_number);
	for (int i = 0, n = 0; i < DEVICES; i++) {
		n = i && after[i] == after[i - 1] ? n + 1 : 1;
		most = n > most ? n : most;
	}
	ok(after[0] >= 1 && after[DEVICES - 1] <= COME_BACK_MAX_S, "%s: within bounds", name);
	bool fits = DEVICES / rate < COME_BACK_MAX_S;
	/* In a second of the answers' come those of two seconds of ours. */
	ok(!fits || most <= 2 * rate + 2, "%s: no second gets more than can be answered (%d)",
	   name, most);
	if (fits)
		is_int(after[DEVICES - 1] >= DEVICES / rate, 1,
		       "and the last one's turn is last");
	else
		ok(most < DEVICES / 40, "%s: beyond the limit they are spread by chance (%d)",
		   name, most);
	come_back_finish(&b);
}

static void test_line_moves(void)
{
	struct come_back b;
	struct uuid id;
	int64_t now = 5 * USEC_PER_SEC, first = 0, last = 0;

	uuid_random(&id);
	come_back_init(&b);
	for (int i = 0; i < 2000; i++)
		last = come_back_after_s(&b, &id, now);
	now += 60 * USEC_PER_SEC;
	first = come_back_after_s(&b, &id, now);
	ok(last >= 10, "two thousand wait for a database that answers nothing");
	is_int(first <= 2, 1, "later there is no line any more");
	come_back_finish(&b);
}

static void test_checkins(void)
{
	int count[64] = { 0 };
	struct uuid id;
	int outside = 0, changing = 0, most = 0;

	for (int i = 0; i < DEVICES; i++) {
		uuid_random(&id);
		int32_t s = come_back_spread_s(300, &id);
		changing += s != come_back_spread_s(300, &id);
		if (s < 270 || s > 330)
			outside++;
		else
			count[s - 270]++;
	}
	for (int i = 0; i <= 60; i++)
		most = count[i] > most ? count[i] : most;
	is_int(outside, 0, "check-ins stay within a tenth of the interval");
	is_int(changing, 0, "a device's own is always the same");
	ok(most < DEVICES / 61 * 5 / 4, "they are spread evenly (%d)", most);
	uuid_random(&id);
	is_int(come_back_spread_s(1, &id), 1, "one second stays one");
}

int main(void)
{
	test_spread(2000, "fast");
	test_spread(500, "slow");
	test_spread(200, "stuck");
	test_line_moves();
	test_checkins();
	return tap_done();
}
