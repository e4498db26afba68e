/* Encrypted images, offline: made on the author's machine, and opened again to check.  What was
 * made is decrypted once more by the code that devices run, before it gets its name. */

#include "base/hash.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/draft.h"
#include "cli/file.h"
#include "cli/party.h"
#include "suit/encrypt_stream.h"

#include <errno.h>
#include <string.h>

#define PIECE 16384

static const struct {
	const char *name;
	enum suit_alg alg;
} algorithms[] = {
	{ "a128gcm", SUIT_ALG_A128GCM },   { "a256gcm", SUIT_ALG_A256GCM },
	{ "a128ctr", SUIT_ALG_A128CTR },   { "a256ctr", SUIT_ALG_A256CTR },
	{ "chacha20", SUIT_ALG_CHACHA20 },
};

static const char *algorithm_name(enum suit_alg alg)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (algorithms[i].alg == alg)
			return algorithms[i].name;
	return "?";
}

static enum exit_code algorithm_of(const char *name, enum suit_alg *ret)
{
	*ret = SUIT_ALG_A128GCM;
	if (!name)
		return EXIT_DONE;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0) {
			*ret = algorithms[i].alg;
			return EXIT_DONE;
		}
	return cli_fail(EXIT_FAILED,
			"--algorithm \"%s\": take a128gcm, a256gcm, a128ctr, a256ctr or "
			"chacha20",
			name);
}

static void clean_decrypt(struct suit_decrypt *d)
{
	suit_decrypt_close(d);
}

static void clean_encrypt(struct suit_encrypt *s)
{
	suit_encrypt_close(s);
}

/* What is known of a file. */
struct facts {
	struct digest digest;
	uint64_t size;
};

static enum exit_code open_file(const char *path, FILE **ret)
{
	*ret = fopen(path, "re");
	if (*ret)
		return EXIT_DONE;
	return cli_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, "cannot open %s: %s",
			path, strerror(errno));
}

/* --- encrypting --------------------------------------------------------------------------- */

/* The whole of `from` into the draft, and the tag behind it. */
static enum exit_code encrypt_all(FILE *from, const char *path, struct suit_encrypt *s,
				  struct draft *to, struct facts *ret)
{
	uint8_t plain[PIECE], sealed[PIECE];
	CLEAN(sha256) struct sha256 *hash = sha256_create();
	enum exit_code code = EXIT_DONE;
	size_t n;
	while (code == EXIT_DONE && (n = fread(plain, 1, sizeof(plain), from)) > 0) {
		sha256_update(hash, (struct bytes){ plain, n });
		ret->size += n;
		enum suit_rc rc =
			suit_encrypt_update(s, (struct suit_bytes){ plain, n }, sealed);
		if (rc != SUIT_OK)
			return cli_fail(EXIT_FAILED, "cannot encrypt %s: %s", path,
					suit_rc_text(rc));
		code = draft_write(to, (struct bytes){ sealed, n });
	}
	if (code != EXIT_DONE)
		return code;
	if (ferror(from))
		return cli_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	if (ret->size == 0)
		return cli_fail(EXIT_FAILED, "%s is empty", path);
	sha256_finish(TAKE(hash), &ret->digest);
	if (suit_encrypt_finish(s, sealed, &n) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot encrypt %s", path);
	return draft_write(to, (struct bytes){ sealed, n });
}

/* --- decrypting --------------------------------------------------------------------------- */

/* One ciphertext on its way to a plaintext. */
struct opening {
	const char *path;
	FILE *from;
	struct draft *to; /* NULL: only looked at */
	struct suit_decrypt stream;
	struct facts sealed, plain;
};

static void clean_opening(struct opening *o)
{
	clean_decrypt(&o->stream);
}

static enum exit_code decrypt_pieces(struct opening *o, struct sha256 *sealed_hash,
				     struct sha256 *plain_hash)
{
	uint8_t sealed[PIECE], plain[PIECE];
	enum exit_code code = EXIT_DONE;
	size_t n, given;
	while (code == EXIT_DONE && (n = fread(sealed, 1, sizeof(sealed), o->from)) > 0) {
		sha256_update(sealed_hash, (struct bytes){ sealed, n });
		o->sealed.size += n;
		enum suit_rc rc = suit_decrypt_update(
			&o->stream, (struct suit_bytes){ sealed, n }, plain, &given);
		if (rc != SUIT_OK)
			return cli_fail(EXIT_FAILED, "cannot decrypt %s: %s", o->path,
					suit_rc_text(rc));
		sha256_update(plain_hash, (struct bytes){ plain, given });
		if (o->to)
			code = draft_write(o->to, (struct bytes){ plain, given });
	}
	if (code == EXIT_DONE && ferror(o->from))
		return cli_fail(EXIT_FAILED, "cannot read %s: %s", o->path, strerror(errno));
	return code;
}

static enum exit_code decrypt_all(struct opening *o, const struct suit_content_key *key)
{
	CLEAN(sha256) struct sha256 *sealed_hash = sha256_create();
	CLEAN(sha256) struct sha256 *plain_hash = sha256_create();
	enum suit_rc rc = suit_decrypt_open(&o->stream, &suit_crypto_openssl, key);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot decrypt %s: %s", o->path,
				suit_rc_text(rc));
	enum exit_code code = decrypt_pieces(o, sealed_hash, plain_hash);
	if (code != EXIT_DONE)
		return code;
	rc = suit_decrypt_finish(&o->stream, &o->plain.size);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s: %s", o->path, suit_rc_text(rc));
	sha256_finish(TAKE(sealed_hash), &o->sealed.digest);
	sha256_finish(TAKE(plain_hash), &o->plain.digest);
	return EXIT_DONE;
}

