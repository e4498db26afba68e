/* The fleet's command line: a table of options, and readers for their forms. */
#include "agent/fleet.h"

#include "agent/log.h"
#include "agent/text.h"
#include "suit/ids.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum form {
	FORM_TEXT,
	FORM_NUMBER,
	FORM_FLAG,
	FORM_UUID,
	FORM_PERCENT,
	FORM_DELAY,
	FORM_SHAPE,
	FORM_HOLD,
	FORM_UNTIL,
	FORM_ANCHOR,
	FORM_ATTRIBUTE,
	FORM_POLL,
	FORM_FORMATS,
};

struct row {
	const char *name;
	enum form form;
	size_t offset;
	uint64_t max; /* of a number; size of a text */
	const char *help;
};

#define AT(f) offsetof(struct fleet_options, f)
#define TEXT_ROW(name, f, help)                                                                \
	{                                                                                      \
		name, FORM_TEXT, AT(f), sizeof(((struct fleet_options *)0)->f), help           \
	}

static const struct row rows[] = {
	TEXT_ROW("server", server, "coaps://HOST:PORT, or coap:// for plain UDP"),
	TEXT_ROW("from", from, "their address; one has no more than some 28,000 ports"),
	{ "devices", FORM_NUMBER, AT(devices), FLEET_DEVICES_MAX, "how many (1)" },
	TEXT_ROW("prefix", prefix, "of their names: PREFIX-00000 and so on (device)"),
	{ "first", FORM_NUMBER, AT(first), 99999, "number of the first one (0)" },
	TEXT_ROW("psk-file", psk_file, "lines of NAME BASE64"),
	TEXT_ROW("psk-secret", psk_secret, "a device's key is SHA-256 of SECRET:NAME"),
	TEXT_ROW("cert-dir", cert_dir, "holds NAME.crt, NAME.key and ca.crt"),
	TEXT_ROW("cert-list", cert_list,
		 "certificates of the first devices, in order; the others have keys"),
	TEXT_ROW("cert-key", cert_key, "the one private key of that list"),
	TEXT_ROW("ca", ca, "whom the devices of that list believe"),
	{ "vendor", FORM_UUID, AT(vendor_id), 0, "vendor id" },
	{ "class", FORM_UUID, AT(class_id), 0, "class id" },
	TEXT_ROW("component", component, "its name (main)"),
	TEXT_ROW("version", version,
		 "what they run at first (1.0.0); its SHA-256 is the digest"),
	{ "anchor", FORM_ANCHOR, 0, 0,
	  "an author's public key, or an authority's certificate; four times at most" },
	{ "attribute", FORM_ATTRIBUTE, 0, 0, "NAME=VALUE; may be given eight times" },
	{ "observe", FORM_FLAG, AT(observe), 0, "be told of offers" },
	{ "poll", FORM_POLL, AT(poll_s), 604800, "ask every so many seconds at least" },
	{ "block-size", FORM_NUMBER, AT(block_size), 1024, "16 to 1024 (1024)" },
	{ "formats", FORM_FORMATS, AT(formats), 0,
	  "what they say they read, such as \"lzma patch-lzma\"; nothing is unpacked" },
	{ "image-max", FORM_NUMBER, AT(image_max), UINT64_C(1) << 30, "bytes (64 MiB)" },
	{ "loss", FORM_PERCENT, AT(net.loss), 0, "20%: lost each way" },
	{ "dup", FORM_PERCENT, AT(net.dup), 0, "5%: come twice" },
	{ "reorder", FORM_PERCENT, AT(net.reorder), 0, "5%: are overtaken" },
	{ "delay", FORM_DELAY, 0, 0, "10-50ms each way" },
	{ "seed", FORM_NUMBER, AT(seed), UINT64_MAX, "of everything that is by chance (1)" },
	{ "shape", FORM_SHAPE, 0, 0,
	  "fail=3,rollback=2,silent=1,lie=1: the first ones are so" },
	{ "hold-state", FORM_HOLD, 0, 0,
	  "offered, downloading, installing: stop there until SIGUSR1" },
	{ "cut-every", FORM_NUMBER, AT(cut_every), UINT32_MAX,
	  "lose the link at every Nth block" },
	{ "until", FORM_UNTIL, 0, 0, "done, or seconds" },
	{ "timeout", FORM_NUMBER, AT(timeout_s), 604800, "fail after so many seconds" },
	{ "spread-ms", FORM_NUMBER, AT(spread_ms), 3600000, "start within (1 ms a device)" },
	{ "reboot-ms", FORM_NUMBER, AT(reboot_ms), 3600000, "how long a restart takes (200)" },
	{ "retry-min-ms", FORM_NUMBER, AT(retry_min_ms), 3600000,
	  "pause before another session (200)" },
	{ "retry-max-ms", FORM_NUMBER, AT(retry_max_ms), 3600000,
	  "the longest such pause (5000)" },
	{ "ack-timeout-ms", FORM_NUMBER, AT(ack_timeout_ms), 60000, "of CoAP (1000)" },
	{ "request-timeout-s", FORM_NUMBER, AT(request_timeout_s), 600,
	  "silence ends a session (15)" },
	{ "hello-timeout-s", FORM_NUMBER, AT(hello_timeout_s), 600,
	  "a hello that nobody answers (half as much again)" },
	TEXT_ROW("ledger", ledger, "a file: a line for all that was acknowledged"),
	TEXT_ROW("json", json, "a file or -: the summary"),
	{ "progress", FORM_FLAG, AT(progress), 0,
	  "twice a second: what was done; SIGUSR2 takes everybody's network" },
	{ "verbose", FORM_FLAG, AT(verbose), 0, "say more" },
};

