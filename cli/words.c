/* Words for the numbers of a manifest. */

#include "cli/words.h"

#include "base/bytes.h"

#include <string.h>

const struct command_word command_words[] = {
	{ SUIT_COND_VENDOR, "condition-vendor", SUIT_POLICY_ALL, true },
	{ SUIT_COND_CLASS, "condition-class", SUIT_POLICY_ALL, true },
	{ SUIT_COND_IMAGE_MATCH, "condition-image-match", SUIT_POLICY_ALL, true },
	{ SUIT_COND_USE_BEFORE, "condition-use-before", SUIT_POLICY_ALL, true },
	{ SUIT_COND_SLOT, "condition-slot", SUIT_POLICY_SLOT, true },
	{ SUIT_COND_CHECK_CONTENT, "condition-check-content", SUIT_POLICY_ALL, true },
	{ SUIT_COND_DEPENDENCY_INTEGRITY, "condition-dependency-integrity", SUIT_POLICY_ALL,
	  true },
	{ SUIT_COND_IS_DEPENDENCY, "condition-is-dependency", SUIT_POLICY_ALL, true },
	{ SUIT_PROCESS_DEPENDENCY, "process-dependency", SUIT_POLICY_ALL, true },
	{ SUIT_SET_COMPONENT_INDEX, "index", 0, false },
	{ SUIT_COND_ABORT, "abort", SUIT_POLICY_ALL, true },
	{ SUIT_TRY_EACH, "try-each", 0, false },
	{ SUIT_WRITE, "write", SUIT_POLICY_DO, true },
	{ SUIT_SET_PARAMETERS, "set", 0, false },
	{ SUIT_OVERRIDE_PARAMETERS, "override", 0, false },
	{ SUIT_FETCH, "fetch", SUIT_POLICY_DO, true },
	{ SUIT_COPY, "copy", SUIT_POLICY_DO, true },
	{ SUIT_DO_INVOKE, "invoke", SUIT_POLICY_DO, true },
	{ SUIT_COND_DEVICE, "condition-device", SUIT_POLICY_ALL, true },
	{ SUIT_COND_IMAGE_NOT_MATCH, "condition-image-not-match", SUIT_POLICY_ALL, true },
	{ SUIT_COND_MIN_BATTERY, "condition-battery", SUIT_POLICY_ALL, true },
	{ SUIT_COND_AUTHORIZED, "condition-authorized", SUIT_POLICY_ALL, true },
	{ SUIT_COND_VERSION, "condition-version", SUIT_POLICY_ALL, true },
	{ SUIT_WAIT, "wait", SUIT_POLICY_ALL, true },
	{ SUIT_SWAP, "swap", SUIT_POLICY_DO, true },
	{ SUIT_RUN_SEQUENCE, "run-sequence", 0, false },
	{ SUIT_UNLINK, "unlink", SUIT_POLICY_ALL, true },
	{ SUIT_OVERRIDE_MULTIPLE, "override-multiple", 0, false },
	{ SUIT_COPY_PARAMS, "copy-params", 0, false },
	{ 0, NULL, 0, false },
};

const char *const parameter_words[PARAMETER_WORDS] = {
	[SUIT_PARAM_VENDOR] = "vendor_id",
	[SUIT_PARAM_CLASS] = "class_id",
	[SUIT_PARAM_DIGEST] = "digest",
	[SUIT_FIELD_USE_BEFORE] = "use_before",
	[SUIT_PARAM_SLOT] = "slot",
	[SUIT_FIELD_STRICT_ORDER] = "strict_order",
	[SUIT_FIELD_SOFT_FAILURE] = "soft_failure",
	[SUIT_PARAM_SIZE] = "size",
	[SUIT_FIELD_CONTENT] = "content",
	[SUIT_FIELD_ENCRYPTION_INFO] = "encryption_info",
	[SUIT_PARAM_URI] = "uri",
	[SUIT_FIELD_SOURCE] = "source",
	[SUIT_FIELD_INVOKE_ARGS] = "invoke_args",
	[SUIT_FIELD_DEVICE] = "device_id",
	[SUIT_FIELD_FETCH_ARGS] = "fetch_args",
	[SUIT_FIELD_BATTERY] = "battery_mwh",
	[SUIT_FIELD_PRIORITY] = "priority",
	[SUIT_FIELD_VERSION] = "version",
	[SUIT_FIELD_WAIT] = "wait",
	[SUIT_FIELD_METADATA] = "metadata",
};

