/* Figures of the transports and the roster for /metrics.  They are read when somebody asks. */

#include "server/figures.h"

#include "api/metrics.h"

static struct coap_server_stats stats_of(void *coap)
{
	struct coap_server_stats stats;

	coap_server_stats(coap, &stats);
	return stats;
}

#define COAP_FIGURE(member)                                                                    \
	static int64_t read_##member(void *coap)                                               \
	{                                                                                      \
		return (int64_t)stats_of(coap).member;                                         \
	}
COAP_FIGURE(sessions)
COAP_FIGURE(observers)
COAP_FIGURE(begun)
COAP_FIGURE(begun_total)
COAP_FIGURE(handshakes)
COAP_FIGURE(resumed)
COAP_FIGURE(refused)
COAP_FIGURE(requests)
COAP_FIGURE(duplicates)
COAP_FIGURE(pushes)

static int64_t read_devices(void *roster)
{
	return (int64_t)roster_count(roster);
}

static int64_t read_ready(void *roster)
{
	return roster_ready(roster);
}

void figures_add_coap(struct coap_server *coap)
{
	const struct metrics_source figures[] = {
		{ "muster_coap_sessions", NULL, "gauge", "CoAP sessions.", read_sessions,
		  coap },
		{ "muster_coap_observers", NULL, "gauge", "Devices that observe their offer.",
		  read_observers, coap },
		{ "muster_dtls_handshakes_begun", NULL, "gauge",
		  "DTLS handshakes that are not finished.", read_begun, coap },
		{ "muster_dtls_handshakes_started_total", NULL, "counter",
		  "DTLS handshakes begun, by whoever showed our cookie.", read_begun_total,
		  coap },
		{ "muster_dtls_handshakes_total", NULL, "counter", "DTLS handshakes completed.",
		  read_handshakes, coap },
		{ "muster_dtls_resumed_total", NULL, "counter", "Of those, sessions resumed.",
		  read_resumed, coap },
		{ "muster_dtls_refused_total", NULL, "counter",
		  "Of those, devices that may not come in.", read_refused, coap },
		{ "muster_coap_requests_total", NULL, "counter", "CoAP requests.",
		  read_requests, coap },
		{ "muster_coap_duplicates_total", NULL, "counter",
		  "Requests that had come before.", read_duplicates, coap },
		{ "muster_coap_pushes_total", NULL, "counter", "Offers pushed to observers.",
		  read_pushes, coap },
	};

	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		metrics_add_source(&figures[i]);
}

static int64_t read_quarantined(void *images)
{
	return images_quarantined(images);
}

void figures_add_images(struct images *images)
{
	metrics_add_source(&(struct metrics_source){
		"muster_images_quarantined_total", NULL, "counter",
		"Stored images whose bytes had changed.", read_quarantined, images });
}

static int64_t read_fallbacks(void *core)
{
	return (int64_t)((struct core *)core)->delta_fallbacks;
}

static int64_t read_saved(void *core)
{
	return (int64_t)((struct core *)core)->bytes_saved;
}

void figures_add_jobs(struct core *core)
{
	const struct metrics_source figures[] = {
		{ "muster_delta_fallbacks_total", NULL, "counter",
		  "Jobs whose delta failed and that went on without one.", read_fallbacks,
		  core },
		{ "muster_bytes_saved_total", NULL, "counter",
		  "Bytes that devices which succeeded need not fetch, against the largest "
		  "manifest that fitted them; what is rolled back later stays counted.",
		  read_saved, core },
	};

	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		metrics_add_source(&figures[i]);
}

void figures_add_roster(struct roster *roster)
{
	const struct metrics_source figures[] = {
		{ "muster_roster_devices", NULL, "gauge", "Devices in memory.", read_devices,
		  roster },
		{ "muster_roster_ready", NULL, "gauge", "1 once the roster was loaded whole.",
		  read_ready, roster },
	};

	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		metrics_add_source(&figures[i]);
}

void figures_remove(const void *source)
{
	if (source)
		metrics_remove_sources(source);
}
