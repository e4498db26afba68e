/* Many devices without DTLS: one socket, each device with a source address of its own from
 * 127.1.0.1 upward, datagrams in batches.
 *
 *   load_udp --port P --clients N --window W --seconds S [--warm S] [--server-pid PID]
 *       --mode get | blocks | observe [--path t] [--trigger-pid PID] [--from PORT]
 *
 * get and blocks are a closed loop: each device asks at most once at a time, W are under way.
 * observe registers all devices, sends SIGUSR1 to the server and counts until every device was
 * told; each notification is acknowledged.  From the same port a device is the same session to
 * a server, from another one a new session.  The last line is the result, as JSON. */

#include "tests/bench/load.h"

#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH         64
#define ADDRESS_FIRST 0x7f010001u /* 127.1.0.1 */
#define REPEAT_US     1000000
#define SWEEP_US      250000
#define REGISTER_S    120
#define FAN_OUT_S     60

struct client {
	int64_t asked_at; /* 0: it waits for its turn */
	uint32_t block;
	uint16_t mid, turn;
	bool told;
};

static struct {
	uint64_t port, from, clients, window, server_pid, trigger_pid, szx;
	double seconds, warm;
	const char *mode, *path;
} options = { .clients = 64,
	      .window = 64,
	      .szx = 6,
	      .seconds = 3,
	      .warm = 0.5,
	      .mode = "get",
	      .path = "t" };

static struct {
	int fd;
	struct client *clients;
	uint32_t *ready; /* ring */
	size_t ready_at, ready_count, asking;
	bool blocks, observe, measuring;
	uint64_t done, repeats, bad, bytes, told, told_again;
	int64_t told_at;
	struct latencies latencies;
	struct codes codes;
} all;

/* A batch of datagrams that go out, each from its device's address. */
static struct {
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	uint8_t bytes[BATCH][256];
	char control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct sockaddr_in to;
	unsigned n;
} out;

static struct {
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	uint8_t bytes[BATCH][MESSAGE_MAX];
} in;

static void prepare_batches(void)
{
	out.to = (struct sockaddr_in){ .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)options.port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (int i = 0; i < BATCH; i++) {
		in.parts[i] = (struct iovec){ in.bytes[i], sizeof(in.bytes[i]) };
		in.headers[i].msg_hdr =
			(struct msghdr){ .msg_iov = &in.parts[i], .msg_iovlen = 1 };
		out.parts[i].iov_base = out.bytes[i];
		out.headers[i].msg_hdr = (struct msghdr){
			.msg_name = &out.to,
			.msg_namelen = sizeof(out.to),
			.msg_iov = &out.parts[i],
			.msg_iovlen = 1,
			.msg_control = out.control[i],
			.msg_controllen = sizeof(out.control[i]),
		};
		struct cmsghdr *c = CMSG_FIRSTHDR(&out.headers[i].msg_hdr);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
	}
}

static void flush(void)
{
	unsigned sent = 0;

	while (sent < out.n) {
		int n = sendmmsg(all.fd, out.headers + sent, out.n - sent, 0);
		if (n > 0)
			sent += (unsigned)n;
		else
			poll(&(struct pollfd){ all.fd, POLLOUT, 0 }, 1, 10);
	}
	out.n = 0;
}

/* Room for a message of a device; post() sends it with the batch. */
static uint8_t *room(void)
{
	if (out.n == BATCH)
		flush();
	return out.bytes[out.n];
}

static void post(uint32_t client, size_t size)
{
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(ADDRESS_FIRST + client) };

	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&out.headers[out.n].msg_hdr)), &info, sizeof(info));
	out.parts[out.n].iov_len = size;
	out.n++;
}

static void ready_push(uint32_t client)
{
	all.ready[(all.ready_at + all.ready_count++) % options.clients] = client;
}

