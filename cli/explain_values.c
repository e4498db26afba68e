/* Parameters in words. */

#include "cli/explain_values.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/output.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"

#include <string.h>

#define KEY_VENDOR_DOMAIN 3
#define KEY_MODEL_INFO    4
#define CHOSEN            "(as chosen above)"

static const char *text_of(struct arena *mem, struct suit_bytes b)
{
	return output_clean(mem, bytes_text(mem, (struct bytes){ b.p, b.n }));
}

static const char *hex_of(struct arena *mem, struct suit_bytes b)
{
	return hex_encode(mem, (struct bytes){ b.p, b.n });
}

/* --- names behind ids ----------------------------------------------------------------------
 */

/* What the text claims: a domain, and a class under it. */
struct claim {
	const char *domain, *model;
};

static void claim_read(struct arena *mem, struct scbor *c, struct claim *ret)
{
	size_t n = scbor_map(c, 16);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		int64_t key = scbor_int(c);
		if (key == KEY_VENDOR_DOMAIN && scbor_peek(c) == SCBOR_TEXT)
			ret->domain = text_of(mem, scbor_text(c));
		else if (key == KEY_MODEL_INFO && scbor_peek(c) == SCBOR_TEXT)
			ret->model = text_of(mem, scbor_text(c));
		else
			scbor_any(c);
	}
}

/* The first claim of any component in any language. */
static struct claim claim_of(struct arena *mem, const struct suit_envelope *e)
{
	struct claim ret = { NULL, NULL };
	struct scbor c;
	scbor_init(&c, e->text);
	size_t languages = e->text.p ? scbor_map(&c, 16) : 0;
	for (size_t i = 0; i < languages && scbor_ok(&c); i++) {
		scbor_text(&c);
		size_t n = scbor_map(&c, 32);
		for (size_t k = 0; k < n && scbor_ok(&c); k++) {
			bool is_component = scbor_peek(&c) == SCBOR_ARRAY;
			scbor_any(&c);
			if (is_component && !ret.domain)
				claim_read(mem, &c, &ret);
			else
				scbor_any(&c);
		}
	}
	return ret;
}

static const char *uuid_text(struct arena *mem, const struct suit_uuid *id)
{
	char text[SUIT_UUID_TEXT_SIZE];
	suit_uuid_format(id, text);
	return arena_text(mem, text);
}

/* A name only when the id is really made from it. */
static const char *id_text(struct arena *mem, const struct suit_envelope *e, bool is_class,
			   struct scbor *c)
{
	struct suit_uuid id, vendor, class;
	struct claim claim = claim_of(mem, e);
	if (scbor_peek(c) == SCBOR_TAG) {
		scbor_tag(c, 112);
		return arena_printf(mem, "of the enterprise number 0x%s",
				    hex_of(mem, scbor_bytes(c)));
	}
	struct suit_bytes b = scbor_bytes(c);
	if (b.n != sizeof(id.b))
		return "?";
	memcpy(id.b, b.p, sizeof(id.b));
	if (claim.domain &&
	    suit_vendor_id(&suit_crypto_openssl, claim.domain, &vendor) == SUIT_OK) {
		if (!is_class && suit_uuid_equal(&vendor, &id))
			return arena_printf(mem, "made by %s", claim.domain);
		if (is_class && claim.model &&
		    suit_class_id(&suit_crypto_openssl, &vendor, claim.model, &class) ==
			    SUIT_OK &&
		    suit_uuid_equal(&class, &id))
			return arena_printf(mem, "a %s of %s", claim.model, claim.domain);
	}
	return arena_printf(mem, "of the %s %s", is_class ? "class" : "vendor",
			    uuid_text(mem, &id));
}

/* --- structures ----------------------------------------------------------------------------
 */

static const char *time_text(struct arena *mem, uint64_t seconds)
{
	char text[TIME_TEXT_SIZE];
	if (seconds > 253402300799) /* the year 9999 */
		return arena_printf(mem, "second %llu", (unsigned long long)seconds);
	clock_format((int64_t)seconds * USEC_PER_SEC, text);
	return arena_printf(mem, "%.10s %.8sZ", text, text + 11);
}

static const char *match_text(struct arena *mem, struct scbor *c)
{
	static const char *const marks[] = { "?",       "above",   "at least",
					     "exactly", "at most", "below" };
	int64_t number[SUIT_VERSION_MAX];
	if (scbor_array(c, 2) != 2)
		return "?";
	uint64_t comparison = scbor_uint(c);
	size_t n = scbor_array(c, SUIT_VERSION_MAX);
	for (size_t i = 0; i < n; i++)
		number[i] = scbor_int(c);
	if (!scbor_ok(c) || comparison >= ARRAY_LEN(marks))
		return "?";
	return arena_printf(mem, "%s %s", marks[comparison], version_text(mem, number, n));
}

static const char *other_device_text(struct arena *mem, struct scbor *c)
{
	scbor_array(c, 2);
	const char *ret =
		arena_printf(mem, "device 0x%s is of version", hex_of(mem, scbor_bytes(c)));
	size_t n = scbor_array(c, 8);
	for (size_t i = 0; i < n && scbor_ok(c); i++)
		ret = arena_printf(mem, "%s%s %s", ret, i ? " and" : "", match_text(mem, c));
	return ret;
}

