/* What every uploaded envelope goes through, whether it makes a release or joins one. */
#pragma once

#include "core/call.h"
#include "core/release_read.h"

/* Reads it, with the dependencies that are stored here; its class must be known, its authors
 * registered and allowed, its images whole and here. */
enum rc release_check(struct call *c, struct bytes envelope, struct release_facts *ret,
		      struct device_class *ret_class) MUST_CHECK;
/* Reads it, with the dependencies that are stored here, and checks nothing else; as
 * release_read(). */
enum rc release_read_stored(struct call *c, struct bytes envelope, struct release_facts *ret,
			    struct release_refusal *ret_why) MUST_CHECK;
/* What is stored of it; the signers too. */
enum rc release_manifest_of(struct call *c, const struct release_facts *f,
			    struct bytes envelope, struct manifest *ret) MUST_CHECK;
/* Notes that the envelope is refused, in the detail and as the field "/envelope"; returns
 * err_rc(e). */
enum rc release_refuse(struct call *c, enum err e, const char *fmt, ...) PRINTF(3, 4);
