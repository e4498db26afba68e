/* Writers of the roster.  The database is the truth: change it first, and call these from
 * call_after_commit() hooks (this node) or from the notifier (other nodes).  Any thread; none
 * of them waits for the database.  A device that the roster does not know is left alone, except
 * by roster_put_device(). */
#pragma once

#include "base/model/device.h"
#include "core/roster.h"

#include <stdbool.h>
#include <stdint.h>

/* The hooks of two transactions may run in another order than their commits, and a read may
 * come between.  A turn is taken right before the commit, while the transaction holds the lock
 * on the row that it is about (a device's, a job's), and before a read; a change that comes
 * after one with a later turn is dropped.  One that was being committed when a read took its
 * turn may be dropped although the read did not see it: its row in the outbox brings it, or,
 * when it wrote none, the read saw what it saw.  0 in its place: now. */
uint64_t roster_turn(struct roster *r);

struct roster_put {
	uint64_t turn; /* or 0 */
	struct uuid device_id;
	enum device_lifecycle lifecycle;
	enum credential_kind credential;
	struct bytes psk;        /* plain key, or the certificate's SHA-256; copied */
	bool credential_changed; /* its sessions must go: evicts */
};

/* A device was provisioned, or its lifecycle or credential changed.  Makes the entry when it is
 * missing; what it knows of jobs and registration stays.  With DEVICE_REVOKED it does what
 * roster_revoke_device() does. */
void roster_put_device(struct roster *r, const struct roster_put *in);
/* Revoked or deleted: no key, no job, no work; evicts.  A deleted name that comes back is put
 * again. */
void roster_revoke_device(struct roster *r, const struct uuid *device_id);

/* A registration was committed: the first 8 bytes of its SHA-256, big-endian.  The device is
 * active from now on and may have work. */
void roster_set_registration(struct roster_device *d, uint64_t registration, uint64_t turn);

/* A registration of another boot comes in on this session; about to be committed. */
void roster_set_boot_session(struct roster_device *d, uint64_t session);
/* The session that brought the boot that the device is in, as far as this daemon saw it; 0: it
 * did not. */
uint64_t roster_boot_session(const struct roster_device *d);

/* The device was offered this job (or its attempt changed). */
void roster_set_job(struct roster_device *d, int64_t job_id, int32_t attempt,
		    const struct roster_release *release, uint64_t turn);
/* The job was closed; nothing when the entry holds another one.  The device may have work. */
void roster_clear_job(struct roster_device *d, int64_t job_id, uint64_t turn);

/* A campaign may have something for the device. */
void roster_mark_work(struct roster_device *d);
/* The marks of work so far, of all devices; it wraps. */
uint32_t roster_work_clock(const struct roster *r);
/* The database was asked and had nothing; nothing when work was marked since the clock showed
 * this.  It must be read before the transaction that asks begins: one that began before a
 * campaign's partition was attached may see the campaign and not its members, however late it
 * asks (PostgreSQL looks for changed tables when a lock is new, not for each statement). */
void roster_work_done(struct roster_device *d, uint32_t clock);
/* Tells the transport that the device has something to hear. */
void roster_wake_device(struct roster *r, struct roster_device *d);

/* An interned manifest; NULL when it is not there yet. */
const struct roster_release *roster_release_find(struct roster *r,
						 const struct digest *manifest);
/* Copies it in; the one that is there already wins. */
const struct roster_release *roster_release_intern(struct roster *r,
						   const struct roster_release *release);

/* --- what the notifier and the ticker need --- */

/* Reads these devices again from the database and puts them; one that this node changed
 * meanwhile is read once more.  Entries that are missing are made. */
enum rc roster_reload(struct roster *r, struct db *db, const struct uuid *ids,
		      size_t count) MUST_CHECK;

struct roster_sign {
	struct uuid device_id;
	int64_t seen_at;
	int64_t fetched_at; /* 0: no image yet */
};
/* Takes up to max signs of life that were not flushed yet, by ascending device id within what
 * it takes.  What a failed flush took is given back.  Signs of revoked devices are dropped. */
size_t roster_take_seen(struct roster *r, struct roster_sign *ret, size_t max);
void roster_give_back_seen(struct roster *r, const struct roster_sign *signs, size_t count);