/* --- image encrypt ------------------------------------------------------------------------ */

/* Reads info and ciphertext as a device with any of the shared keys would; a device's own key
 * is not here to try. */
static enum exit_code check_made(const struct party_list *list, struct suit_bytes info,
				 const struct suit_content_key *key, struct opening *o,
				 const struct facts *plain)
{
	struct suit_encryption e;
	CLEAN(content_key) struct suit_content_key got = { 0 };
	enum suit_rc rc = suit_encryption_decode(info, &e);
	if (rc == SUIT_OK && e.recipient_count != list->count)
		rc = SUIT_MISSING;
	for (size_t i = 0; i < list->count && rc == SUIT_OK; i++) {
		if (list->party[i].key)
			continue;
		rc = suit_content_key_open(&suit_crypto_openssl, &e, &list->party[i], &got);
		if (rc == SUIT_OK && (memcmp(got.key, key->key, key->alg->key_size) != 0 ||
				      memcmp(got.iv, key->iv, key->alg->iv_size) != 0))
			rc = SUIT_DECRYPT;
	}
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the info just made is not right: %s",
				suit_rc_text(rc));
	rewind(o->from);
	enum exit_code code = decrypt_all(o, key);
	if (code == EXIT_DONE &&
	    (o->plain.size != plain->size || !digest_equal(&o->plain.digest, &plain->digest)))
		code = cli_fail(EXIT_FAILED, "the ciphertext just made is not right");
	return code;
}

