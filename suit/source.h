/* One source for an envelope: what a manifest says, as plain data.  suit_encode()
 * (suit/encode.h) lays it out as commands.  The caller owns every array and view, and they
 * outlive the call.
 *
 * How a component gets its image (enum suit_install) and its alternatives (slots, precursors)
 * give the layouts: one slot, A/B slots, a download area with copy or swap, delta or full,
 * encrypted, written from the manifest itself.  A section that no layout fits may be given as
 * an encoded sequence. */
#pragma once

#include "suit/compose.h"

#define SUIT_IMAGES_MAX        SUIT_SLOTS_MAX /* alternatives of one component */
#define SUIT_CLASSES_MAX       8
#define SUIT_RANGES_MAX        8
#define SUIT_LANGUAGES_MAX     8
#define SUIT_SOURCE_TEXT_MAX   4096  /* bytes of one text */
#define SUIT_SOURCE_STRING_MAX 16384 /* of any other string but a payload */

/* Digest and size of an image. */
struct suit_image_ref {
	bool has_digest, has_size;
	struct suit_digest digest;
	uint64_t size;
};

enum suit_install {
	SUIT_INSTALL_NONE,  /* nothing brings it: a download area, or it is there already */
	SUIT_INSTALL_FETCH, /* straight into the component */
	SUIT_INSTALL_COPY,  /* into `via`, then copied: what the component's handler does with
			       it (decrypt, unpack, patch) is the component's business */
	SUIT_INSTALL_SWAP,  /* into `via`, then swapped */
	SUIT_INSTALL_WRITE, /* from the manifest */
};

/* One alternative for a component. */
struct suit_source_image {
	struct suit_image_ref whole; /* what the component will hold */
	bool has_slot;
	uint64_t slot;                   /* only when this is the slot to be written */
	struct suit_image_ref precursor; /* only when the component holds this now */
	/* fetch, copy and swap: */
	struct suit_bytes uri;
	bool uri_replaceable; /* a dependent manifest may set another URI (set-parameters) */
	struct suit_bytes fetch_args;
	/* copy and swap: */
	size_t via;                    /* index of a component with SUIT_INSTALL_NONE */
	struct suit_image_ref fetched; /* what is fetched into it */
	/* copy and write: */
	struct suit_bytes encryption_info;
	bool encryption_replaceable; /* a dependent manifest may set another info */
	/* write: */
	struct suit_bytes content;
};

struct suit_source_component {
	struct suit_component_id id;
	enum suit_install install;
	const struct suit_source_image *image;
	size_t image_count; /* 0: nothing is said about what it holds */
	/* Digest and size stand in every section that uses them, not once in the shared one:
	 * for digests that change on the way. */
	bool repeat_digest;
	bool fetch_early;     /* in payload-fetch, not in install */
	bool check_candidate; /* image-match on `via` in candidate-verification */
	const struct suit_metadata *metadata;
	/* load: copied to another component before invocation */
	bool load;
	size_t load_into;
	struct suit_image_ref loaded;
	struct suit_bytes load_encryption_info;
	bool invoke; /* where it was loaded, or where it is */
	struct suit_bytes invoke_args;
	bool uninstall;
};

/* Another manifest, at the index behind the components. */
struct suit_source_dependency {
	struct suit_component_id prefix; /* count 0: none */
	struct suit_image_ref manifest;  /* the manifest's digest, the envelope's size */
	struct suit_bytes uri;           /* empty: it is there already */
	bool uri_replaceable;
	uint32_t sections; /* bit n: it is processed in enum suit_section n */
};

/* All bounds hold. */
struct suit_source_range {
	struct suit_version_match bound[2];
	size_t count;
};

/* What must hold before anything is fetched. */
struct suit_source_guard {
	const struct suit_source_range *version; /* one of them */
	size_t version_count;
	bool skip_installed; /* stop when the first component holds the image already */
	bool has_use_before, has_battery, has_priority;
	uint64_t use_before; /* seconds since 1970 */
	uint64_t battery;    /* mWh */
	int64_t priority;    /* to be authorized at this priority; smaller is more urgent */
	struct suit_wait wait;
};

enum suit_text_key {
	SUIT_TEXT_MANIFEST_DESCRIPTION = 1,
	SUIT_TEXT_UPDATE_DESCRIPTION = 2,
	SUIT_TEXT_JSON_SOURCE = 3,
	SUIT_TEXT_YAML_SOURCE = 4,
	SUIT_TEXT_KEYS,
	SUIT_TEXT_VENDOR_NAME = 1,
	SUIT_TEXT_MODEL_NAME = 2,
	SUIT_TEXT_VENDOR_DOMAIN = 3,
	SUIT_TEXT_MODEL_INFO = 4,
	SUIT_TEXT_COMPONENT_DESCRIPTION = 5,
	SUIT_TEXT_COMPONENT_VERSION = 6,
	SUIT_TEXT_VERSION_REQUIRED = 7,
	SUIT_TEXT_CURRENT_VERSION = 8,
	SUIT_TEXT_COMPONENT_KEYS,
};

struct suit_source_text_component {
	size_t component;                                 /* index, each once */
	struct suit_bytes text[SUIT_TEXT_COMPONENT_KEYS]; /* by key; n 0: none */
};

struct suit_source_text {
	struct suit_bytes language; /* such as en-US, each once */
	struct suit_bytes text[SUIT_TEXT_KEYS];
	const struct suit_source_text_component *component;
	size_t component_count;
};

struct suit_source {
	uint64_t sequence;
	bool has_vendor;
	struct suit_vendor vendor;
	const struct suit_uuid *class_id; /* one of them */
	size_t class_count;
	bool has_device;
	struct suit_uuid device_id;
	struct suit_bytes reference_uri;        /* empty: none */
	struct suit_component_id own_component; /* manifest-component-id; count 0: none */
	int64_t version[SUIT_VERSION_MAX];      /* set-version */
	size_t version_count;
	struct suit_source_guard guard;
	const struct suit_source_component *component;
	size_t component_count;
	const struct suit_source_dependency *dependency;
	size_t dependency_count;
	const struct suit_source_text *text;
	size_t text_count;
	struct suit_bytes coswid; /* a CoSWID, encoded; empty: none */
	const struct suit_payload *payload;
	size_t payload_count;
	uint32_t sever; /* bit n: element n of the manifest (14, 15, 16, 18, 20, 23) */
	/* Encoded sequences in place of the layout's; bit n of leave_out: no section n at all.
	 */
	struct suit_bytes given[SUIT_SECTIONS];
	uint32_t leave_out;
};

/* Are all counts, indexes and texts within bounds, and does it make sense? */
enum suit_rc suit_source_check(const struct suit_source *in) SUIT_MUST_CHECK;

/* Two components that are fetched into the same area must not be in each other's way: one that
 * would be overwritten before it is installed, or whose URI would be the other's. */
struct suit_source_clash {
	size_t component, other;
	bool by_uri; /* image->uri_replaceable of `component`: the URI that `other` set stays */
};
bool suit_source_clashes(const struct suit_source *in, struct suit_source_clash *ret);
