/* Bodies of the device API. */

#include "api/device/device_codec.h"

#include "api/device/cbor_read.h"
#include "core/component_name.h"
#include "core/device.h"
#include "suit/cbor.h"
#include "suit/report.h"

#include <string.h>

#define PAIRS_MAX       32 /* of any map, known keys or not */
#define TEXT_MAX        256
#define NEXT_WAKE_MAX_S (366 * 24 * 3600)
#define BYTES_MAX       (INT64_C(1) << 40)

enum register_key {
	REG_ENDPOINT = 1,
	REG_VENDOR,
	REG_CLASS,
	REG_COMPONENTS,
	REG_BOOT,
	REG_CAPABILITIES,
	REG_NEXT_WAKE,
	REG_ATTRIBUTES,
	REG_LAST,
	REG_END,
};
#define REG_REQUIRED                                                                           \
	(1U << REG_ENDPOINT | 1U << REG_VENDOR | 1U << REG_CLASS | 1U << REG_COMPONENTS |      \
	 1U << REG_BOOT)

/* One pair of a map: the key was read, the value is next. */
typedef void read_pair(struct cbor_read *r, struct arena *mem, uint64_t key, void *into);

/* All pairs of a map with small numeric keys; returns the set of keys below 32 that came. */
static unsigned read_pairs(struct cbor_read *r, struct arena *mem, read_pair *pair, void *into)
{
	unsigned seen = 0;
	size_t n = cbor_read_map(r, 0, PAIRS_MAX);

	for (size_t i = 0; i < n && !r->why; i++) {
		uint64_t key = cbor_read_key(r);
		if (key < 32 && seen & 1U << key)
			cbor_read_fail(r, "a key comes twice");
		if (key < 32)
			seen |= 1U << key;
		if (!r->why)
			pair(r, mem, key, into);
	}
	return seen;
}

static void read_uuid(struct cbor_read *r, struct uuid *ret)
{
	struct bytes b = cbor_read_bytes(r, sizeof(ret->b), sizeof(ret->b));

	if (b.n)
		memcpy(ret->b, b.p, b.n);
}

static void read_component(struct cbor_read *r, struct arena *mem, struct component *ret)
{
	ret->name = cbor_read_text(r, mem, 1, COMPONENT_NAME_MAX);
	if (!r->why && !component_name_valid(ret->name))
		cbor_read_fail(r, "a component's name is not valid");
	(void)cbor_read_array(r, 2, 2);
	if (!cbor_read_null(r)) {
		struct bytes b =
			cbor_read_bytes(r, sizeof(ret->digest.b), sizeof(ret->digest.b));
		ret->has_digest = b.n != 0;
		if (b.n)
			memcpy(ret->digest.b, b.p, b.n);
	}
	if (!cbor_read_null(r))
		ret->version = cbor_read_text(r, mem, 1, VERSION_TEXT_MAX);
}

static void read_components(struct cbor_read *r, struct arena *mem, struct registration *ret)
{
	int n = (int)cbor_read_map(r, 1, COMPONENTS_MAX);

	for (int i = 0; i < n && !r->why; i++) {
		read_component(r, mem, &ret->components[i]);
		for (int k = 0; k < i && !r->why; k++)
			if (strcmp(ret->components[k].name, ret->components[i].name) == 0)
				cbor_read_fail(r, "a component comes twice");
	}
	ret->component_count = n;
}

static bool attribute_came(const struct registration *reg, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(reg->attributes[i].name, name) == 0)
			return true;
	return false;
}

static void read_attributes(struct cbor_read *r, struct arena *mem, struct registration *ret)
{
	int n = (int)cbor_read_map(r, 0, ATTRIBUTES_MAX);

	for (int i = 0; i < n && !r->why; i++) {
		struct attribute *a = &ret->attributes[i];
		a->name = cbor_read_text(r, mem, 1, ATTRIBUTE_NAME_MAX);
		a->value = cbor_read_text(r, mem, 0, ATTRIBUTE_VALUE_MAX);
		if (!r->why &&
		    !(attribute_name_valid(a->name) && attribute_value_valid(a->value)))
			cbor_read_fail(r, "an attribute is not valid");
		if (!r->why && attribute_came(ret, i, a->name))
			cbor_read_fail(r, "an attribute comes twice");
	}
	ret->attribute_count = n;
}

