/* Signed SUIT reports: what they are judged by, and those that held. */
#pragma once

#include "db/db.h"

/* Of one job that a report names. */
struct report_facts {
	bool has_job;            /* the device has such a job */
	struct bytes report_key; /* of the device, SubjectPublicKeyInfo; empty: none */
	struct digest manifest;  /* that the job's attempt is offered; zero: none */
	int32_t attempt;
};
/* Of many, by place, without locks; all zero for a device that has no such key. */
enum rc report_store_facts(struct db *db, int32_t tenant, struct arena *mem,
			   const struct uuid *device_ids, const int64_t *job_ids, size_t count,
			   struct report_facts *ret) MUST_CHECK;

struct signed_report_row {
	struct uuid device_id;
	int64_t job_id;
	int32_t attempt;
	struct bytes report;
};
/* Each job at most once; one of an earlier attempt than what is there is passed over. */
enum rc report_store_put(struct db *db, int32_t tenant, struct arena *mem,
			 const struct signed_report_row *rows, size_t count,
			 int64_t now) MUST_CHECK;
/* RC_NOT_FOUND. */
enum rc report_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			 int64_t job_id, struct arena *mem, struct bytes *ret) MUST_CHECK;
