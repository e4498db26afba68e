/* muster-fleet: see fleet.h.  One thread: an epoll over the libcoap contexts and the relay.  A
 * device is stepped when it is due, and when its context has heard something. */
#include "agent/clean.h"
#include "agent/fleet.h"
#include "agent/log.h"
#include "agent/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define EXIT_USAGE  2
#define ROUND_MS    50
#define TURN_MS     10 /* for beginning, before what came is read */
#define LOOK_ROUNDS 40 /* in so many rounds each context gets a look of its own */
#define EVENTS_MAX  64
#define PROGRESS_MS 500
#define EVENT_NET   UINT32_MAX

static volatile sig_atomic_t stopped, released, lost;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		released = 1;
	else if (number == SIGUSR2)
		lost = 1;
	else
		stopped = 1;
}

/* --- keys
 * -------------------------------------------------------------------------------------- */

static bool derive_key(const struct fleet *f, struct fleet_device *d)
{
	struct suit_digest key;
	const char *secret = f->options.psk_secret;
	struct suit_message m = { .piece = { { (const uint8_t *)secret, strlen(secret) },
					     { (const uint8_t *)":", 1 },
					     { (const uint8_t *)d->name, strlen(d->name) } },
				  .count = 3 };
	if (f->verify.can.crypto->sha256(&m, &key) != SUIT_OK)
		return false;
	memcpy(d->psk, key.b, sizeof(key.b));
	d->link_config.psk_n = sizeof(key.b);
	return true;
}

static struct fleet_device *find_device(struct fleet *f, const char *name)
{
	for (size_t i = 0; i < f->device_count; i++)
		if (strcmp(f->device[i].name, name) == 0)
			return &f->device[i];
	return NULL;
}

static bool read_keys(struct fleet *f)
{
	char line[256];
	CLEAN(file) FILE *from = fopen(f->options.psk_file, "re");
	if (!from) {
		log_errno("%s", f->options.psk_file);
		return false;
	}
	while (fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\r\n")] = '\0';
		char *key = line;
		char *name = strsep(&key, " \t");
		struct fleet_device *d = find_device(f, name);
		if (d && (!key ||
			  !text_unbase64(key, d->psk, sizeof(d->psk), &d->link_config.psk_n))) {
			log_line("%s: %s has no key in base64", f->options.psk_file, name);
			return false;
		}
	}
	for (size_t i = 0; i < f->device_count; i++)
		if (!f->device[i].link_config.psk_n) {
			log_line("%s: no key of %s", f->options.psk_file, f->device[i].name);
			return false;
		}
	return true;
}

bool fleet_keys(struct fleet *f)
{
	if (f->options.cert_dir[0])
		return true;
	if (f->options.psk_file[0])
		return read_keys(f);
	for (size_t i = 0; f->options.psk_secret[0] && i < f->device_count; i++)
		if (!derive_key(f, &f->device[i]))
			return false;
	return true;
}

/* --- contexts
 * ---------------------------------------------------------------------------------- */

static size_t contexts_of(size_t devices)
{
	return (devices + FLEET_PER_CONTEXT - 1) / FLEET_PER_CONTEXT;
}

size_t fleet_context_of(const struct fleet *f, size_t index)
{
	size_t certificates = f->certificate_count;
	if (index < certificates)
		return index / FLEET_PER_CONTEXT;
	return contexts_of(certificates) + (index - certificates) / FLEET_PER_CONTEXT;
}

/* Its devices: from *ret_first on, up to before *ret_end. */
static void devices_of(const struct fleet *f, size_t context, size_t *ret_first,
		       size_t *ret_end)
{
	size_t certificates = f->certificate_count, with = contexts_of(certificates);
	size_t end = context < with ? certificates : f->device_count;
	*ret_first = context < with ? context * FLEET_PER_CONTEXT
				    : certificates + (context - with) * FLEET_PER_CONTEXT;
	*ret_end = *ret_first + FLEET_PER_CONTEXT < end ? *ret_first + FLEET_PER_CONTEXT : end;
}

/* --- starting
 * ---------------------------------------------------------------------------------- */

/* A socket a device, and two more when there is a relay.  Whoever has too few would see devices
 * that fail at once, and take the server for slow. */
static bool raise_limits(const struct fleet_options *o)
{
	struct rlimit r;
	rlim_t want = o->devices * (o->has_net ? 3 : 1) + 2 * contexts_of(o->devices) + 256;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want)
		return true;
	r.rlim_max = r.rlim_max < want ? want : r.rlim_max;
	r.rlim_cur = want;
	if (setrlimit(RLIMIT_NOFILE, &r) == 0)
		return true;
	log_errno("%llu files must be open at once", (unsigned long long)want);
	return false;
}

