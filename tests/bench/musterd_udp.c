/* The daemon's transport, dispatcher, roster and handlers over plain UDP, for the benchmark.
 *
 * Plain CoAP has no identity, so the daemon serves no check-in over it.  This program is made
 * of the daemon's own objects but for coap_plain.o: here a plain session is the device of its
 * source address, and its requests take the way of a DTLS session's.  No database: the roster
 * is filled in memory, and signs of life are collected each second and dropped.
 *
 *   musterd_udp --state DIR [--devices N] [--shards K] [--pushes R] [--image FILE] [--jobs N]
 *
 * Prints "port N".  Device i comes from 127.1.0.1 + i.  The first --jobs devices have a job of
 * a release with that image.  SIGUSR1 gives every device that observes a new job. */

#include "api/dispatch.h"
#include "base/clean.h"
#include "base/hash.h"
#include "base/log.h"
#include "certs/certs.h"
#include "core/core.h"
#include "core/images.h"
#include "core/roster_update.h"
#include "server/coap/coap_internal.h"
#include "server/coap/coap_server.h"

#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ADDRESS_FIRST 0x7f010001u /* 127.1.0.1 */
#define SIGNS_MAX     131072

static struct {
	const char *state, *image;
	uint64_t devices, shards, pushes, jobs;
} options = { .devices = 1000, .shards = 64, .pushes = 1000000 };

static struct core core;
static const struct roster_release *release;
static uint8_t seal_key[32];

/* --- devices by number, and a number by its source address --- */

/* Spread as the ids of real devices are (splitmix64). */
static uint64_t mixed(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void id_of(uint64_t number, struct uuid *ret)
{
	uint64_t halves[2] = { mixed(number), mixed(~number) };

	memcpy(ret->b, halves, sizeof(ret->b));
}

/* What a handshake would have found out. */
static void introduce(struct shard *shard, coap_session_t *session)
{
	const coap_address_t *a = coap_session_get_addr_remote(session);
	struct peer *p = peer_create(shard, session);

	p->id.kind = CREDENTIAL_CERT;
	id_of(ntohl(a->addr.sin.sin_addr.s_addr) - ADDRESS_FIRST, &p->id.device_id);
	p->admitted = RC_NOT_FOUND; /* so it is looked up */
}

/* Nothing forged comes here. */
enum rc plain_filter(int fd)
{
	(void)fd;
	return RC_OK;
}

void plain_handle(struct shard *shard, coap_session_t *session, const coap_pdu_t *pdu,
		  coap_pdu_t *response)
{
	if (!coap_session_get_app_data(session))
		introduce(shard, session);
	device_handle(shard, session, pdu, response);
}

/* --- the world --- */

static void must(enum rc rc, const char *what)
{
	if (rc == RC_OK)
		return;
	fprintf(stderr, "musterd_udp: %s: %s\n", what, rc_name(rc));
	exit(1);
}

static char *in_state(struct arena *mem, const char *name)
{
	return arena_printf(mem, "%s/%s", options.state, name);
}

static void open_certs(struct arena *mem)
{
	const char *host = "localhost", *why = "";
	struct cert_request request = {
		.common_name = host, .hosts = &host, .host_count = 1, .days = 30
	};

	must(ca_init(in_state(mem, "ca"), "Bench", mem, &why), why);
	must(certs_open(in_state(mem, "ca"), &core.certs), "certs");
	must(certs_ensure_server(core.certs, in_state(mem, "crt"), in_state(mem, "key"),
				 &request),
	     "server certificate");
	FILE *f = fopen(in_state(mem, "root.pem"), "w");
	if (f) {
		fputs(certs_chain_pem(core.certs), f);
		fclose(f);
	}
}

static void keep_image(struct bytes b, const struct digest *d)
{
	struct image_upload *upload;
	int64_t size;

	must(image_upload_begin(core.images, IMAGE_SIZE_MAX, &upload), "image");
	must(image_upload_write(upload, b), "image");
	must(image_upload_commit(upload, d, &size), "image");
	image_upload_abort(upload);
}

static void make_release(void)
{
	static uint8_t bytes[4 << 20];
	FILE *f = fopen(options.image, "rb");
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];

	if (!f)
		must(RC_NOT_FOUND, options.image);
	size_t n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	sha256_of((struct bytes){ bytes, n }, &digest);
	keep_image((struct bytes){ bytes, n }, &digest);
	struct roster_release r = { .envelope = bytes_of("bench"),
				    .images = &digest,
				    .image_count = 1 };
	uuid_random(&r.release_id);
	random_bytes(r.manifest_digest.b, sizeof(r.manifest_digest.b));
	release = roster_release_intern(core.roster, &r);
	printf("image %s\n", digest_format(&digest, text));
}

