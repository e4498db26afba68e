/* The notifier: brings to this daemon's roster what any daemon wrote to the outbox, and wakes
 * the devices concerned.  NOTIFY is only a hint: it rescans every few seconds with jitter, and
 * loads the whole roster after every (re)connect. */
#pragma once

#include "core/core.h"
#include "db/db.h"

struct notifier;

struct notifier_options {
	struct db_options db; /* its own connection; texts are borrowed until notifier_free */
	int32_t tenant;
	struct bytes seal_key; /* for the roster's load; copied */
	int64_t poll_us;       /* longest wait without a hint; 0: 5 s */
};

struct notifier *notifier_create(struct core *core, const struct notifier_options *options);
/* Thread body; returns after notifier_stop().  Connects, loads the roster (again after each
 * lost connection, with backoff and jitter), then follows the outbox. */
void notifier_run(struct notifier *n);
/* Any thread. */
void notifier_stop(struct notifier *n);
void notifier_free(struct notifier *n);
