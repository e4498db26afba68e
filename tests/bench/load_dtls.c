/* Thousands of DTLS devices in one process, for benchmarks and for runs under load.
 *
 *   load_dtls --port P --sessions N --window W --seconds S [--warm S] [--server-pid PID]
 *       --psk-secret SECRET --prefix NAME | --psk-hex KEY | --cert FILE --key FILE
 *       [--first N] [--cert-dir DIR --certs N] [--ciphers LIST]
 *       --mode handshake [--resume] | checkin | blocks
 *       [--path update] [--rate R] [--post-path PATH --post-body FILE --post-permille N]
 *
 * Device i is PREFIX-%05d of first + i, with the key that muster-fleet would give it: SHA-256
 * of SECRET:NAME.  The first --certs of them come with DIR/NAME.crt and .key instead.  A closed
 * loop: at most W handshakes or requests are under way; --rate slows it down.  In mode checkin
 * and blocks all sessions are established first ("established N" is printed) and the clock
 * starts after that.  In a posted body NNNNN becomes the device's number and CCCCCCCC a count,
 * so it is a change each time.  The last line is the result, as JSON. */

#include "tests/bench/load_dtls.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define REPEAT_US (2 * 1000000)
#define GIVE_UP   5
#define TICK_US   100000
#define POST_MAX  1024

static struct options options = {
	.sessions = 64,
	.window = 64,
	.dial_window = 64,
	.seconds = 3,
	.warm = 0.5,
	.prefix = "device",
	.path = "update",
	.mode = "checkin",
	.szx = 6,
};

static struct {
	int epoll;
	struct session *sessions;
	uint32_t *ready; /* ring of sessions that wait for their turn */
	size_t ready_at, ready_count;
	struct session_list shaking, asking; /* the longest first */
	size_t shaking_count, asking_count, open_count;
	bool measuring;
	double tokens;
	int64_t tokens_at, ticked_at;
	uint64_t done, handshakes, resumed, failed, repeats, lost, bad, posts, serial, bytes;
	struct latencies latencies;
	struct codes codes;
	uint8_t post[POST_MAX];
	size_t post_size;
} all;

static void ready_push(const struct session *s)
{
	size_t at = (all.ready_at + all.ready_count++) % options.sessions;

	all.ready[at] = s->number;
}

static struct session *ready_pop(void)
{
	struct session *s = &all.sessions[all.ready[all.ready_at]];

	all.ready_at = (all.ready_at + 1) % options.sessions;
	all.ready_count--;
	return s;
}

/* --- handshakes --- */

static bool is_handshake_mode(void)
{
	return strcmp(options.mode, "handshake") == 0;
}

static void stop_shaking(struct session *s)
{
	TAILQ_REMOVE(&all.shaking, s, in);
	all.shaking_count--;
}

static void shake_failed(struct session *s)
{
	stop_shaking(s);
	session_close(s);
	all.failed++;
	ready_push(s);
}

static void shake_done(struct session *s, int64_t now)
{
	stop_shaking(s);
	all.handshakes++;
	all.resumed += session_was_resumed(s);
	if (all.measuring && is_handshake_mode()) {
		latency_add(&all.latencies, now - s->began_at);
		all.done++;
	}
	if (is_handshake_mode()) {
		session_close(s);
	} else {
		s->open = true;
		all.open_count++;
	}
	ready_push(s);
}

static void shake(struct session *s, int64_t now)
{
	int r = session_handshake(s);

	if (r > 0)
		shake_done(s, now);
	else if (r < 0)
		shake_failed(s);
}

static void dial(struct session *s, int64_t now)
{
	if (!session_open(s, &options, all.epoll))
		load_die("no socket");
	s->began_at = now;
	TAILQ_INSERT_TAIL(&all.shaking, s, in);
	all.shaking_count++;
	shake(s, now);
}

/* --- requests --- */

