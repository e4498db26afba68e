/* muster-fleet: many simulated devices in one process, each with the agent's own life, link and
 * verification, and memory in place of slots.  For load, and for scenarios that no real device
 * would play along with. */
#pragma once

#include "agent/config.h"
#include "agent/file.h"
#include "agent/fleet_net.h"
#include "agent/life.h"

#include <stdio.h>

#define FLEET_DEVICES_MAX 100000
#define FLEET_PER_CONTEXT 16 /* libcoap walks every session of a context on every event */
#define FLEET_NO_HOLD     (-1)

/* What a device does when it should start the new image. */
enum fleet_shape {
	SHAPE_NONE,     /* starts it */
	SHAPE_FAIL,     /* cannot install, and says so */
	SHAPE_ROLLBACK, /* comes back with the old one, and its launcher says why */
	SHAPE_SILENT,   /* is never heard of again */
	SHAPE_LIE, /* claims the new digest under the old boot id, then boots the old image */
	SHAPE_COUNT,
};

enum fleet_fate {
	FATE_WAITING,
	FATE_UPDATING,
	FATE_UPDATED,
	FATE_FAILED,
	FATE_REJECTED,
	FATE_ROLLED_BACK,
	FATE_SILENT,
	FATE_LIED,
	FATE_COUNT,
};

struct fleet_options {
	char server[CONFIG_TEXT_MAX];
	char from[46];
	char prefix[48];
	char psk_file[CONFIG_TEXT_MAX];
	char psk_secret[CONFIG_TEXT_MAX];
	char cert_dir[CONFIG_TEXT_MAX];
	char cert_list[CONFIG_TEXT_MAX];
	char cert_key[CONFIG_TEXT_MAX];
	char ca[CONFIG_TEXT_MAX];
	char component[65];
	char version[65];
	char json[CONFIG_TEXT_MAX];
	char ledger[CONFIG_TEXT_MAX];
	char anchor[CONFIG_ANCHORS_MAX][CONFIG_TEXT_MAX];
	size_t anchor_count;
	struct config_attribute attribute[CONFIG_ATTRIBUTES_MAX];
	size_t attribute_count;
	struct suit_uuid vendor_id, class_id;
	uint64_t devices, first, seed, cut_every, timeout_s, until_s, spread_ms, reboot_ms;
	uint64_t retry_min_ms, retry_max_ms, ack_timeout_ms, block_size;
	uint64_t request_timeout_s, hello_timeout_s;
	uint64_t poll_s, image_max;
	format_set formats;
	uint64_t shape[SHAPE_COUNT];
	struct net_shape net;
	bool has_net;
	bool observe;
	bool until_done;
	bool progress;
	bool verbose;
	int hold; /* enum life_point or FLEET_NO_HOLD */
};

struct fleet;

struct fleet_device {
	struct fleet *fleet;
	char name[65];
	char *cert_file, *key_file; /* with a folder of certificates; else NULL */
	uint8_t psk[LINK_PSK_MAX];
	char version[UPDATE_VERSION_MAX];
	enum fleet_shape shape;
	enum fleet_fate fate;
	struct link_config link_config;
	struct link link;
	struct life life;
	struct proto_register self; /* what it says it is */
	struct suit_digest digest;  /* what really runs */
	uint64_t sequence;
	uint8_t *slot; /* the payload while it comes */
	uint64_t slot_size;
	struct update update; /* what the slot holds */
	bool activated;
	bool claimed; /* a liar has told its lie */
	bool started, held;
	int64_t start_ms; /* when to boot; INT64_MAX: not at all */
	uint64_t random;
	uint64_t cut_at;
	uint64_t heard_before; /* answers that were heard before the fleet lost its network */
	bool served;           /* heard one since */
	size_t place;          /* in the fleet's queue */
	int64_t due_ms;
	uint64_t blocks, bytes, registrations, reports, cuts;
};

/* Devices by the time when something is due, a heap. */
struct fleet_queue {
	struct fleet_device **at;
	size_t n;
};

struct fleet {
	struct fleet_options options;
	struct fleet_device *device;
	size_t device_count;
	coap_context_t **context;
	size_t context_count;
	struct fleet_queue queue;
	struct link_keys *keys;         /* shared; NULL: none */
	struct suit_bytes *certificate; /* of the first certificate_count devices */
	size_t certificate_count;
	size_t served;
	struct verify verify;
	struct life_config life_config;
	struct net *net;
	FILE *ledger;
	char ca_file[FILE_PATH_MAX];
	int64_t began_ms;
	size_t held;
	bool released;  /* nobody is held any more */
	size_t settled; /* devices whose fate is sealed */
};

/* False after a message: wrong usage. */
bool fleet_parse(int argc, char **argv, struct fleet_options *ret);

bool fleet_device_init(struct fleet_device *d, struct fleet *f, size_t index);
void fleet_device_finish(struct fleet_device *d);
/* Yields the time of the next thing. */
int64_t fleet_device_step(struct fleet_device *d, int64_t now_ms);
bool fleet_fate_is_sealed(enum fleet_fate fate);
/* The network goes, under everybody at once, and each comes back as soon as it can. */
void fleet_device_lose(struct fleet_device *d);

/* The context that a device belongs to.  Certificates and keys are not mixed in one: libcoap
 * would offer what the first of them set up to all. */
size_t fleet_context_of(const struct fleet *f, size_t index);

bool fleet_queue_make(struct fleet_queue *q, struct fleet_device *devices, size_t n);
void fleet_queue_free(struct fleet_queue *q);
/* The one that is due first. */
struct fleet_device *fleet_queue_first(const struct fleet_queue *q);
/* It is due at another time now. */
void fleet_queue_move(struct fleet_queue *q, struct fleet_device *d, int64_t due_ms);

/* PSKs: from a file of `name base64` lines, or SHA-256 of "secret:name". */
bool fleet_keys(struct fleet *f);

void fleet_ledger_registered(const struct fleet_device *d);
void fleet_ledger_reported(const struct fleet_device *d, const struct update *u,
			   enum proto_state state);
bool fleet_write_json(const struct fleet *f);
