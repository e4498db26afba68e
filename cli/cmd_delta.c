/* Patches between two images, and compressed images: made here, on the author's machine, and
 * undone by the code that devices run before anything is written. */

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/delta.h"
#include "cli/file.h"
#include "cli/limits.h"
#include "cli/variants.h"

#include "base/hash.h"

#include <string.h>

static enum exit_code number_option(struct cli *c, const char *name, const char *fallback,
				    uint64_t max, uint64_t *ret)
{
	const char *text = args_value(&c->args, name);
	if (parse_u64(bytes_of(text ? text : fallback), max, ret) != RC_OK)
		return cli_fail(EXIT_FAILED, "--%s takes a number up to %llu", name,
				(unsigned long long)max);
	return EXIT_DONE;
}

static enum exit_code needed_option(struct cli *c, const char *name, const char **ret)
{
	*ret = args_value(&c->args, name);
	if (!*ret)
		return cli_fail(EXIT_FAILED, "%s needs --%s", c->command->name, name);
	return EXIT_DONE;
}

enum exit_code delta_parameters_take(struct cli *c, struct delta_parameters *ret)
{
	const char *name;
	uint64_t window = 0, ahead = 0;
	enum exit_code code = needed_option(c, "format", &name);
	if (code == EXIT_DONE && !delta_format_parse(name, &ret->format))
		code = cli_fail(EXIT_FAILED,
				"there is no format \"%s\"; take heatshrink, lzma or zstd",
				name);
	if (code == EXIT_DONE)
		code = number_option(c, "window", "8", 11, &window);
	if (code == EXIT_DONE)
		code = number_option(c, "lookahead", "0", 10, &ahead);
	if (code == EXIT_DONE && window < 4)
		code = cli_fail(EXIT_FAILED, "--window takes a number from 4 to 11");
	ret->window_bits = (unsigned)window;
	ret->ahead_bits = (unsigned)ahead;
	return code;
}

/* The digest of --name, if it is given; it must be that of the bytes. */
static enum exit_code digest_compare(struct cli *c, const char *name, struct bytes bytes,
				     const char *complaint)
{
	struct digest want, is;
	const char *text = args_value(&c->args, name);
	if (!text)
		return EXIT_DONE;
	if (digest_parse(text, &want) != RC_OK)
		return cli_fail(EXIT_FAILED, "--%s takes 64 hexadecimal digits", name);
	sha256_of(bytes, &is);
	if (!digest_equal(&want, &is))
		return cli_fail(EXIT_CONFLICT, "%s", complaint);
	return EXIT_DONE;
}

static json_t *digest_json(struct bytes bytes)
{
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];
	sha256_of(bytes, &digest);
	return json_string(digest_format(&digest, text));
}

/* One digit behind the point; less than nothing when it has grown. */
static json_t *saved(size_t n, size_t of)
{
	if (of == 0)
		return json_null();
	return json_real((double)(int64_t)(1000 - 1000.0 * (double)n / (double)of) / 10);
}

static void print_result(struct cli *c, json_t *item)
{
	static const struct column card[] = {
		{ "Format", "format", NULL, false },
		{ "Old digest", "base_digest", NULL, false },
		{ "New digest", "digest", NULL, false },
		{ "Image bytes", "image_size", NULL, false },
		{ "Compressed", "compressed_size", NULL, false },
		{ "Bytes", "size", NULL, false },
		{ "Saved %", "saved_percent", NULL, false },
		{ "Saved % of compressed", "saved_of_compressed_percent", NULL, false },
		{ "Device RAM", "device_ram", NULL, false },
	};
	output_object(&c->out, card, ARRAY_LEN(card), item);
}

struct making {
	struct delta_parameters parameters;
	struct blob old, fresh, patch, full;
};

static void clean_making(struct making *m)
{
	clean_blob(&m->old);
	clean_blob(&m->fresh);
	clean_blob(&m->patch);
	clean_blob(&m->full);
}

