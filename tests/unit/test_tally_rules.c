/* Two daemons count in rows of their own. */

#include "core/tally_rules.h"
#include "tests/tap.h"

#define NODES 20

static int32_t shard_of(int node, int worker)
{
	char name[16];

	snprintf(name, sizeof(name), "node-%d", node);
	return tally_shard(name, "/var/lib/muster", worker);
}

static void test_range(void)
{
	int32_t least = INT32_MAX, most = 0;

	for (int node = 0; node < 20000; node++) {
		int32_t first = shard_of(node, 0), last = shard_of(node, TALLY_WORKERS_MAX - 1);
		least = first < least ? first : least;
		most = last > most ? last : most;
	}
	ok(least > TALLY_TICKER, "no worker has the ticker's: %d", least);
	ok(most <= INT16_MAX, "the column has room for all: %d", most);
}

static void test_apart(void)
{
	int shared = 0;

	for (int a = 0; a < NODES; a++)
		for (int b = 0; b < a; b++)
			for (int worker = 0; worker < TALLY_WORKERS_MAX; worker++)
				shared += shard_of(a, worker) == shard_of(b, 0);
	ok(shared <= 2, "hardly two of twenty daemons share rows: %d", shared);
	is_int(shard_of(3, 7), shard_of(3, 0) + 7, "no two workers of a daemon do");
	is_int(shard_of(3, 7), shard_of(3, 7), "after a restart they are the same");
	ok(tally_shard("host", "/srv/a", 0) != tally_shard("host", "/srv/b", 0),
	   "daemons of one host have folders of their own");
}

int main(void)
{
	test_range();
	test_apart();
	return tap_done();
}
