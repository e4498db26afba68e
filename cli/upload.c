/* Images to the server. */

#include "cli/upload.h"

#include "base/clock.h"

#include <inttypes.h>

#define REDRAW_US (100 * USEC_PER_MS)

struct progress {
	int64_t total, drawn_at;
	bool shown;
};

/* Talk, so on stderr; only where somebody watches. */
static void draw_progress(void *ctx, int64_t done)
{
	struct progress *p = ctx;
	int64_t now = clock_monotonic();
	if (now - p->drawn_at < REDRAW_US || !isatty(STDERR_FILENO))
		return;
	p->drawn_at = now;
	p->shown = true;
	fprintf(stderr, "\rUploading the image: %3d %%", (int)(done * 100 / p->total));
}

static enum exit_code is_there(struct client *client, const char *path, bool *ret)
{
	CLEAN(reply) struct reply reply = { 0 };
	struct request in = { .method = "HEAD", .path = path, .also_ok = 404 };
	enum exit_code code = client_call(client, &in, &reply);
	if (code == EXIT_DONE)
		*ret = reply.status != 404;
	return code;
}

enum exit_code upload_image(struct cli *c, FILE *from, const struct digest *digest,
			    int64_t size)
{
	struct client *client;
	char text[DIGEST_TEXT_SIZE];
	bool there;
	CLEAN(reply) struct reply reply = { 0 };
	const char *path = arena_printf(c->mem, "/v1/images/%s", digest_format(digest, text));
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = is_there(client, path, &there);
	if (code != EXIT_DONE)
		return code;
	if (there) {
		cli_say("The server has the image already.");
		return EXIT_DONE;
	}
	struct progress progress = { .total = size };
	struct request in = { .method = "PUT",
			      .path = path,
			      .upload = from,
			      .upload_size = size,
			      .on_progress = draw_progress,
			      .ctx = &progress };
	code = client_call(client, &in, &reply);
	if (progress.shown)
		fputs("\r\033[K", stderr);
	if (code == EXIT_DONE)
		cli_say("Uploaded the image, %s.", output_size(c->mem, size));
	return code;
}