static bool format_valid(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

/* Sorted by its bytes, so that the same list is stored the same. */
static void read_formats(struct cbor_read *r, struct arena *mem, struct registration *ret)
{
	int n = (int)cbor_read_array(r, 0, FORMATS_MAX);

	for (int i = 0; i < n && !r->why; i++) {
		const char *name = cbor_read_text(r, mem, 1, FORMAT_NAME_MAX);
		int at = i;
		if (!r->why && !format_valid(name))
			cbor_read_fail(r, "a format's name is not valid");
		for (; at > 0 && strcmp(ret->formats[at - 1], name) > 0; at--)
			ret->formats[at] = ret->formats[at - 1];
		if (!r->why && at > 0 && strcmp(ret->formats[at - 1], name) == 0)
			cbor_read_fail(r, "a format comes twice");
		ret->formats[at] = name;
	}
	ret->format_count = n;
}

static void capability_pair(struct cbor_read *r, struct arena *mem, uint64_t key, void *into)
{
	struct registration *reg = into;

	if (key == 1)
		reg->max_envelope = (int64_t)cbor_read_uint(r, BYTES_MAX);
	else if (key == 2)
		reg->max_image = (int64_t)cbor_read_uint(r, BYTES_MAX);
	else if (key == 3)
		reg->block_size = (int32_t)cbor_read_uint(r, 65536);
	else if (key == 4)
		read_formats(r, mem, reg);
	else if (key == 5)
		reg->only_encrypted = cbor_read_bool(r);
	else
		cbor_skip(r);
}

static void last_pair(struct cbor_read *r, struct arena *mem, uint64_t key, void *into)
{
	struct registration *reg = into;

	if (key == 1)
		reg->last_job = (int64_t)cbor_read_uint(r, INT64_MAX);
	else if (key == 2)
		reg->last_attempt = (int32_t)cbor_read_uint(r, INT32_MAX);
	else if (key == 3)
		reg->last_outcome = (int32_t)cbor_read_uint(r, JOB_ROLLED_BACK);
	else if (key == 4)
		reg->last_text = cbor_read_text(r, mem, 0, TEXT_MAX);
	else
		cbor_skip(r);
}

static void read_last(struct cbor_read *r, struct arena *mem, struct registration *reg)
{
	unsigned seen = read_pairs(r, mem, last_pair, reg);

	if (!r->why && ((seen & 0xe) != 0xe || reg->last_outcome < JOB_FAILED))
		cbor_read_fail(r, "the last trial lacks job, attempt or outcome");
}

static void register_pair(struct cbor_read *r, struct arena *mem, uint64_t key, void *into)
{
	struct registration *reg = into;

	switch (key < REG_END ? (enum register_key)key : REG_END) {
	case REG_ENDPOINT:
		reg->endpoint = cbor_read_text(r, mem, 1, ENDPOINT_NAME_MAX);
		return;
	case REG_VENDOR:
		read_uuid(r, &reg->vendor_id);
		return;
	case REG_CLASS:
		read_uuid(r, &reg->class_id);
		return;
	case REG_COMPONENTS:
		read_components(r, mem, reg);
		return;
	case REG_BOOT:
		reg->boot_id = cbor_read_bytes(r, 4, BOOT_ID_MAX);
		return;
	case REG_CAPABILITIES:
		(void)read_pairs(r, mem, capability_pair, reg);
		return;
	case REG_NEXT_WAKE:
		reg->next_wake_s = (int64_t)cbor_read_uint(r, NEXT_WAKE_MAX_S);
		return;
	case REG_ATTRIBUTES:
		read_attributes(r, mem, reg);
		return;
	case REG_LAST:
		read_last(r, mem, reg);
		return;
	case REG_END:
		cbor_skip(r);
		return;
	}
	cbor_skip(r);
}

static enum rc decoded(struct cbor_read *r, const char **ret_why)
{
	if (cbor_read_done(r))
		return RC_OK;
	*ret_why = r->why ? r->why : "something follows the body";
	return RC_INVALID;
}

enum rc registration_decode(struct bytes body, struct arena *mem, struct registration *ret,
			    const char **ret_why)
{
	struct registration reg = { .next_wake_s = -1 };
	struct cbor_read r;

	cbor_read_init(&r, body);
	unsigned seen = read_pairs(&r, mem, register_pair, &reg);
	if (!r.why && (seen & REG_REQUIRED) != REG_REQUIRED)
		cbor_read_fail(&r, "endpoint, vendor, class, components or boot id is missing");
	enum rc rc = decoded(&r, ret_why);
	if (rc == RC_OK)
		*ret = reg;
	return rc;
}

/* --- progress --- */

static void progress_pair(struct cbor_read *r, struct arena *mem, uint64_t key, void *into)
{
	struct job_report *report = into;

	if (key == 1) {
		uint64_t state = cbor_read_uint(r, JOB_STATE_END);
		if (!r->why && !job_state_is_reportable((int64_t)state))
			cbor_read_fail(r, "a device cannot report this state");
		report->state = (enum job_state)state;
	} else if (key == 2) {
		report->bytes_done = (int64_t)cbor_read_uint(r, BYTES_MAX);
	} else if (key == 3) {
		report->bytes_total = (int64_t)cbor_read_uint(r, BYTES_MAX);
	} else if (key == 4) {
		uint64_t cause = cbor_read_uint(r, CAUSE_OTHER);
		if (!r->why && !job_cause_is_reportable((int64_t)cause))
			cbor_read_fail(r, "a device cannot report this cause");
		report->cause = (enum job_cause)cause;
	} else if (key == 5) {
		report->text = cbor_read_text(r, mem, 0, TEXT_MAX);
	} else {
		cbor_skip(r);
	}
}

enum rc progress_decode(struct bytes body, struct arena *mem, struct job_report *ret,
			const char **ret_why)
{
	struct job_report report = { .bytes_done = -1, .bytes_total = -1 };
	struct cbor_read r;

	cbor_read_init(&r, body);
	unsigned seen = read_pairs(&r, mem, progress_pair, &report);
	if (!r.why && !(seen & 1U << 1))
		cbor_read_fail(&r, "the state is missing");
	enum rc rc = decoded(&r, ret_why);
	if (rc == RC_OK)
		*ret = report;
	return rc;
}

/* What a SUIT report's reason says in our words; causes that lie in the manifest are refusals.
 */
struct reason {
	enum job_state state;
	enum job_cause cause;
};

static const struct reason reasons[] = {
	[SUIT_REASON_OK] = { JOB_FAILED, CAUSE_OTHER },
	[SUIT_REASON_CBOR] = { JOB_REJECTED, CAUSE_MANIFEST },
	[SUIT_REASON_COSE_UNSUPPORTED] = { JOB_REJECTED, CAUSE_SIGNATURE },
	[SUIT_REASON_ALG_UNSUPPORTED] = { JOB_REJECTED, CAUSE_SIGNATURE },
	[SUIT_REASON_UNAUTHORISED] = { JOB_REJECTED, CAUSE_SIGNATURE },
	[SUIT_REASON_COMMAND] = { JOB_REJECTED, CAUSE_MANIFEST },
	[SUIT_REASON_COMPONENT] = { JOB_REJECTED, CAUSE_MANIFEST },
	[SUIT_REASON_COMPONENT_UNAUTHORISED] = { JOB_REJECTED, CAUSE_SIGNATURE },
	[SUIT_REASON_PARAMETER] = { JOB_REJECTED, CAUSE_MANIFEST },
	[SUIT_REASON_SEVERING] = { JOB_REJECTED, CAUSE_MANIFEST },
	[SUIT_REASON_CONDITION] = { JOB_FAILED, CAUSE_INSTALL },
	[SUIT_REASON_OPERATION] = { JOB_FAILED, CAUSE_INSTALL },
	[SUIT_REASON_INVOKE_PENDING] = { JOB_FAILED, CAUSE_BOOT },
};

/* A bare report is a map, a signed one begins with a tag. */
static enum rc suit_report_open(struct bytes body, struct signed_report *r,
				struct suit_report *ret, const char **ret_why)
{
	struct suit_bytes whole = { body.p, body.n };

	r->whole = body;
	r->is_signed = body.n > 0 && body.p[0] >> 5 == SCBOR_TAG;
	r->payload = whole;
	if (r->is_signed && suit_block_attached(whole, &r->block, &r->payload) != SUIT_OK) {
		*ret_why = "this is no COSE_Sign1 with a SUIT report";
		return RC_INVALID;
	}
	if (suit_report_decode(r->payload, ret) != SUIT_OK) {
		*ret_why = "this is no SUIT report";
		return RC_INVALID;
	}
	memcpy(r->manifest.b, ret->manifest_digest.b, sizeof(r->manifest.b));
	return RC_OK;
}

enum rc suit_report_progress(struct bytes body, struct arena *mem, struct job_report *ret,
			     struct signed_report *ret_signed, const char **ret_why)
{
	struct job_report report = { .state = JOB_REBOOTING,
				     .bytes_done = -1,
				     .bytes_total = -1 };
	struct suit_report suit;

	if (suit_report_open(body, ret_signed, &suit, ret_why) != RC_OK)
		return RC_INVALID;
	if (!suit.success && suit.reason != SUIT_REASON_INVOKE_PENDING) {
		const struct reason *reason =
			&reasons[suit.reason < ARRAY_LEN(reasons) ? suit.reason
								  : SUIT_REASON_OK];
		report.state = reason->state;
		report.cause = reason->cause;
		report.text = arena_printf(mem, "SUIT report: reason %llu, result %lld",
					   (unsigned long long)suit.reason,
					   (long long)suit.result_code);
	}
	*ret = report;
	return RC_OK;
}

/* --- answers --- */

#define ANSWER_MAX 96

static struct bytes answer(struct arena *mem, const struct scbor_out *o)
{
	struct suit_bytes b = scbor_out_bytes(o);

	return (struct bytes){ arena_copy(mem, b.p, b.n), b.n };
}

static void put_pair(struct scbor_out *o, uint64_t key, uint64_t value)
{
	scbor_put_uint(o, key);
	scbor_put_uint(o, value);
}

struct bytes registered_encode(struct arena *mem, int64_t now_us, int32_t come_back_s)
{
	uint8_t buf[ANSWER_MAX];
	struct scbor_out o;

	scbor_out_init(&o, buf, sizeof(buf));
	scbor_put_map(&o, 2);
	put_pair(&o, 1, (uint64_t)(now_us / 1000000));
	put_pair(&o, 2, (uint64_t)come_back_s);
	return answer(mem, &o);
}

struct bytes offer_encode(struct arena *mem, const struct offer *offer, int32_t come_back_s)
{
	uint8_t buf[ANSWER_MAX];
	struct scbor_out o;

	scbor_out_init(&o, buf, sizeof(buf));
	scbor_put_map(&o, offer->has_job ? 6 : 2);
	put_pair(&o, 1, offer->has_job);
	put_pair(&o, 2, (uint64_t)come_back_s);
	if (offer->has_job) {
		const struct roster_release *release = offer->release;
		put_pair(&o, 3, (uint64_t)offer->job_id);
		put_pair(&o, 4, (uint64_t)offer->attempt);
		scbor_put_uint(&o, 5);
		scbor_put_bytes(&o, (struct suit_bytes){ release->manifest_digest.b,
							 sizeof(release->manifest_digest.b) });
		put_pair(&o, 6, release->envelope.n);
	}
	return answer(mem, &o);
}

struct bytes reported_encode(bool stop)
{
	static const uint8_t yes[] = { 0xa1, 0x01, 0xf5 }, no[] = { 0xa0 };

	return stop ? (struct bytes){ yes, sizeof(yes) } : (struct bytes){ no, sizeof(no) };
}

struct bytes time_encode(struct arena *mem, int64_t now_us)
{
	uint8_t buf[ANSWER_MAX];
	struct scbor_out o;

	scbor_out_init(&o, buf, sizeof(buf));
	scbor_put_uint(&o, (uint64_t)(now_us / 1000000));
	return answer(mem, &o);
}
