/* Releases.  `release create` goes from a file to a release in one step: hash, manifest,
 * signature, upload.  `release upload` brings what an offline machine signed. */

#include "base/clock.h"
#include "cli/author.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/problem.h"
#include "cli/prompt.h"
#include "cli/release_view.h"
#include "cli/resolve.h"
#include "cli/signing.h"
#include "cli/upload.h"
#include "cli/variants.h"
#include "suit/manifest.h"

#include <errno.h>
#include <string.h>

static enum exit_code open_image(const char *path, FILE **ret)
{
	*ret = fopen(path, "re");
	if (!*ret)
		return cli_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED,
				"cannot open %s: %s", path, strerror(errno));
	return EXIT_DONE;
}

static enum exit_code read_image_options(struct cli *c, struct author_image *ret)
{
	const char *class_name = args_value(&c->args, "class");
	const char *component = args_value(&c->args, "component");
	const char *sequence = args_value(&c->args, "sequence");
	ret->version = args_value(&c->args, "version");
	ret->component = component ? component : "main";
	ret->sequence = clock_wall() / USEC_PER_SEC;
	ret->class_name = class_name;
	if (!class_name || !ret->version || !args_has(&c->args, "key"))
		return cli_fail(EXIT_FAILED,
				"release create needs --class, --version and --key");
	if (sequence && parse_i64(bytes_of(sequence), 1, INT64_MAX, &ret->sequence) != RC_OK)
		return cli_fail(EXIT_FAILED, "--sequence \"%s\": write a number from 1 on",
				sequence);
	return class_ids_of(class_name, c->mem, &ret->class);
}

/* The highest sequence number of the class so far. */
struct highest {
	const struct class_ids *class;
	int64_t sequence;
};

static enum exit_code find_highest(void *ctx, const json_t *items)
{
	struct highest *h = ctx;
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
	{
		const char *vendor = json_string_value(json_object_get(item, "vendor_id"));
		const char *class = json_string_value(json_object_get(item, "class_id"));
		json_int_t sequence = json_integer_value(json_object_get(item, "sequence"));
		if (vendor && class && strcmp(vendor, h->class->vendor_text) == 0 &&
		    strcmp(class, h->class->class_text) == 0 && sequence > h->sequence)
			h->sequence = sequence;
	}
	return EXIT_DONE;
}

static enum exit_code post_release(struct cli *c, struct client *client, struct bytes envelope,
				   struct reply *ret)
{
	CLEAN(json)
	json_t *body = json_pack(
		"{s:s, s:s*, s:s*}", "envelope", base64_encode(c->mem, envelope), "version",
		args_value(&c->args, "version"), "notes", args_value(&c->args, "notes"));
	if (!body)
		return cli_fail(EXIT_FAILED, "an option is not UTF-8");
	struct request in = {
		.method = "POST", .path = "/v1/releases", .body = body, .also_ok = 409
	};
	return client_call(client, &in, ret);
}

static bool sequence_is_taken(const struct reply *r)
{
	const char *type = json_string_value(json_object_get(r->json, "type"));
	return r->status == 409 && type &&
	       strcmp(type, "urn:muster:error:sequence-not-higher") == 0;
}

/* The clock's seconds may be taken, by a release of the same second or by an author whose clock
 * is ahead: then, and only when no number was asked for, the next one is taken. */
static enum exit_code submit(struct cli *c, struct author_image *image,
			     const struct signing *by, struct reply *ret)
{
	struct client *client;
	struct bytes envelope;
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = author_envelope(c, image, by, &envelope);
	if (code == EXIT_DONE)
		code = post_release(c, client, envelope, ret);
	if (code != EXIT_DONE)
		return code;
	if (sequence_is_taken(ret) && !args_has(&c->args, "sequence")) {
		struct highest h = { .class = &image->class, .sequence = image->sequence };
		reply_finish(ret);
		code = client_each_page(client, "/v1/releases", find_highest, &h);
		if (code != EXIT_DONE)
			return code;
		image->sequence = h.sequence + 1;
		code = author_envelope(c, image, by, &envelope);
		if (code == EXIT_DONE)
			code = post_release(c, client, envelope, ret);
	}
	if (code == EXIT_DONE && ret->status == 409)
		code = problem_tell(ret->status, ret->json);
	return code;
}