static enum exit_code print_sealed(struct cli *c, enum suit_alg alg, size_t recipients,
				   const struct facts *plain, const struct facts *sealed)
{
	static const struct column card[] = {
		{ "Algorithm", "algorithm", NULL, false },
		{ "Recipients", "recipients", NULL, false },
		{ "Image", "image_digest", NULL, false },
		{ "Bytes", "image_size", NULL, false },
		{ "Encrypted", "encrypted_digest", NULL, false },
		{ "Bytes", "encrypted_size", NULL, false },
	};
	char image[DIGEST_TEXT_SIZE], encrypted[DIGEST_TEXT_SIZE];
	CLEAN(json)
	json_t *item = json_pack("{s:s, s:I, s:s, s:I, s:s, s:I}", "algorithm",
				 algorithm_name(alg), "recipients", (json_int_t)recipients,
				 "image_digest", digest_format(&plain->digest, image),
				 "image_size", (json_int_t)plain->size, "encrypted_digest",
				 digest_format(&sealed->digest, encrypted), "encrypted_size",
				 (json_int_t)sealed->size);
	output_object(&c->out, card, ARRAY_LEN(card), item);
	return EXIT_DONE;
}

/* Both files get their names at the end, or neither. */
static enum exit_code encrypt_image(struct cli *c, const struct party_list *list,
				    enum suit_alg alg, FILE *from)
{
	const char *path = args_operand(&c->args, 0);
	CLEAN(draft) struct draft sealed = { 0 }, info_file = { 0 };
	CLEAN(content_key) struct suit_content_key key = { 0 };
	CLEAN(encrypt) struct suit_encrypt stream = { 0 };
	uint8_t *buf = arena_alloc(c->mem, PARTY_INFO_MAX);
	struct suit_bytes info;
	struct facts plain = { 0 };
	enum exit_code code = draft_open(&sealed, args_value(&c->args, "out"), c->mem);
	if (code == EXIT_DONE)
		code = draft_open(&info_file, args_value(&c->args, "info"), c->mem);
	if (code != EXIT_DONE)
		return code;
	if (suit_encrypt_open(&stream, &suit_crypto_openssl, alg, &key) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot make a key");
	code = party_info_make(list, &key, buf, &info);
	if (code == EXIT_DONE)
		code = draft_write(&info_file, (struct bytes){ info.p, info.n });
	if (code == EXIT_DONE)
		code = encrypt_all(from, path, &stream, &sealed, &plain);
	if (code != EXIT_DONE)
		return code;
	CLEAN(opening) struct opening o = { .path = sealed.path, .from = sealed.file };
	code = check_made(list, info, &key, &o, &plain);
	if (code == EXIT_DONE)
		code = draft_keep(&sealed);
	if (code != EXIT_DONE)
		return code;
	code = draft_keep(&info_file);
	if (code != EXIT_DONE)
		unlink(args_value(&c->args, "out"));
	return code == EXIT_DONE ? print_sealed(c, alg, list->count, &plain, &o.sealed) : code;
}

static enum exit_code run_image_encrypt(struct cli *c)
{
	CLEAN(party_list) struct party_list list = { 0 };
	CLEAN(file) FILE *from = NULL;
	enum suit_alg alg;
	if (!args_has(&c->args, "out") || !args_has(&c->args, "info") ||
	    (!args_has(&c->args, "recipient") && !args_has(&c->args, "kek")))
		return cli_fail(EXIT_FAILED, "image encrypt needs --out, --info and at least "
					     "one --kek or --recipient");
	enum exit_code code = algorithm_of(args_value(&c->args, "algorithm"), &alg);
	if (code == EXIT_DONE)
		code = party_add_all(c, &list, "kek", "recipient");
	if (code == EXIT_DONE)
		code = open_file(args_operand(&c->args, 0), &from);
	if (code == EXIT_DONE)
		code = encrypt_image(c, &list, alg, from);
	if (code == EXIT_DONE && !suit_content_alg(alg)->authenticated)
		cli_say("CTR shows no change by itself: the manifest must hold the image's "
			"digest.");
	return code;
}

/* --- image decrypt ------------------------------------------------------------------------ */

static enum exit_code load_info(struct cli *c, const char *path, struct suit_encryption *ret)
{
	struct bytes content;
	enum exit_code code = file_read(path, SUIT_ENVELOPE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	enum suit_rc rc =
		suit_encryption_decode((struct suit_bytes){ content.p, content.n }, ret);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "%s is no encryption info: %s", path,
				suit_rc_text(rc));
	return EXIT_DONE;
}

static enum exit_code check_digest(struct cli *c, const struct facts *plain)
{
	struct digest want;
	const char *text = args_value(&c->args, "digest");
	if (!text)
		return EXIT_DONE;
	if (digest_parse(text, &want) != RC_OK)
		return cli_fail(EXIT_FAILED, "--digest \"%s\": write 64 hexadecimal digits",
				text);
	if (!digest_equal(&want, &plain->digest))
		return cli_fail(EXIT_FAILED, "the plaintext is not the image of that digest");
	return EXIT_DONE;
}

static enum exit_code decrypt_image(struct cli *c, const struct suit_encryption *e,
				    const struct suit_content_key *key)
{
	CLEAN(file) FILE *from = NULL;
	CLEAN(draft) struct draft to = { 0 };
	enum exit_code code = open_file(args_operand(&c->args, 0), &from);
	if (code == EXIT_DONE)
		code = draft_open(&to, args_value(&c->args, "out"), c->mem);
	if (code != EXIT_DONE)
		return code;
	CLEAN(opening)
	struct opening o = { .path = args_operand(&c->args, 0), .from = from, .to = &to };
	code = decrypt_all(&o, key);
	if (code == EXIT_DONE)
		code = check_digest(c, &o.plain);
	if (code == EXIT_DONE)
		code = draft_keep(&to);
	return code == EXIT_DONE
		       ? print_sealed(c, key->alg->alg, e->recipient_count, &o.plain, &o.sealed)
		       : code;
}

static enum exit_code run_image_decrypt(struct cli *c)
{
	CLEAN(content_key) struct suit_content_key key = { 0 };
	struct suit_encryption e;
	if (!args_has(&c->args, "out") || !args_has(&c->args, "info") ||
	    args_has(&c->args, "kek") == args_has(&c->args, "key"))
		return cli_fail(EXIT_FAILED,
				"image decrypt needs --out, --info and either --kek or --key");
	enum exit_code code = load_info(c, args_value(&c->args, "info"), &e);
	if (code == EXIT_DONE)
		code = party_key_open(c, &e, "key", &key);
	if (code == EXIT_DONE)
		code = decrypt_image(c, &e, &key);
	if (code == EXIT_DONE && !key.alg->authenticated && !args_has(&c->args, "digest"))
		cli_say("CTR shows no change by itself: compare the image's digest with the "
			"manifest's, or give it as --digest.");
	return code;
}

/* --- image admit -------------------------------------------------------------------------- */

static enum exit_code admit(struct cli *c, const struct suit_content_key *key)
{
	CLEAN(party_list) struct party_list list = { 0 };
	CLEAN(draft) struct draft to = { 0 };
	uint8_t *buf = arena_alloc(c->mem, PARTY_INFO_MAX);
	struct suit_bytes info;
	struct suit_encryption e;
	enum exit_code code = party_add_all(c, &list, NULL, "recipient");
	if (code == EXIT_DONE)
		code = party_info_make(&list, key, buf, &info);
	if (code == EXIT_DONE && suit_encryption_decode(info, &e) != SUIT_OK)
		code = cli_fail(EXIT_FAILED, "the info just made is not right");
	if (code == EXIT_DONE)
		code = draft_open(&to, args_value(&c->args, "out"), c->mem);
	if (code == EXIT_DONE)
		code = draft_write(&to, (struct bytes){ info.p, info.n });
	return code == EXIT_DONE ? draft_keep(&to) : code;
}

static enum exit_code run_image_admit(struct cli *c)
{
	CLEAN(content_key) struct suit_content_key key = { 0 };
	struct suit_encryption e;
	if (!args_has(&c->args, "out") || !args_has(&c->args, "recipient") ||
	    args_has(&c->args, "kek") == args_has(&c->args, "key"))
		return cli_fail(EXIT_FAILED, "image admit needs --out, --recipient and either "
					     "--kek or --key");
	enum exit_code code = load_info(c, args_operand(&c->args, 0), &e);
	if (code == EXIT_DONE)
		code = party_key_open(c, &e, "key", &key);
	return code == EXIT_DONE ? admit(c, &key) : code;
}

static const struct option_def encrypt_options[] = {
	{ "recipient", "[KID=]FILE",
	  "a device's public P-256 key (PEM): ECDH-ES+A128KW; without KID its own id",
	  OPTION_MANY, true },
	{ "kek", "[KID=]FILE",
	  "a key that a class of devices shares: A128KW, A256KW; without KID only as the one "
	  "recipient",
	  OPTION_MANY, true },
	{ "algorithm", "NAME",
	  "a128gcm (the default), a256gcm, a128ctr, a256ctr or chacha20 (with Poly1305)",
	  OPTION_VALUE, false },
	{ "out", "FILE", "the encrypted image (needed)", OPTION_VALUE, true },
	{ "info", "FILE", "the SUIT_Encryption_Info for the manifest (needed)", OPTION_VALUE,
	  true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def decrypt_options[] = {
	{ "info", "FILE", "the SUIT_Encryption_Info (needed)", OPTION_VALUE, true },
	{ "kek", "[KID=]FILE", "the key that a class of devices shares", OPTION_VALUE, true },
	{ "key", "[KID=]FILE", "the device's private P-256 key (PEM)", OPTION_VALUE, true },
	{ "passphrase-file", "FILE",
	  "read the passphrase of --key from a file instead of asking", OPTION_VALUE, true },
	{ "digest", "SHA256", "refuse another plaintext than the image of this digest",
	  OPTION_VALUE, false },
	{ "out", "FILE", "the image (needed)", OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def admit_options[] = {
	{ "kek", "[KID=]FILE", "a shared key that INFO is for", OPTION_VALUE, true },
	{ "key", "[KID=]FILE", "a private P-256 key (PEM) that INFO is for", OPTION_VALUE,
	  true },
	{ "passphrase-file", "FILE",
	  "read the passphrase of --key from a file instead of asking", OPTION_VALUE, true },
	{ "recipient", "[KID=]FILE", "a further device's public P-256 key (PEM)", OPTION_MANY,
	  true },
	{ "out", "FILE", "the info for them alone (needed)", OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_image[] = {
	{ "image encrypt", "IMAGE", 1, 1, "Encrypt an image for a class or for devices",
	  "Makes a fresh key, encrypts IMAGE once, and writes that key wrapped for each "
	  "recipient, at most 64. KID is how a device finds itself: text, or bytes as 0x and "
	  "hexadecimal digits. A shared key is a file of 16 or 32 bytes, raw or as hexadecimal "
	  "digits. The server needs the encrypted image alone, and no key. Sign the digest of "
	  "the image itself too: whoever has a shared key can encrypt.",
	  "muster image encrypt fw.bin --kek class-1=class.key --out fw.enc --info fw.info",
	  encrypt_options, run_image_encrypt },
	{ "image decrypt", "ENCRYPTED", 1, 1, "Decrypt an image, as a device would",
	  "For checking. FILE appears only when everything holds.",
	  "muster image decrypt fw.enc --info fw.info --kek class-1=class.key --out fw.bin",
	  decrypt_options, run_image_decrypt },
	{ "image admit", "INFO", 1, 1, "Let further devices into an encrypted image",
	  "The encrypted image stays as it is: opens INFO with a key that it is for, and "
	  "writes "
	  "another info for the new devices, to be signed in a manifest of theirs.",
	  "muster image admit fw.info --kek class-1=class.key --recipient new.pub --out "
	  "new.info",
	  admit_options, run_image_admit },
	{ 0 },
};
