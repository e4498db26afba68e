/* The operator's side of the domain on a real PostgreSQL: classes, author keys, images,
 * releases and devices through the same core functions as over REST.  Every call is a
 * transaction. */
#pragma once

#include "base/clock.h"
#include "certs/certs.h"
#include "core/author_key.h"
#include "core/class.h"
#include "core/core.h"
#include "core/device.h"
#include "core/images.h"
#include "core/release.h"
#include "core/roster_update.h"
#include "suit/build.h"
#include "suit/cose.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"
#include "tests/store/store.h"
#include "tests/unit/temp_dir.h"

#define TENANT    1
#define SUIT      (&suit_crypto_openssl)
#define SUIT_SIZE 8192

struct fleet {
	struct db *db;
	struct temp_dir dir;
	struct core core;
	struct call call; /* the one that is running, or the last one */
	struct uuid operator_id;
	uint8_t seal_key[32];
};

static inline void fleet_open(struct fleet *f)
{
	const char *why = NULL;

	*f = (struct fleet){ .db = store_create(), .dir = temp_dir_make() };
	random_bytes(f->seal_key, sizeof(f->seal_key));
	uuid_random(&f->operator_id);
	f->core.seal_key = (struct bytes){ f->seal_key, sizeof(f->seal_key) };
	f->core.tenant_secret = bytes_of("secret of the test's tenant, 32b");
	f->core.roster = roster_create();
	char *ca = arena_printf(store_mem, "%s/ca", f->dir.path);
	store_must(ca_init(ca, "Test", store_mem, &why), NULL, "ca_init");
	store_must(certs_open(ca, &f->core.certs), NULL, "certs_open");
	store_must(images_create(arena_printf(store_mem, "%s/images", f->dir.path),
				 &f->core.images),
		   NULL, "images_create");
}

static inline void fleet_close(struct fleet *f)
{
	roster_free(f->core.roster);
	images_free(f->core.images);
	certs_free(f->core.certs);
	clean_temp_dir(&f->dir);
	store_finish(f->db);
}

/* A call on another connection, for races. */
static inline void fleet_begin_on(struct fleet *f, struct call *c, struct db *db)
{
	*c = (struct call){
		.core = &f->core,
		.mem = store_mem,
		.db = db,
		.tenant = TENANT,
		.actor = { .kind = ACTOR_OPERATOR, .role = ROLE_ADMIN, .id = f->operator_id },
		.now = clock_wall()
	};
	store_must(db_begin(db), db, "begin");
}

static inline struct call *fleet_begin(struct fleet *f)
{
	fleet_begin_on(f, &f->call, f->db);
	return &f->call;
}

/* Commits what went well, rolls the rest back, as the dispatcher does. */
static inline enum rc fleet_end_on(struct call *c, enum rc rc)
{
	if (rc != RC_OK) {
		if (c->err == ERR_NONE)
			printf("# %s: %s\n", rc_name(rc), db_error(c->db));
		db_rollback(c->db);
		return rc;
	}
	call_before_commit(c);
	rc = db_commit(c->db);
	if (rc == RC_OK)
		call_run_hooks(c);
	return rc;
}

static inline enum rc fleet_end(struct fleet *f, enum rc rc)
{
	return fleet_end_on(&f->call, rc);
}

#define CALL(f, function, ...) fleet_end((f), function(fleet_begin(f), __VA_ARGS__))

/* The last call failed with this error. */
static inline bool is_err(const struct fleet *f, enum err wanted, const char *name)
{
	bool passed = ok(f->call.err == wanted, "%s: %s", name, err_code(wanted));

	if (!passed)
		printf("# got %s: %s\n", f->call.err ? err_code(f->call.err) : "no error",
		       f->call.detail   ? f->call.detail
		       : f->call.fields ? f->call.fields->detail
					: "");
	return passed;
}

/* --- authors --- */

static inline void suit_must(enum suit_rc rc, const char *what)
{
	if (rc == SUIT_OK)
		return;
	printf("Bail out! %s: %s\n", what, suit_rc_text(rc));
	exit(1);
}

