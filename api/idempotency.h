/* Idempotency-Key: a POST that is sent again with its key gets its first answer again.  Answers
 * are stored in the transaction of what they tell of, for 24 hours, and only successes: a
 * failure has changed nothing, so it is simply run again. */
#pragma once

#include "api/req.h"
#include "core/call.h"

/* Before the handler.  ret_replayed: res holds the stored answer, do not run it.
 * ERR_IDEMPOTENCY_MISMATCH, ERR_IDEMPOTENCY_BUSY. */
enum rc idempotency_open(struct call *c, const struct req *req, struct res *res,
			 bool *ret_replayed) MUST_CHECK;
/* After the handler succeeded. */
enum rc idempotency_close(struct call *c, const struct req *req,
			  const struct res *res) MUST_CHECK;
