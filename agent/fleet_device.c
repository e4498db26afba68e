/* One simulated device: the machine under a life, in memory, with a character. */
#include "agent/fleet.h"

#include "agent/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool fleet_fate_is_sealed(enum fleet_fate fate)
{
	return fate != FATE_WAITING && fate != FATE_UPDATING;
}

static void set_fate(struct fleet_device *d, enum fleet_fate fate)
{
	d->fleet->settled -= fleet_fate_is_sealed(d->fate);
	d->fleet->settled += fleet_fate_is_sealed(fate);
	d->fate = fate;
}

static void new_boot_id(struct fleet_device *d)
{
	uint64_t id = link_random(&d->random, UINT64_MAX);
	memcpy(d->self.boot_id, &id, BOOT_ID_SIZE);
}

static void drop_slot(struct fleet_device *d)
{
	free(d->slot);
	d->slot = NULL;
}

/* --- the machine
 * ------------------------------------------------------------------------------- */

static void device_facts(void *m, struct facts *ret)
{
	const struct fleet_device *d = m;
	*ret = (struct facts){ .sequence = d->sequence, .version = d->version, .count = 1 };
	ret->part[0] = (struct part){ .name = d->fleet->options.component,
				      .slot = 1,
				      .has = true,
				      .digest = d->digest,
				      .size = UINT64_MAX };
}

static enum proto_cause device_begin(void *m, const struct update *u, size_t nth,
				     uint64_t *ret_have)
{
	struct fleet_device *d = m;
	drop_slot(d);
	d->slot = malloc(u->payload[nth].size);
	if (!d->slot)
		return PROTO_CAUSE_SPACE;
	d->slot_size = u->payload[nth].size;
	d->update = *u;
	set_fate(d, FATE_UPDATING);
	*ret_have = 0;
	return PROTO_CAUSE_NONE;
}

static bool device_write(void *m, uint64_t offset, const uint8_t *p, size_t n)
{
	struct fleet_device *d = m;
	if (offset > d->slot_size || n > d->slot_size - offset)
		return false;
	memcpy(d->slot + offset, p, n);
	d->blocks++;
	d->bytes += n;
	return true;
}

static enum proto_cause device_check(void *m, const struct update *u, size_t nth)
{
	struct fleet_device *d = m;
	struct suit_message message = { .piece = { { d->slot, d->slot_size } }, .count = 1 };
	struct suit_digest digest;
	enum suit_rc rc = d->fleet->verify.can.crypto->sha256(&message, &digest);
	drop_slot(d);
	if (rc != SUIT_OK)
		return PROTO_CAUSE_STORAGE;
	return memcmp(&digest, &u->payload[nth].digest, sizeof(digest)) ? PROTO_CAUSE_DIGEST
									: PROTO_CAUSE_NONE;
}

/* A fetched payload is as good as installed: what a copy makes of it is not simulated. */
static enum proto_cause device_activate(void *m, const struct update *u,
					struct suit_bytes envelope, const char **ret_why)
{
	struct fleet_device *d = m;
	(void)envelope;
	(void)ret_why;
	d->update = *u;
	d->activated = d->shape != SHAPE_FAIL;
	return d->activated ? PROTO_CAUSE_NONE : PROTO_CAUSE_INSTALL;
}

static void device_call_off(void *m)
{
	struct fleet_device *d = m;
	drop_slot(d);
	d->activated = false;
	if (d->fate == FATE_UPDATING)
		set_fate(d, FATE_WAITING);
}

static void come_back(struct fleet_device *d)
{
	d->started = false;
	d->start_ms = link_now_ms() + (int64_t)d->fleet->options.reboot_ms;
}

static void become_new(struct fleet_device *d)
{
	d->digest = d->update.image;
	d->sequence = d->update.sequence;
	memcpy(d->version, d->update.version, sizeof(d->version));
	d->self.component[0].digest = d->digest;
	new_boot_id(d);
}