static void print_made(struct cli *c, const json_t *release)
{
	release_print(c, release);
	cli_say("Next: muster campaign create --release %.8s --all --stages 1,50%%,100%%",
		output_member(c->mem, release, "release_id"));
}

/* --- deltas beside the whole image --------------------------------------------------------
 */

/* What `release create` has in its hands. */
struct creation {
	struct author_image image;
	struct signing by;
	struct variants variants; /* count 0: none */
	const char *format;       /* theirs */
};

static void clean_creation(struct creation *n)
{
	clean_signing(&n->by);
	clean_variants(&n->variants);
}

static enum exit_code make_variants(struct cli *c, const char *path, struct creation *n)
{
	CLEAN(blob) struct blob fresh = { 0 };
	struct variants_plan plan = { .class_name = n->image.class_name,
				      .component = n->image.component };
	enum exit_code code = variants_options(c, &plan);
	if (code == EXIT_DONE)
		code = blob_load(&fresh, path, delta_image_max(plan.parameters.format));
	if (code != EXIT_DONE)
		return code;
	plan.fresh = blob_bytes(&fresh);
	n->format = delta_format_name(plan.parameters.format);
	code = variants_make(c, &plan, &n->variants);
	if (code == EXIT_DONE)
		variants_say(c, &n->variants);
	return code;
}

static enum exit_code variant_envelope(struct cli *c, const struct creation *n,
				       const struct variant *v, struct bytes *ret)
{
	struct author_delta delta = { .base = v->base,
				      .digest = v->digest,
				      .base_size = v->base_size,
				      .size = (int64_t)v->delta.n,
				      .format = n->format };
	return author_delta_envelope(c, &n->image, &delta, &n->by, ret);
}

static enum exit_code write_variant(struct cli *c, const struct creation *n,
				    const struct variant *v, const char *prefix)
{
	struct bytes envelope;
	enum exit_code code = variant_envelope(c, n, v, &envelope);
	if (code == EXIT_DONE)
		code = file_write_new(variant_path(c, prefix, v, ".suit"), envelope, 0644);
	if (code == EXIT_DONE)
		code = file_write_new(variant_path(c, prefix, v, ".delta"),
				      blob_bytes(&v->delta), 0644);
	return code;
}

static enum exit_code write_envelope(struct cli *c, const struct creation *n, const char *path)
{
	struct bytes envelope;
	enum exit_code code = author_envelope(c, &n->image, &n->by, &envelope);
	if (code == EXIT_DONE)
		code = file_write_new(path, envelope, 0644);
	for (size_t i = 0; i < n->variants.count && code == EXIT_DONE; i++)
		if (!n->variants.item[i].dropped)
			code = write_variant(c, n, &n->variants.item[i], path);
	if (code == EXIT_DONE)
		cli_say("Wrote %s (%zu bytes).  Next: muster release upload %s --image FILE",
			path, envelope.n, path);
	return code;
}

/* The delta goes up before the manifest that names it. */
static enum exit_code publish_variant(struct cli *c, const struct creation *n,
				      const struct variant *v, const char *release_id)
{
	struct client *client;
	struct bytes envelope;
	CLEAN(file) FILE *from = fmemopen(v->delta.p, v->delta.n, "r");
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE && !from)
		code = cli_fail(EXIT_FAILED, "cannot read a delta: %s", strerror(errno));
	if (code == EXIT_DONE)
		code = variant_envelope(c, n, v, &envelope);
	if (code == EXIT_DONE)
		code = upload_image(c, from, &v->digest, (int64_t)v->delta.n);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *body = json_pack("{s:s}", "envelope", base64_encode(c->mem, envelope));
	return client_post(client,
			   arena_printf(c->mem, "/v1/releases/%s/manifests",
					client_escape(c->mem, release_id)),
			   body, &reply);
}

