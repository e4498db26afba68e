/* Certificates in PEM files, one after the other; what stands between them is for people. */

#include "cli/certificates.h"

#include "cli/file.h"

#include <string.h>

#define BEGIN_LINE "-----BEGIN CERTIFICATE-----"
#define END_LINE   "-----END CERTIFICATE-----"
#define FILE_MAX   (CERTIFICATES_MAX * 2 * SUIT_CERT_MAX)

static enum exit_code add(struct cli *c, const char *path, struct suit_bytes pem,
			  struct suit_bytes *der, size_t *count)
{
	uint8_t buf[SUIT_CERT_MAX];
	size_t n;
	if (*count == CERTIFICATES_MAX)
		return cli_fail(EXIT_FAILED, "%s holds more than %d certificates", path,
				CERTIFICATES_MAX);
	if (suit_certificate_from_pem(pem, buf, &n) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "certificate %zu of %s is damaged or too large",
				*count + 1, path);
	uint8_t *copy = arena_alloc(c->mem, n);
	memcpy(copy, buf, n);
	der[(*count)++] = (struct suit_bytes){ copy, n };
	return EXIT_DONE;
}

enum exit_code certificates_load(struct cli *c, const char *path, struct suit_certificates *ret)
{
	struct bytes content;
	struct suit_bytes *der = arena_alloc(c->mem, CERTIFICATES_MAX * sizeof(*der));
	size_t count = 0;
	enum exit_code code = file_read(path, FILE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	const char *at = (const char *)content.p;
	while (code == EXIT_DONE && (at = strstr(at, BEGIN_LINE)) != NULL) {
		const char *end = strstr(at, END_LINE);
		size_t n = end ? (size_t)(end - at) + strlen(END_LINE) : strlen(at);
		code = add(c, path, (struct suit_bytes){ (const uint8_t *)at, n }, der, &count);
		at += n;
	}
	if (code == EXIT_DONE && count == 0)
		code = cli_fail(EXIT_FAILED, "%s holds no certificate in PEM", path);
	*ret = (struct suit_certificates){ der, count };
	return code;
}
