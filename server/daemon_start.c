/* Starting what needs no database. */

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/job_memo.h"
#include "core/tenant.h"
#include "server/daemon.h"
#include "server/database.h"
#include "server/folder.h"
#include "server/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Connections beside the workers': the ticker's. */
#define EXTRA_CONNECTIONS 2

static const char *path_of(struct daemon *d, const char *name)
{
	return settings_state_path(&d->settings, d->mem, name);
}

/* Thousands of sessions need as many descriptors as the system lets us have. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

enum rc daemon_open_state(struct daemon *d)
{
	raise_descriptor_limit();
	if (folder_make(d->settings.state_dir) != RC_OK) {
		log_error("no state directory", "dir", d->settings.state_dir, "error",
			  strerror(errno));
		return RC_INTERNAL;
	}
	enum rc rc = seal_key_load(path_of(d, "seal.key"), true, d->seal_key);
	if (rc != RC_OK) {
		log_error("the sealing key cannot be read", "file", path_of(d, "seal.key"));
		return rc;
	}
	d->core.seal_key = (struct bytes){ d->seal_key, sizeof(d->seal_key) };
	rc = daemon_open_certs(d);
	if (rc != RC_OK)
		return rc;
	rc = images_create(path_of(d, "images"), &d->core.images);
	if (rc != RC_OK)
		log_error("the images cannot be opened", "dir", path_of(d, "images"));
	return rc;
}

static void *work(void *arg)
{
	struct daemon_worker *w = arg;

	dispatch_work(w->dispatcher, w->shard);
	return NULL;
}

static void start_workers(struct daemon *d)
{
	while (d->worker_count < d->settings.workers && d->worker_count < DAEMON_WORKERS_MAX) {
		struct daemon_worker *w = &d->workers[d->worker_count];
		char name[16];

		w->dispatcher = d->dispatcher;
		w->shard = tally_shard(d->node_name, d->settings.state_dir, d->worker_count);
		snprintf(name, sizeof(name), "worker-%d", d->worker_count++ % 1000);
		w->thread = thread_start(name, work, w);
	}
}

enum rc daemon_start_core(struct daemon *d)
{
	struct db_options db =
		database_options(&d->settings, (int)d->settings.workers + EXTRA_CONNECTIONS);
	struct dispatch_options dispatch = { .queue_max = (size_t)d->settings.queue_max,
					     .tenant = TENANT_DEFAULT };

	gethostname(d->node_name, sizeof(d->node_name) - 1);
	uuid_random(&d->core.node_id);
	d->core.options.checkin_interval_s =
		(int32_t)(d->settings.checkin_interval / USEC_PER_SEC);
	d->core.state_dir = d->settings.state_dir;
	d->core.roster = roster_create();
	d->core.jobs = job_memo_create();
	db.held = true; /* until the tenant's secret is there */
	d->pool = d->core.pool = db_pool_create(&db);
	d->dispatcher = dispatcher_create(&d->core, d->pool, &dispatch);
	start_workers(d);
	d->setup = setup_start(&d->settings, &d->core);
	d->started = clock_monotonic();
	watchdog_init(&d->watchdog);
	return RC_OK;
}

enum rc daemon_start_http(struct daemon *d)
{
	const struct settings *s = &d->settings;
	bool own = !*s->http_certificate;
	struct http_options options = {
		.listen = s->http_listen,
		.cert_path = own ? d->cert_path : s->http_certificate,
		.key_path = own ? d->key_path : s->http_key,
		.threads = (int)s->http_threads,
		.max_connections = (int)s->http_max_connections,
		.max_per_address = (int)s->http_max_per_address,
		.idle_s = (int)(s->http_idle / USEC_PER_SEC),
	};
	enum rc rc = http_start(&d->core, d->dispatcher, &options, &d->http);

	if (rc == RC_OK)
		log_info("HTTPS listens", "port", log_i64(http_port(d->http)));
	return rc;
}
