/* A device that verifies an envelope and carries it out with the library's own processor, for
 * tests of what the command line makes.  Its payloads lie in a folder under their digests; what
 * it installs it writes to another folder.
 *
 *	carry_out ENVELOPE VENDOR_ID CLASS_ID FILES STORE OPTION...
 *
 *	author PUB.pem      trusted for everything
 *	delegate PUB.pem    trusted for manifests that write nothing themselves
 *	anchor CERT.pem     whom its certificates lead to is an author
 *	mac [KID=]FILE      a MAC by this key is enough, as for devices of tier 1
 *	kek [KID=]FILE      opens payloads
 *	key [KID=]KEY       the same; KEY is a PEM file or a PKCS#11 URI
 *
 * Says what it verified, and ends with 0 when the whole update went through. */

#include "base/clock.h"
#include "base/hash.h"
#include "cli/author.h"
#include "cli/certificates.h"
#include "cli/file.h"
#include "cli/party.h"
#include "cli/words.h"
#include "base/clock.h"
#include "suit/encrypt_stream.h"
#include "suit/ids.h"
#include "suit/process.h"
#include "suit/trust.h"

#include <stdio.h>
#include <string.h>

#define ITEMS_MAX 16
#define FILE_MAX  (1 << 20)

struct item {
	const char *name;
	struct bytes content;
};

struct device {
	struct cli cli;
	struct suit_uuid vendor, class;
	const char *files;
	struct suit_key *author, *delegate, *led;
	struct suit_certificates anchors;
	struct party_list mac, own;
	struct item item[ITEMS_MAX];
	size_t count;
	struct suit_envelope dependency;
	const struct suit_envelope *root;
	bool root_by_delegate;
};

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "carry_out: %s\n", what);
	exit(EXIT_FAILURE);
}

/* --- whom it trusts ----------------------------------------------------------------------- */

static const struct suit_key *known_key(void *arg, const struct suit_block *block, size_t nth)
{
	struct device *d = arg;
	struct suit_bytes der[SUIT_CHAIN_MAX];
	struct suit_certificates chain = { der, 0 };
	uint8_t kid[SUIT_KID_SIZE];
	const struct suit_key *keys[] = { d->author, d->delegate };

	while (chain.count < SUIT_CHAIN_MAX &&
	       (der[chain.count] = suit_block_certificate(block, chain.count)).n > 0)
		chain.count++;
	if (d->anchors.count > 0 && chain.count > 0 && nth == 0) {
		suit_key_free(d->led);
		d->led = NULL;
		if (suit_key_from_certificate(chain, d->anchors, clock_wall() / USEC_PER_SEC,
					      &d->led) == SUIT_OK)
			return d->led;
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i] && suit_key_kid(keys[i], kid) == SUIT_OK &&
		    suit_bytes_equal(block->kid, (struct suit_bytes){ kid, sizeof(kid) }))
			return nth == 0 ? keys[i] : NULL;
	return NULL;
}

static struct suit_bytes known_mac(void *arg, const struct suit_block *block, size_t nth)
{
	struct device *d = arg;

	if (nth > 0 || d->mac.count == 0 || !suit_bytes_equal(block->kid, d->mac.party[0].kid))
		return (struct suit_bytes){ 0 };
	return d->mac.party[0].secret;
}

static bool signed_by(const struct suit_envelope *e, const struct suit_key *key)
{
	for (size_t i = 0; key && i < e->block_count; i++)
		if (suit_block_verify(&suit_crypto_openssl, e, &e->block[i], key) == SUIT_OK)
			return true;
	return false;
}

/* ret_delegate: by the delegate alone. */
static enum suit_rc authentic(struct device *d, const struct suit_envelope *e,
			      bool *ret_delegate)
{
	struct suit_verdict v;
	struct suit_trust trust = {
		.key = known_key, .mac_key = known_mac, .arg = d, .pass_unknown = true
	};
	enum suit_rc rc = suit_envelope_verify(&suit_crypto_openssl, e, &trust, &v);

	*ret_delegate = v.macs == 0 && v.signatures == 1 && signed_by(e, d->delegate);
	printf("%zu signatures and %zu MACs hold, %zu by others: %s\n", v.signatures, v.macs,
	       v.unknown, suit_rc_text(rc));
	return rc;
}

