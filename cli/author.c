/* The author's side.  What was made is read again by the same code that devices run: a fault in
 * the builder never leaves this machine. */

#include "cli/author.h"

#include "base/hash.h"
#include "cli/file.h"
#include "cli/pkcs11.h"
#include "cli/parse.h"
#include "cli/prompt.h"
#include "cli/signing.h"
#include "cli/source.h"
#include "cli/words.h"
#include "suit/build.h"
#include "suit/encode.h"
#include "suit/ids.h"
#include "suit/plan.h"
#include "suit/survey.h"

#include <errno.h>
#include <string.h>

static struct suit_bytes suit_text(const char *text)
{
	return (struct suit_bytes){ (const uint8_t *)text, strlen(text) };
}

static enum exit_code load_encrypted(struct cli *c, struct suit_bytes pem, const char *path,
				     struct suit_key **ret)
{
	const char *passphrase, *file = args_value(&c->args, "passphrase-file");
	enum exit_code code =
		file ? file_read_secret(file, c->mem, &passphrase)
		     : prompt_secret(c, arena_printf(c->mem, "Passphrase of %s: ", path), false,
				     &passphrase);
	if (code != EXIT_DONE)
		return code;
	if (suit_key_from_private_pem(pem, passphrase, ret) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the passphrase does not open %s", path);
	return EXIT_DONE;
}

static enum exit_code load_pem(struct cli *c, struct suit_bytes pem, const char *path,
			       struct suit_key **ret)
{
	if (strstr((const char *)pem.p, "-----BEGIN ENCRYPTED PRIVATE KEY-----"))
		return load_encrypted(c, pem, path, ret);
	if (suit_key_from_private_pem(pem, NULL, ret) == SUIT_OK ||
	    suit_key_from_public_pem(pem, ret) == SUIT_OK)
		return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "%s holds no P-256, P-384, Ed25519 or RSA key in PEM",
			path);
}

enum exit_code author_key_load(struct cli *c, const char *path, struct suit_key **ret)
{
	struct bytes content;
	if (pkcs11_is_uri(path))
		return pkcs11_key_load(c, path, ret);
	enum exit_code code = file_read(path, SUIT_PEM_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	code = load_pem(c, (struct suit_bytes){ content.p, content.n }, path, ret);
	explicit_bzero((void *)content.p, content.n);
	return code;
}

enum exit_code author_key_public(struct cli *c, const char *path, struct suit_key **ret)
{
	struct bytes content;
	if (pkcs11_is_uri(path))
		return pkcs11_key_load(c, path, ret);
	enum exit_code code = file_read(path, SUIT_PEM_MAX, c->mem, &content);
	if (code == EXIT_DONE &&
	    suit_key_from_public_pem((struct suit_bytes){ content.p, content.n }, ret) !=
		    SUIT_OK)
		code = cli_fail(EXIT_FAILED, "%s holds no public key; name the .pub file",
				path);
	return code;
}

enum exit_code author_key_kid(const struct suit_key *key, char ret[KID_TEXT_SIZE])
{
	uint8_t kid[SUIT_KID_SIZE];
	enum suit_rc rc = suit_key_kid(key, kid);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the key has no id: %s", suit_rc_text(rc));
	suit_hex((struct suit_bytes){ kid, sizeof(kid) }, ret);
	return EXIT_DONE;
}

const char *author_key_type_name(const struct suit_key *key)
{
	return suit_key_type_text(suit_key_type(key));
}

/* Reads the envelope as a device of the class would. */
static enum exit_code check_envelope(const struct author_image *image, struct suit_bytes bytes)
{
	struct suit_envelope e;
	struct suit_plan plan;
	struct suit_uuid vendor, class;
	memcpy(vendor.b, image->class.vendor.b, sizeof(vendor.b));
	memcpy(class.b, image->class.class.b, sizeof(class.b));
	struct suit_facts facts = { .vendor_id = &vendor, .class_id = &class };
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl, bytes, &e);
	if (rc == SUIT_OK)
		rc = suit_plan(&e, &facts, &plan);
	if (rc == SUIT_OK &&
	    (memcmp(plan.digest.b, image->digest.b, sizeof(plan.digest.b)) != 0 ||
	     plan.size != (uint64_t)image->size))
		rc = SUIT_DIGEST;
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the envelope just made is not right: %s",
				suit_rc_text(rc));
	return EXIT_DONE;
}