static enum exit_code load_both(struct cli *c, struct making *m)
{
	size_t max = delta_image_max(m->parameters.format);
	enum exit_code code = blob_load(&m->old, args_operand(&c->args, 0), max);
	if (code == EXIT_DONE)
		code = blob_load(&m->fresh, args_operand(&c->args, 1), max);
	if (code == EXIT_DONE && m->fresh.n == 0)
		code = cli_fail(EXIT_FAILED, "%s is empty", args_operand(&c->args, 1));
	return code;
}

static enum exit_code worth_it(const struct making *m, uint64_t percent)
{
	if ((uint64_t)m->patch.n * 100 <= (uint64_t)m->full.n * percent)
		return EXIT_DONE;
	return cli_fail(EXIT_NOT_WORTH,
			"not written: the patch has %zu bytes, over %llu %% of the compressed "
			"full image's %zu",
			m->patch.n, (unsigned long long)percent, m->full.n);
}

static enum exit_code make_all(struct making *m)
{
	struct bytes old = blob_bytes(&m->old), fresh = blob_bytes(&m->fresh);
	limits_take(delta_memory(m->parameters.format, old.n, fresh.n));
	enum exit_code code = delta_make_proven(&m->parameters, old, fresh, &m->patch);
	if (code == EXIT_DONE)
		code = delta_compress(&m->parameters, fresh, &m->full);
	return code;
}

static json_t *making_json(const struct making *m)
{
	const struct delta_parameters *p = &m->parameters;
	return json_pack(
		"{s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:I}", "format",
		delta_format_name(p->format), "base_digest", digest_json(blob_bytes(&m->old)),
		"digest", digest_json(blob_bytes(&m->fresh)), "image_size",
		(json_int_t)m->fresh.n, "compressed_size", (json_int_t)m->full.n, "size",
		(json_int_t)m->patch.n, "saved_percent", saved(m->patch.n, m->fresh.n),
		"saved_of_compressed_percent", saved(m->patch.n, m->full.n), "device_ram",
		(json_int_t)delta_device_ram(p, m->fresh.n));
}

/* One file for each image that the class's devices hold. */
static enum exit_code write_all(struct cli *c, const struct variants *v, const char *prefix)
{
	enum exit_code code = EXIT_DONE;
	for (size_t i = 0; i < v->count && code == EXIT_DONE; i++)
		if (!v->item[i].dropped)
			code = file_write_new(variant_path(c, prefix, &v->item[i], ".delta"),
					      blob_bytes(&v->item[i].delta), 0644);
	return code;
}

static enum exit_code run_delta_auto(struct cli *c)
{
	CLEAN(variants) struct variants v = { 0 };
	CLEAN(blob) struct blob fresh = { 0 };
	struct variants_plan plan = { .component = args_value(&c->args, "component") };
	const char *out;
	enum exit_code code = variants_options(c, &plan);
	if (code == EXIT_DONE)
		code = needed_option(c, "class", &plan.class_name);
	if (code == EXIT_DONE)
		code = needed_option(c, "out", &out);
	if (code == EXIT_DONE && args_operand(&c->args, 1))
		code = cli_fail(EXIT_FAILED, "with --delta-from auto name the new image alone");
	if (code == EXIT_DONE)
		code = blob_load(&fresh, args_operand(&c->args, 0),
				 delta_image_max(plan.parameters.format));
	if (code != EXIT_DONE)
		return code;
	plan.fresh = blob_bytes(&fresh);
	plan.component = plan.component ? plan.component : "main";
	code = variants_make(c, &plan, &v);
	if (code == EXIT_DONE)
		code = write_all(c, &v, out);
	if (code == EXIT_DONE)
		variants_print(c, &v);
	return code;
}