/* --- what it holds ------------------------------------------------------------------------ */

static struct item *item_of(struct device *d, const struct suit_target *t)
{
	const char *name = t->id ? component_text(d->cli.mem, t->id)
				 : arena_printf(d->cli.mem, "manifest %u", t->index);

	if (t->dependency)
		name = arena_printf(d->cli.mem, "manifest %u", t->index);
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->item[i].name, name) == 0)
			return &d->item[i];
	must(d->count < ITEMS_MAX, "too many components");
	d->item[d->count] = (struct item){ .name = name };
	return &d->item[d->count++];
}

/* Dependencies by a delegate are refused before anybody asks. */
static bool delegated(void *ctx, const struct suit_envelope *e)
{
	const struct device *d = ctx;

	return d->root_by_delegate && e == d->root;
}

static enum suit_rc identity(void *ctx, const struct suit_target *t, enum suit_parameter key,
			     struct suit_bytes id, struct scbor_out *measured)
{
	const struct device *d = ctx;
	const struct suit_uuid *own = key == SUIT_PARAM_VENDOR ? &d->vendor : &d->class;

	(void)t;
	(void)measured;
	return id.n == 16 && memcmp(id.p, own->b, 16) == 0 ? SUIT_OK : SUIT_CONDITION;
}

static enum suit_rc image(void *ctx, const struct suit_target *t,
			  const struct suit_digest *digest, const uint64_t *size,
			  struct scbor_out *measured)
{
	const struct item *item = item_of(ctx, t);
	struct digest is;

	(void)measured;
	sha256_of(item->content, &is);
	return memcmp(is.b, digest->b, sizeof(is.b)) == 0 && (!size || *size == item->content.n)
		       ? SUIT_OK
		       : SUIT_CONDITION;
}

static enum suit_rc fetch(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			  struct suit_bytes content)
{
	struct device *d = ctx;
	struct item *item = item_of(d, t);
	const char *name = arena_printf(d->cli.mem, "%.*s", (int)uri.n, (const char *)uri.p);
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;

	if (content.p) {
		item->content = (struct bytes){ content.p, content.n };
		return SUIT_OK;
	}
	printf("fetches %s\n", name);
	return file_read(arena_printf(d->cli.mem, "%s/%s", d->files, base), FILE_MAX,
			 d->cli.mem, &item->content) == EXIT_DONE
		       ? SUIT_OK
		       : SUIT_OPERATION;
}

static enum suit_rc content_key(struct device *d, struct suit_bytes info,
				struct suit_content_key *ret)
{
	struct suit_encryption e;
	enum suit_rc rc = suit_encryption_decode(info, &e);

	if (rc == SUIT_OK && d->own.count == 0)
		rc = SUIT_MISSING;
	return rc == SUIT_OK
		       ? suit_content_key_open(&suit_crypto_openssl, &e, d->own.party, ret)
		       : rc;
}

static enum suit_rc decrypt(struct device *d, struct suit_bytes info, struct bytes in,
			    struct bytes *ret)
{
	struct suit_content_key key;
	struct suit_decrypt s = { 0 };
	uint8_t *out = arena_alloc(d->cli.mem, in.n + 1);
	uint64_t size = 0;
	size_t n = 0;
	enum suit_rc rc = content_key(d, info, &key);

	if (rc == SUIT_OK)
		rc = suit_decrypt_open(&s, &suit_crypto_openssl, &key);
	if (rc == SUIT_OK)
		rc = suit_decrypt_update(&s, (struct suit_bytes){ in.p, in.n }, out, &n);
	if (rc == SUIT_OK)
		rc = suit_decrypt_finish(&s, &size);
	suit_decrypt_close(&s);
	suit_content_key_wipe(&key);
	*ret = (struct bytes){ out, n };
	printf("decrypts: %s\n", suit_rc_text(rc));
	return rc;
}

static enum suit_rc copy(void *ctx, const struct suit_target *t,
			 const struct suit_target *source)
{
	struct device *d = ctx;
	struct item *to = item_of(d, t), *from = item_of(d, source);
	struct suit_bytes info;

	if (suit_parameter_bytes(t, SUIT_PARAM_ENCRYPTION, &info))
		return decrypt(d, info, from->content, &to->content);
	to->content = from->content;
	return SUIT_OK;
}