static void fill_roster(void)
{
	for (uint64_t i = 0; i < options.devices; i++) {
		struct roster_put put = { .lifecycle = DEVICE_ACTIVE,
					  .credential = CREDENTIAL_CERT };
		struct roster_view v;

		id_of(i, &put.device_id);
		roster_put_device(core.roster, &put);
		struct roster_device *d = roster_find(core.roster, &put.device_id);
		roster_set_registration(d, i + 1, 0);
		if (i < options.jobs)
			roster_set_job(d, (int64_t)i + 1, 1, release, 0);
		roster_view(d, &v);
		roster_work_done(d, v.work_epoch);
	}
}

/* As the ticker does, but for the SQL. */
static void *collect_signs(void *arg)
{
	struct roster_sign *signs = xcalloc(SIGNS_MAX, sizeof(*signs));
	const struct timespec second = { .tv_sec = 1 };

	(void)arg;
	for (;;) {
		nanosleep(&second, NULL);
		while (roster_take_seen(core.roster, signs, SIGNS_MAX) == SIGNS_MAX)
			;
	}
	return NULL;
}

/* Every device has something to hear; the transport finds those that listen. */
static void tell_all(void)
{
	static int32_t attempt = 1;

	attempt++;
	for (uint64_t i = 0; i < options.jobs; i++) {
		struct uuid id;

		id_of(i, &id);
		struct roster_device *d = roster_find(core.roster, &id);
		roster_set_job(d, (int64_t)i + 1, attempt, release, 0);
		roster_wake_device(core.roster, d);
	}
}

static struct coap_server *serve(struct arena *mem)
{
	struct dispatch_options dispatch = { .queue_max = 10000, .tenant = 1 };
	struct coap_server_options coap = {
		.listen = "127.0.0.1:0",
		.plain_listen = "127.0.0.1:0",
		.threads = 1,
		.shards = (int)options.shards,
		.cert_path = in_state(mem, "crt"),
		.key_path = in_state(mem, "key"),
		.ca_path = in_state(mem, "root.pem"),
		.session_idle_s = 3600,
		.max_sessions = 1000000,
		.max_handshakes = 10000,
		.wakes_per_s = (int)options.pushes,
	};
	struct coap_server *server;

	must(coap_server_start(&core, dispatcher_create(&core, NULL, &dispatch), &coap,
			       &server),
	     "CoAP");
	return server;
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "state", 1, NULL, 's' },   { "image", 1, NULL, 'i' },
		{ "devices", 1, NULL, 'd' }, { "shards", 1, NULL, 'k' },
		{ "pushes", 1, NULL, 'p' },  { "jobs", 1, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t *numbers[128] = { ['d'] = &options.devices,
				   ['k'] = &options.shards,
				   ['p'] = &options.pushes,
				   ['j'] = &options.jobs };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			options.state = optarg;
		else if (c == 'i')
			options.image = optarg;
		else if (c == '?' ||
			 parse_u64(bytes_of(optarg), 100000000, numbers[c]) != RC_OK)
			exit(2);
	}
	if (!options.state || (options.jobs && !options.image))
		must(RC_INVALID, "--state is needed, and --image with --jobs");
}

int main(int argc, char **argv)
{
	CLEAN(arena) struct arena *mem = arena_create();
	pthread_t collector;
	sigset_t set;
	int sig;

	read_options(argc, argv);
	log_init(LOG_LEVEL_WARN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	random_bytes(seal_key, sizeof(seal_key));
	core.seal_key = core.tenant_secret = (struct bytes){ seal_key, sizeof(seal_key) };
	core.options.checkin_interval_s = 300;
	core.roster = roster_create();
	must(images_create(in_state(mem, "images"), &core.images), "images");
	open_certs(mem);
	if (options.image)
		make_release();
	fill_roster();
	struct coap_server *server = serve(mem);
	printf("port %u\n", coap_server_plain_port(server));
	fflush(stdout);
	if (pthread_create(&collector, NULL, collect_signs, NULL) != 0)
		must(RC_INTERNAL, "thread");
	while (sigwait(&set, &sig) == 0 && sig == SIGUSR1)
		tell_all();
	coap_server_stop(server);
	return 0;
}
