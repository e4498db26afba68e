/* The processor, on a device whose answers come from the input too: the first byte chooses the
 * procedure and the platform's rules, the next say how many bytes of answers follow, the rest
 * is a manifest. Whatever comes, a run ends, acts in order, and tells where it failed. */

#include "suit/process.h"
#include "suit/survey.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_wrap.h"

#include <string.h>

#define MANIFEST_MAX 8192

struct device {
	const uint8_t *answers; /* two bits each, over and over */
	size_t answer_bits, next;
	struct suit_envelope e, dependency;
	bool identity_first;
	bool vendor, class_; /* conditions that held */
	bool ended;          /* something failed that ends a run */
	size_t calls;
	struct suit_records records;
	uint8_t buf[1024];
};

enum answer { YES, STILL_YES, NO, BROKEN };

static enum answer answer(struct device *d)
{
	if (d->answer_bits == 0)
		return YES;
	size_t at = d->next++ % d->answer_bits;
	return (enum answer)(d->answers[at / 4] >> (at % 4 * 2) & 3);
}

static void target_check(struct device *d, const struct suit_target *t)
{
	check(!d->ended);
	check(++d->calls < 20 * SUIT_STEPS_MAX);
	check(t->place < SUIT_TARGETS_MAX && t->index < 2 * SUIT_COMPONENTS_MAX);
	check(t->id || t->dependency);
	check(t->envelope == &d->e || t->envelope == &d->dependency);
}

static enum suit_rc question(void *ctx, const struct suit_target *t)
{
	struct device *d = ctx;

	target_check(d, t);
	switch (answer(d)) {
	case NO:
		return SUIT_CONDITION;
	case BROKEN:
		d->ended = true;
		return SUIT_CRYPTO;
	case YES:
	case STILL_YES:
		break;
	}
	return SUIT_OK;
}

/* One in four fails, and no failure of a deed is soft. */
static enum suit_rc deed(void *ctx, const struct suit_target *t)
{
	struct device *d = ctx;

	target_check(d, t);
	check(!d->identity_first || (d->vendor && d->class_));
	if (answer(d) != BROKEN)
		return SUIT_OK;
	d->ended = true;
	return d->next % 2 ? SUIT_CONDITION : SUIT_OPERATION;
}

static enum suit_rc on_identity(void *ctx, const struct suit_target *t, enum suit_parameter key,
				struct suit_bytes id, struct scbor_out *measured)
{
	struct device *d = ctx;
	enum suit_rc rc = question(ctx, t);

	check(id.n > 0);
	scbor_put_int(measured, key);
	scbor_put_bytes(measured, id); /* a tag 112 may be long */
	d->vendor = d->vendor || (rc == SUIT_OK && key == SUIT_PARAM_VENDOR);
	d->class_ = d->class_ || (rc == SUIT_OK && key == SUIT_PARAM_CLASS);
	return rc;
}

static enum suit_rc on_image(void *ctx, const struct suit_target *t,
			     const struct suit_digest *digest, const uint64_t *size,
			     struct scbor_out *measured)
{
	(void)size;
	scbor_put_int(measured, SUIT_PARAM_DIGEST);
	scbor_put_bytes(measured, (struct suit_bytes){ digest->b, sizeof(digest->b) });
	return question(ctx, t);
}

/* Whether the number fits is the input's chance. */
static enum suit_rc on_number(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct device *d = ctx;

	*ret = (uint64_t)answer(d);
	enum suit_rc rc = question(ctx, t);
	return rc == SUIT_CONDITION ? SUIT_OK : rc;
}

static enum suit_rc on_read(void *ctx, const struct suit_target *t, uint64_t offset,
			    uint8_t *buf, size_t n, size_t *ret_n)
{
	check(offset <= MANIFEST_MAX && n > 0 && n <= 32);
	memset(buf, 0, n);
	*ret_n = offset < 64 ? n : 0;
	return question(ctx, t);
}

static enum suit_rc on_version(void *ctx, const struct suit_target *t,
			       int64_t ret[SUIT_VERSION_MAX], size_t *ret_n)
{
	struct device *d = ctx;

	*ret_n = (size_t)answer(d) * 2;
	for (size_t i = 0; i < *ret_n; i++)
		ret[i] = (int64_t)answer(d) - 1;
	return question(ctx, t);
}

static enum suit_rc on_authorized(void *ctx, const struct suit_target *t, int64_t priority)
{
	(void)priority;
	return question(ctx, t);
}

static void inside_check(const struct device *d, struct suit_bytes b)
{
	check(b.n == 0 || (b.p >= d->e.whole.p && b.p + b.n <= d->e.whole.p + d->e.whole.n));
}

static enum suit_rc on_fetch(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			     struct suit_bytes content)
{
	inside_check(ctx, uri);
	inside_check(ctx, content);
	check(uri.n <= SUIT_URI_MAX);
	return deed(ctx, t);
}

static enum suit_rc on_bytes(void *ctx, const struct suit_target *t, struct suit_bytes bytes)
{
	inside_check(ctx, bytes);
	return deed(ctx, t);
}

