/* Twin: libcoap alone.
 *
 *   bare_coap [--stock] [--shards K] [--psk HEXKEY] [--image FILE]
 *
 * --stock is libcoap's own loop with one context; else K contexts share the port, each given as
 * many events at once as datagrams wait.  --psk makes it DTLS, with one key for every name.
 * Prints "port N".  GET t gives "ok" and may be observed; GET O gives a block of the image,
 * without state.  SIGUSR1 tells every observer. */

#include "tests/bench/load.h"

#include <coap3/coap.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARDS_MAX 256
#define BATCH      64
#define BUSY_BYTES 768 /* what the kernel counts for a small datagram, UDP */

struct shard {
	coap_context_t *ctx;
	coap_resource_t *tiny;
	int fd, epfd;
};

static struct shard shards[SHARDS_MAX];
static int shard_count = 1;
static bool stock;
static uint16_t port;
static uint8_t key[64];
static size_t key_size;
static const uint8_t *image;
static size_t image_size;
static unsigned version; /* of what is observed */

static void tiny(coap_resource_t *r, coap_session_t *s, const coap_pdu_t *ask,
		 const coap_string_t *query, coap_pdu_t *response)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "ok%u", version);

	(void)r;
	(void)s;
	(void)ask;
	(void)query;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	coap_add_data(response, version ? (size_t)n : 2, (const uint8_t *)text);
}

static void put_number(coap_pdu_t *pdu, uint16_t option, unsigned value)
{
	uint8_t b[4];

	coap_add_option(pdu, option, coap_encode_var_safe(b, sizeof(b), value), b);
}

static void block(coap_resource_t *r, coap_session_t *s, const coap_pdu_t *ask,
		  const coap_string_t *query, coap_pdu_t *response)
{
	coap_opt_iterator_t it;
	coap_opt_t *o = coap_check_option(ask, COAP_OPTION_BLOCK2, &it);
	unsigned szx = o ? COAP_OPT_BLOCK_SZX(o) : 6, num = o ? coap_opt_block_num(o) : 0;
	size_t size = (size_t)16 << szx, at = num * size;

	(void)r;
	(void)s;
	(void)query;
	if (at >= image_size) {
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_BAD_OPTION);
		return;
	}
	size_t n = image_size - at < size ? image_size - at : size;
	bool more = at + n < image_size;
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
	coap_add_option(response, COAP_OPTION_ETAG, 8, (const uint8_t *)"12345678");
	put_number(response, COAP_OPTION_CONTENT_FORMAT, 42);
	put_number(response, COAP_OPTION_BLOCK2, num << 4 | (unsigned)more << 3 | szx);
	coap_add_data(response, n, image + at);
}

static void add_resource(struct shard *s, const char *path, coap_method_handler_t fn)
{
	coap_resource_t *r =
		coap_resource_init(coap_make_str_const(path), COAP_RESOURCE_FLAGS_NOTIFY_CON);

	coap_register_request_handler(r, COAP_REQUEST_GET, fn);
	coap_resource_set_get_observable(r, fn == tiny);
	coap_add_resource(s->ctx, r);
	if (fn == tiny)
		s->tiny = r;
}

static const coap_bin_const_t *give_key(coap_bin_const_t *identity, coap_session_t *session,
					void *arg)
{
	static coap_bin_const_t k;

	(void)identity;
	(void)session;
	(void)arg;
	k = (coap_bin_const_t){ key_size, key };
	return &k;
}

static void set_psk(coap_context_t *ctx)
{
	coap_dtls_spsk_t psk = {
		.version = COAP_DTLS_SPSK_SETUP_VERSION,
		.validate_id_call_back = give_key,
		.psk_info.key = { key_size, key },
	};

	if (!coap_context_set_psk2(ctx, &psk))
		load_die("DTLS");
}

static int find_socket(uint16_t wanted)
{
	for (int fd = 0; fd < 4096; fd++) {
		struct sockaddr_in a;
		socklen_t size = sizeof(a), n = sizeof(int);
		int shared = 1;

		if (getsockname(fd, (struct sockaddr *)&a, &size) == 0 &&
		    a.sin_family == AF_INET && ntohs(a.sin_port) == wanted &&
		    getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, &n) == 0 && !shared)
			return fd;
	}
	load_die("libcoap's socket is not found");
}

