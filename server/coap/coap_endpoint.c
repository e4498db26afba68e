/* Sockets that many contexts share.  The one thing to know: libcoap binds by itself and knows
 * nothing of SO_REUSEPORT.  So it binds to port 0, which Linux lets us undo by connecting to
 * AF_UNSPEC, and then we bind its socket again, to the port that all share. */

#include "server/coap/coap_internal.h"

#include "base/clean.h"
#include "base/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER  (2 << 20) /* bytes; less when the system allows less */
#define HOST_TEXT_MAX   64
#define DESCRIPTORS_MAX (1 << 20)

static bool split(const char *text, char host[HOST_TEXT_MAX], const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (n != strcspn(text, ":")) {
		return false; /* IPv6 without brackets */
	}
	if (n == 0 || n >= HOST_TEXT_MAX)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	*ret_port = colon + 1;
	return **ret_port != '\0';
}

enum rc endpoint_parse(const char *text, coap_address_t *ret)
{
	struct addrinfo want = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;
	char host[HOST_TEXT_MAX];
	const char *port;

	if (!split(text, host, &port) || getaddrinfo(host, port, &want, &found) != 0) {
		log_error("not an address and port", "listen", text);
		return RC_INVALID;
	}
	coap_address_init(ret);
	memcpy(&ret->addr.sa, found->ai_addr, found->ai_addrlen);
	ret->size = found->ai_addrlen;
	freeaddrinfo(found);
	return RC_OK;
}

uint16_t endpoint_port(const coap_address_t *a)
{
	return coap_address_get_port(a);
}

/* Once SO_REUSEPORT is set, a second daemon of the same user could bind beside us and take half
 * of the devices; without it, this bind finds out. */
enum rc endpoint_probe(const coap_address_t *a)
{
	CLEAN(fd) int fd = socket(a->addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, &a->addr.sa, a->size) == 0)
		return RC_OK;
	log_error("cannot listen for CoAP", "port", log_i64(endpoint_port(a)), "why",
		  strerror(errno));
	return RC_UNAVAILABLE;
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* A socket that is not shared yet: the others of a shared port may have any number. */
static bool is_new_socket_on(int fd, uint16_t port)
{
	coap_address_t a;
	socklen_t size = sizeof(a.addr);

	coap_address_init(&a);
	return option_of(fd, SO_TYPE) == SOCK_DGRAM && option_of(fd, SO_REUSEPORT) == 0 &&
	       getsockname(fd, &a.addr.sa, &size) == 0 &&
	       (a.addr.sa.sa_family == AF_INET || a.addr.sa.sa_family == AF_INET6) &&
	       coap_address_get_port(&a) == port;
}

/* libcoap does not tell which descriptor an endpoint has.  The kernel gives the lowest free
 * one, so this ends soon; /proc, which would list them, is not everywhere. */
static int find_socket(uint16_t port)
{
	long end = sysconf(_SC_OPEN_MAX);

	for (int fd = 0; fd < end; fd++)
		if (is_new_socket_on(fd, port))
			return fd;
	return -1;
}

/* The port of an endpoint, from its text "127.0.0.1:40000 UDP". */
static uint16_t port_of(const coap_endpoint_t *e)
{
	const char *text = coap_endpoint_str(e);
	const char *colon = strrchr(text, ':');
	uint64_t port = 0;

	if (!colon ||
	    parse_u64((struct bytes){ (const uint8_t *)colon + 1, strcspn(colon + 1, " ") },
		      UINT16_MAX, &port) != RC_OK)
		return 0;
	return (uint16_t)port;
}

static bool bind_again(int fd, const coap_address_t *a)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int one = 1;

	return connect(fd, &none, sizeof(none)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
	       bind(fd, &a->addr.sa, a->size) == 0;
}

static void widen(int fd)
{
	int size = RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

enum rc endpoint_open(coap_context_t *ctx, coap_proto_t proto, coap_address_t *a, int *ret_fd)
{
	coap_address_t any = *a;

	coap_address_set_port(&any, 0);
	coap_endpoint_t *e = coap_new_endpoint(ctx, &any, proto);
	uint16_t port = e ? port_of(e) : 0;
	int fd = port ? find_socket(port) : -1;
	if (fd < 0) {
		log_error("no socket for CoAP", "why", strerror(errno));
		return RC_UNAVAILABLE;
	}
	if (endpoint_port(a) == 0)
		coap_address_set_port(a, port);
	if (!bind_again(fd, a)) {
		log_error("cannot share the CoAP port", "port", log_i64(endpoint_port(a)),
			  "why", strerror(errno));
		return RC_UNAVAILABLE;
	}
	widen(fd);
	*ret_fd = fd;
	return RC_OK;
}