static void fill_post(const struct session *s, struct ask *a)
{
	static uint8_t body[POST_MAX];
	char number[9], count[9];

	memcpy(body, all.post, all.post_size);
	snprintf(number, sizeof(number), "%05u", (unsigned)(options.first + s->number));
	snprintf(count, sizeof(count), "%08x", (unsigned)++all.serial);
	for (size_t i = 0; i + 5 <= all.post_size; i++)
		if (memcmp(body + i, "NNNNN", 5) == 0)
			memcpy(body + i, number, 5);
	for (size_t i = 0; i + 8 <= all.post_size; i++)
		if (memcmp(body + i, "CCCCCCCC", 8) == 0)
			memcpy(body + i, count, 8);
	*a = (struct ask){ .code = CODE_POST,
			   .path = options.post_path,
			   .block = -1,
			   .format = 60,
			   .payload = body,
			   .size = all.post_size };
	all.posts++;
}

static bool is_time_to_post(void)
{
	static uint64_t asked;

	return options.post_path && asked++ * 7919 % 1000 < options.post_permille;
}

static void ask(struct session *s, int64_t now)
{
	struct ask a = { .code = CODE_GET, .path = options.path, .block = -1, .format = -1 };

	if (strcmp(options.mode, "blocks") == 0) {
		a.block = s->block;
		a.szx = (uint8_t)options.szx;
	} else if (is_time_to_post()) {
		fill_post(s, &a);
	}
	a.mid = ++s->mid;
	s->turn++;
	memcpy(a.token, &s->number, 4);
	memcpy(a.token + 4, &s->turn, 2);
	s->size = ask_write(&a, s->message);
	s->asked_at = s->repeated_at = now;
	s->repeats = 0;
	TAILQ_INSERT_TAIL(&all.asking, s, in);
	all.asking_count++;
	s->asking = true;
	session_send(s, s->message, s->size);
}

static void stop_asking(struct session *s)
{
	TAILQ_REMOVE(&all.asking, s, in);
	all.asking_count--;
	s->asking = false;
}

static void answered(struct session *s, const struct heard *h, int64_t now)
{
	stop_asking(s);
	s->block = h->has_block && h->more ? s->block + 1 : 0;
	if (all.measuring) {
		all.done++;
		all.bytes += h->payload;
		all.codes.counts[h->code]++;
		latency_add(&all.latencies, now - s->asked_at);
	}
	ready_push(s);
}

static void hear(struct session *s, const uint8_t *p, size_t n, int64_t now)
{
	uint8_t reply[4];
	struct heard h;

	if (!heard_read(p, n, &h)) {
		all.bad++;
		return;
	}
	if (h.type == TYPE_CON)
		session_send(s, reply, empty_write(h.code ? TYPE_ACK : TYPE_RST, h.mid, reply));
	if (!h.code)
		return;
	if (s->asking && h.token && memcmp(h.token, &s->number, 4) == 0 &&
	    memcmp(h.token + 4, &s->turn, 2) == 0)
		answered(s, &h, now);
}

/* The server said goodbye, or something is broken. */
static void lose(struct session *s)
{
	if (s->asking)
		stop_asking(s);
	s->open = false;
	all.open_count--;
	all.lost++;
	session_close(s);
	ready_push(s);
}

static void readable(struct session *s, int64_t now)
{
	uint8_t buf[2048];
	int n = 0;

	if (!s->ssl)
		return;
	if (!s->open) {
		shake(s, now);
		return;
	}
	while (s->open && (n = session_receive(s, buf, sizeof(buf))) > 0)
		hear(s, buf, (size_t)n, now);
	if (n < 0)
		lose(s);
}

/* --- turns --- */

static void repeat_shakes(int64_t now)
{
	struct session *s, *next;

	for (s = TAILQ_FIRST(&all.shaking); s; s = next) {
		next = TAILQ_NEXT(s, in);
		if (now - s->began_at > options.give_up_us)
			shake_failed(s);
		else
			session_timeout(s);
	}
}