static uint32_t ready_pop(void)
{
	uint32_t client = all.ready[all.ready_at];

	all.ready_at = (all.ready_at + 1) % options.clients;
	all.ready_count--;
	return client;
}

static void ask(uint32_t number, int64_t now, bool again)
{
	struct client *c = &all.clients[number];
	struct ask a = { .code = CODE_GET,
			 .path = options.path,
			 .block = all.blocks ? (int64_t)c->block : -1,
			 .szx = (uint8_t)options.szx,
			 .observe = all.observe,
			 .format = -1 };

	if (!again) {
		c->mid++;
		c->turn++;
		all.asking++;
	}
	c->asked_at = now;
	a.mid = c->mid;
	memcpy(a.token, &number, 4);
	memcpy(a.token + 4, &c->turn, 2);
	uint8_t *p = room();
	post(number, ask_write(&a, p));
}

static void answered(struct client *c, uint32_t number, const struct heard *h, int64_t now)
{
	c->block = h->has_block && h->more ? c->block + 1 : 0;
	all.asking--;
	all.done++;
	if (all.measuring) {
		all.bytes += h->payload;
		all.codes.counts[h->code]++;
		latency_add(&all.latencies, now - c->asked_at);
	}
	c->asked_at = 0;
	if (!all.observe)
		ready_push(number);
	else if (!h->observe)
		all.bad++;
}

static void told(struct client *c, uint32_t number, const struct heard *h, int64_t now)
{
	if (h->type == TYPE_CON) {
		uint8_t *p = room();
		post(number, empty_write(TYPE_ACK, h->mid, p));
	}
	if (c->told) {
		all.told_again++;
		return;
	}
	c->told = true;
	all.told++;
	all.told_at = now;
	all.codes.counts[h->code]++;
}

static void hear(const uint8_t *p, size_t n, int64_t now)
{
	struct heard h;
	uint32_t number;

	if (!heard_read(p, n, &h) || !h.token) {
		all.bad++;
		return;
	}
	memcpy(&number, h.token, 4);
	if (number >= options.clients || memcmp(h.token + 4, &all.clients[number].turn, 2) != 0)
		return;
	struct client *c = &all.clients[number];
	if (c->asked_at)
		answered(c, number, &h, now);
	else if (all.observe)
		told(c, number, &h, now);
}

static int receive(void)
{
	int n = recvmmsg(all.fd, in.headers, BATCH, MSG_DONTWAIT, NULL);
	int64_t now = load_now();

	for (int i = 0; i < n; i++)
		hear(in.bytes[i], in.headers[i].msg_len, now);
	flush();
	return n;
}

/* Asks again where nothing came for a second: a datagram was dropped. */
static void sweep(int64_t now)
{
	static int64_t last;

	if (now - last < SWEEP_US)
		return;
	last = now;
	for (uint32_t i = 0; i < options.clients; i++) {
		if (all.clients[i].asked_at && now - all.clients[i].asked_at > REPEAT_US) {
			all.repeats++;
			ask(i, now, true);
		}
	}
	flush();
}

static void turn(void)
{
	int64_t now = load_now();

	while (all.ready_count && all.asking < options.window)
		ask(ready_pop(), now, false);
	flush();
	if (receive() <= 0)
		poll(&(struct pollfd){ all.fd, POLLIN, 0 }, 1, 1);
	sweep(now);
}

static void run_until(int64_t end)
{
	while (load_now() < end)
		turn();
}

static void report(double seconds, double cpu, uint64_t count)
{
	printf("{\"count\": %llu, \"seconds\": %.4f, \"server_cpu\": %.6f, \"repeats\": %llu, "
	       "\"bad\": %llu, \"bytes\": %llu, \"again\": %llu, \"codes\": ",
	       (unsigned long long)count, seconds, cpu, (unsigned long long)all.repeats,
	       (unsigned long long)all.bad, (unsigned long long)all.bytes,
	       (unsigned long long)all.told_again);
	codes_print(&all.codes, stdout);
	printf(", ");
	latency_print(&all.latencies, stdout);
	printf("}\n");
}