static enum suit_rc on_copy(void *ctx, const struct suit_target *t,
			    const struct suit_target *source)
{
	check(source->place != t->place);
	return deed(ctx, t);
}

/* The manifest itself, as if it had the digest that is wanted: it depends on itself. */
static enum suit_rc on_dependency(void *ctx, const struct suit_target *t,
				  const struct suit_envelope **ret)
{
	struct device *d = ctx;

	target_check(d, t);
	check(t->dependency);
	if (answer(d) >= NO)
		return SUIT_MISSING;
	d->dependency = d->e;
	(void)suit_parameter_digest(t, &d->dependency.digest);
	*ret = &d->dependency;
	return SUIT_OK;
}

static enum suit_rc on_custom(void *ctx, const struct suit_target *t, int64_t command,
			      struct suit_bytes arg)
{
	struct device *d = ctx;

	check(command <= -257);
	check(!d->identity_first || (d->vendor && d->class_));
	inside_check(d, arg);
	return question(ctx, t);
}

static void on_record(void *ctx, const struct suit_record *record, bool success)
{
	struct device *d = ctx;

	check(success || record->section > 0);
	suit_records_add(&d->records, record);
}

static void report_check(struct device *d, enum suit_rc rc, const struct suit_run *run)
{
	struct suit_report r = { .success = rc == SUIT_OK,
				 .records = suit_records_bytes(&d->records),
				 .failed = run->failed,
				 .reason = run->reason };
	struct suit_report again;
	uint8_t out[2048];
	size_t n = 0;

	check(suit_report_encode(&r, out, sizeof(out), &n) == SUIT_OK);
	check(suit_report_decode((struct suit_bytes){ out, n }, &again) == SUIT_OK);
	check(again.success == r.success && again.failed.depth == run->failed.depth);
}

static void survey_check(const struct suit_envelope *e, enum suit_procedure procedure)
{
	static struct suit_survey s;

	enum suit_rc rc = suit_survey_procedure(e, procedure, NULL, NULL, &s);
	check(s.runs <= SUIT_SURVEY_RUNS_MAX + 1);
	check(s.steps <= SUIT_SURVEY_STEPS_MAX + SUIT_STEPS_MAX + 1);
	check(rc != SUIT_OK || s.successes > 0);
	check(s.payload_count <= SUIT_SURVEY_PAYLOADS_MAX);
	for (size_t i = 0; i < s.payload_count; i++)
		check(s.payload[i].component < s.component_count &&
		      s.component[s.payload[i].component].touched);
	for (size_t i = 0; i < s.installed_count; i++)
		check(s.installed[i].component < s.component_count);
	check(s.precursor_count <= SUIT_SURVEY_FACTS_MAX &&
	      !(s.precursors_differ && rc == SUIT_OK && s.precursor_count > 0));
	for (size_t i = 0; i < s.precursor_count; i++)
		check(s.precursor[i].component < s.component_count &&
		      !s.component[s.precursor[i].component].dependency);
	check(s.identity_count <= SUIT_SURVEY_IDENTITIES_MAX);
	check(s.encryption_count <= SUIT_SURVEY_INFOS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[MANIFEST_MAX + 64];
	static struct device d;
	static struct suit_run run;

	if (size < 2 || size - 2 < data[1] || size > MANIFEST_MAX)
		return 0;
	d = (struct device){ .answers = data + 2, .answer_bits = (size_t)data[1] * 4 };
	struct suit_bytes manifest = { data + 2 + data[1], size - 2 - data[1] };
	struct suit_bytes whole = suit_wrap(manifest, buf, sizeof(buf));
	if (suit_envelope_decode(&suit_crypto_openssl, whole, &d.e) != SUIT_OK)
		return 0;
	const struct suit_platform platform = {
		.identity_first = data[0] & 4,
		.prefixes = data[0] & 8,
		.partial_dependents = data[0] & 16,
		.identity = on_identity,
		.image = on_image,
		.slot = on_number,
		.read = on_read,
		.version = on_version,
		.battery = on_number,
		.now = on_number,
		.authorized = on_authorized,
		.fetch = on_fetch,
		.write = on_bytes,
		.copy = on_copy,
		.swap = on_copy,
		.invoke = on_bytes,
		.unlink = deed,
		.wait = on_bytes,
		.dependency = on_dependency,
		.custom = on_custom,
		.record = on_record,
	};
	d.identity_first = platform.identity_first;
	suit_records_init(&d.records, d.buf, sizeof(d.buf));
	enum suit_procedure procedure = (enum suit_procedure)((data[0] & 3) % 3);
	enum suit_rc rc = suit_process(&d.e, procedure, &platform, &d, &run);
	check(run.steps <= SUIT_STEPS_MAX + 1);
	check(!d.ended || rc != SUIT_OK);
	check((rc == SUIT_OK) == (run.failed.section == 0));
	check(run.failed.depth <= SUIT_NESTED_MAX);
	report_check(&d, rc, &run);
	survey_check(&d.e, SUIT_UPDATE_PROCEDURE);
	survey_check(&d.e, SUIT_INVOKE_PROCEDURE);
	survey_check(&d.e, SUIT_UNINSTALL_PROCEDURE);
	return 0;
}
