/* Any manifest on the device's platform, signed or not: looking writes nothing and asks for no
 * more than the device has room for; working does what was looked at, and nothing else. */

#include "agent/platform.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_wrap.h"

#include <string.h>

#define MANIFEST_MAX 8192
#define IMAGE_MAX    100000

/* acme.example/gateway, whose manifests the corpus has. */
static struct ability ability = {
	.vendor_id = { { 0x06, 0x37, 0xe3, 0x01, 0xe0, 0x5d, 0x50, 0x5b, 0x82, 0x67, 0x48, 0x6f,
			 0x56, 0x77, 0xde, 0x9b } },
	.class_id = { { 0x83, 0x50, 0x05, 0x90, 0x55, 0x32, 0x50, 0x36, 0x86, 0x9c, 0xe4, 0x9c,
			0xff, 0xac, 0x5b, 0x8c } },
	.image_max = IMAGE_MAX,
	.formats = FORMAT_STREAMS | FORMAT_CIPHERS | FORMAT_BIT(FORMAT_AES_KW),
};
static struct keys keys = { .secret = { .n = 16, .id = "class-1", .id_n = 7 } };

/* What `main` holds, which the corpus has patches for. */
static struct suit_digest hello(void)
{
	struct suit_message m = { .piece = { { (const uint8_t *)"hello", 5 } }, .count = 1 };
	struct suit_digest digest;
	check(suit_crypto_openssl.sha256(&m, &digest) == SUIT_OK);
	return digest;
}

static bool battery(const void *asked, uint64_t *ret_mwh)
{
	*ret_mwh = 1500;
	return *(const uint8_t *)asked & 8;
}

static bool authorized(const void *asked, int64_t priority)
{
	(void)priority;
	return *(const uint8_t *)asked & 16;
}

struct device {
	const struct update *u;
	bool put[UPDATE_PARTS_MAX];
	unsigned copies;
};

static enum suit_rc measure(void *ctx, size_t part, bool staged, struct suit_digest *ret,
			    uint64_t *ret_size)
{
	const struct device *d = ctx;
	check(part < UPDATE_PARTS_MAX);
	check(!staged || d->u->touched & 1u << part);
	*ret = staged ? (struct suit_digest){ { 0 } } : hello();
	*ret_size = 5;
	return part == 0 || staged ? SUIT_OK : SUIT_MISSING;
}

static enum suit_rc measure_payload(void *ctx, size_t nth, struct suit_digest *ret,
				    uint64_t *ret_size)
{
	const struct device *d = ctx;
	check(nth < d->u->payload_count);
	*ret = d->u->payload[nth].digest;
	*ret_size = d->u->payload[nth].size;
	return SUIT_OK;
}

static enum suit_rc copy(void *ctx, const struct platform_copy *c)
{
	struct device *d = ctx;
	check(c->part < UPDATE_PARTS_MAX && d->u->touched & 1u << c->part);
	check(!d->put[c->part]);
	d->put[c->part] = true;
	check(c->size > 0 && c->size <= IMAGE_MAX);
	check(c->payload < 0 || (size_t)c->payload < d->u->payload_count);
	check(c->format == FORMAT_PLAIN || FORMAT_BIT(c->format) & ability.formats);
	d->copies++;
	return SUIT_OK;
}

static struct facts facts_of(uint8_t kind)
{
	struct facts f = { .version = "1.2.0", .count = 3 };
	f.part[0] = (struct part){ .name = "main", .slot = kind & 1, .has = true, .size = 5 };
	f.part[0].digest = hello();
	f.part[1] = (struct part){ .name = "config", .slot = 1 };
	f.part[2] = (struct part){ .name = "modem", .needs_base = true };
	if (kind & 2)
		f.part[0].size = UINT64_MAX;
	return f;
}

static void check_update(const struct update *u, const struct facts *f)
{
	check(u->touched != 0 && u->touched < 1u << f->count);
	check(!(u->touched & 4)); /* nothing to fall back to */
	check(u->payload_count <= UPDATE_PAYLOADS_MAX);
	check(memchr(u->version, 0, sizeof(u->version)) != NULL);
	check(u->wait_count <= UPDATE_WAITS_MAX && (!u->ahead || u->waited < u->wait_count));
	for (size_t i = 0; i < u->wait_count; i++)
		check(u->wait[i].before <= u->payload_count);
	for (size_t i = 0; i < u->payload_count; i++) {
		const struct payload *p = &u->payload[i];
		check(p->size > 0 && p->size <= IMAGE_MAX);
		check(p->part == UPDATE_NO_PART || u->touched & 1u << p->part);
		check(p->part == UPDATE_NO_PART || !ability.only_encrypted);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[MANIFEST_MAX + 64];
	static const struct platform_work work = { measure, measure_payload, copy };
	struct suit_envelope e;
	struct platform_result result;
	struct update u = { .job = 7 };
	struct device d = { .u = &u };

	if (size < 1 || size > MANIFEST_MAX)
		return 0;
	struct suit_bytes whole =
		suit_wrap((struct suit_bytes){ data + 1, size - 1 }, buf, sizeof(buf));
	ability.crypto = &suit_crypto_openssl;
	ability.keys = &keys;
	ability.battery = data[0] & 32 ? battery : NULL;
	ability.authorized = data[0] & 32 ? authorized : NULL;
	ability.asked = data;
	ability.only_encrypted = data[0] & 4;
	memcpy(keys.secret.b, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16);
	if (suit_envelope_decode(&suit_crypto_openssl, whole, &e) != SUIT_OK)
		return 0;
	struct facts facts = facts_of(data[0]);
	enum suit_rc rc = platform_look(&ability, &facts, &e, &u, &result);
	check((rc == SUIT_OK) == (result.cause == PROTO_CAUSE_NONE) && result.why);
	check(!result.put_off || rc == SUIT_CONDITION);
	check(result.elsewhere.size == 0 || (rc == SUIT_MISSING && !result.put_off));
	if (rc != SUIT_OK) {
		check(u.payload_count == 0 && u.job == 7 && result.why[0]);
		return 0;
	}
	check_update(&u, &facts);
	u.waited = u.wait_count;
	rc = platform_work(&ability, &facts, &e, &u, &work, &d, &result);
	check((rc == SUIT_OK) == (result.cause == PROTO_CAUSE_NONE));
	check(d.copies <= facts.count);
	return 0;
}