static void repeat_asks(int64_t now)
{
	struct session *s, *next;

	for (s = TAILQ_FIRST(&all.asking); s && now - s->asked_at > REPEAT_US; s = next) {
		next = TAILQ_NEXT(s, in);
		if (now - s->repeated_at <= REPEAT_US)
			continue;
		if (++s->repeats > GIVE_UP) {
			lose(s);
			continue;
		}
		all.repeats++;
		s->repeated_at = now;
		session_send(s, s->message, s->size);
	}
}

static void tick(int64_t now)
{
	if (now - all.ticked_at < TICK_US)
		return;
	all.ticked_at = now;
	repeat_shakes(now);
	repeat_asks(now);
}

/* At most a tenth of a second's worth at once. */
static bool may_ask(int64_t now)
{
	if (!options.rate)
		return true;
	all.tokens += (double)(now - all.tokens_at) / 1e6 * (double)options.rate;
	all.tokens_at = now;
	if (all.tokens > (double)options.rate / 10)
		all.tokens = (double)options.rate / 10;
	if (all.tokens < 1)
		return false;
	all.tokens -= 1;
	return true;
}

static bool begin_one(int64_t now)
{
	struct session *s = &all.sessions[all.ready[all.ready_at]];

	if (!s->open) {
		if (all.shaking_count >= options.dial_window)
			return false;
		dial(ready_pop(), now);
		return true;
	}
	if (all.asking_count >= options.window || !may_ask(now))
		return false;
	ask(ready_pop(), now);
	return true;
}

static void poll_once(int timeout_ms)
{
	struct epoll_event ready[256];
	int n = epoll_wait(all.epoll, ready, ARRAY_LEN(ready), timeout_ms);
	int64_t now = load_now();

	for (int i = 0; i < n; i++)
		readable(&all.sessions[ready[i].data.u32], now);
	tick(now);
}

static void run_until(int64_t end)
{
	int64_t now;

	while ((now = load_now()) < end) {
		while (all.ready_count && begin_one(now))
			;
		poll_once(options.rate ? 1 : 50);
	}
}

static void establish(void)
{
	int64_t now, end = load_now() + 600 * INT64_C(1000000);

	while (all.open_count < options.sessions && (now = load_now()) < end) {
		/* Established ones wait at the end of the ring. */
		while (all.open_count + all.shaking_count < options.sessions &&
		       all.shaking_count < options.dial_window) {
			struct session *s = ready_pop();
			if (s->open)
				ready_push(s);
			else
				dial(s, now);
		}
		poll_once(50);
	}
	if (all.open_count < options.sessions)
		load_die("not every session was established");
	printf("established %zu, failed %llu\n", all.open_count,
	       (unsigned long long)all.failed);
}

static void measure(void)
{
	int64_t began = load_now();

	run_until(began + (int64_t)(options.warm * 1e6));
	began = load_now();
	double cpu = load_cpu((pid_t)options.server_pid), own = load_cpu(getpid());
	uint64_t handshakes = all.handshakes, resumed = all.resumed;
	all.measuring = true;
	run_until(began + (int64_t)(options.seconds * 1e6));
	all.measuring = false;
	double seconds = (double)(load_now() - began) / 1e6;
	cpu = load_cpu((pid_t)options.server_pid) - cpu;
	own = load_cpu(getpid()) - own;
	printf("{\"count\": %llu, \"seconds\": %.4f, \"server_cpu\": %.6f, \"own_cpu\": %.4f, ",
	       (unsigned long long)all.done, seconds, cpu, own);
	printf("\"handshakes\": %llu, \"resumed\": %llu, \"failed\": %llu, \"repeats\": %llu, "
	       "\"lost\": %llu, \"bad\": %llu, \"posts\": %llu, \"bytes\": %llu, \"codes\": ",
	       (unsigned long long)(all.handshakes - handshakes),
	       (unsigned long long)(all.resumed - resumed), (unsigned long long)all.failed,
	       (unsigned long long)all.repeats, (unsigned long long)all.lost,
	       (unsigned long long)all.bad, (unsigned long long)all.posts,
	       (unsigned long long)all.bytes);
	codes_print(&all.codes, stdout);
	printf(", ");
	latency_print(&all.latencies, stdout);
	printf("}\n");
}

