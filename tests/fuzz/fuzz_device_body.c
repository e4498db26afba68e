/* Bodies of the device API: whatever comes, what the decoders let through is within its bounds.
 */

#include "api/device/device_codec.h"
#include "tests/fuzz/target.h"

#include <stdlib.h>
#include <string.h>

static void check_registration(const struct registration *r)
{
	check(strlen(r->endpoint) <= ENDPOINT_NAME_MAX);
	check(r->component_count >= 1 && r->component_count <= COMPONENTS_MAX);
	check(r->attribute_count >= 0 && r->attribute_count <= ATTRIBUTES_MAX);
	check(r->boot_id.n >= 4 && r->boot_id.n <= BOOT_ID_MAX);
	check(r->format_count >= 0 && r->format_count <= FORMATS_MAX);
	for (int i = 0; i < r->format_count; i++) {
		check(r->formats[i][0] && strlen(r->formats[i]) <= FORMAT_NAME_MAX &&
		      !strchr(r->formats[i], ','));
		check(i == 0 || strcmp(r->formats[i - 1], r->formats[i]) < 0);
	}
	for (int i = 0; i < r->component_count; i++)
		check(strlen(r->components[i].name) <= COMPONENT_NAME_MAX);
	for (int i = 0; i < r->attribute_count; i++) {
		check(strlen(r->attributes[i].name) <= ATTRIBUTE_NAME_MAX &&
		      strlen(r->attributes[i].value) <= ATTRIBUTE_VALUE_MAX);
		for (int k = 0; k < i; k++)
			check(strcmp(r->attributes[i].name, r->attributes[k].name) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes body = { data, size };
	struct arena *mem = arena_create();
	struct registration registration;
	struct job_report report;
	struct signed_report suit = { 0 };
	const char *why = NULL;

	if (registration_decode(body, mem, &registration, &why) == RC_OK)
		check_registration(&registration);
	else
		check(why != NULL);
	if (progress_decode(body, mem, &report, &why) == RC_OK)
		check(job_state_is_reportable(report.state));
	if (suit_report_progress(body, mem, &report, &suit, &why) == RC_OK) {
		check(job_state_is_reportable(report.state));
		check(suit.payload.p >= data && suit.payload.n <= size);
		check(suit.is_signed == (suit.payload.n < size));
		check(!suit.is_signed || suit.block.kind == SUIT_BLOCK_SIGN1);
	}
	arena_free(mem);
	return 0;
}