static enum exit_code run_delta_create(struct cli *c)
{
	CLEAN(making) struct making m = { 0 };
	const char *out;
	uint64_t percent = 0;
	if (args_has(&c->args, "delta-from"))
		return run_delta_auto(c);
	if (!args_operand(&c->args, 1))
		return cli_fail(EXIT_FAILED,
				"delta create needs OLD and NEW, or --delta-from auto");
	enum exit_code code = delta_parameters_take(c, &m.parameters);
	if (code == EXIT_DONE)
		code = needed_option(c, "out", &out);
	if (code == EXIT_DONE)
		code = variants_percent(c, &percent);
	if (code == EXIT_DONE)
		code = load_both(c, &m);
	if (code == EXIT_DONE)
		code = make_all(&m);
	if (code == EXIT_DONE)
		code = worth_it(&m, percent);
	if (code == EXIT_DONE)
		code = file_write_new(out, blob_bytes(&m.patch), 0644);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json) json_t *item = making_json(&m);
	print_result(c, item);
	return EXIT_DONE;
}

static enum exit_code run_delta_apply(struct cli *c)
{
	CLEAN(blob) struct blob old = { 0 }, patch = { 0 }, fresh = { 0 };
	const char *out, *base;
	uint64_t max = 0;
	enum exit_code code = needed_option(c, "base-digest", &base);
	if (code == EXIT_DONE)
		code = needed_option(c, "out", &out);
	if (code == EXIT_DONE)
		code = number_option(c, "max-size", "268435456", DELTA_ZSTD_IMAGE_MAX, &max);
	if (code == EXIT_DONE)
		code = blob_load(&old, args_operand(&c->args, 0), DELTA_ZSTD_IMAGE_MAX);
	if (code == EXIT_DONE)
		code = digest_compare(c, "base-digest", blob_bytes(&old),
				      "the old image is not the one that the patch is for");
	if (code == EXIT_DONE)
		code = blob_load(&patch, args_operand(&c->args, 1), DELTA_ZSTD_IMAGE_MAX);
	if (code != EXIT_DONE)
		return code;
	limits_take(delta_memory(DELTA_ZSTD, old.n, max));
	code = delta_apply(blob_bytes(&old), blob_bytes(&patch), max, &fresh);
	if (code == EXIT_DONE)
		code = digest_compare(c, "digest", blob_bytes(&fresh),
				      "the patch gives another image");
	return code == EXIT_DONE ? file_write_new(out, blob_bytes(&fresh), 0644) : code;
}

static enum exit_code run_image_compress(struct cli *c)
{
	CLEAN(making) struct making m = { 0 };
	const char *out;
	enum exit_code code = delta_parameters_take(c, &m.parameters);
	if (code == EXIT_DONE)
		code = needed_option(c, "out", &out);
	if (code == EXIT_DONE)
		code = blob_load(&m.fresh, args_operand(&c->args, 0),
				 delta_image_max(m.parameters.format));
	if (code != EXIT_DONE)
		return code;
	limits_take(delta_memory(m.parameters.format, 0, m.fresh.n));
	code = delta_compress(&m.parameters, blob_bytes(&m.fresh), &m.full);
	if (code == EXIT_DONE)
		code = delta_decompress(m.parameters.format, blob_bytes(&m.full), m.fresh.n,
					&m.old);
	if (code == EXIT_DONE && !bytes_equal(blob_bytes(&m.old), blob_bytes(&m.fresh)))
		code = cli_fail(EXIT_FAILED, "what was compressed gives another image");
	if (code == EXIT_DONE)
		code = file_write_new(out, blob_bytes(&m.full), 0644);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *item = json_pack("{s:s, s:o, s:I, s:I, s:o}", "format",
				 delta_format_name(m.parameters.format), "digest",
				 digest_json(blob_bytes(&m.fresh)), "image_size",
				 (json_int_t)m.fresh.n, "size", (json_int_t)m.full.n,
				 "saved_percent", saved(m.full.n, m.fresh.n));
	print_result(c, item);
	return EXIT_DONE;
}