/* The release is there already, so what fails is told and the rest goes on. */
static enum exit_code publish_variants(struct cli *c, const struct creation *n,
				       const json_t *release)
{
	const char *id = json_string_value(json_object_get(release, "release_id"));
	enum exit_code code = EXIT_DONE;
	size_t good = 0;
	if (n->variants.count > 0 && !id)
		return cli_fail(EXIT_FAILED, "the server's answer has no release_id");
	for (size_t i = 0; i < n->variants.count; i++) {
		if (n->variants.item[i].dropped)
			continue;
		enum exit_code got = publish_variant(c, n, &n->variants.item[i], id);
		good += got == EXIT_DONE;
		code = code == EXIT_DONE ? got : code;
	}
	if (n->variants.count > 0)
		cli_say("Added %zu deltas to the release.", good);
	return code;
}

static enum exit_code run_release_create(struct cli *c)
{
	CLEAN(creation) struct creation n = { 0 };
	CLEAN(file) FILE *from = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	const char *path = args_operand(&c->args, 0), *out = args_value(&c->args, "out");
	enum exit_code code = read_image_options(c, &n.image);
	if (code == EXIT_DONE)
		code = open_image(path, &from);
	if (code == EXIT_DONE)
		code = author_hash(path, from, &n.image.digest, &n.image.size);
	if (code == EXIT_DONE)
		code = signing_load(c, &n.by);
	if (code == EXIT_DONE && args_has(&c->args, "delta-from"))
		code = make_variants(c, path, &n);
	if (code != EXIT_DONE)
		return code;
	if (out)
		return write_envelope(c, &n, out);
	code = upload_image(c, from, &n.image.digest, n.image.size);
	if (code == EXIT_DONE)
		code = submit(c, &n.image, &n.by, &reply);
	if (code != EXIT_DONE)
		return code;
	code = publish_variants(c, &n, reply.json);
	print_made(c, reply.json);
	return code;
}

static enum exit_code upload_images(struct cli *c)
{
	const char *paths[ARGS_MAX];
	int count = args_values(&c->args, "image", paths);
	enum exit_code code = EXIT_DONE;
	for (int i = 0; i < count && code == EXIT_DONE; i++) {
		struct digest digest;
		int64_t size;
		CLEAN(file) FILE *from = NULL;
		code = open_image(paths[i], &from);
		if (code == EXIT_DONE)
			code = author_hash(paths[i], from, &digest, &size);
		if (code == EXIT_DONE)
			code = upload_image(c, from, &digest, size);
	}
	return code;
}

static enum exit_code run_release_upload(struct cli *c)
{
	struct client *client;
	struct bytes envelope;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code =
		file_read(args_operand(&c->args, 0), SUIT_ENVELOPE_MAX, c->mem, &envelope);
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = upload_images(c);
	if (code == EXIT_DONE)
		code = post_release(c, client, envelope, &reply);
	if (code == EXIT_DONE && reply.status == 409)
		code = problem_tell(reply.status, reply.json);
	if (code == EXIT_DONE)
		print_made(c, reply.json);
	return code;
}

static enum exit_code run_release_ls(struct cli *c)
{
	return release_list_print(c);
}

static enum exit_code release_path(struct cli *c, const char **ret)
{
	struct client *client;
	const char *id;
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = resolve_release(client, args_operand(&c->args, 0), c->mem, &id);
	if (code == EXIT_DONE)
		*ret = arena_printf(c->mem, "/v1/releases/%s", id);
	return code;
}

static enum exit_code run_release_show(struct cli *c)
{
	struct client *client;
	const char *path;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = release_path(c, &path);
	if (code == EXIT_DONE)
		code = client_get(client, path, &reply);
	if (code == EXIT_DONE)
		release_print(c, reply.json);
	return code;
}

/* One further manifest of a release.  That it was there already is no failure. */
static enum exit_code post_manifest(struct cli *c, const char *path, const char *file,
				    struct reply *ret)
{
	struct client *client;
	struct bytes envelope;
	enum exit_code code = file_read(file, SUIT_ENVELOPE_MAX, c->mem, &envelope);
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *body = json_pack("{s:s}", "envelope", base64_encode(c->mem, envelope));
	reply_finish(ret);
	code = client_post(client, arena_printf(c->mem, "%s/manifests", path), body, ret);
	if (code == EXIT_DONE)
		cli_say(ret->status == 201 ? "Added %s." : "The release has %s already.", file);
	return code;
}

