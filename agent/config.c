/* A table says every key, its form and its range; the reader knows none of them by name. */
#include "agent/config.h"

#include "agent/clean.h"
#include "agent/file.h"
#include "agent/text.h"
#include "suit/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE_MAX 16384

enum kind { KIND_TEXT, KIND_PATH, KIND_KEY, KIND_NUMBER, KIND_BOOL, KIND_UUID };

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	uint64_t min, max; /* of a number; max is the size of a text */
	uint64_t standard;
};

#define TEXT(f)   #f, KIND_TEXT, offsetof(struct config, f), 0, sizeof(((struct config *)0)->f), 0
#define PATH(f)   #f, KIND_PATH, offsetof(struct config, f), 0, sizeof(((struct config *)0)->f), 0
#define KEY(f)    #f, KIND_KEY, offsetof(struct config, f), 0, sizeof(((struct config *)0)->f), 0
#define NUMBER(f) #f, KIND_NUMBER, offsetof(struct config, f)

static const struct key keys[] = {
	{ TEXT(endpoint) },
	{ TEXT(server) },
	{ TEXT(component) },
	{ PATH(psk_file) },
	{ PATH(cert_file) },
	{ KEY(key_file) },
	{ PATH(ca_file) },
	{ PATH(state_dir) },
	{ PATH(class_key_file) },
	{ TEXT(class_key_id) },
	{ PATH(mac_key_file) },
	{ TEXT(mac_key_id) },
	{ KEY(device_key_file) },
	{ TEXT(device_key_id) },
	{ KEY(report_key_file) },
	{ PATH(pin_file) },
	{ PATH(battery_file) },
	{ PATH(authorize_program) },
	{ TEXT(authorize_user) },
	{ NUMBER(authorize_timeout_s), 1, 10, 5 },
	{ "only_encrypted", KIND_BOOL, offsetof(struct config, only_encrypted), 0, 1, 0 },
	{ "vendor_id", KIND_UUID, offsetof(struct config, vendor_id), 0, 0, 0 },
	{ "class_id", KIND_UUID, offsetof(struct config, class_id), 0, 0, 0 },
	{ "observe", KIND_BOOL, offsetof(struct config, observe), 0, 1, 0 },
	{ NUMBER(poll_max_s), 0, 604800, 0 },
	{ NUMBER(envelope_max), 512, SUIT_ENVELOPE_MAX, 16384 },
	{ NUMBER(image_max), 1, UINT64_C(1) << 30, 64 << 20 },
	{ NUMBER(block_size), 16, 1024, 1024 },
	{ NUMBER(journal_blocks), 1, 65536, 64 },
	{ NUMBER(ack_timeout_ms), 1000, 60000, 2000 }, /* libcoap takes no less */
	{ NUMBER(request_timeout_s), 1, 600, 20 },
	{ NUMBER(hello_timeout_s), 1, 600, 180 },
	{ NUMBER(retry_min_ms), 10, 600000, 1000 },
	{ NUMBER(retry_max_ms), 10, 3600000, 60000 },
	{ NUMBER(trial_s), 1, 86400, 300 },
	{ NUMBER(trial_tries), 1, 10, 2 },
};

struct reader {
	struct config *c;
	char folder[CONFIG_TEXT_MAX];
	const char *value;
};

static bool set_text(const char *value, char *ret, size_t size)
{
	size_t n = strlen(value);
	if (n == 0 || n >= size)
		return false;
	memcpy(ret, value, n + 1);
	return true;
}

bool config_is_token(const char *key_file)
{
	return strncmp(key_file, "pkcs11:", 7) == 0;
}

/* Whoever puts a token where none can be used shall hear it before a file is looked for. */
static bool set_path(const struct reader *r, char *ret, size_t size)
{
	if (config_is_token(r->value))
		return false;
	if (r->value[0] == '/')
		return set_text(r->value, ret, size);
	int n = snprintf(ret, size, "%s%s", r->folder, r->value);
	return r->value[0] && n < (int)size;
}

static bool set_key_path(const struct reader *r, char *ret, size_t size)
{
	return config_is_token(r->value) ? set_text(r->value, ret, size)
					 : set_path(r, ret, size);
}

