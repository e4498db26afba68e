/* May this campaign offer itself to this device?  Pure: one table of checks decides at a
 * check-in and explains to an operator. */
#pragma once

#include "base/arena.h"
#include "base/model/campaign.h"
#include "base/model/device.h"
#include "base/model/job.h"
#include "base/model/release.h"
#include "core/variant_rules.h"

#include <stdbool.h>

#define OFFER_CHECKS_MAX 12
#define INSTALLED_MAX    32

/* Everything the decision needs, and nothing else. */
struct offer_facts {
	enum campaign_state campaign_state;
	bool release_withdrawn;
	bool is_member;
	int64_t bucket;    /* of the member */
	int64_t threshold; /* of the open stage */
	enum device_lifecycle lifecycle;
	struct uuid device_vendor, device_class;
	struct uuid release_vendor, release_class;
	bool has_job; /* of this campaign */
	enum job_state job_state;
	bool runs_release;     /* its components have the installed digests already */
	int64_t runs_sequence; /* highest sequence number it is known to run; 0: unknown */
	int64_t release_sequence;
	bool slot_busy; /* another campaign's job is open on the component */
	const struct variant_choice *choice; /* among the release's manifests */
};

struct offer_reason {
	const char *code; /* stable word */
	bool ok;
	const char *text; /* a sentence; of what lacks, as long as the facts live */
};

enum offer_verdict {
	OFFER_YES,        /* make the job */
	OFFER_OPEN,       /* its job is open already */
	OFFER_LATER,      /* not now */
	OFFER_NEVER,      /* not a member, or its job is over */
	OFFER_CURRENT,    /* runs it already: JOB_CURRENT */
	OFFER_SUPERSEDED, /* runs something newer: JOB_SUPERSEDED */
	OFFER_UNFIT, /* no manifest of the release fits it: JOB_REJECTED, as if by itself */
	OFFER_WRONG_CLASS, /* class changed since the start: JOB_CANCELLED with CAUSE_CLASS */
};

enum offer_verdict offer_decide(const struct offer_facts *f);
/* All checks in order; ret has room for OFFER_CHECKS_MAX.  Returns their number. */
int offer_reasons(const struct offer_facts *f, struct offer_reason *ret);

/* Does the device prove that it runs the release: by the installed digest of each component of
 * the release, or by its version where the class says so? */
bool offer_runs_release(const struct component *components, int component_count,
			const struct release *release, enum class_confirm confirm);
/* Does it say of a component of the release a version that is neither the release's nor newer?
 * Devices whose versions prove an update are back on an old image then. */
bool offer_runs_older(const struct component *components, int component_count,
		      const struct release *release, struct arena *mem);

/* The device's component with this name (of name_size bytes), or NULL. */
const struct component *component_find(const struct component *components, int component_count,
				       const char *name, size_t name_size);
