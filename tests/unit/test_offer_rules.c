/* The checks of an offer: each one alone decides and explains. */

#include "core/offer_rules.h"
#include "tests/tap.h"

static const struct uuid vendor = { { 1 } }, class = { { 2 } }, other = { { 3 } };

static const struct variant image = { .needs = "" };
static const struct variant_choice fits = { .variant = &image },
				   unfit = { .lack = "no manifest of the release fits" };

/* A device that would be offered the release. */
static struct offer_facts good(void)
{
	return (struct offer_facts){
		.campaign_state = CAMPAIGN_RUNNING,
		.is_member = true,
		.bucket = 10,
		.threshold = 11,
		.lifecycle = DEVICE_ACTIVE,
		.device_vendor = vendor,
		.device_class = class,
		.release_vendor = vendor,
		.release_class = class,
		.runs_sequence = 4,
		.release_sequence = 5,
		.choice = &fits,
	};
}

static void expect(const struct offer_facts *f, enum offer_verdict verdict, const char *code)
{
	struct offer_reason reasons[OFFER_CHECKS_MAX];
	int n = offer_reasons(f, reasons);
	const struct offer_reason *last = &reasons[n - 1];

	is_int(offer_decide(f), verdict, code ? code : "offered");
	ok(last->ok == (code == NULL) && last->text[0], "explained: %s", last->text);
	if (code)
		is_str(last->code, code, "by the same check");
}

#define WITH(change, verdict, code)                                                            \
	do {                                                                                   \
		struct offer_facts f = good();                                                 \
		change;                                                                        \
		expect(&f, (verdict), (code));                                                 \
	} while (0)

static void test_checks(void)
{
	WITH((void)0, OFFER_YES, NULL);
	WITH(f.is_member = false, OFFER_NEVER, "member");
	WITH(f.lifecycle = DEVICE_REVOKED, OFFER_LATER, "lifecycle");
	WITH(f.lifecycle = DEVICE_PROVISIONED, OFFER_LATER, "lifecycle");
	WITH((f.has_job = true, f.job_state = JOB_SUCCEEDED), OFFER_NEVER, "job-over");
	WITH((f.has_job = true, f.job_state = JOB_FAILED), OFFER_NEVER, "job-over");
	WITH((f.has_job = true, f.job_state = JOB_DOWNLOADING), OFFER_OPEN, "job-open");
	WITH(f.campaign_state = CAMPAIGN_PAUSED, OFFER_LATER, "campaign");
	WITH(f.release_withdrawn = true, OFFER_LATER, "withdrawn");
	WITH(f.bucket = 11, OFFER_LATER, "stage");
	WITH(f.device_class = other, OFFER_WRONG_CLASS, "class");
	WITH(f.device_vendor = other, OFFER_WRONG_CLASS, "class");
	WITH(f.runs_release = true, OFFER_CURRENT, "current");
	WITH(f.runs_sequence = 5, OFFER_SUPERSEDED, "sequence");
	WITH(f.runs_sequence = 6, OFFER_SUPERSEDED, "sequence");
	WITH(f.slot_busy = true, OFFER_LATER, "slot");
	WITH(f.choice = &unfit, OFFER_UNFIT, "variant");
	WITH((f.choice = &unfit, f.slot_busy = true), OFFER_LATER, "slot");
	WITH((f.choice = &unfit, f.runs_release = true), OFFER_CURRENT, "current");
	/* an open job goes on in a paused campaign */
	WITH((f.has_job = true, f.job_state = JOB_OFFERED, f.campaign_state = CAMPAIGN_PAUSED),
	     OFFER_OPEN, "job-open");
}

static struct component component_of(const char *name, uint8_t digest, const char *version)
{
	struct component k = { .name = name, .has_digest = digest != 0, .version = version };

	memset(k.digest.b, digest, sizeof(k.digest.b));
	return k;
}

static void test_runs_release(void)
{
	struct release_installed installed[3] = { { .component = "main" },
						  { .component = "main" },
						  { .component = "modem" } };
	struct release release = { .components = "main,modem",
				   .version = "2.0",
				   .installed = installed,
				   .installed_count = 3 };
	struct component k[2];

	memset(installed[0].digest.b, 1, 32);
	memset(installed[1].digest.b, 2, 32);
	memset(installed[2].digest.b, 3, 32);
	k[0] = component_of("main", 2, "2.0");
	k[1] = component_of("modem", 3, "1.9");
	ok(offer_runs_release(k, 2, &release, CONFIRM_DIGEST),
	   "each component on one of its digests");
	ok(!offer_runs_release(k, 2, &release, CONFIRM_VERSION), "a version differs");
	ok(!offer_runs_release(k, 1, &release, CONFIRM_DIGEST), "a component is missing");
	k[1] = component_of("modem", 1, "2.0");
	ok(!offer_runs_release(k, 2, &release, CONFIRM_DIGEST), "another component's digest");
	ok(offer_runs_release(k, 2, &release, CONFIRM_VERSION), "versions are equal");
	k[1] = component_of("modem", 0, NULL);
	ok(!offer_runs_release(k, 2, &release, CONFIRM_DIGEST), "a digest is not said");
	ok(!offer_runs_release(k, 2, &release, CONFIRM_VERSION), "a version is not said");
	release.components = "";
	ok(!offer_runs_release(k, 2, &release, CONFIRM_DIGEST), "nothing proves nothing");
}

static void test_R27_runs_older(void)
{
	static const struct {
		const char *main, *modem;
		bool older;
	} cases[] = {
		{ "2.0", "2.0", false },     { "2.0", "1.9", true },
		{ "1.0", NULL, true },       { "2.1", "2.0", false },
		{ "2.1", "1.9", true },      { "2.0.0", "2.0", false },
		{ "2.0-rc.1", "2.0", true }, { "factory", NULL, true },
		{ NULL, NULL, false },
	};
	struct release release = { .components = "main,modem", .version = "2.0" };
	struct arena *mem = arena_create();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct component k[] = {
			component_of("main", 0, cases[i].main),
			component_of("modem", 0, cases[i].modem),
			component_of("boot", 0, "1.0"),
		};
		is_int(offer_runs_older(k, 3, &release, mem), cases[i].older,
		       cases[i].main ? cases[i].main : "no version is said");
	}
	arena_free(mem);
}

int main(void)
{
	test_checks();
	test_runs_release();
	test_R27_runs_older();
	return tap_done();
}