static bool set_number(const char *value, const struct key *k, uint64_t *ret)
{
	uint64_t v;
	if (!text_number(value, k->max, &v) || v < k->min)
		return false;
	*ret = v;
	return true;
}

static bool set_key(const struct reader *r, const struct key *k)
{
	void *at = (char *)r->c + k->offset;
	switch (k->kind) {
	case KIND_TEXT:
		return set_text(r->value, at, k->max);
	case KIND_PATH:
		return set_path(r, at, k->max);
	case KIND_KEY:
		return set_key_path(r, at, k->max);
	case KIND_NUMBER:
		return set_number(r->value, k, at);
	case KIND_BOOL:
		return text_bool(r->value, at);
	case KIND_UUID:
		return suit_uuid_parse(r->value, at) == SUIT_OK;
	}
	return false;
}

static bool add_path(const struct reader *r, char (*list)[CONFIG_TEXT_MAX], size_t *count)
{
	if (*count == CONFIG_ANCHORS_MAX || !set_path(r, list[*count], CONFIG_TEXT_MAX))
		return false;
	++*count;
	return true;
}

static const char *add_anchor(const struct reader *r)
{
	struct config *c = r->c;
	return add_path(r, c->anchor, &c->anchor_count) ? NULL : "is one too many, or too long";
}

static const char *add_delegate(const struct reader *r)
{
	struct config *c = r->c;
	return add_path(r, c->delegate, &c->delegate_count) ? NULL
							    : "is one too many, or too long";
}

static bool add_attribute(const struct reader *r, const char *name)
{
	struct config *c = r->c;
	if (c->attribute_count == CONFIG_ATTRIBUTES_MAX)
		return false;
	struct config_attribute *a = &c->attribute[c->attribute_count];
	if (!set_text(name, a->name, sizeof(a->name)) ||
	    !set_text(r->value, a->value, sizeof(a->value)))
		return false;
	c->attribute_count++;
	return true;
}

/* --- further components */

static struct config_part *part_named(struct config *c, const char *name)
{
	for (size_t i = 0; i < c->part_count; i++)
		if (strcmp(c->part[i].name, name) == 0)
			return &c->part[i];
	if (c->part_count == CONFIG_PARTS_MAX || !boot_name_is_good(name) ||
	    strcmp(name, "dl") == 0)
		return NULL;
	struct config_part *p = &c->part[c->part_count++];
	*p = (struct config_part){ .timeout_s = 60 };
	memcpy(p->name, name, strlen(name));
	return p;
}

static bool set_kind(const struct reader *r, struct config_part *p)
{
	p->hook = strcmp(r->value, "hook") == 0;
	p->known = p->hook || strcmp(r->value, "file") == 0;
	return p->known;
}

static bool set_program(const struct reader *r, struct config_part *p)
{
	return set_path(r, p->program, sizeof(p->program));
}

static bool set_user(const struct reader *r, struct config_part *p)
{
	return set_text(r->value, p->user, sizeof(p->user));
}

static bool set_timeout(const struct reader *r, struct config_part *p)
{
	return text_number(r->value, 86400, &p->timeout_s) && p->timeout_s > 0;
}

static const struct {
	const char *prefix;
	bool (*set)(const struct reader *r, struct config_part *p);
} part_keys[] = {
	{ "component.", set_kind },
	{ "hook_program.", set_program },
	{ "hook_user.", set_user },
	{ "hook_timeout_s.", set_timeout },
};

/* False when the key is not one of these. */
static bool take_part(struct reader *r, const char *key, const char **ret_wrong)
{
	for (size_t i = 0; i < sizeof(part_keys) / sizeof(*part_keys); i++) {
		size_t n = strlen(part_keys[i].prefix);
		if (strncmp(key, part_keys[i].prefix, n) != 0)
			continue;
		struct config_part *p = part_named(r->c, key + n);
		if (!p)
			*ret_wrong = "is one too many, or cannot be a component's name here";
		else
			*ret_wrong = part_keys[i].set(r, p) ? NULL : "is not a valid value";
		return true;
	}
	return false;
}

