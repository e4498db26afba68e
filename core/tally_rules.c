/* Shards of the tallies: below TALLY_BLOCKS_AT those of older daemons, which began at 0 each,
 * and the ticker's; from there on a block for each daemon, up to the end of a smallint. */

#include "core/tally_rules.h"

#include "base/hash.h"

#include <assert.h>
#include <string.h>

#define TALLY_BLOCKS_AT 1024
#define TALLY_BLOCKS    ((INT16_MAX + 1 - TALLY_BLOCKS_AT) / TALLY_WORKERS_MAX)

/* Of the name and the folder: daemons of one host have the same name. */
static int32_t block_of(const char *node_name, const char *state_dir)
{
	struct sha256 *s = sha256_create();
	struct digest d;

	sha256_update(s, (struct bytes){ (const uint8_t *)node_name, strlen(node_name) + 1 });
	sha256_update(s, bytes_of(state_dir));
	sha256_finish(s, &d);
	return (d.b[0] << 16 | d.b[1] << 8 | d.b[2]) % TALLY_BLOCKS;
}

int32_t tally_shard(const char *node_name, const char *state_dir, int worker)
{
	assert(worker >= 0 && worker < TALLY_WORKERS_MAX);
	return TALLY_BLOCKS_AT + block_of(node_name, state_dir) * TALLY_WORKERS_MAX + worker;
}
