/* The roster's load: everything by COPY after each connect, a few devices when the outbox names
 * them.  What this node wrote after the read began is newer than what was read, and stays; but
 * the row may hold another node's change too, so such a device is read once more.  What this
 * node committed before the read began, and has not told the roster yet, comes too late:
 * another node may have changed the row since, and that was read. */

#include "core/roster.h"

#include "base/clean.h"
#include "certs/seal.h"
#include "core/roster_entry.h"
#include "db/campaign_store.h"
#include "db/member_store.h"
#include "db/roster_store.h"

#include <stdlib.h>
#include <string.h>

#define PSK_CONTEXT     "psk"
#define LOAD_TIMEOUT_MS 600000
#define AGAIN_CHUNK     1000
/* A device that is written in each of so many reads is left to its next outbox row. */
#define AGAIN_ROUNDS 8

struct ids {
	struct uuid *p;
	size_t n, room;
};

struct load {
	struct roster *roster;
	struct arena *mem;
	uint64_t writes; /* the roster's write counter when the read began */
	uint64_t turn;   /* taken then */
	uint32_t number;
	bool full;
	bool ready; /* there may be sessions to wake */
	struct ids again;
};

static void read_again(struct load *load, const struct roster_device *d)
{
	struct ids *ids = &load->again;

	if (ids->n == ids->room) {
		ids->room = ids->room ? ids->room * 2 : AGAIN_CHUNK;
		ids->p = xrealloc(ids->p, ids->room * sizeof(*ids->p));
	}
	ids->p[ids->n++] = d->device_id;
}

static bool is_newer(const struct load *load, const struct roster_device *d)
{
	return ENTRY_LOAD(d, stamp) > load->writes;
}

static bool load_proof(struct load *load, const struct roster_row *row, struct bytes *ret)
{
	struct bytes key = { load->roster->seal_key, sizeof(load->roster->seal_key) };

	*ret = (struct bytes){ 0 };
	if (row->credential == CREDENTIAL_CERT)
		*ret = row->proof;
	if (!row->proof.n || row->credential != CREDENTIAL_PSK)
		return true;
	return unseal(key, PSK_CONTEXT, row->proof, load->mem, ret) == RC_OK;
}

/* What a row changed that somebody else must hear of. */
struct changes {
	bool credential, offer;
};

/* The open job, as far as its manifest is chosen and known here; else the device is sent to the
 * database. */
static void load_job(struct roster_device *d, const struct roster_row *row, struct changes *ret)
{
	const struct roster_release *release =
		row->job_id ? roster_release_find(entry_chunk(d)->roster, &row->manifest)
			    : NULL;

	ret->offer = ENTRY_LOAD(d, job_id) != row->job_id ||
		     ENTRY_LOAD(d, attempt) != row->attempt ||
		     (release && ENTRY_LOAD(d, release) != release) ||
		     (row->exposed && !ENTRY_LOAD(d, maybe_work));
	ENTRY_STORE(d, job_id, release ? row->job_id : 0);
	ENTRY_STORE(d, attempt, release ? row->attempt : 0);
	ENTRY_STORE(d, release, release);
	if (row->exposed || (row->job_id && !release))
		entry_set_work(d);
}

/* A credential that was replaced ends the sessions that were made with it. */
static void load_entry(const struct load *load, struct roster_device *d,
		       const struct roster_row *row, struct bytes proof, struct changes *ret)
{
	bool revoked =
		row->lifecycle == DEVICE_REVOKED && ENTRY_LOAD(d, lifecycle) != DEVICE_REVOKED;

	ret->credential = ENTRY_LOAD(d, load) != 0 &&
			  (revoked || ENTRY_LOAD(d, credential) != (uint8_t)row->credential ||
			   !entry_psk_equal(d, proof));
	ENTRY_STORE(d, device_turn, load->turn);
	ENTRY_STORE(d, job_turn, load->turn);
	ENTRY_STORE(d, registration_turn, load->turn);
	ENTRY_STORE(d, lifecycle, (uint8_t)row->lifecycle);
	ENTRY_STORE(d, credential, (uint8_t)row->credential);
	entry_set_psk(d, proof);
	ENTRY_STORE(d, registration, row->registration);
	if (row->seen_at > ENTRY_LOAD(d, last_seen))
		ENTRY_STORE(d, last_seen, row->seen_at);
	load_job(d, row, ret);
}

static void load_row(void *arg, const struct roster_row *row)
{
	struct load *load = arg;
	struct roster_device *d = roster_entry(load->roster, &row->device_id);
	struct bytes proof;
	struct changes changes = { 0 };

	if (load->full)
		arena_reset(load->mem);
	if (!d || !load_proof(load, row, &proof))
		return;
	entry_write_begin(d);
	bool newer = is_newer(load, d);
	if (newer)
		entry_set_work(d);
	else
		load_entry(load, d, row, proof, &changes);
	ENTRY_STORE(d, load, load->number);
	entry_write_end(d);
	if (newer)
		read_again(load, d);
	if (changes.credential && load->roster->evict)
		load->roster->evict(load->roster->evict_arg, d);
	if (changes.offer && load->ready)
		roster_wake_device(load->roster, d);
}

static enum rc load_manifest(struct load *load, struct db *db, const struct digest *digest)
{
	struct manifest_row row;

	if (roster_release_find(load->roster, digest))
		return RC_OK;
	enum rc rc = roster_store_manifest(db, load->roster->tenant, digest, load->mem, &row);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	roster_release_intern(load->roster, &(struct roster_release){
						    .release_id = row.release_id,
						    .manifest_digest = *digest,
						    .envelope = row.envelope,
						    .images = row.images,
						    .image_count = row.image_count,
					    });
	return RC_OK;
}

