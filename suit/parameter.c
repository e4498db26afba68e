/* Checks values of parameters.  A value that is CBOR inside of a byte string is opened. */

#include "suit/parameter.h"

#include "suit/command.h"
#include "suit/encrypt.h"

#define COSE_LABELS 8 /* of one header of an encryption-info */
#define DAY_S       86400
#define PERMISSIONS (1 << 14) /* bits of update management section 5.6 */
#define ACTORS_MAX  32

/* Tags: seconds since 1970, a UUID, a relative OID below 1.3.6.1.4.1. */
enum { TAG_TIME = 1, TAG_UUID = 37, TAG_PEN = 112 };

enum value_kind {
	VALUE_VENDOR,
	VALUE_UUID,
	VALUE_DIGEST,
	VALUE_UINT,
	VALUE_INT,
	VALUE_BOOL,
	VALUE_BYTES,
	VALUE_URI,
	VALUE_ENCRYPTION,
	VALUE_VERSION,
	VALUE_WAIT,
	VALUE_METADATA,
	VALUE_CUSTOM,
};

static const struct parameter_row {
	uint8_t key;
	uint8_t value;
} parameters[] = {
	{ SUIT_PARAM_VENDOR, VALUE_VENDOR },
	{ SUIT_PARAM_CLASS, VALUE_UUID },
	{ SUIT_PARAM_DIGEST, VALUE_DIGEST },
	{ 4, VALUE_UINT }, /* use-before */
	{ SUIT_PARAM_SLOT, VALUE_UINT },
	{ 12, VALUE_BOOL }, /* strict-order */
	{ 13, VALUE_BOOL }, /* soft-failure */
	{ SUIT_PARAM_SIZE, VALUE_UINT },
	{ 18, VALUE_BYTES },      /* content */
	{ 19, VALUE_ENCRYPTION }, /* encryption-info */
	{ SUIT_PARAM_URI, VALUE_URI },
	{ 22, VALUE_UINT },     /* source-component */
	{ 23, VALUE_BYTES },    /* invoke-args */
	{ 24, VALUE_UUID },     /* device-identifier */
	{ 25, VALUE_BYTES },    /* fetch-arguments */
	{ 26, VALUE_UINT },     /* minimum-battery */
	{ 27, VALUE_INT },      /* update-priority */
	{ 28, VALUE_VERSION },  /* version */
	{ 29, VALUE_WAIT },     /* wait-info */
	{ 30, VALUE_METADATA }, /* component-metadata */
};

static void must(struct scbor *c, bool good)
{
	if (!good)
		c->bad = true;
}

static void uuid_check(struct scbor *c)
{
	must(c, scbor_bytes(c).n == 16);
}

/* A UUID, or a private enterprise number: base 128, whose last byte ends a number. */
static void vendor_check(struct scbor *c)
{
	if (scbor_peek(c) != SCBOR_TAG) {
		uuid_check(c);
		return;
	}
	scbor_tag(c, TAG_PEN);
	struct suit_bytes oid = scbor_bytes(c);
	must(c, scbor_ok(c) && oid.n > 0 && oid.p[0] != 0x80 && (oid.p[oid.n - 1] & 0x80) == 0);
}

/* [comparison, [+ int]] */
static void version_check(struct scbor *c)
{
	must(c, scbor_array(c, 2) == 2);
	uint64_t comparison = scbor_uint(c);
	size_t n = scbor_array(c, SUIT_VERSION_MAX);
	must(c, comparison >= 1 && comparison <= 5 && n > 0);
	for (size_t i = 0; i < n; i++)
		scbor_int(c);
}

/* [device, [+ version]] */
static void other_device_check(struct scbor *c)
{
	must(c, scbor_array(c, 2) == 2);
	scbor_bytes(c);
	size_t n = scbor_array(c, SUIT_VERSION_MAX);
	must(c, n > 0);
	for (size_t i = 0; i < n; i++)
		version_check(c);
}

static enum suit_rc event_check(struct scbor *c, uint64_t event)
{
	switch (event) {
	case 1: /* authorization */
	case 2: /* power */
	case 3: /* network */
		scbor_int(c);
		return SUIT_OK;
	case 4:
		other_device_check(c);
		return SUIT_OK;
	case 5: /* time */
		scbor_uint(c);
		return SUIT_OK;
	case 6: /* time of day, local; UTC */
	case 8:
		must(c, scbor_uint(c) < DAY_S);
		return SUIT_OK;
	case 7: /* day of week, local; UTC */
	case 9:
		must(c, scbor_uint(c) <= 6);
		return SUIT_OK;
	default:
		return SUIT_UNKNOWN;
	}
}

static void permissions_check(struct scbor *c)
{
	must(c, scbor_uint(c) < PERMISSIONS);
}

/* A tagged UUID, bytes, text or a number. */
static void actor_check(struct scbor *c)
{
	switch (scbor_peek(c)) {
	case SCBOR_TAG:
		scbor_tag(c, TAG_UUID);
		uuid_check(c);
		return;
	case SCBOR_UINT:
	case SCBOR_NEGATIVE:
		scbor_int(c);
		return;
	case SCBOR_BYTES:
		scbor_bytes(c);
		return;
	case SCBOR_TEXT:
		scbor_text(c);
		return;
	case SCBOR_ARRAY:
	case SCBOR_MAP:
	case SCBOR_SIMPLE:
	case SCBOR_END:
		c->bad = true;
	}
}

/* { + actor: permissions } */
static void permission_map_check(struct scbor *c)
{
	struct scbor_order order = { 0 };
	size_t n = scbor_map(c, ACTORS_MAX);

	must(c, n > 0);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		const uint8_t *start = c->p;
		actor_check(c);
		scbor_key(c, &order, start);
		permissions_check(c);
	}
}