static void device_reboot(void *m)
{
	struct fleet_device *d = m;
	d->activated = false;
	come_back(d);
	switch (d->shape) {
	case SHAPE_NONE:
	case SHAPE_FAIL:
	case SHAPE_COUNT:
		become_new(d);
		break;
	case SHAPE_ROLLBACK:
		new_boot_id(d);
		d->self.last = (struct boot_last){ .outcome = BOOT_ROLLED_BACK,
						   .job = d->update.job,
						   .attempt = d->update.attempt,
						   .reason = "not confirmed in time" };
		break;
	case SHAPE_SILENT:
		d->start_ms = INT64_MAX;
		set_fate(d, FATE_SILENT);
		break;
	case SHAPE_LIE:
		d->self.component[0].digest = d->update.image;
		d->claimed = true;
		break;
	}
}

/* What a registration settles. */
static void device_registered(void *m)
{
	struct fleet_device *d = m;
	d->registrations++;
	fleet_ledger_registered(d);
	if (d->claimed) { /* the truth comes out at the next boot */
		d->claimed = false;
		d->self.component[0].digest = d->digest;
		new_boot_id(d);
		d->life.state = LIFE_OFF;
		link_rest(&d->link);
		come_back(d);
	} else if (d->fate == FATE_UPDATING && d->shape == SHAPE_ROLLBACK) {
		d->self.last = (struct boot_last){ 0 };
		set_fate(d, FATE_ROLLED_BACK);
	} else if (d->fate == FATE_UPDATING && d->shape == SHAPE_LIE) {
		set_fate(d, FATE_LIED);
	} else if (d->fate == FATE_UPDATING) {
		set_fate(d, FATE_UPDATED);
	}
}

static void device_reported(void *m, const struct update *u, enum proto_state state)
{
	struct fleet_device *d = m;
	d->reports++;
	fleet_ledger_reported(d, u, state);
	if (state == PROTO_FAILED)
		set_fate(d, FATE_FAILED);
	else if (state == PROTO_REJECTED)
		set_fate(d, FATE_REJECTED);
}

static bool device_pass(void *m, enum life_point point)
{
	struct fleet_device *d = m;
	struct fleet *f = d->fleet;
	if (f->released || f->options.hold != (int)point)
		return true;
	d->held = true;
	f->held++;
	return false;
}

static const struct machine_ops machine = {
	.facts = device_facts,
	.begin = device_begin,
	.write = device_write,
	.check = device_check,
	.activate = device_activate,
	.call_off = device_call_off,
	.registered = device_registered,
	.reboot = device_reboot,
	.reported = device_reported,
	.pass = device_pass,
};

/* --- starting and going on
 * --------------------------------------------------------------------- */

static char *path_of(const struct fleet_device *d, const char *suffix)
{
	char name[80], path[FILE_PATH_MAX];
	snprintf(name, sizeof(name), "%s%s", d->name, suffix);
	return file_path(d->fleet->options.cert_dir, name, path) ? strdup(path) : NULL;
}

/* The first ones have certificates, if there is a list of them, and the others keys. */
static bool set_certificate(struct fleet_device *d, size_t index)
{
	struct fleet *f = d->fleet;
	struct link_config *c = &d->link_config;
	if (c->kind == LINK_PLAIN)
		return true;
	if (index < f->certificate_count) {
		c->kind = LINK_CERT;
		c->keys = f->keys;
		c->certificate = f->certificate[index];
	} else if (f->options.cert_dir[0]) {
		c->kind = LINK_CERT;
		c->cert_file = d->cert_file = path_of(d, ".crt");
		c->key_file = d->key_file = path_of(d, ".key");
		return c->cert_file && c->key_file;
	}
	return true;
}

static bool set_link(struct fleet_device *d, size_t index)
{
	struct fleet *f = d->fleet;
	const struct fleet_options *o = &f->options;
	struct link_config *c = &d->link_config;
	*c = (struct link_config){ .identity = d->name,
				   .psk = d->psk,
				   .ca_file = f->ca_file,
				   .ack_timeout_ms = (unsigned)o->ack_timeout_ms,
				   .request_timeout_ms = (int64_t)o->request_timeout_s * 1000,
				   .hello_timeout_ms = (int64_t)o->hello_timeout_s * 1000,
				   .retry_min_ms = (int64_t)o->retry_min_ms,
				   .retry_max_ms = (int64_t)o->retry_max_ms };
	if (!config_server(o->server, c))
		return false;
	c->from = o->from[0] ? o->from : NULL;
	c->relay_port = f->net ? net_port(f->net, index) : 0;
	return set_certificate(d, index);
}