/* Before the devices: what their jobs name must be there. */
static enum rc load_manifests(struct load *load, struct db *db)
{
	struct digest *digests;
	size_t count;

	enum rc rc = roster_store_active_manifests(db, load->roster->tenant, load->mem,
						   &digests, &count);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		rc = load_manifest(load, db, &digests[i]);
	return rc;
}

static bool load_exposed(void *arg, const struct uuid *device_id)
{
	struct roster_device *d = roster_find(arg, device_id);

	if (d)
		roster_mark_work(d);
	return true;
}

/* Members that campaigns expose and that have no job yet. */
static enum rc load_work(struct roster *r, struct db *db, struct arena *mem)
{
	struct uuid *ids;
	int n;

	arena_reset(mem);
	enum rc rc = campaign_store_active(db, r->tenant, mem, &ids, &n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = member_store_exposed(db, r->tenant, &ids[i], load_exposed, r);
	return rc;
}

/* A device that was not read is one that was deleted. */
static void revoke_missing(struct load *load, struct roster_device *d)
{
	if (!d || ENTRY_LOAD(d, load) == load->number ||
	    ENTRY_LOAD(d, lifecycle) == DEVICE_REVOKED)
		return;
	if (is_newer(load, d))
		read_again(load, d);
	else
		roster_revoke_device(load->roster, &d->device_id);
}

static void load_begin(struct load *load, struct roster *r, struct arena *mem, bool full)
{
	*load = (struct load){
		.roster = r,
		.mem = mem,
		.writes = atomic_load(&r->writes),
		.number = ++r->loads,
		.full = full,
		.ready = roster_ready(r),
	};
	/* After the counter was read: an entry with a later turn is newer. */
	load->turn = roster_turn(r);
}

static enum rc reload_some(struct load *load, struct db *db, const struct uuid *ids,
			   size_t count)
{
	struct roster *r = load->roster;

	enum rc rc = load_manifests(load, db);
	if (rc == RC_OK)
		rc = member_store_look(db);
	if (rc == RC_OK)
		rc = roster_store_get(db, r->tenant, load->mem, ids, count, load_row, load);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		revoke_missing(load, roster_find(r, &ids[i]));
	return rc;
}

/* In chunks; what has to be read again is added to *again. */
static enum rc reload_all(struct roster *r, struct db *db, const struct ids *ids,
			  struct ids *again)
{
	CLEAN(arena) struct arena *mem = arena_create();
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < ids->n; i += AGAIN_CHUNK) {
		size_t left = ids->n - i;
		struct load load;
		arena_reset(mem);
		load_begin(&load, r, mem, false);
		load.again = *again;
		rc = reload_some(&load, db, ids->p + i,
				 left < AGAIN_CHUNK ? left : AGAIN_CHUNK);
		*again = load.again;
	}
	return rc;
}

/* Takes the list over. */
static enum rc read_rest(struct roster *r, struct db *db, struct ids rest)
{
	enum rc rc = RC_OK;

	for (int round = 0; rc == RC_OK && rest.n && round < AGAIN_ROUNDS; round++) {
		struct ids again = { 0 };
		rc = reload_all(r, db, &rest, &again);
		free(rest.p);
		rest = again;
	}
	free(rest.p);
	return rc;
}

static enum rc load_all(struct roster *r, struct db *db)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct load load;

	load_begin(&load, r, mem, true);
	enum rc rc = load_manifests(&load, db);
	if (rc == RC_OK)
		rc = roster_store_copy(db, r->tenant, load_row, &load);
	if (rc == RC_OK)
		rc = load_work(r, db, mem);
	for (size_t i = 0, n = roster_count(r); rc == RC_OK && i < n; i++)
		revoke_missing(&load, roster_entry_at(r, i));
	if (rc != RC_OK) {
		free(load.again.p);
		return rc;
	}
	return read_rest(r, db, load.again);
}

/* A million devices take longer than a statement of one of them may. */
static enum rc load_patiently(struct roster *r, struct db *db)
{
	enum rc rc = db_begin(db);

	if (rc == RC_OK)
		rc = db_patience(db, LOAD_TIMEOUT_MS);
	if (rc == RC_OK)
		rc = load_all(r, db);
	if (rc == RC_OK)
		rc = db_commit(db);
	if (rc == RC_OK)
		atomic_store(&r->ready, true);
	else
		db_rollback(db);
	return rc;
}

enum rc roster_load(struct roster *r, struct db *db, int32_t tenant, struct bytes seal_key)
{
	if (seal_key.n != sizeof(r->seal_key))
		return RC_INVALID;
	pthread_mutex_lock(&r->loading);
	memcpy(r->seal_key, seal_key.p, seal_key.n);
	r->tenant = tenant;
	enum rc rc = load_patiently(r, db);
	pthread_mutex_unlock(&r->loading);
	return rc;
}

static enum rc reload_wanted(struct roster *r, struct db *db, const struct ids *wanted)
{
	struct ids again = { 0 };

	enum rc rc = reload_all(r, db, wanted, &again);
	if (rc == RC_OK)
		return read_rest(r, db, again);
	free(again.p);
	return rc;
}

/* One transaction for all of it: none of them looks at members for long. */
enum rc roster_reload(struct roster *r, struct db *db, const struct uuid *ids, size_t count)
{
	const struct ids wanted = { (struct uuid *)(uintptr_t)ids, count, count };

	pthread_mutex_lock(&r->loading);
	enum rc rc = roster_ready(r) ? db_begin(db) : RC_UNAVAILABLE;
	if (rc == RC_OK)
		rc = reload_wanted(r, db, &wanted);
	if (rc == RC_OK)
		rc = db_commit(db);
	if (rc != RC_OK)
		db_rollback(db);
	pthread_mutex_unlock(&r->loading);
	return rc;
}
