/* Jobs as they were written.  One lock for all: it is held for a copy of a line or two. */

#include "core/job_memo.h"

#include "base/clean.h"
#include "base/model/device.h"

#include <pthread.h>
#include <string.h>

struct place {
	struct job job; /* boot_id.p does not count */
	uint8_t boot_id[BOOT_ID_MAX];
	int64_t at;
};

struct job_memo {
	pthread_mutex_t mutex;
	struct place places[JOB_MEMO_PLACES];
};

struct job_memo *job_memo_create(void)
{
	struct job_memo *memo = xcalloc(1, sizeof(*memo));

	pthread_mutex_init(&memo->mutex, NULL);
	return memo;
}

void job_memo_free(struct job_memo *memo)
{
	if (!memo)
		return;
	pthread_mutex_destroy(&memo->mutex);
	free(memo);
}

static struct place *place_of(struct job_memo *memo, int64_t job_id)
{
	return &memo->places[(uint64_t)job_id % JOB_MEMO_PLACES];
}

void job_memo_put(struct job_memo *memo, const struct job *job, int64_t now)
{
	if (!memo || job->boot_id.n > BOOT_ID_MAX)
		return;
	struct place *place = place_of(memo, job->job_id);

	pthread_mutex_lock(&memo->mutex);
	place->job = *job;
	place->job.component = NULL;
	place->job.text = NULL;
	if (job->boot_id.n)
		memcpy(place->boot_id, job->boot_id.p, job->boot_id.n);
	place->at = now;
	pthread_mutex_unlock(&memo->mutex);
}

void job_memo_drop(struct job_memo *memo, int64_t job_id)
{
	if (!memo)
		return;
	struct place *place = place_of(memo, job_id);

	pthread_mutex_lock(&memo->mutex);
	if (place->job.job_id == job_id)
		place->job.job_id = 0;
	pthread_mutex_unlock(&memo->mutex);
}

bool job_memo_get(struct job_memo *memo, const struct uuid *device_id, int64_t job_id,
		  int64_t now, struct arena *mem, struct job *ret)
{
	if (!memo || job_id <= 0)
		return false;
	const struct place *place = place_of(memo, job_id);

	pthread_mutex_lock(&memo->mutex);
	bool known = place->job.job_id == job_id &&
		     uuid_equal(&place->job.device_id, device_id) && now >= place->at &&
		     now - place->at <= JOB_MEMO_LIFE_US;
	if (known) {
		*ret = place->job;
		ret->boot_id.p = arena_copy(mem, place->boot_id, ret->boot_id.n);
	}
	pthread_mutex_unlock(&memo->mutex);
	return known;
}