static bool open_outputs(struct fleet *f)
{
	const struct fleet_options *o = &f->options;
	struct link_config server;
	size_t bad = 0;
	f->verify = (struct verify){ .can = { .crypto = &suit_crypto_openssl,
					      .vendor_id = o->vendor_id,
					      .class_id = o->class_id,
					      .formats = o->formats,
					      .image_max = o->image_max } };
	f->life_config = (struct life_config){ .observe = o->observe,
					       .poll_max_s = o->poll_s,
					       .envelope_max = SUIT_ENVELOPE_MAX,
					       .block_size = o->block_size };
	if (!verify_anchors(&f->verify.author, (const char(*)[256])o->anchor, o->anchor_count,
			    &bad)) {
		log_line("%s: neither an author's public key nor an authority's certificate",
			 o->anchor[bad]);
		return false;
	}
	if (o->ledger[0] && !(f->ledger = fopen(o->ledger, "ae"))) {
		log_errno("%s", o->ledger);
		return false;
	}
	if (f->ledger)
		setvbuf(f->ledger, NULL, _IOLBF, 0);
	if (!o->has_net)
		return true;
	config_server(o->server, &server);
	f->net = net_create(server.host, server.port, &o->net, f->device_count, o->seed);
	if (!f->net)
		log_errno("the relay cannot be made");
	return f->net;
}

static bool read_certificates(struct fleet *f)
{
	const struct fleet_options *o = &f->options;
	if (!o->cert_list[0])
		return true;
	f->keys = link_keys_open(o->ca, NULL, o->cert_key);
	f->certificate = calloc(f->device_count, sizeof(*f->certificate));
	if (f->keys && f->certificate)
		f->certificate_count =
			link_certificates_read(o->cert_list, f->certificate, f->device_count);
	if (f->certificate_count == 0)
		log_line("%s: no certificates and a key for them", o->cert_list);
	return f->certificate_count > 0;
}

static bool make_devices(struct fleet *f)
{
	f->device_count = f->options.devices;
	f->device = calloc(f->device_count, sizeof(*f->device));
	if (!f->device || !read_certificates(f) || !open_outputs(f))
		return false;
	f->context_count = contexts_of(f->certificate_count) +
			   contexts_of(f->device_count - f->certificate_count);
	f->context = calloc(f->context_count, sizeof(coap_context_t *));
	if (f->options.cert_dir[0] && !file_path(f->options.cert_dir, "ca.crt", f->ca_file))
		return false;
	if (!f->context || !fleet_queue_make(&f->queue, f->device, f->device_count))
		return false;
	for (size_t i = 0; i < f->context_count; i++)
		if (!(f->context[i] = link_context()))
			return false;
	for (size_t i = 0; i < f->device_count; i++)
		if (!fleet_device_init(&f->device[i], f, i))
			return false;
	return fleet_keys(f);
}

static void free_devices(struct fleet *f)
{
	for (size_t i = 0; f->device && i < f->device_count; i++)
		fleet_device_finish(&f->device[i]);
	for (size_t i = 0; f->context && i < f->context_count; i++)
		coap_free_context(f->context[i]);
	net_free(f->net);
	if (f->ledger)
		fclose(f->ledger);
	verify_finish(&f->verify);
	for (size_t i = 0; i < f->certificate_count; i++)
		free((void *)(uintptr_t)f->certificate[i].p);
	free(f->certificate);
	link_keys_free(f->keys);
	fleet_queue_free(&f->queue);
	free(f->device);
	free(f->context);
}

/* --- the loop
 * ---------------------------------------------------------------------------------- */

static int make_epoll(const struct fleet *f)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = EVENT_NET };
	if (epoll < 0 || (f->net && epoll_ctl(epoll, EPOLL_CTL_ADD, net_fd(f->net), &e) != 0))
		return -1;
	for (size_t i = 0; i < f->context_count; i++) {
		e.data.u32 = (uint32_t)i;
		int fd = coap_context_get_coap_fd(f->context[i]);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
			return -1;
	}
	return epoll;
}

/* True when libcoap has a new session, whose timer it sets only when it is looked at. */
static bool step(struct fleet *f, struct fleet_device *d, int64_t now)
{
	uint64_t connects = d->link.count.connects;
	int64_t due = fleet_device_step(d, now);
	fleet_queue_move(&f->queue, d, due > now ? due : now + 1);
	return d->link.count.connects != connects;
}

/* Reads what a context has, and steps its devices. */
static void look(struct fleet *f, size_t context, int64_t now)
{
	size_t first, end;
	bool again = true;
	devices_of(f, context, &first, &end);
	while (again) {
		again = false;
		coap_io_process(f->context[context], COAP_IO_NO_WAIT);
		for (size_t i = first; i < end; i++)
			again |= step(f, &f->device[i], now);
	}
}

/* Whoever is due, for a short while: what devices that are under way hear must not wait for
 * thousands who begin, or their handshakes take longer than servers have patience. */