static inline struct suit_key *author_make(enum suit_key_type type)
{
	struct suit_key *key = NULL;

	suit_must(suit_key_generate(type, &key), "key");
	return key;
}

static inline const char *author_pem(const struct suit_key *key)
{
	char *pem = arena_alloc(store_mem, SUIT_PEM_MAX);

	suit_must(suit_key_public_pem(key, pem, SUIT_PEM_MAX), "pem");
	return pem;
}

static inline struct suit_bytes suit_text(const char *s)
{
	return (struct suit_bytes){ (const uint8_t *)s, strlen(s) };
}

/* For class name of vendor acme.example, component main, one image. */
static inline struct suit_build manifest_of(const char *class_name, uint64_t sequence,
					    struct bytes image)
{
	struct suit_build b = { .sequence = sequence, .image_count = 1 };
	struct digest d;
	char hex[DIGEST_TEXT_SIZE];

	suit_must(suit_vendor_id(SUIT, "acme.example", &b.vendor_id), "vendor id");
	suit_must(suit_class_id(SUIT, &b.vendor_id, class_name, &b.class_id), "class id");
	b.component.segment[0] = suit_text("main");
	b.component.count = 1;
	sha256_of(image, &d);
	memcpy(b.image[0].digest.b, d.b, sizeof(d.b));
	b.image[0].size = image.n;
	b.image[0].uri = suit_text(arena_printf(store_mem, "img/%s", digest_format(&d, hex)));
	return b;
}

static inline struct bytes sign_with(struct bytes envelope, const struct suit_key *key)
{
	uint8_t *buf = arena_alloc(store_mem, SUIT_SIZE), kid[SUIT_KID_SIZE];
	struct suit_bytes in = { envelope.p, envelope.n }, id = { kid, sizeof(kid) };
	struct suit_envelope e;
	size_t n = 0;

	suit_must(suit_key_kid(key, kid), "kid");
	suit_must(suit_envelope_decode(SUIT, in, &e), "decode");
	suit_must(suit_envelope_sign(SUIT, key, suit_key_alg(key), id, &e, buf, SUIT_SIZE, &n),
		  "sign");
	return (struct bytes){ buf, n };
}

static inline struct bytes envelope_of(const struct suit_build *b, const struct suit_key *key)
{
	uint8_t *buf = arena_alloc(store_mem, SUIT_SIZE);
	size_t n = 0;

	suit_must(suit_build(SUIT, b, buf, SUIT_SIZE, &n), "build");
	return sign_with((struct bytes){ buf, n }, key);
}

/* --- what operators do first --- */

static inline struct device_class fleet_class(struct fleet *f, const char *name)
{
	struct class_new in = { .vendor = "acme.example", .name = name };
	struct device_class k = { 0 };

	is_int(CALL(f, class_create, &in, &k), RC_OK, "a class");
	return k;
}

static inline struct author_key fleet_author(struct fleet *f, const struct device_class *k,
					     const struct suit_key *key, const char *component)
{
	struct author_key_new in = { .vendor_id = k->vendor_id,
				     .class_id = k->class_id,
				     .component = component,
				     .public_key_pem = author_pem(key) };
	struct author_key ret = { 0 };

	is_int(CALL(f, author_key_create, &in, &ret), RC_OK, "an author key");
	return ret;
}

static inline void fleet_image(struct fleet *f, struct bytes b)
{
	struct image_upload *u = NULL;
	struct image_item item;
	struct digest d;
	int64_t size = 0;
	bool is_new = false;

	sha256_of(b, &d);
	store_must(image_upload_begin(f->core.images, IMAGE_SIZE_MAX, &u), NULL, "upload");
	store_must(image_upload_write(u, b), NULL, "upload");
	store_must(image_upload_commit(u, &d, &size), NULL, "upload");
	image_upload_abort(u);
	is_int(CALL(f, image_add, &d, size, &item, &is_new), RC_OK, "an image");
}
