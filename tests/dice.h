/* Dice of tests that play at random: MUSTER_TEST_SEED repeats a game. */
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t dice_seed;

/* Prints the seed. */
static inline void dice_begin(void)
{
	const char *given = getenv("MUSTER_TEST_SEED");

	dice_seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf("# MUSTER_TEST_SEED=%" PRIu64 "\n", dice_seed);
}

/* Knuth's, MMIX. */
static inline uint32_t random_below(uint32_t n)
{
	dice_seed = dice_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(dice_seed >> 33) % n;
}
