/* The charge of the battery, from a file such as /sys/class/power_supply/BAT0/energy_now. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One number of microwatt-hours.  False: there is no such file, or no such number in it. */
bool battery_read(const char *path, uint64_t *ret_mwh);
