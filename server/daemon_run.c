/* The main loop's steps, and stopping. */

#include "base/clock.h"
#include "base/log.h"
#include "core/job_memo.h"
#include "core/tenant.h"
#include "server/daemon.h"
#include "server/database.h"
#include "server/figures.h"
#include "server/log_level.h"
#include "server/sd.h"
#include "server/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* systemd need not wait longer than this for a database that is away. */
#define READY_ANYWAY_US (5 * USEC_PER_SEC)
/* A database may be as slow as it likes: after so long calls are answered "unavailable", and
 * after the second time nothing more is written.  The unit's TimeoutStopSec has room for both,
 * and for two attempts to connect. */
#define STOP_CALLS_US (10 * USEC_PER_SEC)
#define STOP_LEAVE_US (5 * USEC_PER_SEC)

static void *tick(void *arg)
{
	ticker_run(arg);
	return NULL;
}

static void *notify(void *arg)
{
	notifier_run(arg);
	return NULL;
}

static void start_ticker(struct daemon *d, const struct witness_mark *mark)
{
	struct ticker_options options = { .tenant = TENANT_DEFAULT, .node_name = d->node_name };

	d->ticker = ticker_create(&d->core, d->pool, &options);
	ticker_remember(d->ticker, mark);
	d->ticker_thread = thread_start("ticker", tick, d->ticker);
}

static void start_notifier(struct daemon *d)
{
	struct notifier_options options = { .db = database_options(&d->settings, 1),
					    .tenant = TENANT_DEFAULT,
					    .seal_key = d->core.seal_key };

	d->notifier = notifier_create(&d->core, &options);
	d->notifier_thread = thread_start("notifier", notify, d->notifier);
}

/* Once, to whoever watches the terminal; never into a journal, which others may read. */
static void print_bootstrap(const char *secret)
{
	if (getenv("JOURNAL_STREAM")) {
		log_info("there is no administrator yet: run `musterd bootstrap`");
		return;
	}
	printf("one-time secret for the first administrator: %s\n", secret);
	fflush(stdout);
}

static enum rc step_waiting(struct daemon *d)
{
	struct setup_result result = { 0 };

	switch (setup_look(d->setup, &result)) {
	case SETUP_WAITING:
		atomic_store(&d->core.not_ready, setup_why(d->setup));
		return RC_OK;
	case SETUP_FAILED:
		return RC_INTERNAL;
	case SETUP_DONE:
		break;
	}
	atomic_store(&d->core.not_ready, NULL);
	d->core.tenant_secret = result.tenant_secret;
	db_pool_open(d->pool);
	if (result.bootstrap_secret)
		print_bootstrap(result.bootstrap_secret);
	start_notifier(d);
	start_ticker(d, &result.mark);
	d->phase = DAEMON_LOADING;
	return RC_OK;
}

static enum rc start_coap(struct daemon *d)
{
	const struct settings *s = &d->settings;
	struct coap_server_options options = {
		.listen = s->coap_listen,
		.plain_listen = s->coap_plain_listen,
		.threads = (int)s->coap_threads,
		.shards = (int)s->coap_shards,
		.cert_path = d->cert_path,
		.key_path = d->key_path,
		.state_dir = s->state_dir,
		.seal_key = d->core.seal_key,
		.session_idle_s = (int)(s->coap_session_idle / USEC_PER_SEC),
		.max_sessions = (int)s->coap_max_sessions,
		.max_handshakes = (int)s->coap_max_handshakes,
		.wakes_per_s = (int)s->coap_pushes_per_s,
	};
	enum rc rc = coap_server_start(&d->core, d->dispatcher, &options, &d->coap);

	if (rc != RC_OK)
		return rc;
	log_info("CoAP listens", "port", log_i64(coap_server_port(d->coap)));
	figures_add_coap(d->coap);
	figures_add_roster(d->core.roster);
	figures_add_images(d->core.images);
	figures_add_jobs(&d->core);
	return RC_OK;
}

static void tell_ready(struct daemon *d, const char *status)
{
	if (!d->told_ready)
		sd_tell("READY=1");
	d->told_ready = true;
	sd_tell(status);
}

