/* The small languages of the command line: durations, shares, stages, class names, labels.
 * Each says exactly what it wanted when it is given something else. */
#pragma once

#include "base/arena.h"
#include "base/rc.h"

#include <stdint.h>

/* "90s", "10m", "1h", "2d"; sums such as "1h30m".  0 to 10 years, in seconds. */
enum rc parse_duration(const char *text, int64_t *ret_s) MUST_CHECK;

/* "50%", "0.1%": more than 0, at most 100, two decimals, in hundredths of a percent. */
enum rc parse_percent(const char *text, int64_t *ret) MUST_CHECK;
#define PERCENT INT64_C(100)

struct stage_step {
	int64_t count;   /* devices, cumulative; 0 when a share is given */
	int64_t percent; /* in hundredths of a percent, cumulative; 0 when a number is given */
};

#define STAGE_STEPS_MAX 32

/* "1,50%,100%": each at least as large as the one before it of its kind, the last 100%.
 * RC_INVALID: *ret_why says which step is wrong. */
enum rc parse_stages(const char *text, struct arena *mem,
		     struct stage_step ret[STAGE_STEPS_MAX], int *ret_count,
		     const char **ret_why) MUST_CHECK;

/* "acme.example/lock-7". */
enum rc parse_class(const char *text, struct arena *mem, const char **ret_vendor,
		    const char **ret_name) MUST_CHECK;

/* "site=berlin"; the value may be empty and may hold '='. */
enum rc parse_label(const char *text, struct arena *mem, const char **ret_name,
		    const char **ret_value) MUST_CHECK;
