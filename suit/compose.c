/* Commands and parameters, written. */

#include "suit/compose.h"

#include "suit/nest.h"

#define TAG_PEN  112
#define TAG_TIME 1

void suit_put_component(struct scbor_out *o, const struct suit_component_id *id)
{
	scbor_put_array(o, id->count);
	for (size_t i = 0; i < id->count; i++)
		scbor_put_bytes(o, id->segment[i]);
}

void suit_put_digest(struct scbor_out *o, int64_t alg, const struct suit_digest *d)
{
	scbor_put_array(o, 2);
	scbor_put_int(o, alg);
	scbor_put_bytes(o, (struct suit_bytes){ d->b, sizeof(d->b) });
}

static void put_uuid(struct scbor_out *o, const struct suit_uuid *id)
{
	scbor_put_bytes(o, (struct suit_bytes){ id->b, sizeof(id->b) });
}

static void put_vendor(struct scbor_out *o, const struct suit_vendor *vendor)
{
	if (vendor->pen.n == 0) {
		put_uuid(o, &vendor->uuid);
		return;
	}
	scbor_put_tag(o, TAG_PEN);
	scbor_put_bytes(o, vendor->pen);
}

static void put_bool(struct scbor_out *o, bool value)
{
	uint8_t b = value ? 0xf5 : 0xf4;

	scbor_put_raw(o, (struct suit_bytes){ &b, 1 });
}

static void put_wrapped_digest(struct scbor_out *o, int64_t alg, const struct suit_digest *d)
{
	size_t at = suit_nest_begin(o);

	suit_put_digest(o, alg, d);
	suit_nest_end_bytes(o, at);
}

static void put_match(struct scbor_out *o, const struct suit_version_match *m)
{
	scbor_put_array(o, 2);
	scbor_put_uint(o, m->comparison);
	scbor_put_array(o, m->count);
	for (size_t i = 0; i < m->count; i++)
		scbor_put_int(o, m->number[i]);
}

static void put_other_device(struct scbor_out *o, const struct suit_wait *w)
{
	scbor_put_array(o, 2);
	scbor_put_bytes(o, w->other_device);
	scbor_put_array(o, w->other_version_count);
	for (size_t i = 0; i < w->other_version_count; i++)
		put_match(o, &w->other_version[i]);
}

static void put_wait(struct scbor_out *o, const struct suit_wait *w)
{
	size_t count = 0;

	for (unsigned e = 1; e < SUIT_WAIT_EVENTS; e++)
		count += (w->has & SUIT_BIT(e)) != 0;
	scbor_put_map(o, count);
	for (unsigned e = 1; e < SUIT_WAIT_EVENTS; e++) {
		if (!(w->has & SUIT_BIT(e)))
			continue;
		scbor_put_uint(o, e);
		if (e == SUIT_WAIT_OTHER_DEVICE)
			put_other_device(o, w);
		else
			scbor_put_int(o, w->value[e]);
	}
}

/* Where an integer key stands among others: negative ones come last, -1 first of them. */
static uint64_t key_rank(int64_t v)
{
	return v < 0 ? (uint64_t)1 << 63 | (uint64_t)(-1 - v) : (uint64_t)v;
}

static void put_permissions(struct scbor_out *o, const struct suit_permissions *p)
{
	scbor_put_map(o, p->count);
	for (size_t written = 0; written < p->count; written++) {
		size_t next = 0;
		for (size_t i = 0; i < p->count; i++) {
			size_t before = 0;
			for (size_t k = 0; k < p->count; k++)
				before += key_rank(p->of[k].actor) < key_rank(p->of[i].actor);
			if (before == written)
				next = i;
		}
		scbor_put_int(o, p->of[next].actor);
		scbor_put_uint(o, p->of[next].bits);
	}
}

static void put_time(struct scbor_out *o, uint64_t seconds)
{
	scbor_put_tag(o, TAG_TIME);
	scbor_put_uint(o, seconds);
}

static void put_metadata_value(struct scbor_out *o, const struct suit_metadata *m,
			       enum suit_metadata_key key)
{
	switch (key) {
	case SUIT_META_DEFAULT:
		scbor_put_uint(o, m->default_permissions);
		return;
	case SUIT_META_USER:
	case SUIT_META_GROUP:
	case SUIT_META_ROLE:
		put_permissions(o, &m->permissions[key - SUIT_META_USER]);
		return;
	case SUIT_META_FILE_TYPE:
		scbor_put_uint(o, m->file_type);
		return;
	case SUIT_META_MODIFIED:
		put_time(o, m->modified);
		return;
	case SUIT_META_CREATED:
		put_time(o, m->created);
		return;
	case SUIT_META_CREATOR:
		scbor_put_int(o, m->creator);
		return;
	}
}

static void put_metadata(struct scbor_out *o, const struct suit_metadata *m)
{
	size_t at = suit_nest_begin(o), count = 0;

	for (unsigned key = SUIT_META_DEFAULT; key <= SUIT_META_CREATOR; key++) {
		if (!(m->has & SUIT_BIT(key)))
			continue;
		count++;
		scbor_put_uint(o, key);
		put_metadata_value(o, m, (enum suit_metadata_key)key);
	}
	suit_nest_end_map(o, at, count);
}

