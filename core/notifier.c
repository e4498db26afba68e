/* The notifier.  It stands at a mark in the outbox and reads on from there, up to the horizon
 * below which every transaction is over; hints only make it look sooner. */

#include "core/notifier.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/roster_update.h"
#include "db/member_store.h"
#include "db/outbox_store.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#define POLL_DEFAULT_US   (5 * USEC_PER_SEC)
#define COALESCE_US       (20 * USEC_PER_MS) /* hints that come closer together are one */
#define BACKOFF_MIN_US    (200 * USEC_PER_MS)
#define BACKOFF_MAX_US    (2 * USEC_PER_SEC)
#define READ_LIMIT        1000
#define EXPOSE_TIMEOUT_MS 600000

struct notifier {
	struct core *core;
	struct notifier_options options;
	uint8_t seal_key[32];
	int wake_fd;
	_Atomic bool stopping;
};

struct notifier *notifier_create(struct core *core, const struct notifier_options *options)
{
	struct notifier *n = xcalloc(1, sizeof(*n));

	n->core = core;
	n->options = *options;
	if (n->options.seal_key.n > sizeof(n->seal_key))
		n->options.seal_key.n = sizeof(n->seal_key);
	memcpy(n->seal_key, options->seal_key.p, n->options.seal_key.n);
	n->options.seal_key.p = n->seal_key;
	if (n->options.poll_us <= 0)
		n->options.poll_us = POLL_DEFAULT_US;
	n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return n;
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	close(n->wake_fd);
	explicit_bzero(n->seal_key, sizeof(n->seal_key));
	free(n);
}

void notifier_stop(struct notifier *n)
{
	uint64_t one = 1;

	atomic_store(&n->stopping, true);
	if (write(n->wake_fd, &one, sizeof(one)) < 0)
		log_warn("the notifier was not woken");
}

/* Between half of it and all of it, so that daemons do not march in step. */
static int64_t jitter(int64_t us)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return us / 2 + us / 2 * (int64_t)(r >> 16) / 65536;
}

static void pause_for(struct notifier *n, int64_t us)
{
	struct pollfd p = { .fd = n->wake_fd, .events = POLLIN };

	if (!atomic_load(&n->stopping))
		(void)poll(&p, 1, (int)(us / USEC_PER_MS));
}

/* --- what rows mean --- */

static bool expose(void *arg, const struct uuid *device_id)
{
	struct notifier *n = arg;
	struct roster_device *d = roster_find(n->core->roster, device_id);

	if (d) {
		roster_mark_work(d);
		roster_wake_device(n->core->roster, d);
	}
	return true;
}

/* As many as the open stage reaches, which may be all of a million. */
static enum rc follow_campaign(struct notifier *n, struct db *db, const struct uuid *id)
{
	enum rc rc = db_begin(db);

	if (rc == RC_OK)
		rc = db_patience(db, EXPOSE_TIMEOUT_MS);
	if (rc == RC_OK)
		rc = member_store_exposed(db, n->options.tenant, id, expose, n);
	if (rc == RC_OK)
		rc = db_commit(db);
	if (rc != RC_OK)
		db_rollback(db);
	return rc;
}

static bool campaign_seen(const struct outbox_row *rows, int i)
{
	for (int k = 0; k < i; k++)
		if (uuid_equal(&rows[k].campaign_id, &rows[i].campaign_id))
			return true;
	return false;
}

/* The devices that rows are about, each once or more, are read again together. */
static enum rc follow_devices(struct notifier *n, struct db *db, const struct outbox_row *rows,
			      int count)
{
	struct uuid ids[READ_LIMIT];
	size_t id_count = 0;

	for (int i = 0; i < count; i++)
		if (rows[i].kind != OUTBOX_CAMPAIGN)
			ids[id_count++] = rows[i].device_id;
	return id_count ? roster_reload(n->core->roster, db, ids, id_count) : RC_OK;
}

static enum rc follow_rows(struct notifier *n, struct db *db, const struct outbox_row *rows,
			   int count)
{
	enum rc rc = follow_devices(n, db, rows, count);

	for (int i = 0; rc == RC_OK && i < count; i++)
		if (rows[i].kind == OUTBOX_CAMPAIGN && !campaign_seen(rows, i))
			rc = follow_campaign(n, db, &rows[i].campaign_id);
	return rc;
}

static enum rc drain(struct notifier *n, struct db *db, struct outbox_mark *mark)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct outbox_row *rows;
	int64_t horizon;
	int count = 0;

	memory_begin();
	enum rc rc = outbox_store_horizon(db, &horizon);
	do {
		arena_reset(mem);
		if (rc == RC_OK)
			rc = outbox_store_read(db, n->options.tenant, mark, horizon, READ_LIMIT,
					       mem, &rows, &count);
		if (rc == RC_OK)
			rc = follow_rows(n, db, rows, count);
	} while (rc == RC_OK && count == READ_LIMIT && !atomic_load(&n->stopping));
	return rc;
}

/* --- the thread --- */

/* From a fresh connection: hints on, mark, load; in this order nothing falls between. */
static enum rc begin(struct notifier *n, struct db *db, struct outbox_mark *ret)
{
	int64_t horizon, from = clock_monotonic();

	enum rc rc = db_exec(db, "LISTEN " OUTBOX_CHANNEL);
	if (rc == RC_OK)
		rc = outbox_store_horizon(db, &horizon);
	if (rc == RC_OK)
		rc = roster_load(n->core->roster, db, n->options.tenant, n->options.seal_key);
	if (rc != RC_OK)
		return rc;
	*ret = (struct outbox_mark){ horizon, -1 };
	log_info("roster loaded", "devices", log_i64((int64_t)roster_count(n->core->roster)),
		 "ms", log_i64((clock_monotonic() - from) / USEC_PER_MS));
	return RC_OK;
}

static enum rc follow(struct notifier *n, struct db *db)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct outbox_mark mark;
	const char *hint = NULL;

	enum rc rc = begin(n, db, &mark);
	while (rc == RC_OK && !atomic_load(&n->stopping)) {
		rc = drain(n, db, &mark);
		pause_for(n, COALESCE_US);
		arena_reset(mem);
		if (rc == RC_OK && !atomic_load(&n->stopping))
			rc = db_wait_notify(db, n->wake_fd, jitter(n->options.poll_us), mem,
					    &hint);
		while (rc == RC_OK && hint)
			rc = db_wait_notify(db, n->wake_fd, 0, mem, &hint);
	}
	return rc;
}

void notifier_run(struct notifier *n)
{
	int64_t backoff = BACKOFF_MIN_US;

	while (!atomic_load(&n->stopping)) {
		struct db *db = NULL;
		int64_t from = clock_monotonic();

		enum rc rc = db_connect(&n->options.db, &db);
		if (rc == RC_OK)
			rc = follow(n, db);
		if (rc != RC_OK && backoff == BACKOFF_MIN_US)
			log_warn("notifier lost the database", "result", rc_name(rc), "error",
				 db ? db_error(db) : NULL);
		db_close(db);
		if (clock_monotonic() - from > BACKOFF_MAX_US)
			backoff = BACKOFF_MIN_US;
		pause_for(n, jitter(backoff));
		backoff = backoff * 2 < BACKOFF_MAX_US ? backoff * 2 : BACKOFF_MAX_US;
	}
}