enum exit_code author_envelope(struct cli *c, const struct author_image *image,
			       const struct signing *by, struct bytes *ret)
{
	char digest[DIGEST_TEXT_SIZE];
	const char *uri = arena_printf(c->mem, "img/%s", digest_format(&image->digest, digest));
	struct suit_build in = { .sequence = (uint64_t)image->sequence,
				 .image_count = 1,
				 .text_version = suit_text(image->version) };
	memcpy(in.vendor_id.b, image->class.vendor.b, sizeof(in.vendor_id.b));
	memcpy(in.class_id.b, image->class.class.b, sizeof(in.class_id.b));
	memcpy(in.image[0].digest.b, image->digest.b, sizeof(in.image[0].digest.b));
	in.image[0].size = (uint64_t)image->size;
	in.image[0].uri = suit_text(uri);
	if (!component_parse(c->mem, image->component, &in.component))
		return cli_fail(EXIT_FAILED, "\"%s\" is no component name", image->component);

	uint8_t *draft = arena_alloc(c->mem, SUIT_ENVELOPE_MAX);
	struct bytes done;
	size_t n;
	enum suit_rc rc = suit_build(&suit_crypto_openssl, &in, draft, SUIT_ENVELOPE_MAX, &n);
	if (rc == SUIT_OK)
		rc = signing_apply(c, by, (struct suit_bytes){ draft, n }, &done);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot make the manifest: %s", suit_rc_text(rc));
	enum exit_code code = check_envelope(image, (struct suit_bytes){ done.p, done.n });
	if (code == EXIT_DONE)
		*ret = done;
	return code;
}

static json_t *ref_json(const struct digest *digest, int64_t size)
{
	char text[DIGEST_TEXT_SIZE];
	return json_pack("{s:s, s:I}", "digest", digest_format(digest, text), "size",
			 (json_int_t)size);
}

/* What somebody would write for it (docs/manifest.md). */
static json_t *delta_source(struct cli *c, const struct author_image *image,
			    const struct author_delta *delta)
{
	const char *vendor, *name;
	const char *via = arena_printf(c->mem, "dl/patch-%s", delta->format);
	if (parse_class(image->class_name, c->mem, &vendor, &name) != RC_OK)
		return NULL;
	json_t *whole = ref_json(&image->digest, image->size);
	json_object_set_new(whole, "via", json_string(via));
	json_object_set_new(whole, "precursor", ref_json(&delta->base, delta->base_size));
	json_object_set_new(whole, "fetched", ref_json(&delta->digest, delta->size));
	return json_pack("{s:I, s:s, s:s, s:[{s:s, s:s, s:o}, {s:s}], s:{s:{s:{s:{s:s}}}}}",
			 "sequence", (json_int_t)image->sequence, "vendor", vendor, "class",
			 name, "components", "id", image->component, "install", "copy", "image",
			 whole, "id", via, "text", "en", "components", image->component,
			 "version", image->version);
}

/* The delta is what it fetches, and the new image what it is left with. */
static enum suit_rc check_delta(const struct author_image *image,
				const struct author_delta *delta, struct suit_bytes bytes)
{
	static struct suit_survey survey;
	struct suit_envelope e;
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl, bytes, &e);
	if (rc == SUIT_OK)
		rc = suit_survey(&e, NULL, NULL, &survey);
	if (rc != SUIT_OK)
		return rc;
	const struct suit_survey_payload *p = &survey.payload[0];
	bool right = survey.payload_count == 1 && survey.vendor_class && p->has_precursor &&
		     memcmp(p->digest.b, delta->digest.b, sizeof(p->digest.b)) == 0 &&
		     memcmp(p->precursor.b, delta->base.b, sizeof(p->precursor.b)) == 0;
	for (size_t i = 0; i < survey.installed_count && right; i++)
		if (memcmp(survey.installed[i].digest.b, image->digest.b,
			   sizeof(image->digest.b)) == 0)
			return SUIT_OK;
	return SUIT_DIGEST;
}

enum exit_code author_delta_envelope(struct cli *c, const struct author_image *image,
				     const struct author_delta *delta, const struct signing *by,
				     struct bytes *ret)
{
	CLEAN(json) json_t *json = delta_source(c, image, delta);
	struct suit_source source;
	uint8_t *draft = arena_alloc(c->mem, SUIT_ENVELOPE_MAX);
	size_t n = 0;
	if (!json)
		return cli_fail(EXIT_FAILED, "an option is not UTF-8");
	enum exit_code code = source_read_json(c, json, "the delta's manifest", "", &source);
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc =
		suit_encode(&suit_crypto_openssl, &source, draft, SUIT_ENVELOPE_MAX, &n);
	if (rc == SUIT_OK)
		rc = signing_apply(c, by, (struct suit_bytes){ draft, n }, ret);
	if (rc == SUIT_OK)
		rc = check_delta(image, delta, (struct suit_bytes){ ret->p, ret->n });
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot make the delta's manifest: %s",
				suit_rc_text(rc));
	return EXIT_DONE;
}

enum exit_code author_hash(const char *path, FILE *from, struct digest *ret_digest,
			   int64_t *ret_size)
{
	uint8_t block[65536];
	struct sha256 *hash = sha256_create();
	int64_t size = 0;
	size_t n;
	while ((n = fread(block, 1, sizeof(block), from)) > 0) {
		sha256_update(hash, (struct bytes){ block, n });
		size += (int64_t)n;
	}
	sha256_finish(hash, ret_digest);
	if (ferror(from))
		return cli_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	if (size == 0)
		return cli_fail(EXIT_FAILED, "%s is empty", path);
	*ret_size = size;
	return EXIT_DONE;
}