static enum exit_code run_image_decompress(struct cli *c)
{
	CLEAN(blob) struct blob in = { 0 }, image = { 0 };
	struct delta_parameters p;
	const char *out, *size_text;
	uint64_t size = 0;
	enum exit_code code = delta_parameters_take(c, &p);
	if (code == EXIT_DONE)
		code = needed_option(c, "size", &size_text);
	if (code == EXIT_DONE)
		code = number_option(c, "size", "0", delta_image_max(p.format), &size);
	if (code == EXIT_DONE)
		code = needed_option(c, "out", &out);
	if (code == EXIT_DONE)
		code = blob_load(&in, args_operand(&c->args, 0), DELTA_ZSTD_IMAGE_MAX);
	if (code != EXIT_DONE)
		return code;
	limits_take(delta_memory(p.format, 0, size));
	code = delta_decompress(p.format, blob_bytes(&in), size, &image);
	if (code == EXIT_DONE)
		code = digest_compare(c, "digest", blob_bytes(&image),
				      "what comes out is another image");
	return code == EXIT_DONE ? file_write_new(out, blob_bytes(&image), 0644) : code;
}

#define FORMAT_OPTION                                                                          \
	{                                                                                      \
		"format", "FORMAT", "heatshrink, lzma or zstd (needed)", OPTION_VALUE, false   \
	}
#define OUT_OPTION                                                                             \
	{                                                                                      \
		"out", "FILE", "where to write; a new file (needed)", OPTION_VALUE, true       \
	}
#define WINDOW_OPTIONS                                                                         \
	{ "window", "BITS", "of heatshrink: 4 to 11, 8 when not given", OPTION_VALUE, false }, \
	{                                                                                      \
		"lookahead", "BITS", "of heatshrink: from 3, less than the window",            \
			OPTION_VALUE, false                                                    \
	}

static const struct option_def create_options[] = {
	FORMAT_OPTION,
	{ "out", "FILE",
	  "where to write; a new file (needed); with --delta-from the beginning of the files",
	  OPTION_VALUE, true },
	WINDOW_OPTIONS,
	{ "max-percent", "N",
	  "write nothing when it is over N % of the compressed full image; 60 when not given",
	  OPTION_VALUE, false },
	{ "delta-from", "auto",
	  "NEW alone is named; from each image that the class's devices hold, asked of the "
	  "server, until 95 % of them are covered",
	  OPTION_VALUE, false },
	{ "class", "VENDOR/NAME", "with --delta-from: whose devices", OPTION_VALUE, false },
	{ "component", "NAME", "with --delta-from: which part of them; default main",
	  OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def apply_options[] = {
	OUT_OPTION,
	{ "base-digest", "DIGEST", "SHA-256 of the image that the patch is for (needed)",
	  OPTION_VALUE, false },
	{ "digest", "DIGEST", "SHA-256 that the new image must have", OPTION_VALUE, false },
	{ "max-size", "BYTES", "the new image is no larger", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def compress_options[] = {
	FORMAT_OPTION,
	OUT_OPTION,
	WINDOW_OPTIONS,
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def decompress_options[] = {
	FORMAT_OPTION,
	OUT_OPTION,
	{ "size", "BYTES", "of the image (needed)", OPTION_VALUE, false },
	{ "digest", "DIGEST", "SHA-256 that the image must have", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_delta[] = {
	{ "delta create", "[OLD] NEW", 1, 2, "Make a patch from one image to another",
	  "It is applied by the code that devices run, and compared, before it is written. It "
	  "says nothing about OLD: the old digest that is printed belongs into the signed "
	  "manifest.",
	  "muster delta create fw-1.bin fw-2.bin --format heatshrink --out fw-1-2.delta",
	  create_options, run_delta_create },
	{ "delta apply", "OLD PATCH", 2, 2, "Make the new image from the old one and a patch",
	  "The old digest is compared before anything is read from the patch.",
	  "muster delta apply fw-1.bin fw-1-2.delta --base-digest DIGEST --out fw-2.bin",
	  apply_options, run_delta_apply },
	{ "image compress", "IMAGE", 1, 1, "Compress a full image",
	  "It is decompressed by the code that devices run, and compared, before it is "
	  "written.",
	  "muster image compress fw.bin --format lzma --out fw.bin.lzma", compress_options,
	  run_image_compress },
	{ "image decompress", "FILE", 1, 1, "Decompress a full image", NULL,
	  "muster image decompress fw.bin.lzma --format lzma --size 52340 --out fw.bin",
	  decompress_options, run_image_decompress },
	{ 0 },
};