static char variable_char(char c)
{
	return c == '-' ? '_' : c;
}

/* MUSTER_FILE_NAME can be one component's file only. */
static bool shares_variable(const struct config *c, size_t nth)
{
	const char *name = c->part[nth].name;
	for (size_t i = 0; i < nth; i++) {
		size_t at = 0;
		const char *other = c->part[i].name;
		while (name[at] && variable_char(name[at]) == variable_char(other[at]))
			at++;
		if (name[at] == other[at])
			return true;
	}
	return false;
}

static const char *part_gap(const struct config *c)
{
	for (size_t i = 0; i < c->part_count; i++) {
		const struct config_part *p = &c->part[i];
		if (!p->known)
			return "hook_... is there for a component that is not";
		if (strcmp(p->name, c->component) == 0)
			return "component. names the first component once more";
		if (shares_variable(c, i))
			return "two components have one environment variable: - is _ in it";
		if (p->hook && (!p->program[0] || !p->user[0]))
			return "hook_program or hook_user of a component is missing";
	}
	return NULL;
}

/* NULL, or what is wrong with it. */
static const char *take_pair(struct reader *r, const struct text_pair *pair)
{
	static const char prefix[] = "attribute.";
	const char *wrong = NULL;
	r->value = pair->value;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(pair->key, keys[i].name) == 0)
			return set_key(r, &keys[i]) ? NULL : "is not a valid value";
	if (strcmp(pair->key, "anchor") == 0)
		return add_anchor(r);
	if (strcmp(pair->key, "delegate") == 0)
		return add_delegate(r);
	if (strcmp(pair->key, "formats") == 0) {
		r->c->has_formats = true;
		return format_parse(r->value, &r->c->formats) ? NULL : "is not a valid value";
	}
	if (take_part(r, pair->key, &wrong))
		return wrong;
	if (strncmp(pair->key, prefix, sizeof(prefix) - 1) == 0)
		return add_attribute(r, pair->key + sizeof(prefix) - 1)
			       ? NULL
			       : "is one too many, or too long";
	return "is not a known key";
}

static void set_standards(struct config *c)
{
	*c = (struct config){ .component = "main" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].kind == KIND_NUMBER)
			*(uint64_t *)((char *)c + keys[i].offset) = keys[i].standard;
}

static bool is_zero(const struct suit_uuid *id)
{
	static const struct suit_uuid zero;
	return suit_uuid_equal(id, &zero);
}

/* NULL, or what is missing. */
static const char *find_gap(const struct config *c)
{
	if (!c->endpoint[0])
		return "endpoint is missing";
	if (!c->server[0])
		return "server is missing";
	if (!c->state_dir[0])
		return "state_dir is missing";
	if (is_zero(&c->vendor_id) || is_zero(&c->class_id))
		return "vendor_id or class_id is missing";
	if (c->anchor_count == 0 && !c->mac_key_file[0])
		return "anchor or mac_key_file is missing: nothing could ever be verified";
	if (c->block_size & (c->block_size - 1))
		return "block_size is not a power of two";
	if (c->retry_max_ms < c->retry_min_ms)
		return "retry_max_ms is below retry_min_ms";
	if (c->only_encrypted && !c->class_key_file[0] && !c->device_key_file[0])
		return "only_encrypted, and no key that opens anything";
	if (!c->authorize_program[0] != !c->authorize_user[0])
		return "authorize_program and authorize_user go together";
	return part_gap(c);
}

static bool read_pairs(struct reader *r, char *text, const char *path, char *why)
{
	unsigned line = 0;
	struct text_pair pair;
	for (;;) {
		enum text_line kind = text_next(&text, &line, &pair);
		if (kind == TEXT_END)
			return true;
		const char *wrong =
			kind == TEXT_BAD ? "is not `key = value`" : take_pair(r, &pair);
		if (!wrong)
			continue;
		snprintf(why, CONFIG_TEXT_MAX, "%s:%u: %.40s %s", path, line,
			 kind == TEXT_BAD ? "the line" : pair.key, wrong);
		return false;
	}
}

