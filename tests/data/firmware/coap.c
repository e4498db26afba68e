/* CoAP: messages, and the resources that the lock serves. */

#include "lock.h"

enum {
	OPTION_OBSERVE = 6,
	OPTION_PATH = 11,
	OPTION_FORMAT = 12,
	OPTION_QUERY = 15,
	OPTION_ACCEPT = 17,
	OPTION_BLOCK2 = 23,
	OPTION_BLOCK1 = 27,
	OPTION_SIZE2 = 28
};
enum {
	CODE_GET = 1,
	CODE_POST = 2,
	CODE_PUT = 3,
	CODE_CREATED = 65,
	CODE_CHANGED = 68,
	CODE_CONTENT = 69,
	CODE_BAD = 128,
	CODE_FORBIDDEN = 131,
	CODE_NOT_FOUND = 132,
	CODE_METHOD = 133,
	CODE_ACCEPT = 134,
	CODE_LARGE = 141
};

static bool extended(const uint8_t **p, const uint8_t *end, unsigned nibble, uint32_t *ret)
{
	if (nibble < 13) {
		*ret = nibble;
		return true;
	}
	size_t n = nibble - 12u;
	if (nibble == 15 || (size_t)(end - *p) < n)
		return false;
	*ret = nibble == 13 ? **p + 13u : (((uint32_t)(*p)[0] << 8 | (*p)[1]) + 269u);
	*p += n;
	return true;
}

static bool options_parse(const uint8_t *p, const uint8_t *end, struct coap *c)
{
	uint32_t number = 0;
	while (p < end && *p != 0xff) {
		uint32_t delta, n;
		uint8_t first = *p++;
		if (!extended(&p, end, first >> 4, &delta) ||
		    !extended(&p, end, first & 15, &n))
			return false;
		number += delta;
		if (n > (size_t)(end - p) || number > 0xffff ||
		    c->option_count == COUNT(c->option))
			return false;
		c->option[c->option_count++] =
			(struct coap_option){ (uint16_t)number, (uint16_t)n, p };
		p += n;
	}
	if (p == end)
		return true;
	c->payload = p + 1;
	c->payload_n = (size_t)(end - p) - 1;
	return c->payload_n > 0;
}

bool coap_parse(const uint8_t *p, size_t n, struct coap *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (n < 4 || p[0] >> 6 != 1)
		return false;
	ret->type = (p[0] >> 4) & 3;
	ret->token_n = p[0] & 15;
	ret->code = p[1];
	ret->id = (uint16_t)(p[2] << 8 | p[3]);
	if (ret->token_n > 8 || n < 4u + ret->token_n)
		return false;
	ret->token = p + 4;
	return options_parse(p + 4 + ret->token_n, p + n, ret);
}

static void nibble_of(uint32_t v, uint8_t *nibble, uint8_t *tail, size_t *n)
{
	*nibble = (uint8_t)(v < 13 ? v : v < 269 ? 13 : 14);
	if (v >= 269) {
		tail[(*n)++] = (uint8_t)((v - 269) >> 8);
		tail[(*n)++] = (uint8_t)(v - 269);
	} else if (v >= 13) {
		tail[(*n)++] = (uint8_t)(v - 13);
	}
}

size_t coap_build(const struct coap *c, uint8_t *buf, size_t size)
{
	size_t n = 4u + c->token_n;
	uint16_t last = 0;
	if (size < n)
		return 0;
	buf[0] = (uint8_t)(0x40 | c->type << 4 | c->token_n);
	buf[1] = c->code;
	buf[2] = (uint8_t)(c->id >> 8);
	buf[3] = (uint8_t)c->id;
	memcpy(buf + 4, c->token, c->token_n);
	for (size_t i = 0; i < c->option_count; i++) {
		const struct coap_option *o = &c->option[i];
		uint8_t tail[4], delta, length;
		size_t tail_n = 0;
		nibble_of((uint32_t)(o->number - last), &delta, tail, &tail_n);
		nibble_of(o->n, &length, tail, &tail_n);
		if (n + 1 + tail_n + o->n > size)
			return 0;
		buf[n++] = (uint8_t)(delta << 4 | length);
		memcpy(buf + n, tail, tail_n);
		memcpy(buf + n + tail_n, o->p, o->n);
		n += tail_n + o->n;
		last = o->number;
	}
	if (c->payload_n == 0)
		return n;
	if (n + 1 + c->payload_n > size)
		return 0;
	buf[n++] = 0xff;
	memcpy(buf + n, c->payload, c->payload_n);
	return n + c->payload_n;
}

struct resource {
	const char *path;
	uint8_t (*get)(struct cbor_out *o);
	uint8_t (*put)(struct cbor *c);
};

