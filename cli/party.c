/* Key files of those who can decrypt. */

#include "cli/party.h"

#include "cli/author.h"
#include "cli/pkcs11.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define KEK_FILE_MAX 66 /* 64 digits and a line end */

void clean_party_list(struct party_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		suit_key_free(list->key[i]);
	explicit_bzero(list, sizeof(*list));
}

/* Splits KID=FILE.  A '/' before the '=' makes it a file's name, and a PKCS#11 URI is no key
 * id.
 */
static enum exit_code kid_split(struct cli *c, const char *text, struct suit_bytes *ret_kid,
				const char **ret_path)
{
	const char *end = strchr(text, '=');
	*ret_kid = (struct suit_bytes){ 0 };
	*ret_path = text;
	if (!end || memchr(text, '/', (size_t)(end - text)) || pkcs11_is_uri(text))
		return EXIT_DONE;
	const char *kid = arena_printf(c->mem, "%.*s", (int)(end - text), text);
	struct bytes raw = bytes_of(kid);
	if (strncmp(kid, "0x", 2) == 0 && hex_decode(c->mem, bytes_of(kid + 2), &raw) != RC_OK)
		return cli_fail(EXIT_FAILED, "\"%s\" is no key id in hexadecimal digits", kid);
	if (raw.n == 0 || raw.n > SUIT_KID_MAX)
		return cli_fail(EXIT_FAILED, "a key id has 1 to %d bytes", SUIT_KID_MAX);
	*ret_kid = (struct suit_bytes){ raw.p, raw.n };
	*ret_path = end + 1;
	return EXIT_DONE;
}

/* Without stdio, whose buffer nobody wipes. */
static enum exit_code read_secret(const char *path, uint8_t buf[KEK_FILE_MAX + 1],
				  size_t *ret_n)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	if (fd < 0)
		return cli_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED,
				"cannot open %s: %s", path, strerror(errno));
	for (ssize_t got; n <= KEK_FILE_MAX; n += (size_t)got) {
		got = read(fd, buf + n, KEK_FILE_MAX + 1 - n);
		if (got < 0)
			return cli_fail(EXIT_FAILED, "cannot read %s: %s", path,
					strerror(errno));
		if (got == 0)
			break;
	}
	*ret_n = n;
	return EXIT_DONE;
}

static uint8_t digit(uint8_t c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* 0 when it is no key.  In place: a key of n digits takes the first n / 2 bytes. */
static size_t kek_decode(uint8_t *p, size_t n)
{
	size_t text = n;
	bool hex = true;
	while (text > 0 && (p[text - 1] == '\n' || p[text - 1] == '\r'))
		text--;
	for (size_t i = 0; i < text; i++)
		hex = hex && isxdigit(p[i]);
	if (hex && (text == 32 || text == 64)) {
		for (size_t i = 0; i < text; i += 2)
			p[i / 2] = (uint8_t)(digit(p[i]) << 4 | digit(p[i + 1]));
		return text / 2;
	}
	return n == 16 || n == 32 ? n : 0;
}

static enum exit_code room_for_one(const struct party_list *list)
{
	if (list->count < SUIT_RECIPIENTS_MAX)
		return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "an image is encrypted for at most %d recipients",
			SUIT_RECIPIENTS_MAX);
}

enum exit_code party_add_kek(struct cli *c, struct party_list *list, const char *text)
{
	uint8_t buf[KEK_FILE_MAX + 1];
	size_t i = list->count, n = 0;
	const char *path;
	struct suit_bytes kid;
	enum exit_code code = room_for_one(list);
	if (code == EXIT_DONE)
		code = kid_split(c, text, &kid, &path);
	if (code == EXIT_DONE)
		code = read_secret(path, buf, &n);
	if (code != EXIT_DONE)
		return code;
	n = kek_decode(buf, n);
	memcpy(list->secret[i], buf, n);
	explicit_bzero(buf, sizeof(buf));
	if (n == 0)
		return cli_fail(EXIT_FAILED,
				"%s holds no key of 16 or 32 bytes, raw or in hexadecimal "
				"digits",
				path);
	list->party[i] = (struct suit_party){ .kid = kid, .secret = { list->secret[i], n } };
	list->count++;
	return EXIT_DONE;
}

enum exit_code party_add_key(struct cli *c, struct party_list *list, const char *text)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	uint8_t *id = arena_alloc(c->mem, SUIT_KID_SIZE);
	size_t i = list->count;
	const char *path;
	struct suit_bytes kid;
	enum exit_code code = room_for_one(list);
	if (code == EXIT_DONE)
		code = kid_split(c, text, &kid, &path);
	if (code == EXIT_DONE)
		code = author_key_load(c, path, &key);
	if (code != EXIT_DONE)
		return code;
	if (suit_key_type(key) != SUIT_KEY_P256)
		return cli_fail(EXIT_FAILED, "%s is no P-256 key", path);
	if (kid.n == 0 && suit_key_kid(key, id) == SUIT_OK)
		kid = (struct suit_bytes){ id, SUIT_KID_SIZE };
	list->key[i] = TAKE(key);
	list->party[i] = (struct suit_party){ .kid = kid, .key = list->key[i] };
	list->count++;
	return EXIT_DONE;
}

enum exit_code party_add_all(struct cli *c, struct party_list *list, const char *kek_option,
			     const char *key_option)
{
	const char *values[ARGS_MAX];
	enum exit_code code = EXIT_DONE;
	int n = kek_option ? args_values(&c->args, kek_option, values) : 0;
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		code = party_add_kek(c, list, values[i]);
	n = args_values(&c->args, key_option, values);
	for (int i = 0; i < n && code == EXIT_DONE; i++)
		code = party_add_key(c, list, values[i]);
	return code;
}

enum exit_code party_key_open(struct cli *c, const struct suit_encryption *e,
			      const char *key_option, struct suit_content_key *ret)
{
	CLEAN(party_list) struct party_list list = { 0 };
	const char *key = args_value(&c->args, key_option);
	enum exit_code code = party_add_all(c, &list, "kek", key_option);
	if (code != EXIT_DONE)
		return code;
	struct suit_party party = list.party[0];
	if (party.key && !suit_key_is_private(party.key))
		return cli_fail(EXIT_FAILED, "%s is a public key and cannot decrypt", key);
	enum suit_rc rc = suit_content_key_open(&suit_crypto_openssl, e, &party, ret);
	if (rc == SUIT_MISSING && key && !strchr(key, '=')) {
		party.kid.n = 0;
		rc = suit_content_key_open(&suit_crypto_openssl, e, &party, ret);
	}
	if (rc == SUIT_MISSING)
		return cli_fail(EXIT_FAILED, "the key is not one of the %zu the image is for",
				e->recipient_count);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "the key does not open the info: %s",
				suit_rc_text(rc));
	return EXIT_DONE;
}

enum exit_code party_info_make(const struct party_list *list,
			       const struct suit_content_key *key, uint8_t buf[PARTY_INFO_MAX],
			       struct suit_bytes *ret)
{
	size_t n;
	enum suit_rc rc = suit_encrypt_info_make(&suit_crypto_openssl, key, list->party,
						 list->count, buf, PARTY_INFO_MAX, &n);
	if (rc == SUIT_MISSING)
		return cli_fail(EXIT_FAILED,
				"several recipients need a key id each; write KID=FILE");
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot make the encryption info: %s",
				suit_rc_text(rc));
	*ret = (struct suit_bytes){ buf, n };
	return EXIT_DONE;
}