#define ROWS (sizeof(rows) / sizeof(*rows))

static bool copy_text(const char *value, char *ret, size_t size)
{
	size_t n = strlen(value);
	if (n == 0 || n >= size)
		return false;
	memcpy(ret, value, n + 1);
	return true;
}

/* "20%" or "20" or "0.5%", as parts of 1000. */
static bool take_percent(const char *value, unsigned *ret)
{
	char *end;
	double v = strtod(value, &end);
	if (end == value || (*end && strcmp(end, "%") != 0) || !(v >= 0 && v <= 100))
		return false;
	*ret = (unsigned)(v * 10 + 0.5);
	return true;
}

static bool take_delay(const char *value, struct net_shape *ret)
{
	char text[32];
	uint64_t low, high;
	if (!copy_text(value, text, sizeof(text)))
		return false;
	size_t n = strlen(text);
	if (n > 2 && strcmp(text + n - 2, "ms") == 0)
		text[n - 2] = '\0';
	char *dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	if (!text_number(text, 60000, &low) ||
	    !text_number(dash ? dash + 1 : text, 60000, &high) || high < low)
		return false;
	ret->delay_min_ms = (unsigned)low;
	ret->delay_max_ms = (unsigned)high;
	return true;
}

static bool take_shape(const char *value, uint64_t *ret)
{
	static const char *const names[SHAPE_COUNT] = { NULL, "fail", "rollback", "silent",
							"lie" };
	char text[128];
	char *rest = text;
	if (!copy_text(value, text, sizeof(text)))
		return false;
	while (rest) {
		char *part = strsep(&rest, ",");
		char *count = strchr(part, '=');
		int shape = SHAPE_FAIL;
		if (!count)
			return false;
		*count++ = '\0';
		while (shape < SHAPE_COUNT && strcmp(part, names[shape]) != 0)
			shape++;
		if (shape == SHAPE_COUNT || !text_number(count, FLEET_DEVICES_MAX, &ret[shape]))
			return false;
	}
	return true;
}