static enum suit_rc metadata_check(struct scbor *c, uint64_t key)
{
	switch (key) {
	case 1: /* default permissions */
		permissions_check(c);
		return SUIT_OK;
	case 2: /* of users, groups, roles */
	case 3:
	case 4:
		permission_map_check(c);
		return SUIT_OK;
	case 5: { /* file type: regular, directory, symbolic link */
		uint64_t type = scbor_uint(c);
		must(c, type >= 1 && type <= 3);
		return SUIT_OK;
	}
	case 6: /* times of modification and creation */
	case 7:
		scbor_tag(c, TAG_TIME);
		scbor_uint(c);
		return SUIT_OK;
	case 8: /* creator */
		actor_check(c);
		return SUIT_OK;
	default:
		return SUIT_UNKNOWN;
	}
}

/* { + key: value }, with numbers as keys. */
static enum suit_rc map_check(struct scbor *c,
			      enum suit_rc (*value)(struct scbor *c, uint64_t key))
{
	struct scbor_order order = { 0 };
	size_t n = scbor_map(c, 16);

	must(c, n > 0);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		uint64_t key = scbor_uint(c);
		scbor_key(c, &order, start);
		if (!scbor_ok(c))
			return SUIT_MALFORMED;
		enum suit_rc rc = value(c, key);
		if (rc != SUIT_OK)
			return rc;
	}
	return SUIT_OK;
}

/* A header of COSE_Encrypt or of a recipient.  COSE does not sort its maps, so labels need only
 * differ. */
static void header_check(struct scbor *c)
{
	int64_t seen[COSE_LABELS];
	size_t n = scbor_map(c, COSE_LABELS);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		seen[i] = scbor_int(c);
		for (size_t k = 0; k < i; k++)
			must(c, seen[k] != seen[i]);
		scbor_any(c);
	}
}

/* Protected, which is empty when it says nothing, and unprotected. */
static void headers_check(struct scbor *c)
{
	struct suit_bytes protected_ = scbor_bytes(c);
	struct scbor inner;

	if (protected_.n > 0) {
		scbor_init(&inner, protected_);
		must(c, scbor_peek(&inner) == SCBOR_MAP && protected_.p[0] != 0xa0);
		header_check(&inner);
		must(c, scbor_done(&inner));
	}
	header_check(c);
}

/* 96([protected, unprotected, nil, [+ [protected, unprotected, bytes]]]): what the recipients
 * need is said by suit/encrypt.h. */
static void encryption_check(struct scbor *c)
{
	scbor_tag(c, SUIT_TAG_ENCRYPT);
	must(c, scbor_array(c, 4) == 4);
	headers_check(c);
	scbor_null(c);
	size_t n = scbor_array(c, SUIT_RECIPIENTS_MAX);
	must(c, n > 0);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		must(c, scbor_array(c, 3) == 3);
		headers_check(c);
		scbor_bytes(c);
	}
}

/* What stands inside of a byte string, to its end. */
static enum suit_rc wrapped_check(struct scbor *c, enum value_kind kind)
{
	enum suit_rc rc = SUIT_OK;
	struct scbor inner;

	scbor_init(&inner, scbor_bytes(c));
	if (kind == VALUE_VERSION)
		version_check(&inner);
	else if (kind == VALUE_WAIT)
		rc = map_check(&inner, event_check);
	else if (kind == VALUE_METADATA)
		rc = map_check(&inner, metadata_check);
	else
		encryption_check(&inner);
	if (rc == SUIT_OK)
		must(c, scbor_done(&inner));
	return rc;
}

/* A private parameter is a number, a truth value, text or bytes. */
static void custom_check(struct scbor *c)
{
	if (scbor_peek(c) == SCBOR_SIMPLE)
		scbor_bool(c);
	else if (scbor_peek(c) <= SCBOR_TEXT)
		scbor_any(c);
	else
		c->bad = true;
}

static enum suit_rc value_check(struct scbor *c, enum value_kind kind)
{
	struct suit_digest digest;

	switch (kind) {
	case VALUE_VENDOR:
		vendor_check(c);
		return SUIT_OK;
	case VALUE_UUID:
		uuid_check(c);
		return SUIT_OK;
	case VALUE_DIGEST:
		return suit_digest_read(scbor_bytes(c), &digest);
	case VALUE_UINT:
		scbor_uint(c);
		return SUIT_OK;
	case VALUE_INT:
		scbor_int(c);
		return SUIT_OK;
	case VALUE_BOOL:
		scbor_bool(c);
		return SUIT_OK;
	case VALUE_BYTES:
		scbor_bytes(c);
		return SUIT_OK;
	case VALUE_URI:
		return scbor_text(c).n <= SUIT_URI_MAX ? SUIT_OK : SUIT_TOO_LARGE;
	case VALUE_ENCRYPTION:
	case VALUE_VERSION:
	case VALUE_WAIT:
	case VALUE_METADATA:
		return wrapped_check(c, kind);
	case VALUE_CUSTOM:
		custom_check(c);
		return SUIT_OK;
	}
	return SUIT_MALFORMED;
}

static const struct parameter_row *find(int64_t key)
{
	static const struct parameter_row custom = { 0, VALUE_CUSTOM };

	if (key < 0)
		return &custom;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (parameters[i].key == key)
			return &parameters[i];
	return NULL;
}

bool suit_parameter_known(int64_t key)
{
	return find(key) != NULL;
}

enum suit_rc suit_parameter_check(struct scbor *c, int64_t key)
{
	const struct parameter_row *row = find(key);

	if (!row)
		return SUIT_UNKNOWN;
	enum suit_rc rc = value_check(c, (enum value_kind)row->value);
	return scbor_ok(c) ? rc : SUIT_MALFORMED;
}