static uint8_t state_get(struct cbor_out *o)
{
#if RELEASE >= 2
	cbor_put(o, 5, 5);
	cbor_put_text(o, "guest");
	cbor_put(o, 7, app.guest_until_s ? 21 : 20);
#else
	cbor_put(o, 5, 4);
#endif
	cbor_put_text(o, "state");
	cbor_put_text(o, lock_state_name(app.state));
	cbor_put_text(o, "openings");
	cbor_put_int(o, (int64_t)app.openings);
	cbor_put_text(o, "battery");
	cbor_put_int(o, battery_mv());
	cbor_put_text(o, "link");
	cbor_put_text(o, link_state_name(link_state()));
	return CODE_CONTENT;
}

static uint8_t state_put(struct cbor *c)
{
	if (cbor_head(c, 5) != 1 || !cbor_text_is(c, "state"))
		return CODE_BAD;
	struct cbor again = *c;
	if (cbor_text_is(c, "locked"))
		return app_command("lock", "") ? CODE_CHANGED : CODE_FORBIDDEN;
	if (cbor_text_is(&again, "unlocked"))
		return app_command("unlock", "") ? CODE_CHANGED : CODE_FORBIDDEN;
	return CODE_BAD;
}

static uint8_t climate_get(struct cbor_out *o)
{
	struct climate c;
	if (!climate_read(&c))
		return CODE_NOT_FOUND;
	cbor_put(o, 5, 3);
	cbor_put_text(o, "temperature");
	cbor_put_int(o, c.temperature_mdeg);
	cbor_put_text(o, "humidity");
	cbor_put_int(o, c.humidity_permille);
	cbor_put_text(o, "pressure");
	cbor_put_int(o, c.pressure_pa);
	return CODE_CONTENT;
}

static uint8_t language_put(struct cbor *c)
{
	uint64_t v = cbor_head(c, 0);
	if (c->bad || v >= LANGUAGES)
		return CODE_BAD;
	uint8_t byte = (uint8_t)v;
	app.language = (enum language)v;
	return store_put(2, &byte, 1) ? CODE_CHANGED : CODE_LARGE;
}

static uint8_t language_get(struct cbor_out *o)
{
	cbor_put(o, 0, app.language);
	return CODE_CONTENT;
}

#if RELEASE >= 2
static uint8_t schedule_put(struct cbor *c)
{
	struct schedule_entry e = { 0 };
	if (cbor_head(c, 4) != 4)
		return CODE_BAD;
	e.days = (uint8_t)cbor_head(c, 0);
	e.hour = (uint8_t)cbor_head(c, 0);
	e.minute = (uint8_t)cbor_head(c, 0);
	e.action = (uint8_t)cbor_head(c, 0);
	return c->bad || !schedule_add(&e) ? CODE_BAD : CODE_CREATED;
}
#endif

static const struct resource resources[] = {
	{ "lock", state_get, state_put },
	{ "climate", climate_get, NULL },
	{ "language", language_get, language_put },
#if RELEASE >= 2
	{ "schedule", NULL, schedule_put },
#endif
};

static const struct resource *resource_of(const struct coap *c)
{
	for (size_t i = 0; i < c->option_count; i++) {
		const struct coap_option *o = &c->option[i];
		if (o->number != OPTION_PATH)
			continue;
		for (size_t r = 0; r < COUNT(resources); r++)
			if (o->n == strlen(resources[r].path) &&
			    memcmp(o->p, resources[r].path, o->n) == 0)
				return &resources[r];
	}
	return NULL;
}

static uint8_t answer(const struct coap *c, struct cbor_out *o)
{
	const struct resource *r = resource_of(c);
	struct cbor in = { c->payload, c->payload + c->payload_n, false };
	if (!r)
		return CODE_NOT_FOUND;
	for (size_t i = 0; i < c->option_count; i++)
		if (c->option[i].number == OPTION_ACCEPT &&
		    (c->option[i].n != 1 || c->option[i].p[0] != 60))
			return CODE_ACCEPT;
	if (c->code == CODE_GET && r->get)
		return r->get(o);
	if ((c->code == CODE_PUT || c->code == CODE_POST) && r->put)
		return r->put(&in);
	return CODE_METHOD;
}

size_t coap_serve(const uint8_t *p, size_t n, uint8_t *buf, size_t size)
{
	static uint16_t next_id;
	static const uint8_t format[] = { 60 };
	uint8_t payload[128];
	struct cbor_out out = { payload, sizeof(payload), 0 };
	struct coap in, reply = { 0 };
	if (!coap_parse(p, n, &in))
		return 0;
	reply.code = answer(&in, &out);
	reply.type = in.type == 0 ? 2 : 1;
	reply.id = in.type == 0 ? in.id : next_id++;
	reply.token = in.token;
	reply.token_n = in.token_n;
	if (out.n > 0 && out.n <= sizeof(payload)) {
		reply.option[reply.option_count++] =
			(struct coap_option){ OPTION_FORMAT, 1, format };
		reply.payload = payload;
		reply.payload_n = out.n;
	}
	return coap_build(&reply, buf, size);
}