/* Warm means: every device was there once, so that the server knows all of them. */
static void warm_up(void)
{
	while (all.done < options.clients)
		turn();
	run_until(load_now() + (int64_t)(options.warm * 1e6));
}

static void measure_asking(void)
{
	warm_up();
	uint64_t before = all.done;
	int64_t began = load_now();
	double cpu = load_cpu((pid_t)options.server_pid);

	all.measuring = true;
	run_until(began + (int64_t)(options.seconds * 1e6));
	cpu = load_cpu((pid_t)options.server_pid) - cpu;
	report((double)(load_now() - began) / 1e6, cpu, all.done - before);
}

static void measure_telling(void)
{
	int64_t end = load_now() + REGISTER_S * INT64_C(1000000);

	while (all.done < options.clients && load_now() < end)
		turn();
	if (all.done < options.clients)
		load_die("not every device could observe");
	run_until(load_now() + (int64_t)(options.warm * 1e6));
	int64_t began = load_now();
	double cpu = load_cpu((pid_t)options.server_pid);
	kill((pid_t)options.trigger_pid, SIGUSR1);
	end = began + FAN_OUT_S * INT64_C(1000000);
	while (all.told < options.clients && load_now() < end)
		turn();
	run_until(load_now() + 20000); /* the last acknowledgements cost too */
	cpu = load_cpu((pid_t)options.server_pid) - cpu;
	report((double)(all.told_at - began) / 1e6, cpu, all.told);
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "port", 1, NULL, 'p' },        { "clients", 1, NULL, 'c' },
		{ "window", 1, NULL, 'w' },      { "seconds", 1, NULL, 's' },
		{ "warm", 1, NULL, 'W' },        { "server-pid", 1, NULL, 'P' },
		{ "trigger-pid", 1, NULL, 't' }, { "mode", 1, NULL, 'm' },
		{ "path", 1, NULL, 'u' },        { "szx", 1, NULL, 'z' },
		{ "from", 1, NULL, 'f' },        { NULL, 0, NULL, 0 },
	};
	uint64_t *numbers[128] = { ['p'] = &options.port,        ['c'] = &options.clients,
				   ['w'] = &options.window,      ['P'] = &options.server_pid,
				   ['t'] = &options.trigger_pid, ['f'] = &options.from,
				   ['z'] = &options.szx };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == '?')
			exit(2);
		if (c == 's')
			options.seconds = strtod(optarg, NULL);
		else if (c == 'W')
			options.warm = strtod(optarg, NULL);
		else if (c == 'm')
			options.mode = optarg;
		else if (c == 'u')
			options.path = optarg;
		else
			*numbers[c] = load_number(optarg);
	}
	if (!options.port || !options.clients || !options.window)
		load_die("--port, --clients and --window are needed");
	if (options.window > options.clients)
		options.window = options.clients;
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET };

	setvbuf(stdout, NULL, _IOLBF, 0);
	read_options(argc, argv);
	any.sin_port = htons((uint16_t)options.from);
	all.blocks = strcmp(options.mode, "blocks") == 0;
	all.observe = strcmp(options.mode, "observe") == 0;
	all.clients = calloc(options.clients, sizeof(*all.clients));
	all.ready = calloc(options.clients, sizeof(*all.ready));
	all.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!all.clients || !all.ready || all.fd < 0 ||
	    bind(all.fd, (struct sockaddr *)&any, sizeof(any)) != 0)
		load_die("no socket");
	load_widen(all.fd);
	prepare_batches();
	for (uint32_t i = 0; i < options.clients; i++) {
		all.clients[i].mid = (uint16_t)(i * 31);
		ready_push(i);
	}
	if (all.observe)
		measure_telling();
	else
		measure_asking();
	return 0;
}
