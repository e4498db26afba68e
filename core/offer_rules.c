/* One table of checks in order.  The first that does not hold decides; an explanation shows
 * them all up to there. */

#include "core/offer_rules.h"

#include "core/job_rules.h"
#include "core/version.h"

#include "base/rc.h"

#include <string.h>

typedef bool offer_test(const struct offer_facts *f);

static bool is_member(const struct offer_facts *f)
{
	return f->is_member;
}

static bool is_active(const struct offer_facts *f)
{
	return f->lifecycle == DEVICE_ACTIVE;
}

static bool job_is_not_over(const struct offer_facts *f)
{
	return !f->has_job || job_state_is_open(f->job_state);
}

static bool has_no_job(const struct offer_facts *f)
{
	return !f->has_job;
}

static bool is_running(const struct offer_facts *f)
{
	return f->campaign_state == CAMPAIGN_RUNNING;
}

static bool is_not_withdrawn(const struct offer_facts *f)
{
	return !f->release_withdrawn;
}

static bool is_exposed(const struct offer_facts *f)
{
	return f->bucket < f->threshold;
}

static bool is_of_class(const struct offer_facts *f)
{
	return uuid_equal(&f->device_vendor, &f->release_vendor) &&
	       uuid_equal(&f->device_class, &f->release_class);
}

static bool is_not_current(const struct offer_facts *f)
{
	return !f->runs_release;
}

static bool is_not_newer(const struct offer_facts *f)
{
	return f->runs_sequence < f->release_sequence;
}

static bool slot_is_free(const struct offer_facts *f)
{
	return !f->slot_busy;
}

static bool some_variant_fits(const struct offer_facts *f)
{
	return f->choice->variant != NULL;
}

struct offer_check {
	const char *code;
	offer_test *test;
	enum offer_verdict otherwise; /* the verdict when the test fails */
	const char *yes, *no;         /* no: NULL when the choice says it */
};

static const struct offer_check checks[] = {
	{ "member", is_member, OFFER_NEVER, "the campaign chose the device when it started",
	  "the campaign did not choose the device" },
	{ "lifecycle", is_active, OFFER_LATER, "the device has registered and is not revoked",
	  "the device has not registered yet, or is revoked" },
	{ "job-over", job_is_not_over, OFFER_NEVER, "the device's job is not over",
	  "the device's job in this campaign is over" },
	{ "job-open", has_no_job, OFFER_OPEN, "the device has no job of this campaign yet",
	  "the device was offered the release, its job is open" },
	{ "campaign", is_running, OFFER_LATER, "the campaign is running",
	  "the campaign is not running" },
	{ "withdrawn", is_not_withdrawn, OFFER_LATER, "the release may be offered",
	  "the release was withdrawn" },
	{ "stage", is_exposed, OFFER_LATER, "the device's stage is open",
	  "the device's stage is not open yet" },
	{ "class", is_of_class, OFFER_WRONG_CLASS, "the release is for the device's class",
	  "the release is for another class of devices" },
	{ "current", is_not_current, OFFER_CURRENT, "the device does not run the release yet",
	  "the device runs the release already" },
	{ "sequence", is_not_newer, OFFER_SUPERSEDED, "the device runs nothing newer",
	  "the device runs a release with a higher sequence number" },
	{ "slot", slot_is_free, OFFER_LATER, "no other campaign's job holds the component",
	  "another campaign's job holds the component" },
	{ "variant", some_variant_fits, OFFER_UNFIT,
	  "a manifest of the release fits the device", NULL },
};

_Static_assert(ARRAY_LEN(checks) <= OFFER_CHECKS_MAX, "room for all checks");

enum offer_verdict offer_decide(const struct offer_facts *f)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (!checks[i].test(f))
			return checks[i].otherwise;
	return OFFER_YES;
}

static const char *no_text(const struct offer_facts *f, const struct offer_check *check)
{
	return check->no ? check->no : f->choice->lack;
}

int offer_reasons(const struct offer_facts *f, struct offer_reason *ret)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		bool ok = checks[i].test(f);
		ret[n++] = (struct offer_reason){
			.code = checks[i].code,
			.ok = ok,
			.text = ok ? checks[i].yes : no_text(f, &checks[i]),
		};
		if (!ok)
			break;
	}
	return n;
}

const struct component *component_find(const struct component *components, int component_count,
				       const char *name, size_t name_size)
{
	for (int i = 0; i < component_count; i++)
		if (strlen(components[i].name) == name_size &&
		    memcmp(components[i].name, name, name_size) == 0)
			return &components[i];
	return NULL;
}

static bool digest_is_installed(const struct component *have, const struct release *release)
{
	for (int i = 0; have->has_digest && i < release->installed_count; i++)
		if (strcmp(release->installed[i].component, have->name) == 0 &&
		    digest_equal(&release->installed[i].digest, &have->digest))
			return true;
	return false;
}

static bool version_is_installed(const struct component *have, const struct release *release)
{
	return have->version && strcmp(have->version, release->version) == 0;
}

bool offer_runs_release(const struct component *components, int component_count,
			const struct release *release, enum class_confirm confirm)
{
	const char *name = release->components;

	while (*name) {
		size_t size = strcspn(name, ",");
		const struct component *have =
			component_find(components, component_count, name, size);
		if (!have || !(confirm == CONFIRM_VERSION ? version_is_installed(have, release)
							  : digest_is_installed(have, release)))
			return false;
		name += size + (name[size] == ',');
	}
	return release->components[0] != '\0';
}

/* What is no version of our grammar cannot be newer. */
static bool version_is_older(const struct component *have, const struct release *release,
			     struct arena *mem)
{
	struct bytes runs, wanted;

	return have->version && strcmp(have->version, release->version) != 0 &&
	       version_key(release->version, mem, &wanted) == RC_OK &&
	       (version_key(have->version, mem, &runs) != RC_OK ||
		version_key_compare(runs, wanted) < 0);
}

bool offer_runs_older(const struct component *components, int component_count,
		      const struct release *release, struct arena *mem)
{
	const char *name = release->components;

	while (*name) {
		size_t size = strcspn(name, ",");
		const struct component *have =
			component_find(components, component_count, name, size);
		if (have && version_is_older(have, release, mem))
			return true;
		name += size + (name[size] == ',');
	}
	return false;
}
