/* New keys and certificates of devices.  A secret passes through once: a PSK is written to a
 * file or shown, a private key is made here and never sent. */

#include "cli/credential.h"

#include "base/clean.h"
#include "cli/client.h"
#include "cli/csr.h"
#include "cli/draft.h"
#include "cli/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CSR_FILE_MAX 16384

/* What a new credential needs before the call, and leaves behind after it. */
struct credential {
	const char *endpoint;
	struct draft out; /* of --out; zeroed: none */
	const char *key_path, *crt_path, *ca_path;
	char *key_pem; /* made here; NULL: not */
};

static void clean_credential(struct credential *cr)
{
	clean_draft(&cr->out);
}

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

static enum exit_code prepare_csr(struct cli *c, json_t *body)
{
	struct bytes content;
	const char *path = args_value(&c->args, "csr");
	enum exit_code code = file_read(path, CSR_FILE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	if (json_object_set_new(body, "csr", json_string(bytes_text(c->mem, content))) != 0)
		return cli_fail(EXIT_FAILED, "%s is not PEM text", path);
	return EXIT_DONE;
}

static enum exit_code prepare_credential(struct cli *c, struct credential *cr, json_t *body)
{
	int kinds = args_has(&c->args, "psk") + args_has(&c->args, "cert") +
		    args_has(&c->args, "csr");
	const char *out = args_value(&c->args, "out");
	cr->endpoint = args_operand(&c->args, 0);
	if (kinds != 1)
		return cli_fail(EXIT_FAILED, "give one of --psk, --cert and --csr FILE");
	if (args_has(&c->args, "cert"))
		return prepare_cert(c, cr, body);
	/* Before the call: a key that cannot be written is lost, and the old one with it. */
	enum exit_code code = out ? draft_open(&cr->out, out, c->mem) : EXIT_DONE;
	if (code != EXIT_DONE)
		return code;
	if (args_has(&c->args, "csr"))
		return prepare_csr(c, body);
	json_object_set_new(body, "psk", json_true());
	return EXIT_DONE;
}

static enum exit_code keep_out(struct draft *out, const char *text)
{
	enum exit_code code = draft_write(out, bytes_of(text));
	return code == EXIT_DONE ? draft_keep(out) : code;
}

static enum exit_code keep_psk(struct cli *c, struct credential *cr, const char *psk)
{
	const char *path = cr->out.path;
	if (!path) {
		if (!c->out.json)
			fprintf(c->out.to, "%s\n", psk);
		if (fflush(c->out.to) != 0)
			return cli_fail(EXIT_FAILED,
					"the key was not shown and is lost; make another: "
					"muster device credential %s --psk",
					cr->endpoint);
		cli_say("This key (base64) is shown once; the server keeps it sealed.");
		return EXIT_DONE;
	}
	enum exit_code code = keep_out(&cr->out, arena_printf(c->mem, "%s\n", psk));
	if (code == EXIT_DONE)
		cli_say("Wrote the key (base64) to %s.", path);
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

/* A request came from elsewhere: the certificate alone, where --out says. */
static enum exit_code keep_certificate_alone(struct cli *c, struct credential *cr,
					     const char *pem, const char *chain)
{
	const char *path = cr->out.path;
	if (!path) {
		if (!c->out.json)
			fputs(pem, c->out.to);
		return EXIT_DONE;
	}
	/* No secret, and whoever serves the device may be somebody else. */
	if (fchmod(fileno(cr->out.file), 0644) != 0)
		return cli_fail(EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
	enum exit_code code = keep_out(&cr->out, with_issuer(c->mem, pem, chain));
	if (code == EXIT_DONE)
		cli_say("Wrote the certificate to %s.", path);
	return code;
}

static enum exit_code keep_certificate(struct cli *c, struct credential *cr,
				       const json_t *answer)
{
	const char *pem = json_string_value(json_object_get(answer, "certificate_pem"));
	const char *chain = json_string_value(json_object_get(answer, "chain_pem"));
	if (!pem)
		return cli_fail(EXIT_FAILED, "the server sent no certificate");
	if (!cr->crt_path)
		return keep_certificate_alone(c, cr, pem, chain);
	enum exit_code code =
		file_write_new(cr->crt_path, bytes_of(with_issuer(c->mem, pem, chain)), 0644);
	if (code == EXIT_DONE && chain && !file_exists(cr->ca_path))
		code = file_write_new(cr->ca_path, bytes_of(chain), 0644);
	if (code == EXIT_DONE)
		cli_say("Wrote %s, %s and %s.", cr->key_path, cr->crt_path, cr->ca_path);
	return code;
}

static enum exit_code keep_credential(struct cli *c, struct credential *cr,
				      const json_t *answer)
{
	const char *psk = json_string_value(json_object_get(answer, "psk"));
	if (c->out.json)
		output_json(&c->out, answer);
	return psk ? keep_psk(c, cr, psk) : keep_certificate(c, cr, answer);
}

enum exit_code credential_send(struct cli *c, const char *path, json_t *body)
{
	CLEAN(credential) struct credential cr = { 0 };
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
