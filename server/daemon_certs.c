/* The server's certificate, which is to be good however long the daemon runs.  Both transports
 * read it when they start, so a new one is for the next start: whoever watches over the daemon
 * starts it again, and devices resume by their tickets, whose keys are on disk. */

#include "base/clock.h"
#include "base/log.h"
#include "core/clock_rules.h"
#include "server/daemon.h"

#include <stdlib.h>

#define SERVER_DAYS 398
#define LOOK_US     (3600 * USEC_PER_SEC)
#define DAY_US      (24 * LOOK_US)
#define WARN_US     (30 * DAY_US)

static struct cert_request request_of(struct daemon *d)
{
	int names = 0;
	const char *const *hosts = settings_names(&d->settings, d->mem, &names);

	return (struct cert_request){ .common_name = names ? hosts[0] : "muster",
				      .hosts = hosts,
				      .host_count = names,
				      .days = SERVER_DAYS };
}

enum rc daemon_open_certs(struct daemon *d)
{
	const char *dir = settings_state_path(&d->settings, d->mem, "ca");
	enum rc rc = certs_open(dir, &d->core.certs);

	d->own_request = request_of(d);
	if (rc == RC_NOT_FOUND)
		log_error("there is no certificate authority: run `musterd ca init`", "dir",
			  dir);
	if (rc != RC_OK)
		return rc;
	d->cert_path = settings_state_path(&d->settings, d->mem, "server.crt");
	d->key_path = settings_state_path(&d->settings, d->mem, "server.key");
	rc = certs_ensure_server(d->core.certs, d->cert_path, d->key_path, &d->own_request);
	if (rc != RC_OK)
		log_error("no certificate for the server", "file", d->cert_path);
	return rc;
}

static void warn_of_configured(struct daemon *d, int64_t now)
{
	const char *path = d->settings.http_certificate;
	char text[TIME_TEXT_SIZE];
	int64_t end;

	if (!*path || (d->warned_at && now - d->warned_at < DAY_US))
		return;
	if (cert_file_end(path, &end) != RC_OK) {
		log_warn("the configured HTTPS certificate cannot be read", "file", path);
	} else if (end - clock_wall() < WARN_US) {
		log_warn("the configured HTTPS certificate is at its end: replace it, and "
			 "restart the daemon",
			 "file", path, "ends", clock_format(end, text));
	} else {
		return;
	}
	d->warned_at = now;
}

/* A CA that is at its own end makes none that is better: to start again would not help, and
 * would never end. */
static bool make_anew(struct daemon *d)
{
	struct certs *c = d->core.certs;

	if (certs_server_good(c, d->cert_path, d->key_path, &d->own_request))
		return false;
	if (certs_ensure_server(c, d->cert_path, d->key_path, &d->own_request) != RC_OK ||
	    !certs_server_good(c, d->cert_path, d->key_path, &d->own_request)) {
		log_error("the server's certificate is at its end, and no good one can be made",
			  "file", d->cert_path);
		return false;
	}
	log_warn("the server's certificate was made anew: the daemon ends, to be started again "
		 "with it",
		 "file", d->cert_path);
	return true;
}

bool daemon_has_new_certificate(struct daemon *d)
{
	int64_t now = clock_monotonic(), wall = clock_wall();

	if (d->looked_at && now - d->looked_at < LOOK_US &&
	    llabs(wall - d->looked_wall) < LOOK_US)
		return false;
	/* certs/ goes by the system's clock, which may have been set since the ticker looked.
	 */
	if (!d->ticker || !ticker_time_is_sure(d->ticker) ||
	    llabs(wall - clock_system()) > CLOCK_NEAR_US)
		return false;
	d->looked_at = now;
	d->looked_wall = wall;
	warn_of_configured(d, now);
	return make_anew(d);
}
