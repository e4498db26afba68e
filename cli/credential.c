/* New keys and certificates of devices.  A secret passes through once: a PSK is written to a
 * file or shown, a private key is made here and never sent. */

#include "cli/credential.h"

#include "base/clean.h"
#include "cli/client.h"
#include "cli/csr.h"
#include "cli/file.h"

#include <string.h>

#define CSR_FILE_MAX 16384

/* What a new credential needs before the call, and leaves behind after it. */
struct credential {
	const char *endpoint;
	const char *out; /* --out, or NULL */
	const char *key_path, *crt_path, *ca_path;
	char *key_pem; /* made here; NULL: not */
};

static enum exit_code prepare_cert(struct cli *c, struct credential *cr, json_t *body)
{
	char *csr_pem;
	const char *folder = args_value(&c->args, "out-dir");
	if (!folder)
		return cli_fail(EXIT_FAILED,
				"--cert needs --out-dir DIR for key and certificate");
	cr->key_path = arena_printf(c->mem, "%s/%s.key", folder, cr->endpoint);
	cr->crt_path = arena_printf(c->mem, "%s/%s.crt", folder, cr->endpoint);
	cr->ca_path = arena_printf(c->mem, "%s/ca.crt", folder);
	enum exit_code code = file_make_folder(folder);
	if (code == EXIT_DONE && (file_exists(cr->key_path) || file_exists(cr->crt_path)))
		code = cli_fail(EXIT_FAILED,
				"%s or %s is there already; it is never overwritten",
				cr->key_path, cr->crt_path);
	if (code != EXIT_DONE)
		return code;
	if (csr_create(cr->endpoint, c->mem, &cr->key_pem, &csr_pem) != RC_OK)
		return cli_fail(EXIT_FAILED, "cannot make a certificate request for \"%s\"",
				cr->endpoint);
	json_object_set_new(body, "csr", json_string(csr_pem));
	/* Before the call: a certificate whose key was lost would be worth nothing. */
	return file_write_new(cr->key_path, bytes_of(cr->key_pem), 0600);
}

static enum exit_code prepare_csr(struct cli *c, struct credential *cr, json_t *body)
{
	struct bytes content;
	const char *path = args_value(&c->args, "csr");
	enum exit_code code = file_read(path, CSR_FILE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	cr->crt_path = cr->out;
	if (json_object_set_new(body, "csr", json_string(bytes_text(c->mem, content))) != 0)
		return cli_fail(EXIT_FAILED, "%s is not PEM text", path);
	return EXIT_DONE;
}

static enum exit_code prepare_credential(struct cli *c, struct credential *cr, json_t *body)
{
	int kinds = args_has(&c->args, "psk") + args_has(&c->args, "cert") +
		    args_has(&c->args, "csr");
	*cr = (struct credential){ .endpoint = args_operand(&c->args, 0),
				   .out = args_value(&c->args, "out") };
	if (kinds != 1)
		return cli_fail(EXIT_FAILED, "give one of --psk, --cert and --csr FILE");
	if (cr->out && file_exists(cr->out))
		return cli_fail(EXIT_FAILED, "%s is there already; it is never overwritten",
				cr->out);
	if (args_has(&c->args, "cert"))
		return prepare_cert(c, cr, body);
	if (args_has(&c->args, "csr"))
		return prepare_csr(c, cr, body);
	json_object_set_new(body, "psk", json_true());
	return EXIT_DONE;
}

static enum exit_code keep_psk(struct cli *c, const struct credential *cr, const char *psk)
{
	if (!cr->out) {
		if (!c->out.json)
			fprintf(c->out.to, "%s\n", psk);
		cli_say("This key (base64) is shown once; the server keeps it sealed.");
		return EXIT_DONE;
	}
	enum exit_code code =
		file_write_new(cr->out, bytes_of(arena_printf(c->mem, "%s\n", psk)), 0600);
	if (code == EXIT_DONE)
		cli_say("Wrote the key (base64) to %s.", cr->out);
	return code;
}

/* The certificate and its issuer: what the device sends.  The root is left out; who checks the
 * device has it. */
static const char *with_issuer(struct arena *mem, const char *pem, const char *chain)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	const char *issuer_end = chain ? strstr(chain, end) : NULL;
	if (!issuer_end)
		return pem;
	return arena_printf(mem, "%s%.*s", pem,
			    (int)(issuer_end - chain) + (int)sizeof(end) - 1, chain);
}

static enum exit_code keep_certificate(struct cli *c, const struct credential *cr,
				       const json_t *answer)
{
	const char *pem = json_string_value(json_object_get(answer, "certificate_pem"));
	const char *chain = json_string_value(json_object_get(answer, "chain_pem"));
	if (!pem)
		return cli_fail(EXIT_FAILED, "the server sent no certificate");
	if (!cr->crt_path) {
		if (!c->out.json)
			fputs(pem, c->out.to);
		return EXIT_DONE;
	}
	enum exit_code code =
		file_write_new(cr->crt_path, bytes_of(with_issuer(c->mem, pem, chain)), 0644);
	if (code == EXIT_DONE && cr->ca_path && chain && !file_exists(cr->ca_path))
		code = file_write_new(cr->ca_path, bytes_of(chain), 0644);
	if (code == EXIT_DONE && cr->key_path)
		cli_say("Wrote %s, %s and %s.", cr->key_path, cr->crt_path, cr->ca_path);
	else if (code == EXIT_DONE)
		cli_say("Wrote the certificate to %s.", cr->crt_path);
	return code;
}

static enum exit_code keep_credential(struct cli *c, const struct credential *cr,
				      const json_t *answer)
{
	const char *psk = json_string_value(json_object_get(answer, "psk"));
	if (c->out.json)
		output_json(&c->out, answer);
	return psk ? keep_psk(c, cr, psk) : keep_certificate(c, cr, answer);
}

enum exit_code credential_send(struct cli *c, const char *path, json_t *body)
{
	struct credential cr;
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = prepare_credential(c, &cr, body);
	if (code != EXIT_DONE)
		return code;
	code = client_post(client, path, body, &reply);
	if (code != EXIT_DONE && cr.key_pem)
		unlink(cr.key_path); /* made a moment ago, for this certificate alone */
	if (code != EXIT_DONE)
		return code;
	cli_say("Device %s is ready to connect.", cr.endpoint);
	return keep_credential(c, &cr, reply.json);
}