static enum suit_rc dependency(void *ctx, const struct suit_target *t,
			       const struct suit_envelope **ret)
{
	struct device *d = ctx;
	const struct item *item = item_of(d, t);
	bool by_delegate = false;

	if (item->content.n == 0)
		return SUIT_MISSING;
	enum suit_rc rc = suit_envelope_decode(
		&suit_crypto_openssl, (struct suit_bytes){ item->content.p, item->content.n },
		&d->dependency);
	if (rc == SUIT_OK)
		rc = authentic(d, &d->dependency, &by_delegate);
	*ret = &d->dependency;
	return rc == SUIT_OK && by_delegate ? SUIT_KEY : rc;
}

static const struct suit_platform platform = {
	.identity_first = true,
	.identity = identity,
	.image = image,
	.fetch = fetch,
	.copy = copy,
	.dependency = dependency,
	.delegated = delegated,
};

/* --- the run ------------------------------------------------------------------------------ */

static void option(struct device *d, const char *word, const char *value)
{
	enum exit_code code = EXIT_FAILED;

	if (strcmp(word, "author") == 0)
		code = author_key_load(&d->cli, value, &d->author);
	else if (strcmp(word, "delegate") == 0)
		code = author_key_load(&d->cli, value, &d->delegate);
	else if (strcmp(word, "anchor") == 0)
		code = certificates_load(&d->cli, value, &d->anchors);
	else if (strcmp(word, "mac") == 0)
		code = party_add_kek(&d->cli, &d->mac, value);
	else if (strcmp(word, "kek") == 0)
		code = party_add_kek(&d->cli, &d->own, value);
	else if (strcmp(word, "key") == 0)
		code = party_add_key(&d->cli, &d->own, value);
	must(code == EXIT_DONE, word);
}

static void store(struct device *d, const char *folder)
{
	for (size_t i = 0; i < d->count; i++) {
		char *name = arena_text(d->cli.mem, d->item[i].name);

		for (char *p = name; *p; p++)
			if (*p == '/')
				*p = '-';
		must(file_write_new(arena_printf(d->cli.mem, "%s/%s", folder, name),
				    d->item[i].content, 0600) == EXIT_DONE,
		     "cannot store");
	}
}

static enum suit_rc carry_out(struct device *d, const struct suit_envelope *e)
{
	static struct suit_run run;
	enum suit_rc rc = authentic(d, e, &d->root_by_delegate);

	d->root = e;
	if (rc != SUIT_OK)
		return rc;
	rc = suit_process(e, SUIT_UPDATE_PROCEDURE, &platform, d, &run);
	if (rc != SUIT_OK)
		printf("stopped in section %u at %u\n", (unsigned)run.failed.section,
		       (unsigned)run.failed.offset);
	return rc;
}

int main(int argc, char **argv)
{
	static struct device d;
	static struct suit_envelope e;
	struct bytes content;

	d.cli = (struct cli){ .mem = arena_create(), .no_input = true };
	must(argc >= 6 && argc % 2 == 0, "usage: see the source");
	must(suit_uuid_parse(argv[2], &d.vendor) == SUIT_OK &&
		     suit_uuid_parse(argv[3], &d.class) == SUIT_OK,
	     "ids");
	d.files = argv[4];
	for (int i = 6; i < argc; i += 2)
		option(&d, argv[i], argv[i + 1]);
	must(file_read(argv[1], SUIT_ENVELOPE_MAX, d.cli.mem, &content) == EXIT_DONE, argv[1]);
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl,
					       (struct suit_bytes){ content.p, content.n }, &e);
	if (rc == SUIT_OK)
		rc = carry_out(&d, &e);
	printf("%s\n", rc == SUIT_OK ? "done" : suit_rc_text(rc));
	if (rc == SUIT_OK)
		store(&d, argv[5]);
	clean_party_list(&d.mac);
	clean_party_list(&d.own);
	suit_key_free(d.author);
	suit_key_free(d.delegate);
	suit_key_free(d.led);
	arena_free(d.cli.mem);
	return rc == SUIT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