static enum exit_code run_release_add(struct cli *c)
{
	const char *path;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = release_path(c, &path);
	if (code == EXIT_DONE)
		code = upload_images(c);
	for (int i = 1; i < c->args.operand_count && code == EXIT_DONE; i++)
		code = post_manifest(c, path, args_operand(&c->args, i), &reply);
	if (code == EXIT_DONE)
		release_print(c, reply.json);
	return code;
}

static enum exit_code run_release_withdraw(struct cli *c)
{
	struct client *client;
	const char *path;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = release_path(c, &path);
	if (code == EXIT_DONE)
		code = prompt_name(c, "keep the release from every device that has not begun",
				   args_operand(&c->args, 0));
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	struct request in = { .method = "POST",
			      .path = arena_printf(c->mem, "%s/withdraw", path) };
	code = client_change(client, path, &in, &reply);
	if (code == EXIT_DONE)
		release_print(c, reply.json);
	return code;
}

static const struct option_def create_options[] = {
	{ "class", "VENDOR/NAME", "who may run it (needed)", OPTION_VALUE, false },
	{ "version", "VERSION", "such as 3.7 (needed)", OPTION_VALUE, false },
	{ "component", "NAME", "which part of the device; default main", OPTION_VALUE, false },
	{ "sequence", "NUMBER", "must grow with each release; default the clock's seconds",
	  OPTION_VALUE, false },
	{ "notes", "TEXT", "for people", OPTION_VALUE, false },
	SIGNING_OPTIONS,
	{ "delta-from", "auto",
	  "make deltas too, from the images that the class's devices hold; see delta create",
	  OPTION_VALUE, false },
	{ "format", "FORMAT", "of the deltas: heatshrink, lzma or zstd", OPTION_VALUE, false },
	{ "window", "BITS", "of heatshrink: 4 to 11, 8 when not given", OPTION_VALUE, false },
	{ "lookahead", "BITS", "of heatshrink: from 3, less than the window", OPTION_VALUE,
	  false },
	{ "max-percent", "N",
	  "drop deltas over N % of the compressed full image; 60 when not given", OPTION_VALUE,
	  false },
	{ "out", "FILE",
	  "write the signed envelope and stop: works offline; deltas and their envelopes "
	  "beside "
	  "it, as FILE-OLD.delta and FILE-OLD.suit",
	  OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def upload_options[] = {
	{ "image", "FILE", "an image, or another payload, that the manifest names", OPTION_MANY,
	  true },
	{ "version", "VERSION", "when the manifest does not say", OPTION_VALUE, false },
	{ "notes", "TEXT", "for people", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def add_options[] = {
	{ "image", "FILE", "an image, or another payload, that one of the manifests names",
	  OPTION_MANY, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def yes_options[] = {
	{ "yes", NULL, "do not ask", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_release[] = {
	{ "release create", "FILE", 1, 1, "From a firmware file to a signed release",
	  "Hashes the file, makes the SUIT manifest, signs it here, checks it as a device "
	  "would, uploads "
	  "image and envelope.",
	  "muster release create fw.bin --class acme.example/lock-7 --version 3.7 --key "
	  "author.pem",
	  create_options, run_release_create },
	{ "release upload", "ENVELOPE", 1, 1, "Upload an envelope that was signed elsewhere",
	  NULL, "muster release upload fw.suit --image fw.bin", upload_options,
	  run_release_upload },
	{ "release add", "RELEASE ENVELOPE...", 2, ARGS_MAX,
	  "Add variants to a release: deltas, compressed or encrypted images",
	  "Each is a manifest of the same class, components and sequence number, that ends "
	  "with "
	  "the same images. Each device is offered the smallest that it can take. Adding one "
	  "again changes nothing.",
	  "muster release add 3.7 from-3.6.suit from-3.5.suit --image 3.6-3.7.delta --image "
	  "3.5-3.7.delta",
	  add_options, run_release_add },
	{ "release ls", "", 0, 0, "List the releases", NULL, NULL, NULL, run_release_ls },
	{ "release show", "RELEASE", 1, 1, "Show one release", NULL, NULL, NULL,
	  run_release_show },
	{ "release withdraw", "RELEASE", 1, 1, "Stop offering a release",
	  "No campaign offers it again, and offers that no device has begun with are taken "
	  "back. Devices that have begun go on: abort the campaign to stop them.",
	  NULL, yes_options, run_release_withdraw },
	{ 0 },
};