/* Devices come in only when the roster is whole: before, everyone would be unknown. */
static enum rc step_loading(struct daemon *d)
{
	if (!roster_ready(d->core.roster))
		return RC_OK;
	enum rc rc = start_coap(d);
	if (rc != RC_OK)
		return rc;
	d->phase = DAEMON_SERVING;
	tell_ready(d, "STATUS=serving");
	log_info("serving", "devices", log_i64((int64_t)roster_count(d->core.roster)));
	return RC_OK;
}

static void feed_watchdog(struct daemon *d)
{
	uint64_t beats[WATCHDOG_THREADS_MAX];
	int64_t now = clock_monotonic();
	int n = 0;

	if (!watchdog_is_due(&d->watchdog, now))
		return;
	for (int i = 0; i < http_threads(d->http) && n < WATCHDOG_THREADS_MAX; i++)
		beats[n++] = http_beats(d->http, i);
	for (int i = 0; d->coap && i < coap_server_threads(d->coap) && n < WATCHDOG_THREADS_MAX;
	     i++)
		beats[n++] = coap_server_beats(d->coap, i);
	watchdog_look(&d->watchdog, now, beats, n);
}

enum rc daemon_step(struct daemon *d)
{
	enum rc rc = RC_OK;

	switch (d->phase) {
	case DAEMON_WAITING:
		rc = step_waiting(d);
		break;
	case DAEMON_LOADING:
		rc = step_loading(d);
		break;
	case DAEMON_SERVING:
		break;
	}
	if ((d->ticker && ticker_gave_up(d->ticker)) || daemon_has_new_certificate(d))
		rc = RC_INTERNAL;
	if (!d->told_ready && clock_monotonic() - d->started > READY_ANYWAY_US)
		tell_ready(
			d,
			atomic_load(&d->core.not_ready)
				? "STATUS=the database went back in time: run `musterd fence`"
				: "STATUS=waiting for the database");
	feed_watchdog(d);
	return rc;
}

void daemon_reload(struct daemon *d)
{
	struct settings fresh;
	enum log_level level;

	if (settings_load(d->config_path, d->mem, &fresh) != RC_OK ||
	    log_level_parse(fresh.log_level, &level) != RC_OK) {
		log_warn("the configuration has faults; the old one stays");
		return;
	}
	log_init(level);
	log_info("read again", "level", fresh.log_level);
}

/* First the doors, while workers still answer what came in. */
static void stop_calls(struct daemon *d)
{
	db_give_up_at(clock_monotonic() + STOP_CALLS_US);
	if (d->ticker)
		ticker_wind_down(d->ticker);
	if (d->coap)
		coap_server_drain(d->coap);
	http_stop(d->http);
	coap_server_stop(d->coap);
	if (d->dispatcher)
		dispatcher_stop(d->dispatcher);
	for (int i = 0; i < d->worker_count; i++)
		pthread_join(d->workers[i].thread, NULL);
}

/* Those who write by themselves; all are told before the first is waited for. */
static void stop_work(struct daemon *d)
{
	db_give_up_at(clock_monotonic() + STOP_LEAVE_US);
	if (d->notifier)
		notifier_stop(d->notifier);
	if (d->ticker) {
		ticker_stop(d->ticker);
		pthread_join(d->ticker_thread, NULL);
	}
	if (d->notifier)
		pthread_join(d->notifier_thread, NULL);
	setup_finish(d->setup);
}

void daemon_stop(struct daemon *d)
{
	figures_remove(d->coap);
	figures_remove(d->core.roster);
	figures_remove(d->core.images);
	figures_remove(&d->core);
	stop_calls(d);
	stop_work(d);
	ticker_free(d->ticker);
	notifier_free(d->notifier);
	dispatcher_free(d->dispatcher);
	db_pool_free(d->pool);
	job_memo_free(d->core.jobs);
	roster_free(d->core.roster);
	images_free(d->core.images);
	certs_free(d->core.certs);
	explicit_bzero(d->seal_key, sizeof(d->seal_key));
}
