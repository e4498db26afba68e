/* SUIT reports of devices that sign them. */
#include "core/signed_report.h"

#include "base/clean.h"
#include "core/device.h"
#include "db/report_store.h"
#include "suit/cose.h"
#include "suit/crypto_openssl.h"

CLEAN_DEFINE(suit_key, struct suit_key *, suit_key_free)

/* A key id must be the key's own: no bit of a report is without meaning. */
static bool is_by(const struct signed_report *r, struct bytes report_key)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	uint8_t kid[SUIT_KID_SIZE];
	struct suit_bytes id = { kid, sizeof(kid) };

	if (suit_key_from_spki((struct suit_bytes){ report_key.p, report_key.n }, &key) !=
		    SUIT_OK ||
	    suit_key_kid(key, kid) != SUIT_OK)
		return false;
	if (r->block.kid.n && !suit_bytes_equal(r->block.kid, id))
		return false;
	return suit_signature_verify(&suit_crypto_openssl, &r->block, r->payload, key) ==
	       SUIT_OK;
}

/* What is late is about a manifest that may be another by now; it changes nothing anyway. */
static enum rc judge(struct signed_report *r, const struct report_facts *f)
{
	bool is_late = r->attempt != f->attempt;

	if (!f->report_key.n)
		return RC_OK;
	if (!f->has_job)
		return call_fail(r->call, ERR_NOT_FOUND, "no such job");
	if (!r->is_signed)
		return call_fail(r->call, ERR_DENIED,
				 "this device's SUIT reports must be signed");
	if (!is_by(r, f->report_key))
		return call_fail(r->call, ERR_DENIED,
				 "the report is not signed by the device's report key");
	if (!is_late && !digest_equal(&r->manifest, &f->manifest))
		return call_fail(r->call, ERR_BAD_REQUEST,
				 "the report is about another manifest than the job's");
	r->proved = !is_late;
	return RC_OK;
}

enum rc signed_report_check(struct signed_report *reports, size_t n)
{
	if (n == 0)
		return RC_OK;
	struct call *c = reports[0].call;
	struct uuid *devices = arena_array(c->mem, n, sizeof(*devices));
	int64_t *jobs = arena_array(c->mem, n, sizeof(*jobs));
	struct report_facts *facts = arena_array(c->mem, n, sizeof(*facts));

	for (size_t i = 0; i < n; i++) {
		devices[i] = reports[i].call->actor.id;
		jobs[i] = reports[i].job_id;
	}
	enum rc rc = report_store_facts(c->db, c->tenant, c->mem, devices, jobs, n, facts);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		reports[i].rc = judge(&reports[i], &facts[i]);
	return rc;
}

enum rc signed_report_keep(const struct signed_report *reports, size_t n)
{
	if (n == 0)
		return RC_OK;
	struct call *c = reports[0].call;
	struct signed_report_row *rows = arena_array(c->mem, n, sizeof(*rows));
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (reports[i].proved)
			rows[count++] = (struct signed_report_row){
				.device_id = reports[i].call->actor.id,
				.job_id = reports[i].job_id,
				.attempt = reports[i].attempt,
				.report = reports[i].whole,
			};
	return count ? report_store_put(c->db, c->tenant, c->mem, rows, count, c->now) : RC_OK;
}

enum rc signed_report_get(struct call *c, const char *endpoint, int64_t job_id,
			  struct bytes *ret)
{
	struct device_item item;

	enum rc rc = device_get(c, endpoint, &item);
	if (rc != RC_OK)
		return rc;
	rc = report_store_get(c->db, c->tenant, &item.d.device_id, job_id, c->mem, ret);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND,
				 "no signed report of this device about that job was kept");
	return rc;
}