const char *const section_words[] = {
	[SUIT_SHARED] = "shared",
	[SUIT_VALIDATE] = "validate",
	[SUIT_LOAD] = "load",
	[SUIT_INVOKE] = "invoke",
	[SUIT_DEPENDENCY_RESOLUTION] = "dependency-resolution",
	[SUIT_PAYLOAD_FETCH] = "payload-fetch",
	[SUIT_CANDIDATE_VERIFICATION] = "candidate-verification",
	[SUIT_INSTALL] = "install",
	[SUIT_UNINSTALL] = "uninstall",
	[SUIT_SECTIONS] = NULL,
};

const char *command_word(int64_t command)
{
	for (const struct command_word *w = command_words; w->name; w++)
		if (w->command == command)
			return w->name;
	return NULL;
}

const struct command_word *command_word_find(const char *name)
{
	for (const struct command_word *w = command_words; w->name; w++)
		if (strcmp(w->name, name) == 0)
			return w;
	return NULL;
}

const char *component_text(struct arena *mem, const struct suit_component_id *id)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._-";
	const char *ret = "";
	for (size_t i = 0; i < id->count; i++) {
		const struct suit_bytes *s = &id->segment[i];
		bool is_plain = s->n > 0 && !(s->n > 1 && memcmp(s->p, "0x", 2) == 0);
		for (size_t j = 0; j < s->n; j++)
			is_plain = is_plain && memchr(plain, s->p[j], sizeof(plain) - 1);
		const char *text =
			is_plain ? arena_printf(mem, "%.*s", (int)s->n, (const char *)s->p)
				 : arena_printf(mem, "0x%s",
						hex_encode(mem, (struct bytes){ s->p, s->n }));
		ret = arena_printf(mem, "%s%s%s", ret, i ? "/" : "", text);
	}
	return ret;
}

bool component_parse(struct arena *mem, const char *text, struct suit_component_id *ret)
{
	char *rest = arena_text(mem, text), *segment;
	*ret = (struct suit_component_id){ 0 };
	while ((segment = strsep(&rest, "/")) != NULL) {
		if (*segment == '\0' || ret->count == SUIT_SEGMENTS_MAX)
			return false;
		struct bytes raw = bytes_of(segment);
		if (strncmp(segment, "0x", 2) == 0 &&
		    hex_decode(mem, bytes_of(segment + 2), &raw) != RC_OK)
			return false;
		ret->segment[ret->count++] = (struct suit_bytes){ raw.p, raw.n };
	}
	return true;
}

static const char *const prereleases[] = { "rc", "beta", "alpha" };

static bool part_parse(const char *part, int64_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(prereleases); i++) {
		if (strcmp(part, prereleases[i]) != 0)
			continue;
		*ret = -1 - (int64_t)i;
		return true;
	}
	return parse_i64(bytes_of(part), 0, INT64_MAX, ret) == RC_OK;
}

bool version_parse(struct arena *mem, const char *text, int64_t ret[SUIT_VERSION_MAX],
		   size_t *ret_count)
{
	char *rest = arena_text(mem, text), *part;
	size_t count = 0;
	while ((part = strsep(&rest, ".-")) != NULL)
		if (count == SUIT_VERSION_MAX || !part_parse(part, &ret[count++]))
			return false;
	*ret_count = count;
	return ret[0] >= 0;
}

const char *version_text(struct arena *mem, const int64_t *number, size_t count)
{
	const char *ret = "";
	for (size_t i = 0; i < count; i++) {
		const char *mark = i == 0 ? "" : number[i] < 0 ? "-" : ".";
		if (number[i] < 0 && number[i] >= -(int64_t)ARRAY_LEN(prereleases))
			ret = arena_printf(mem, "%s%s%s", ret, mark,
					   prereleases[-1 - number[i]]);
		else
			ret = arena_printf(mem, "%s%s%lld", ret, mark, (long long)number[i]);
	}
	return ret;
}
