/* Releases and what belongs to them: classes, author keys, images, manifests.  Plain data. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define CLASS_NAME_MAX       128 /* bytes; also the vendor's domain */
#define AUTHOR_NAME_MAX      128
#define RELEASE_NOTES_MAX    4096
#define KID_MAX              64
#define ENVELOPE_MAX         65536
#define MANIFEST_IMAGES_MAX  16
#define MANIFEST_SIGNERS_MAX 8
#define RELEASE_VARIANTS_MAX 64
#define FORMAT_NAME_MAX      32

/* What proves an update of a class. */
enum class_confirm { CONFIRM_DIGEST = 0, CONFIRM_VERSION = 1 };

/* Vendor id + class id: devices that can run the same image. */
struct device_class {
	struct uuid vendor_id, class_id;
	const char *vendor; /* the domain, empty when not known */
	const char *name;   /* empty when not known */
	enum class_confirm confirm;
	int64_t revision;
	int64_t created_at;
};

/* Whose signature counts for which class and component. */
struct author_key {
	struct uuid author_key_id;
	struct uuid vendor_id, class_id;
	const char *component; /* empty: every component of the class */
	bool delegate;         /* admits devices to releases, and signs nothing else */
	struct bytes kid;
	struct bytes public_key; /* SubjectPublicKeyInfo, DER */
	const char *name;
	int64_t revoked_at; /* 0: it counts */
	int64_t created_at;
};

struct image_item {
	struct digest digest;
	int64_t size;
	int64_t created_at;
};

/* A signed SUIT envelope, the bytes that came. */
struct manifest {
	struct digest digest; /* the one inside the authentication wrapper */
	struct bytes envelope;
	struct image_item *images; /* that a device fetches */
	int image_count;
	const char *needs; /* formats that a device must read, sorted, joined by a comma; "a|b":
			      one of them */
	const char *base_component; /* NULL: any device of the class; else only one that has */
	struct digest base_digest;  /* this digest there */
	int64_t bytes;              /* that a device fetches besides the envelope, at most */
	int64_t image_bytes;        /* the largest single payload or image */
	struct bytes *signers;      /* key ids; only where core/release.h says so */
	int signer_count;
};

/* A digest that a device on this release reports: what proves the update. */
struct release_installed {
	const char *component;
	struct digest digest;
};

/* One version for one class. */
struct release {
	struct uuid release_id;
	struct uuid vendor_id, class_id;
	const char *class_name; /* NULL when not known */
	const char *components; /* names, sorted, joined by a comma */
	const char *version;
	struct bytes version_key;
	int64_t sequence;
	bool jumped; /* only when it is made: the sequence number was allowed to be too far */
	const char *notes;
	int64_t withdrawn_at; /* 0: may be offered */
	int64_t revision;
	int64_t created_at;
	struct manifest *manifests; /* variants, the one that most devices can take first */
	int manifest_count;         /* of these: in a list of releases the first alone */
	int variant_count;          /* that there are */
	struct release_installed *installed;
	int installed_count;
};

const char *class_confirm_name(enum class_confirm c);

/* What the class's active devices say that they hold, the most frequent first. */
#define CLASS_DIGESTS_MAX 100
/* Of a larger class so many devices are counted, drawn by their ids. */
#define CLASS_COUNTED_MAX 20000
struct class_digest {
	struct digest digest;
	int64_t devices;
};
struct class_digests {
	struct class_digest *item;
	int count;
	int64_t counted, unknown; /* devices that were counted; those that say no digest */
};
