/* Brakes guessing: an address whose credentials were refused again and again is told 429 for a
 * while, before it costs a worker.  Credentials that were good lately pass all the same.
 * Any thread. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

struct throttle;

struct throttle *throttle_create(void);
void throttle_free(struct throttle *t);
/* peer: address and port; credential: digest of what it proves itself with. */
bool throttle_blocks(struct throttle *t, const char *peer, const struct digest *credential);
void throttle_failed(struct throttle *t, const char *peer, const struct digest *credential);
void throttle_passed(struct throttle *t, const struct digest *credential);