static int64_t step_due(struct fleet *f, int64_t now)
{
	struct fleet_device *d;
	while ((d = fleet_queue_first(&f->queue))->due_ms <= now &&
	       link_now_ms() - now < TURN_MS)
		if (step(f, d, now))
			look(f, fleet_context_of(f, (size_t)(d - f->device)), now);
	int64_t next = d->due_ms < now + ROUND_MS ? d->due_ms : now + ROUND_MS;
	int64_t due = f->net ? net_step(f->net, now) : INT64_MAX;
	return due < next ? due : next;
}

static void read_ready(struct fleet *f, int epoll, int timeout_ms)
{
	struct epoll_event e[EVENTS_MAX];
	int n = epoll_wait(epoll, e, EVENTS_MAX, timeout_ms);
	int64_t now = link_now_ms();
	for (int i = 0; i < n; i++)
		if (e[i].data.u32 == EVENT_NET)
			net_read(f->net, now);
		else
			look(f, e[i].data.u32, now);
}

/* A part of all contexts, so that none waits for long. */
static size_t look_on(struct fleet *f, size_t from, int64_t now)
{
	size_t n = (f->context_count + LOOK_ROUNDS - 1) / LOOK_ROUNDS;
	for (; n > 0; n--, from++)
		look(f, from % f->context_count, now);
	return from % f->context_count;
}

static void step_all(struct fleet *f, int64_t now)
{
	for (size_t i = 0; i < f->device_count; i++)
		fleet_queue_move(&f->queue, &f->device[i], now);
}

static void take_signals(struct fleet *f, int64_t now)
{
	if (released && !f->released) {
		f->released = true;
		step_all(f, now);
	}
	if (!lost)
		return;
	lost = 0;
	for (size_t i = 0; i < f->device_count; i++)
		fleet_device_lose(&f->device[i]);
	step_all(f, now);
}

static bool is_over(const struct fleet *f, int64_t now)
{
	const struct fleet_options *o = &f->options;
	if (stopped || (o->until_done && f->settled == f->device_count))
		return true;
	return !o->until_done && o->until_s && now - f->began_ms >= (int64_t)o->until_s * 1000;
}

/* For whoever reads along: scripts that aim, people who wait. */
struct told {
	size_t held;
	int64_t at_ms; /* of the last line of progress */
};

static void tell_held(const struct fleet *f, struct told *t)
{
	if (f->held == t->held)
		return;
	t->held = f->held;
	printf("held %zu\n", f->held);
	fflush(stdout);
}

static void tell_progress(const struct fleet *f, struct told *t, int64_t now)
{
	uint64_t blocks = 0, connects = 0, records = 0, put_off = 0;
	if (!f->options.progress || now - t->at_ms < PROGRESS_MS)
		return;
	t->at_ms = now;
	for (size_t i = 0; i < f->device_count; i++) {
		const struct fleet_device *d = &f->device[i];
		blocks += d->blocks;
		connects += d->link.count.connects;
		records += d->link.traffic.sent;
		put_off += d->link.count.put_off;
	}
	printf("blocks %" PRIu64 " settled %zu served %zu connects %" PRIu64 " records %" PRIu64
	       " put-off %" PRIu64 " ms %" PRId64 "\n",
	       blocks, f->settled, f->served, connects, records, put_off, now - f->began_ms);
	fflush(stdout);
}

/* False when time ran out. */
static bool loop(struct fleet *f, int epoll)
{
	int64_t looked = 0;
	size_t from = 0;
	struct told told = { 0 };
	for (;;) {
		int64_t now = link_now_ms();
		take_signals(f, now);
		int64_t next = step_due(f, now);
		tell_held(f, &told);
		tell_progress(f, &told, now);
		if (is_over(f, now))
			return true;
		if (f->options.timeout_s &&
		    now - f->began_ms >= (int64_t)f->options.timeout_s * 1000)
			return false;
		read_ready(f, epoll, next > now ? (int)(next - now) : 0);
		if (now - looked < ROUND_MS)
			continue;
		looked = now;
		from = look_on(f, from, now);
	}
}

static int run(struct fleet *f)
{
	int code = EXIT_FAILURE;
	f->began_ms = link_now_ms();
	if (!raise_limits(&f->options))
		return EXIT_FAILURE;
	coap_startup();
	coap_set_log_level((coap_log_t)(f->options.verbose ? 4 : 2));
	if (make_devices(f)) {
		CLEAN(fd) int epoll = make_epoll(f);
		if (epoll >= 0 && loop(f, epoll))
			code = EXIT_SUCCESS;
		if (f->options.json[0] && !fleet_write_json(f))
			code = EXIT_FAILURE;
	}
	free_devices(f);
	coap_cleanup();
	return code;
}

int main(int argc, char **argv)
{
	static struct fleet f;
	struct sigaction action = { .sa_handler = on_signal };
	log_open("muster-fleet");
	if (!fleet_parse(argc, argv, &f.options))
		return EXIT_USAGE;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	return run(&f);
}