static const char *clock_text(struct arena *mem, uint64_t seconds, const char *zone)
{
	return arena_printf(mem, "it is %02llu:%02llu:%02llu %s or later",
			    (unsigned long long)seconds / 3600,
			    (unsigned long long)seconds / 60 % 60,
			    (unsigned long long)seconds % 60, zone);
}

static const char *event_text(struct arena *mem, uint64_t event, struct scbor *c)
{
	static const char *const days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday" };
	if (event == SUIT_WAIT_OTHER_DEVICE)
		return other_device_text(mem, c);
	int64_t value = scbor_int(c);
	switch (event) {
	case SUIT_WAIT_AUTHORIZATION:
		return arena_printf(mem, "it is authorized at priority %lld", (long long)value);
	case SUIT_WAIT_POWER:
		return arena_printf(mem, "its power state is %lld", (long long)value);
	case SUIT_WAIT_NETWORK:
		return arena_printf(mem, "its network state is %lld", (long long)value);
	case SUIT_WAIT_TIME:
		return arena_printf(mem, "it is %s", time_text(mem, (uint64_t)value));
	case SUIT_WAIT_TIME_OF_DAY:
		return clock_text(mem, (uint64_t)value, "local time");
	case SUIT_WAIT_TIME_OF_DAY_UTC:
		return clock_text(mem, (uint64_t)value, "UTC");
	case SUIT_WAIT_DAY_OF_WEEK:
	case SUIT_WAIT_DAY_OF_WEEK_UTC:
		return arena_printf(mem, "it is %s %s",
				    value >= 0 && value < 7 ? days[value] : "?",
				    event == SUIT_WAIT_DAY_OF_WEEK ? "local time" : "UTC");
	}
	return arena_printf(mem, "event %llu", (unsigned long long)event);
}

static const char *wait_text(struct arena *mem, struct scbor *c)
{
	const char *ret = "";
	size_t n = scbor_map(c, 16);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t event = scbor_uint(c);
		ret = arena_printf(mem, "%s%s%s", ret, i ? " and " : "",
				   event_text(mem, event, c));
	}
	return ret;
}

/* "abcd1234 ..." of a wrapped digest. */
static const char *digest_text(struct arena *mem, struct suit_bytes wrapped)
{
	struct suit_digest d;
	if (suit_digest_read(wrapped, &d) != SUIT_OK)
		return "?";
	return arena_printf(mem, "%.12s...", hex_of(mem, (struct suit_bytes){ d.b, 32 }));
}

static const char *bytes_count(struct arena *mem, struct suit_bytes b)
{
	return arena_printf(mem, "%zu bytes", b.n);
}

static const char *structure_text(struct arena *mem, int64_t key, struct scbor *c)
{
	struct scbor inner;
	struct suit_bytes b = scbor_bytes(c);
	scbor_init(&inner, b);
	switch (key) {
	case SUIT_PARAM_DIGEST:
		return digest_text(mem, b);
	case SUIT_FIELD_VERSION:
		return match_text(mem, &inner);
	case SUIT_FIELD_WAIT:
		return wait_text(mem, &inner);
	case SUIT_FIELD_DEVICE:
		return arena_printf(mem, "the device 0x%s", hex_of(mem, b));
	}
	return bytes_count(mem, b);
}

static const char *value_text(struct arena *mem, const struct suit_envelope *e, int64_t key,
			      struct scbor *c)
{
	switch (key) {
	case SUIT_PARAM_VENDOR:
	case SUIT_PARAM_CLASS:
		return id_text(mem, e, key == SUIT_PARAM_CLASS, c);
	case SUIT_FIELD_USE_BEFORE:
		return time_text(mem, scbor_uint(c));
	case SUIT_PARAM_SIZE:
		return output_size(mem, (int64_t)(scbor_uint(c) & INT64_MAX));
	case SUIT_PARAM_URI:
		return text_of(mem, scbor_text(c));
	case SUIT_FIELD_SOURCE: {
		uint64_t index = scbor_uint(c);
		return arena_printf(mem, "%llu", (unsigned long long)index);
	}
	case SUIT_FIELD_STRICT_ORDER:
	case SUIT_FIELD_SOFT_FAILURE:
		return scbor_bool(c) ? "yes" : "no";
	default:
		break;
	}
	if (scbor_peek(c) == SCBOR_BYTES)
		return structure_text(mem, key, c);
	return arena_printf(mem, "%lld", (long long)scbor_int(c));
}

void explain_values_take(struct arena *mem, const struct suit_envelope *e,
			 struct explain_values *v, uint32_t indexes, struct scbor *c)
{
	size_t n = scbor_map(c, PARAMETER_WORDS);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		int64_t key = scbor_int(c);
		const char *text = value_text(mem, e, key, c);
		for (size_t k = 0; k < EXPLAIN_INDEXES && key >= 0 && key < PARAMETER_WORDS;
		     k++)
			if (indexes & 1u << k)
				v->text[k][key] = text;
	}
}

void explain_values_merge(struct explain_values *all, const struct explain_values *one)
{
	for (size_t i = 0; i < EXPLAIN_INDEXES; i++)
		for (size_t k = 0; k < PARAMETER_WORDS; k++) {
			const char *a = all->text[i][k], *b = one->text[i][k];
			bool same = a == b || (a && b && strcmp(a, b) == 0);
			if (!same)
				all->text[i][k] = CHOSEN;
		}
}