static bool take_hold(const char *value, int *ret)
{
	static const char *const names[] = { "offered", "downloading", "installing" };
	for (int i = 0; i < 3; i++)
		if (strcmp(value, names[i]) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static bool take_attribute(const char *value, struct fleet_options *o)
{
	if (o->attribute_count == CONFIG_ATTRIBUTES_MAX)
		return false;
	struct config_attribute *a = &o->attribute[o->attribute_count];
	const char *equals = strchr(value, '=');
	if (!equals || equals == value || equals - value >= (ptrdiff_t)sizeof(a->name))
		return false;
	memcpy(a->name, value, (size_t)(equals - value));
	o->attribute_count++;
	return copy_text(equals + 1, a->value, sizeof(a->value));
}

static bool take_value(struct fleet_options *o, const struct row *row, const char *value)
{
	void *at = (char *)o + row->offset;
	switch (row->form) {
	case FORM_TEXT:
		return copy_text(value, at, row->max);
	case FORM_NUMBER:
		return text_number(value, row->max, at);
	case FORM_POLL:
		o->observe = false;
		return text_number(value, row->max, at);
	case FORM_FORMATS:
		return format_parse(value, at);
	case FORM_FLAG:
		return *(bool *)at = true;
	case FORM_UUID:
		return suit_uuid_parse(value, at) == SUIT_OK;
	case FORM_PERCENT:
		o->has_net = true;
		return take_percent(value, at);
	case FORM_DELAY:
		o->has_net = true;
		return take_delay(value, &o->net);
	case FORM_SHAPE:
		return take_shape(value, o->shape);
	case FORM_HOLD:
		return take_hold(value, &o->hold);
	case FORM_UNTIL:
		o->until_done = strcmp(value, "done") == 0;
		return o->until_done || text_number(value, 604800, &o->until_s);
	case FORM_ANCHOR:
		return o->anchor_count < CONFIG_ANCHORS_MAX &&
		       copy_text(value, o->anchor[o->anchor_count++], CONFIG_TEXT_MAX);
	case FORM_ATTRIBUTE:
		return take_attribute(value, o);
	}
	return false;
}

static void print_usage(void)
{
	fputs("usage: muster-fleet --server URI --vendor UUID --class UUID --anchor FILE ...\n",
	      stderr);
	for (size_t i = 0; i < ROWS; i++)
		fprintf(stderr, "  --%-18s %s\n", rows[i].name, rows[i].help);
}

/* NULL, or what is wrong with the whole. */
static const char *find_gap(const struct fleet_options *o)
{
	struct link_config c;
	if (!config_server(o->server, &c))
		return "--server is missing or not coaps://HOST:PORT";
	if (c.kind != LINK_PLAIN && !o->psk_file[0] && !o->psk_secret[0] && !o->cert_dir[0] &&
	    !o->cert_list[0])
		return "give --psk-file, --psk-secret, --cert-dir or --cert-list";
	if (o->cert_list[0] && (!o->cert_key[0] || !o->ca[0]))
		return "--cert-list needs --cert-key and --ca";
	if (o->anchor_count == 0)
		return "--anchor is missing";
	if (o->devices == 0)
		return "--devices is 0";
	if (o->block_size < 16 || (o->block_size & (o->block_size - 1)))
		return "--block-size is not a power of two from 16 on";
	if (o->retry_min_ms == 0 || o->retry_max_ms < o->retry_min_ms ||
	    o->ack_timeout_ms == 0 || o->request_timeout_s == 0)
		return "a pause is 0";
	if (o->ack_timeout_ms < 1000)
		return "--ack-timeout-ms is below 1000, which libcoap does not take";
	return NULL;
}

static void set_standards(struct fleet_options *o)
{
	*o = (struct fleet_options){ .prefix = "device",
				     .component = "main",
				     .version = "1.0.0",
				     .devices = 1,
				     .seed = 1,
				     .spread_ms = UINT64_MAX,
				     .reboot_ms = 200,
				     .retry_min_ms = 200,
				     .retry_max_ms = 5000,
				     .ack_timeout_ms = 1000,
				     .request_timeout_s = 15,
				     .block_size = 1024,
				     .image_max = 64 << 20,
				     .hold = FLEET_NO_HOLD };
}

bool fleet_parse(int argc, char **argv, struct fleet_options *ret)
{
	struct option options[ROWS + 1];
	int o, index;
	memset(options, 0, sizeof(options));
	for (size_t i = 0; i < ROWS; i++) {
		options[i].name = rows[i].name;
		options[i].has_arg =
			rows[i].form == FORM_FLAG ? no_argument : required_argument;
	}
	set_standards(ret);
	while ((o = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (o == '?') {
			print_usage();
			return false;
		}
		if (!take_value(ret, &rows[index], optarg)) {
			log_line("--%s %s: not a valid value", rows[index].name, optarg);
			return false;
		}
	}
	if (ret->spread_ms == UINT64_MAX)
		ret->spread_ms = ret->devices;
	if (ret->hello_timeout_s == 0)
		ret->hello_timeout_s = (ret->request_timeout_s * 3 + 1) / 2;
	const char *gap = optind < argc ? "an argument without an option" : find_gap(ret);
	if (gap)
		log_line("%s", gap);
	return !gap;
}
