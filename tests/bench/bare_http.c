/* The barest HTTPS server of libmicrohttpd: one thread on epoll, a ready-made answer.
 *
 *     bare_http CERT KEY BODY_BYTES
 *
 * Prints "port N" and serves until it is killed. */

#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	(void)url;
	(void)method;
	(void)version;
	(void)upload;
	(void)upload_size;
	/* A response to the mere head would end the connection. */
	if (!*state) {
		*state = cls;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, cls);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 65536);

	if (!f || !text || fread(text, 1, 65535, f) == 0)
		load_die(path);
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (argc != 4)
		load_die("bare_http CERT KEY BODY_BYTES");
	size_t size = load_number(argv[3]);
	char *body = malloc(size + 1);
	if (!body)
		load_die("no memory");
	memset(body, 'a', size);
	struct MHD_Response *hello =
		MHD_create_response_from_buffer(size, body, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(hello, "Content-Type", "application/json");
	struct MHD_Daemon *d = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, handle, hello,
		MHD_OPTION_SOCK_ADDR, &any, MHD_OPTION_HTTPS_MEM_CERT, read_file(argv[1]),
		MHD_OPTION_HTTPS_MEM_KEY, read_file(argv[2]), MHD_OPTION_END);
	if (!d)
		load_die("libmicrohttpd does not start");
	printf("port %u\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	for (;;)
		pause();
}