/* Values that are CBOR inside a byte string. */
static void put_structure(struct scbor_out *o, const struct suit_parameters *p, unsigned key)
{
	size_t at = suit_nest_begin(o);

	if (key == SUIT_FIELD_VERSION)
		put_match(o, &p->version);
	else if (key == SUIT_FIELD_WAIT)
		put_wait(o, &p->wait);
	else
		put_metadata(o, p->metadata);
	suit_nest_end_bytes(o, at);
}

static void put_number(struct scbor_out *o, const struct suit_parameters *p, unsigned key)
{
	switch (key) {
	case SUIT_FIELD_USE_BEFORE:
		scbor_put_uint(o, p->use_before);
		return;
	case SUIT_PARAM_SLOT:
		scbor_put_uint(o, p->slot);
		return;
	case SUIT_PARAM_SIZE:
		scbor_put_uint(o, p->size);
		return;
	case SUIT_FIELD_SOURCE:
		scbor_put_uint(o, p->source);
		return;
	case SUIT_FIELD_BATTERY:
		scbor_put_uint(o, p->battery);
		return;
	case SUIT_FIELD_PRIORITY:
		scbor_put_int(o, p->priority);
		return;
	case SUIT_FIELD_STRICT_ORDER:
		put_bool(o, p->strict_order);
		return;
	case SUIT_FIELD_SOFT_FAILURE:
		put_bool(o, p->soft_failure);
		return;
	}
}

static void put_string(struct scbor_out *o, const struct suit_parameters *p, unsigned key)
{
	switch (key) {
	case SUIT_PARAM_URI:
		scbor_put_text(o, p->uri);
		return;
	case SUIT_FIELD_CONTENT:
		scbor_put_bytes(o, p->content);
		return;
	case SUIT_FIELD_ENCRYPTION_INFO:
		scbor_put_bytes(o, p->encryption_info);
		return;
	case SUIT_FIELD_INVOKE_ARGS:
		scbor_put_bytes(o, p->invoke_args);
		return;
	case SUIT_FIELD_FETCH_ARGS:
		scbor_put_bytes(o, p->fetch_args);
		return;
	}
}

static void put_value(struct scbor_out *o, int64_t digest_alg, const struct suit_parameters *p,
		      unsigned key)
{
	switch (key) {
	case SUIT_PARAM_VENDOR:
		put_vendor(o, &p->vendor);
		return;
	case SUIT_PARAM_CLASS:
		put_uuid(o, &p->class_id);
		return;
	case SUIT_FIELD_DEVICE:
		put_uuid(o, &p->device_id);
		return;
	case SUIT_PARAM_DIGEST:
		put_wrapped_digest(o, digest_alg, &p->digest);
		return;
	case SUIT_PARAM_URI:
	case SUIT_FIELD_CONTENT:
	case SUIT_FIELD_ENCRYPTION_INFO:
	case SUIT_FIELD_INVOKE_ARGS:
	case SUIT_FIELD_FETCH_ARGS:
		put_string(o, p, key);
		return;
	case SUIT_FIELD_VERSION:
	case SUIT_FIELD_WAIT:
	case SUIT_FIELD_METADATA:
		put_structure(o, p, key);
		return;
	default:
		put_number(o, p, key);
		return;
	}
}

void suit_put_parameter_map(struct scbor_out *o, int64_t digest_alg,
			    const struct suit_parameters *p)
{
	size_t at = suit_nest_begin(o), count = 0;

	for (unsigned key = 0; key < 32; key++) {
		if (!(p->has & SUIT_BIT(key)))
			continue;
		count++;
		scbor_put_uint(o, key);
		put_value(o, digest_alg, p, key);
	}
	suit_nest_end_map(o, at, count);
}

void suit_sequence_begin(struct suit_sequence_out *s, struct scbor_out *o)
{
	s->o = o;
	s->digest_alg = SUIT_ALG_SHA256;
	s->bytes_at = suit_nest_begin(o);
	s->array_at = suit_nest_begin(o);
	s->commands = 0;
}

void suit_sequence_end(struct suit_sequence_out *s)
{
	suit_nest_end_array(s->o, s->array_at, 2 * s->commands);
	suit_nest_end_bytes(s->o, s->bytes_at);
}

void suit_put_command(struct suit_sequence_out *s, int64_t command, uint64_t argument)
{
	s->commands++;
	scbor_put_int(s->o, command);
	scbor_put_uint(s->o, argument);
}

void suit_put_raw_command(struct suit_sequence_out *s, int64_t command, struct suit_bytes arg)
{
	s->commands++;
	scbor_put_int(s->o, command);
	scbor_put_raw(s->o, arg);
}

void suit_put_parameters(struct suit_sequence_out *s, enum suit_command command,
			 const struct suit_parameters *p)
{
	if (p->has == 0)
		return;
	s->commands++;
	scbor_put_int(s->o, command);
	suit_put_parameter_map(s->o, s->digest_alg, p);
}

size_t suit_try_begin(struct suit_sequence_out *s)
{
	s->commands++;
	scbor_put_int(s->o, SUIT_TRY_EACH);
	return suit_nest_begin(s->o);
}

void suit_alternative_begin(struct suit_sequence_out *inner, struct suit_sequence_out *outer)
{
	suit_sequence_begin(inner, outer->o);
	inner->digest_alg = outer->digest_alg;
}

void suit_try_end(struct suit_sequence_out *s, size_t at, size_t alternatives)
{
	suit_nest_end_array(s->o, at, alternatives);
}
