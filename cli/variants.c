/* Deltas for a whole class. */

#include "cli/variants.h"

#include "cli/class_ids.h"
#include "cli/client.h"
#include "cli/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void clean_variants(struct variants *v)
{
	for (size_t i = 0; i < v->count; i++)
		clean_blob(&v->item[i].delta);
}

/* --- what the devices hold ---------------------------------------------------------------- */

static int64_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* The most frequent first, until enough devices are covered.  Those that have the new image
 * already need nothing. */
static enum exit_code choose(const json_t *answer, const struct digest *fresh,
			     struct variants *ret)
{
	size_t i;
	json_t *item;
	int64_t covered = 0;
	ret->devices = number(answer, "devices");
	json_array_foreach(json_object_get(answer, "items"), i, item)
	{
		const char *text = json_string_value(json_object_get(item, "digest"));
		struct variant v = { .devices = number(item, "devices") };
		if (!text || digest_parse(text, &v.base) != RC_OK)
			return cli_fail(EXIT_FAILED, "the server's answer has no digests");
		if (digest_equal(&v.base, fresh))
			ret->done = v.devices;
	}
	covered = ret->done;
	json_array_foreach(json_object_get(answer, "items"), i, item)
	{
		struct variant v = { .devices = number(item, "devices") };
		if (ret->count == VARIANTS_MAX ||
		    covered * 100 >= ret->devices * VARIANTS_COVER)
			break;
		if (digest_parse(json_string_value(json_object_get(item, "digest")), &v.base) !=
			    RC_OK ||
		    digest_equal(&v.base, fresh))
			continue;
		covered += v.devices;
		ret->item[ret->count++] = v;
	}
	return EXIT_DONE;
}

static enum exit_code ask(struct cli *c, const struct variants_plan *plan, struct variants *ret)
{
	struct client *client;
	struct class_ids ids;
	struct digest fresh;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = class_ids_of(plan->class_name, c->mem, &ids);
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	sha256_of(plan->fresh, &fresh);
	code = client_get(client,
			  arena_printf(c->mem, "/v1/classes/%s/%s/digests?component=%s",
				       ids.vendor_text, ids.class_text,
				       client_escape(c->mem, plan->component)),
			  &reply);
	return code == EXIT_DONE ? choose(reply.json, &fresh, ret) : code;
}

/* ret_image is empty when the server does not have it, or when it is too large. */
static enum exit_code download(struct cli *c, const struct digest *digest, size_t max,
			       struct reply *ret_image)
{
	struct client *client;
	char text[DIGEST_TEXT_SIZE];
	struct digest is;
	struct request in = { .method = "GET",
			      .path = arena_printf(c->mem, "/v1/images/%s",
						   digest_format(digest, text)),
			      .max = max,
			      .also_ok = 404 };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = client_call(client, &in, ret_image);
	if (code != EXIT_DONE || ret_image->too_large)
		return code;
	if (ret_image->status == 404) {
		reply_finish(ret_image);
		*ret_image = (struct reply){ 0 };
		return EXIT_DONE;
	}
	sha256_of((struct bytes){ ret_image->data, ret_image->size }, &is);
	if (!digest_equal(&is, digest))
		return cli_fail(EXIT_FAILED, "the server gave another image for %s", text);
	return EXIT_DONE;
}

/* --- work in a process of its own --------------------------------------------------------- */

struct work {
	const struct variants_plan *plan;
	struct bytes old; /* p NULL: compress the new image alone */
};

static enum exit_code work_do(const struct work *w, struct blob *ret)
{
	const struct delta_parameters *p = &w->plan->parameters;
	limits_take(delta_memory(p->format, w->old.n, w->plan->fresh.n));
	return w->old.p ? delta_make_proven(p, w->old, w->plan->fresh, ret)
			: delta_compress(p, w->plan->fresh, ret);
}

static _Noreturn void child(const struct work *w, FILE *to)
{
	struct blob done = { 0 };
	enum exit_code code = work_do(w, &done);
	if (code == EXIT_DONE && (fwrite(done.p, 1, done.n, to) != done.n || fflush(to) != 0))
		code = cli_fail(EXIT_FAILED, "cannot keep the delta: %s", strerror(errno));
	_exit(code);
}

/* Limits are a process's own, and one image that is one long repetition must not end the work
 * on the others.  ret stays empty when the child failed; it has said why. */