/* Absolute, as an install hook starts in another folder than this program. */
static bool set_folder(const char *path, char ret[CONFIG_TEXT_MAX])
{
	char given[FILE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash + 1 - path) : 0;
	errno = ENAMETOOLONG;
	if (n >= sizeof(given))
		return false;
	memcpy(given, path, n);
	given[n] = '\0';
	CLEAN(mem) char *full = realpath(n ? given : ".", NULL);
	if (!full)
		return false;
	errno = ENAMETOOLONG;
	return snprintf(ret, CONFIG_TEXT_MAX, "%s/", full[1] ? full : "") < CONFIG_TEXT_MAX;
}

bool config_load(const char *path, struct config *ret, char *why)
{
	char text[CONFIG_FILE_MAX];
	size_t n;
	struct reader r = { .c = ret };
	if (!file_read_text(path, text, sizeof(text), &n) || !set_folder(path, r.folder)) {
		snprintf(why, CONFIG_TEXT_MAX, "%s: %s", path, strerror(errno));
		return false;
	}
	set_standards(ret);
	if (!read_pairs(&r, text, path, why))
		return false;
	const char *gap = find_gap(ret);
	if (gap)
		snprintf(why, CONFIG_TEXT_MAX, "%s: %s", path, gap);
	return !gap;
}

bool config_server(const char *uri, struct link_config *ret)
{
	bool secure = strncmp(uri, "coaps://", 8) == 0;
	if (!secure && strncmp(uri, "coap://", 7) != 0)
		return false;
	const char *host = uri + (secure ? 8 : 7);
	const char *end;
	uint64_t port = secure ? 5684 : 5683;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end)
			return false;
	} else {
		end = host + strcspn(host, ":/");
	}
	const char *rest = *end == ']' ? end + 1 : end;
	if (*rest == ':' && (!text_number(rest + 1, 65535, &port) || port == 0))
		return false;
	if (*rest != ':' && *rest != '\0')
		return false;
	if (end == host || end - host >= (ptrdiff_t)sizeof(ret->host))
		return false;
	memcpy(ret->host, host, (size_t)(end - host));
	ret->host[end - host] = '\0';
	ret->port = (uint16_t)port;
	ret->kind = secure ? LINK_PSK : LINK_PLAIN;
	return true;
}

static bool read_psk(struct config *c, char *why)
{
	char text[256];
	size_t n;
	if (!file_read_text(c->psk_file, text, sizeof(text), &n)) {
		snprintf(why, CONFIG_TEXT_MAX, "%.200s: %s", c->psk_file, strerror(errno));
		return false;
	}
	text[strcspn(text, " \r\n")] = '\0';
	if (!text_unbase64(text, c->psk, sizeof(c->psk), &c->link.psk_n)) {
		snprintf(why, CONFIG_TEXT_MAX, "%.200s: not a key in base64", c->psk_file);
		return false;
	}
	c->link.psk = c->psk;
	return true;
}

bool config_finish(struct config *c, char *why)
{
	struct link_config *l = &c->link;
	*l = (struct link_config){ .identity = c->endpoint,
				   .ca_file = c->ca_file,
				   .cert_file = c->cert_file,
				   .key_file = c->key_file,
				   .ack_timeout_ms = (unsigned)c->ack_timeout_ms,
				   .request_timeout_ms = (int64_t)c->request_timeout_s * 1000,
				   .hello_timeout_ms = (int64_t)c->hello_timeout_s * 1000,
				   .retry_min_ms = (int64_t)c->retry_min_ms,
				   .retry_max_ms = (int64_t)c->retry_max_ms };
	if (!config_server(c->server, l)) {
		snprintf(why, CONFIG_TEXT_MAX, "server: not coaps://host[:port]");
		return false;
	}
	if (l->kind == LINK_PLAIN)
		return true;
	if (c->psk_file[0])
		return read_psk(c, why);
	l->kind = LINK_CERT;
	if (c->cert_file[0] && c->key_file[0] && c->ca_file[0])
		return true;
	snprintf(why, CONFIG_TEXT_MAX, "give psk_file, or cert_file, key_file and ca_file");
	return false;
}
