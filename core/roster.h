/* The roster: every device in memory, with what a check-in, a handshake and an image block
 * need, so that none of them waits for the database.  It is a cache: the database is the truth,
 * writers change the database first and the roster after the commit.
 *
 * Entries are made once and live until the process ends, so a pointer to one may be kept on a
 * session.  Reading an entry takes no lock; any thread may read, any thread may write. */
#pragma once

#include "base/bytes.h"
#include "base/model/device.h"
#include "db/db.h"

#include <stdbool.h>
#include <stdint.h>

struct roster;
struct roster_device; /* opaque; read it with roster_view() */

/* A consistent copy of what an entry holds at one moment. */
struct roster_view {
	struct uuid device_id;
	enum device_lifecycle lifecycle;
	enum credential_kind credential;
	uint64_t registration; /* first 8 bytes of the last committed registration's SHA-256; 0:
				  none */
	bool maybe_work;       /* a campaign may have something: ask the database */
	uint32_t work_epoch;   /* of the roster's clock, when maybe_work was set last */
	int64_t job_id;        /* the open job that it was offered; 0: none */
	int32_t attempt;
	const struct roster_release *release; /* what it is of; lives until the process ends */
	int64_t last_seen;                    /* wall, us */
};

/* One manifest of a release: what an offer needs; interned, immutable. */
struct roster_release {
	struct uuid release_id;
	struct digest manifest_digest;
	struct bytes envelope;
	const struct digest *images; /* that a device with this job may fetch */
	int image_count;
};

struct roster *roster_create(void);
void roster_free(struct roster *r);
/* Loads or reloads everything for the tenant by COPY: devices, keys (unsealed with seal_key,
 * see certs/seal.h), open jobs, exposed members.  Safe while others read. */
enum rc roster_load(struct roster *r, struct db *db, int32_t tenant,
		    struct bytes seal_key) MUST_CHECK;
/* True after the first complete load. */
bool roster_ready(const struct roster *r);
size_t roster_count(const struct roster *r);

struct roster_device *roster_find(struct roster *r, const struct uuid *device_id);
void roster_view(const struct roster_device *d, struct roster_view *ret);
enum device_lifecycle roster_lifecycle(const struct roster_device *d);
/* The key for a PSK handshake: copies up to PSK_MAX bytes, returns their number; 0 when the
 * device is unknown, revoked, or has no key. */
size_t roster_psk(struct roster *r, const struct uuid *device_id, uint8_t ret[PSK_MAX]);
/* The SHA-256 of the one certificate that opens a session for the device; false when there is
 * no such one.  An older certificate for the same name is still good by its signature. */
bool roster_certificate(struct roster *r, const struct uuid *device_id, struct digest *ret);
/* A sign of life, now; flushed to device_seen in batches by the ticker. */
void roster_seen(struct roster *r, struct roster_device *d, int64_t wall_us);
/* A block of an image goes to the device: besides a sign of life, progress of its job. */
void roster_fetched(struct roster *r, struct roster_device *d, int64_t wall_us);
/* May this device fetch the image (or manifest) with the digest now?  Constant time in what the
 * digest is (A19). */
bool roster_may_fetch(const struct roster_device *d, const struct digest *digest);

/* --- writers, after the commit (see core/roster_update.h for the domain's own) --- */

/* Tells somebody (the CoAP transport) that a device has something to hear.  Called from any
 * thread; must not block.  Set once before traffic. */
typedef void roster_wake(void *arg, struct roster_device *d);
void roster_on_wake(struct roster *r, roster_wake *fn, void *arg);
/* Likewise when a device's credential was revoked or replaced: its sessions must go. */
void roster_on_evict(struct roster *r, roster_wake *fn, void *arg);