static enum exit_code in_child(const struct work *w, struct blob *ret)
{
	CLEAN(file) FILE *result = tmpfile();
	uint8_t block[65536];
	int status = 0;
	size_t n;
	fflush(stdout);
	pid_t pid = result ? fork() : -1;
	if (pid < 0)
		return cli_fail(EXIT_FAILED, "cannot start another process: %s",
				strerror(errno));
	if (pid == 0)
		child(w, result);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_fail(EXIT_FAILED, "lost a process: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_DONE)
		return EXIT_DONE;
	rewind(result);
	while ((n = fread(block, 1, sizeof(block), result)) > 0)
		if (!blob_add(ret, (struct bytes){ block, n }))
			return blob_no_memory();
	return EXIT_DONE;
}

/* --- one after the other ------------------------------------------------------------------ */

static enum exit_code make_one(struct cli *c, const struct variants_plan *plan,
			       struct variants *all, struct variant *v)
{
	CLEAN(reply) struct reply image = { 0 };
	enum exit_code code =
		download(c, &v->base, delta_image_max(plan->parameters.format), &image);
	/* Who may not have one image may have none; what else went wrong was told. */
	if (code == EXIT_AUTH)
		return code;
	struct work w = { .plan = plan, .old = { image.data, image.size } };
	v->base_size = (int64_t)image.size;
	if (code != EXIT_DONE)
		v->dropped = "that image could not be fetched";
	else if (image.too_large)
		v->dropped = "that image is too large for the format";
	else if (image.size == 0)
		v->dropped = "the server does not have that image";
	else
		code = in_child(&w, &v->delta);
	if (v->dropped)
		return EXIT_DONE;
	if (code != EXIT_DONE)
		return code;
	sha256_of(blob_bytes(&v->delta), &v->digest);
	if (v->delta.n == 0)
		v->dropped = "it could not be made";
	else if ((uint64_t)v->delta.n * 100 > (uint64_t)all->compressed * plan->max_percent)
		v->dropped = arena_printf(c->mem, "over %llu %% of the compressed full image",
					  (unsigned long long)plan->max_percent);
	else
		all->served += v->devices;
	return EXIT_DONE;
}

enum exit_code variants_make(struct cli *c, const struct variants_plan *plan,
			     struct variants *ret)
{
	CLEAN(blob) struct blob full = { 0 };
	struct work w = { .plan = plan };
	enum exit_code code = ask(c, plan, ret);
	if (code == EXIT_DONE)
		code = in_child(&w, &full);
	if (code == EXIT_DONE && full.n == 0)
		code = cli_fail(EXIT_FAILED, "the new image could not be compressed");
	ret->compressed = full.n;
	for (size_t i = 0; i < ret->count && code == EXIT_DONE; i++)
		code = make_one(c, plan, ret, &ret->item[i]);
	return code;
}

/* --- options and output ------------------------------------------------------------------- */

enum exit_code variants_percent(struct cli *c, uint64_t *ret)
{
	const char *percent = args_value(&c->args, "max-percent");
	*ret = VARIANTS_PERCENT;
	if (percent && parse_u64(bytes_of(percent), 1000, ret) != RC_OK)
		return cli_fail(EXIT_FAILED, "--max-percent takes a number up to 1000");
	return EXIT_DONE;
}

enum exit_code variants_options(struct cli *c, struct variants_plan *ret)
{
	const char *from = args_value(&c->args, "delta-from");
	if (strcmp(from, "auto") != 0)
		return cli_fail(EXIT_FAILED, "--delta-from \"%s\": there is auto", from);
	enum exit_code code = variants_percent(c, &ret->max_percent);
	return code == EXIT_DONE ? delta_parameters_take(c, &ret->parameters) : code;
}

static json_t *variant_json(const struct variant *v)
{
	char base[DIGEST_TEXT_SIZE];
	json_t *ret =
		json_pack("{s:s, s:I, s:I}", "base_digest", digest_format(&v->base, base),
			  "devices", (json_int_t)v->devices, "size", (json_int_t)v->delta.n);
	json_object_set_new(ret, "dropped", v->dropped ? json_string(v->dropped) : json_null());
	return ret;
}

static void say_total(const struct variants *v)
{
	cli_say("Of %lld devices %lld have the new image and %lld get a delta.",
		(long long)v->devices, (long long)v->done, (long long)v->served);
}

void variants_say(struct cli *c, const struct variants *v)
{
	char base[DIGEST_TEXT_SIZE];
	for (size_t i = 0; i < v->count; i++) {
		const struct variant *x = &v->item[i];
		const char *what = x->dropped ? arena_printf(c->mem, "none: %s", x->dropped)
					      : output_size(c->mem, (int64_t)x->delta.n);
		cli_say("Delta from %.12s, for %lld devices: %s.",
			digest_format(&x->base, base), (long long)x->devices, what);
	}
	say_total(v);
}

void variants_print(struct cli *c, const struct variants *v)
{
	static const struct column columns[] = {
		{ "From", "base_digest", NULL, false },
		{ "Devices", "devices", NULL, true },
		{ "Bytes", "size", NULL, true },
		{ "Dropped", "dropped", NULL, false },
	};
	struct table t;
	CLEAN(json) json_t *items = json_array();
	for (size_t i = 0; i < v->count; i++)
		json_array_append_new(items, variant_json(&v->item[i]));
	table_begin(&t, &c->out, columns, ARRAY_LEN(columns));
	table_page(&t, items);
	table_end(&t);
	say_total(v);
}

const char *variant_path(struct cli *c, const char *prefix, const struct variant *v,
			 const char *suffix)
{
	char base[DIGEST_TEXT_SIZE];
	return arena_printf(c->mem, "%s-%.12s%s", prefix, digest_format(&v->base, base),
			    suffix);
}