static enum fleet_shape choose_shape(const struct fleet_options *o, size_t index)
{
	for (int s = SHAPE_FAIL; s < SHAPE_COUNT; s++) {
		if (index < o->shape[s])
			return (enum fleet_shape)s;
		index -= o->shape[s];
	}
	return SHAPE_NONE;
}

static bool set_self(struct fleet_device *d)
{
	const struct fleet_options *o = &d->fleet->options;
	struct suit_bytes text = { (const uint8_t *)o->version, strlen(o->version) };
	struct suit_message message = { .piece = { text }, .count = 1 };
	if (d->fleet->verify.can.crypto->sha256(&message, &d->digest) != SUIT_OK)
		return false;
	memcpy(d->version, o->version, sizeof(d->version));
	d->self = (struct proto_register){ .endpoint = d->name,
					   .vendor_id = o->vendor_id,
					   .class_id = o->class_id,
					   .component = { { o->component, true, d->digest,
							    d->version } },
					   .component_count = 1,
					   .envelope_max = SUIT_ENVELOPE_MAX,
					   .image_max = o->image_max,
					   .formats = o->formats,
					   .block_size = o->block_size,
					   .attribute_count = o->attribute_count };
	for (size_t i = 0; i < o->attribute_count; i++)
		d->self.attribute[i] =
			(struct proto_attribute){ o->attribute[i].name, o->attribute[i].value };
	new_boot_id(d);
	return true;
}

bool fleet_device_init(struct fleet_device *d, struct fleet *f, size_t index)
{
	const struct fleet_options *o = &f->options;
	*d = (struct fleet_device){ .fleet = f, .shape = choose_shape(o, index) };
	d->random = o->seed * UINT64_C(1000003) + index;
	snprintf(d->name, sizeof(d->name), "%s-%05" PRIu64, o->prefix, o->first + index);
	if (!set_link(d, index) || !set_self(d))
		return false;
	d->start_ms = f->began_ms + (int64_t)link_random(&d->random, o->spread_ms + 1);
	link_init(&d->link, f->context[fleet_context_of(f, index)], &d->link_config,
		  link_random(&d->random, UINT64_MAX));
	life_init(&d->life, &d->link, &machine, d);
	d->life.config = &f->life_config;
	d->life.verify = &f->verify;
	/* The first cut of each is a block before that of the one before, so that all together
	 * are cut everywhere. */
	if (o->cut_every)
		d->cut_at = 0 - index % o->cut_every;
	return true;
}

void fleet_device_finish(struct fleet_device *d)
{
	life_finish(&d->life);
	link_finish(&d->link);
	drop_slot(d);
	free(d->cert_file);
	free(d->key_file);
}

void fleet_device_lose(struct fleet_device *d)
{
	d->fleet->served -= d->served;
	d->served = false;
	d->heard_before = d->life.heard;
	link_cut(&d->link);
	life_wake(&d->life);
}

static void note_served(struct fleet_device *d)
{
	if (d->served || d->life.heard == d->heard_before)
		return;
	d->served = true;
	d->fleet->served++;
}

/* The network goes while a block is on its way. */
static void cut(struct fleet_device *d)
{
	uint64_t every = d->fleet->options.cut_every;
	if (!every || d->link.count.blocks < d->cut_at + every || !d->link.sent)
		return;
	d->cut_at = d->link.count.blocks;
	d->cuts++;
	link_cut(&d->link);
}

int64_t fleet_device_step(struct fleet_device *d, int64_t now_ms)
{
	if (d->held && d->fleet->released) {
		d->held = false;
		d->fleet->held--;
		life_go_on(&d->life);
	}
	if (!d->started && now_ms >= d->start_ms) {
		d->started = true;
		life_start(&d->life, &d->self);
	}
	int64_t next = life_step(&d->life, now_ms);
	note_served(d);
	cut(d);
	if (d->link.lost)
		return now_ms;
	return !d->started && d->start_ms < next ? d->start_ms : next;
}
