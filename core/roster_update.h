/* Writers of the roster.  The database is the truth: change it first, and call these from
 * call_after_commit() hooks (this node) or from the notifier (other nodes).  Any thread; none
 * of them waits for the database.  A device that the roster does not know is left alone, except
 * by roster_put_device(). */
#pragma once

#include "base/model/device.h"
#include "core/roster.h"

#include <stdbool.h>
#include <stdint.h>

struct roster_put {
	struct uuid device_id;
	enum device_lifecycle lifecycle;
	enum credential_kind credential;
	struct bytes psk;        /* plain key, or the certificate's SHA-256; copied */
	bool credential_changed; /* its sessions must go: evicts */
};

/* A device was provisioned, or its lifecycle or credential changed.  Makes the entry when it is
 * missing; what it knows of jobs and registration stays. */
void roster_put_device(struct roster *r, const struct roster_put *in);
/* Revoked or deleted: no key, no job, no work; evicts.  A deleted name that comes back is put
 * again. */
void roster_revoke_device(struct roster *r, const struct uuid *device_id);

/* A registration was committed: the first 8 bytes of its SHA-256, big-endian.  The device is
 * active from now on and may have work. */
void roster_set_registration(struct roster_device *d, uint64_t registration);

/* The device was offered this job (or its attempt changed). */
void roster_set_job(struct roster_device *d, int64_t job_id, int32_t attempt,
		    const struct roster_release *release);
/* The job was closed; nothing when the entry holds another one.  The device may have work. */
void roster_clear_job(struct roster_device *d, int64_t job_id);

/* A campaign may have something for the device. */
void roster_mark_work(struct roster_device *d);
/* The database was asked and had nothing; nothing when work was marked since work_epoch. */
void roster_work_done(struct roster_device *d, uint64_t work_epoch);
/* Tells the transport that the device has something to hear. */
void roster_wake_device(struct roster *r, struct roster_device *d);

/* An interned release; NULL when it is not there yet. */
const struct roster_release *roster_release_find(struct roster *r,
						 const struct uuid *release_id);
/* Copies it in; the one that is there already wins. */
const struct roster_release *roster_release_intern(struct roster *r,
						   const struct roster_release *release);

/* --- what the notifier and the ticker need --- */

/* Reads these devices again from the database and puts them; changes made meanwhile by this
 * node win over what was read.  Entries that are missing are made. */
enum rc roster_reload(struct roster *r, struct db *db, const struct uuid *ids,
		      size_t count) MUST_CHECK;

struct roster_sign {
	struct uuid device_id;
	int64_t seen_at;
	int64_t fetched_at; /* 0: no image yet */
};
/* Takes up to max signs of life that were not flushed yet, by ascending device id within what
 * it takes.  What a failed flush took is given back. */
size_t roster_take_seen(struct roster *r, struct roster_sign *ret, size_t max);
void roster_give_back_seen(struct roster *r, const struct roster_sign *signs, size_t count);
