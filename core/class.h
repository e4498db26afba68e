/* Classes: which devices can run the same image, and what proves their updates. */
#pragma once

#include "base/model/release.h"
#include "core/call.h"

struct class_new {
	bool has_ids; /* ids are given; else they follow from vendor and name by UUIDv5 */
	struct uuid vendor_id, class_id;
	const char *vendor; /* domain, or NULL */
	const char *name;   /* or NULL */
	enum class_confirm confirm;
};

struct class_update {
	struct uuid vendor_id, class_id;
	int64_t revision; /* that the operator read */
	const char *name; /* NULL: as it is */
	bool has_confirm;
	enum class_confirm confirm;
};

enum rc class_create(struct call *c, const struct class_new *in,
		     struct device_class *ret) MUST_CHECK;
enum rc class_get(struct call *c, const struct uuid *vendor_id, const struct uuid *class_id,
		  struct device_class *ret) MUST_CHECK;
/* In the order of the ids; after: NULL or the last one of the page before. */
enum rc class_list(struct call *c, const struct device_class *after, int limit,
		   struct device_class **ret, int *ret_count) MUST_CHECK;
/* Which digests of a component its active devices report. */
enum rc class_digests_of(struct call *c, const struct device_class *key, const char *component,
			 struct class_digests *ret) MUST_CHECK;
enum rc class_update(struct call *c, const struct class_update *in,
		     struct device_class *ret) MUST_CHECK;