/* --- the command line --- */

static const struct {
	const char *name;
	char kind; /* t: text, n: number, d: decimal, f: flag */
	void *to;
} words[] = {
	{ "port", 'n', &options.port },
	{ "sessions", 'n', &options.sessions },
	{ "window", 'n', &options.window },
	{ "dial-window", 'n', &options.dial_window },
	{ "seconds", 'd', &options.seconds },
	{ "warm", 'd', &options.warm },
	{ "server-pid", 'n', &options.server_pid },
	{ "psk-secret", 't', &options.psk_secret },
	{ "psk-hex", 't', &options.psk_hex },
	{ "prefix", 't', &options.prefix },
	{ "first", 'n', &options.first },
	{ "cert", 't', &options.cert },
	{ "key", 't', &options.key },
	{ "cert-dir", 't', &options.cert_dir },
	{ "certs", 'n', &options.certs },
	{ "ciphers", 't', &options.ciphers },
	{ "mode", 't', &options.mode },
	{ "resume", 'f', &options.resume },
	{ "path", 't', &options.path },
	{ "szx", 'n', &options.szx },
	{ "rate", 'n', &options.rate },
	{ "post-path", 't', &options.post_path },
	{ "post-body", 't', &options.post_body },
	{ "post-permille", 'n', &options.post_permille },
};

static void take_word(size_t i, const char *value)
{
	if (words[i].kind == 't')
		*(const char **)words[i].to = value;
	else if (words[i].kind == 'n')
		*(uint64_t *)words[i].to = load_number(value);
	else if (words[i].kind == 'd')
		*(double *)words[i].to = strtod(value, NULL);
	else
		*(bool *)words[i].to = true;
}

static void read_options(int argc, char **argv)
{
	struct option names[ARRAY_LEN(words) + 1] = { 0 };
	int c;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		names[i] = (struct option){ words[i].name, words[i].kind != 'f', NULL,
					    (int)i + 256 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c < 256)
			exit(2);
		take_word((size_t)(c - 256), optarg);
	}
	if (!options.port || !options.sessions || !options.window ||
	    !(options.psk_secret || options.psk_hex || options.cert || options.cert_dir))
		load_die("--port, and --psk-secret, --psk-hex or --cert are needed");
	options.give_up_us = INT64_C(20) * 1000000;
	if (is_handshake_mode())
		options.dial_window = options.window;
}

static void read_post(void)
{
	FILE *f = options.post_body ? fopen(options.post_body, "rb") : NULL;

	if (!options.post_body)
		return;
	all.post_size = f ? fread(all.post, 1, sizeof(all.post), f) : 0;
	if (!all.post_size)
		load_die(options.post_body);
	fclose(f);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_options(argc, argv);
	read_post();
	load_raise_descriptors();
	session_library(&options);
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.sessions = calloc(options.sessions, sizeof(*all.sessions));
	all.ready = calloc(options.sessions, sizeof(*all.ready));
	TAILQ_INIT(&all.shaking);
	TAILQ_INIT(&all.asking);
	if (!all.sessions || !all.ready || all.epoll < 0)
		load_die("no memory");
	for (size_t i = 0; i < options.sessions; i++) {
		all.sessions[i].number = (uint32_t)i;
		all.sessions[i].mid = (uint16_t)(i * 31);
		ready_push(&all.sessions[i]);
	}
	all.tokens_at = load_now();
	if (!is_handshake_mode())
		establish();
	measure();
	return 0;
}