/* libcoap binds by itself and does not share ports: undo that, and bind again. */
static void share_port(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	if (connect(fd, &none, sizeof(none)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		load_die("the port cannot be shared");
}

static void open_shard(struct shard *s)
{
	coap_address_t a;

	coap_address_init(&a);
	a.size = sizeof(a.addr.sin);
	a.addr.sin.sin_family = AF_INET;
	a.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->ctx = coap_new_context(NULL);
	coap_context_set_max_handshake_sessions(s->ctx, 100000);
	if (key_size)
		set_psk(s->ctx);
	coap_endpoint_t *e =
		coap_new_endpoint(s->ctx, &a, key_size ? COAP_PROTO_DTLS : COAP_PROTO_UDP);
	if (!e)
		load_die("no endpoint");
	uint16_t own = (uint16_t)load_number(
		strtok(strrchr(strdup(coap_endpoint_str(e)), ':') + 1, " "));
	s->fd = find_socket(own);
	load_widen(s->fd);
	if (!port)
		port = own;
	if (shard_count > 1)
		share_port(s->fd);
	add_resource(s, "t", tiny);
	add_resource(s, "O", block);
	s->epfd = coap_context_get_coap_fd(s->ctx);
}

static void tell_all(void)
{
	version++;
	for (int i = 0; i < shard_count; i++) {
		coap_tick_t now;

		coap_resource_notify_observers(shards[i].tiny, NULL);
		coap_ticks(&now);
		coap_io_prepare_epoll(shards[i].ctx, now);
	}
}

static int waiting(const struct shard *s)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t size = sizeof(info);

	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &size) != 0)
		return 1;
	int n = (int)(info[SK_MEMINFO_RMEM_ALLOC] / BUSY_BYTES);
	return n < 1 ? 1 : n > BATCH ? BATCH : n;
}

static void serve(struct shard *s)
{
	struct epoll_event ready[4], batch[BATCH + ARRAY_LEN(ready)];
	int n = epoll_wait(s->epfd, ready, ARRAY_LEN(ready), 0), times = waiting(s);
	size_t size = 0;

	for (int i = 0; i < n; i++) {
		int k = ready[i].data.ptr ? times : 1;

		while (k-- && size < ARRAY_LEN(batch))
			batch[size++] = ready[i];
	}
	if (size)
		coap_io_do_epoll(s->ctx, batch, size);
}

static void loop(int signals)
{
	struct epoll_event ready[SHARDS_MAX];
	int outer = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < shard_count; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &shards[i] };
		coap_tick_t now;

		coap_ticks(&now);
		coap_io_prepare_epoll(shards[i].ctx, now);
		epoll_ctl(outer, EPOLL_CTL_ADD, shards[i].epfd, &e);
	}
	struct epoll_event e = { .events = EPOLLIN };
	epoll_ctl(outer, EPOLL_CTL_ADD, signals, &e);
	for (;;) {
		int n = epoll_wait(outer, ready, SHARDS_MAX, 1000);

		for (int i = 0; i < n; i++) {
			struct signalfd_siginfo info;

			if (ready[i].data.ptr)
				serve(ready[i].data.ptr);
			else if (read(signals, &info, sizeof(info)) > 0)
				tell_all();
		}
	}
}

static void quiet(coap_log_t level, const char *message)
{
	(void)level;
	(void)message;
}

static void map_image(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		load_die(path);
	image_size = (size_t)st.st_size;
	image = mmap(NULL, image_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
}

static void read_key(const char *text)
{
	for (; key_size < sizeof(key) && text[0] && text[1]; text += 2) {
		char pair[3] = { text[0], text[1], 0 };

		key[key_size++] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "stock", 0, NULL, 's' }, { "shards", 1, NULL, 'k' }, { "psk", 1, NULL, 'p' },
		{ "image", 1, NULL, 'i' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			stock = true;
		else if (c == 'k')
			shard_count = (int)load_number(optarg);
		else if (c == 'p')
			read_key(optarg);
		else if (c == 'i')
			map_image(optarg);
		else
			exit(2);
	}
	if (shard_count < 1 || shard_count > SHARDS_MAX)
		load_die("--shards");
}

int main(int argc, char **argv)
{
	sigset_t set;

	read_options(argc, argv);
	load_raise_descriptors();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	coap_startup();
	coap_set_log_handler(quiet);
	coap_set_log_level(LOG_CRIT);
	coap_dtls_set_log_level(LOG_CRIT);
	for (int i = 0; i < shard_count; i++)
		open_shard(&shards[i]);
	printf("port %u\n", port);
	fflush(stdout);
	if (stock)
		for (;;)
			coap_io_process(shards[0].ctx, COAP_IO_WAIT);
	loop(signals);
}
