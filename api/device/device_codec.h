/* The device API's bodies: api/device.cddl in C.  Decoders are strict on types and bounds, pass
 * over keys that they do not know, and say in words what is wrong. */
#pragma once

#include "base/model/device.h"
#include "core/job_rules.h"
#include "core/offer.h"
#include "core/signed_report.h"

/* What it holds is in the arena or borrowed from body.  RC_INVALID with *ret_why. */
enum rc registration_decode(struct bytes body, struct arena *mem, struct registration *ret,
			    const char **ret_why) MUST_CHECK;
/* Fills state, cause, bytes and text. */
enum rc progress_decode(struct bytes body, struct arena *mem, struct job_report *ret,
			const char **ret_why) MUST_CHECK;
/* Likewise from a SUIT report, signed (COSE_Sign1) or bare: success means that the next boot is
 * a trial of the new image; whether it runs is proved by a registration alone.  ret_signed gets
 * what the report is and whether it claims to be signed; nobody has verified that. */
enum rc suit_report_progress(struct bytes body, struct arena *mem, struct job_report *ret,
			     struct signed_report *ret_signed, const char **ret_why) MUST_CHECK;

/* Answers, in the arena. */
struct bytes registered_encode(struct arena *mem, int64_t now_us, int32_t come_back_s);
struct bytes offer_encode(struct arena *mem, const struct offer *offer, int32_t come_back_s);
struct bytes reported_encode(bool stop);
struct bytes time_encode(struct arena *mem, int64_t now_us);
