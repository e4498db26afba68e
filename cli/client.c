/* One libcurl handle per client, so that a connection is kept. */

#include "cli/client.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "cli/problem.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX        ((size_t)64 << 20)
#define ROOT_MAX          65536 /* a certificate */
#define PEM_LINE          64
#define CONNECT_TIMEOUT_S 10L
#define ANSWER_TIMEOUT_S  60L
#define STALL_S           60L /* what moves less than a byte a second for so long */
#define TRIES             4
#define RETRY_AFTER_MAX_S 5L

struct client {
	CURL *curl;
	struct arena *mem;
	struct login login;
	bool prove; /* false only while the root is fetched that shall be pinned */
};

struct exchange {
	const struct request *in;
	struct reply *reply;
	long retry_after_s;
	bool too_large;
	char error[CURL_ERROR_SIZE];
};

void reply_finish(struct reply *r)
{
	json_decref(r->json);
	free(r->data);
	free(r->etag);
	*r = (struct reply){ 0 };
}

enum exit_code client_create(const struct login *l, struct client **ret)
{
	struct client *c = xcalloc(1, sizeof(*c));
	c->mem = arena_create();
	c->prove = true;
	c->login.url = arena_text(c->mem, l->url);
	c->login.token = l->token ? arena_text(c->mem, l->token) : NULL;
	c->login.ca_pem = l->ca_pem ? arena_text(c->mem, l->ca_pem) : NULL;
	c->curl = curl_easy_init();
	*ret = c;
	if (!c->curl) {
		client_free(TAKE(*ret));
		return cli_fail(EXIT_FAILED, "libcurl does not start");
	}
	return EXIT_DONE;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	arena_free(c->mem);
	free(c);
}

static size_t answer_max(const struct request *in)
{
	return in->max ? in->max : ANSWER_MAX;
}

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	struct reply *r = x->reply;
	if (one * n + r->size > answer_max(x->in)) {
		x->too_large = true;
		return 0;
	}
	r->data = xrealloc(r->data, r->size + one * n + 1);
	memcpy(r->data + r->size, p, one * n);
	r->size += one * n;
	r->data[r->size] = '\0';
	return one * n;
}

/* The value of a header line, copied without blanks around it; NULL when it is another one. */
static char *header_value(const char *line, size_t n, const char *name)
{
	size_t skip = strlen(name);
	if (n <= skip || strncasecmp(line, name, skip) != 0 || line[skip] != ':')
		return NULL;
	skip++;
	while (skip < n && (line[skip] == ' ' || line[skip] == '\t'))
		skip++;
	while (n > skip && strchr(" \t\r\n", line[n - 1]))
		n--;
	char *ret = xcalloc(n - skip + 1, 1);
	memcpy(ret, line + skip, n - skip);
	return ret;
}

static size_t on_header(char *p, size_t one, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	CLEAN(mem) char *retry = header_value(p, one * n, "Retry-After");
	CLEAN(mem) char *etag = header_value(p, one * n, "ETag");
	uint64_t seconds;
	if (retry && parse_u64(bytes_of(retry), 86400, &seconds) == RC_OK)
		x->retry_after_s = (long)seconds;
	if (etag) {
		free(x->reply->etag);
		x->reply->etag = TAKE(etag);
	}
	return one * n;
}

static size_t on_upload(char *p, size_t one, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	size_t got = fread(p, 1, one * n, x->in->upload);
	if (got == 0 && ferror(x->in->upload))
		return CURL_READFUNC_ABORT;
	return got;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	struct exchange *x = ctx;
	(void)down_total;
	(void)down;
	(void)up_total;
	if (x->in->on_progress)
		x->in->on_progress(x->in->ctx, up);
	return 0;
}

static void set_trust(struct client *c)
{
	if (!c->prove) {
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, 0L);
		return;
	}
	struct curl_blob ca = { .data = (void *)c->login.ca_pem,
				.len = strlen(c->login.ca_pem),
				.flags = CURL_BLOB_COPY };
	curl_easy_setopt(c->curl, CURLOPT_CAINFO_BLOB, &ca);
	curl_easy_setopt(c->curl, CURLOPT_CAPATH, NULL);
}

/* What moves octets of unknown number has no time in all. */
static void set_patience(struct client *c, const struct request *in)
{
	if (!in->upload && !in->max) {
		curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, ANSWER_TIMEOUT_S);
		return;
	}
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
}

static void set_connection(struct client *c, struct exchange *x)
{
	curl_easy_reset(c->curl);
	set_trust(c);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, x);
	/* Seen in the header already: nothing that is too long need be fetched.  Not for
	 * others: libcurl would refuse the header of a long image that HEAD asks for. */
	if (x->in->max)
		curl_easy_setopt(c->curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->in->max);
	set_patience(c, x->in);
	if (!x->in->upload)
		return;
	rewind(x->in->upload);
	curl_easy_setopt(c->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, on_upload);
	curl_easy_setopt(c->curl, CURLOPT_READDATA, x);
	curl_easy_setopt(c->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->in->upload_size);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
}

static struct curl_slist *add_header(struct curl_slist *list, struct arena *mem,
				     const char *name, const char *value)
{
	if (!value)
		return list;
	return curl_slist_append(list, arena_printf(mem, "%s: %s", name, value));
}

static struct curl_slist *make_headers(struct client *c, const struct request *in,
				       const char *idempotency_key, struct arena *mem)
{
	struct curl_slist *list = NULL;
	if (c->prove && c->login.token)
		list = add_header(list, mem, "Authorization",
				  arena_printf(mem, "Bearer %s", c->login.token));
	list = add_header(list, mem, "If-Match", in->if_match);
	list = add_header(list, mem, "Idempotency-Key", idempotency_key);
	if (in->upload)
		list = add_header(list, mem, "Content-Type", "application/octet-stream");
	else if (in->body || strcmp(in->method, "POST") == 0)
		list = add_header(list, mem, "Content-Type", "application/json");
	return list;
}

CLEAN_DEFINE(headers, struct curl_slist *, curl_slist_free_all)

/* One exchange, without a second try. */
static CURLcode exchange_once(struct client *c, struct exchange *x, const char *idempotency_key)
{
	CLEAN(arena) struct arena *mem = arena_create();
	bool is_post = strcmp(x->in->method, "POST") == 0;
	CLEAN(mem)
	char *body = x->in->body ? json_dumps(x->in->body, JSON_COMPACT)
		     : is_post   ? xstrdup("{}")
				 : NULL;
	reply_finish(x->reply);
	x->retry_after_s = 0;
	x->error[0] = '\0';
	x->too_large = false;
	set_connection(c, x);

	CLEAN(headers)
	struct curl_slist *headers = make_headers(c, x->in, idempotency_key, mem);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_URL,
			 arena_printf(mem, "%s%s", c->login.url, x->in->path));
	if (body)
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	if (strcmp(x->in->method, "HEAD") == 0)
		curl_easy_setopt(c->curl, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, x->in->method);

	CURLcode result = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &x->reply->status);
	if (result == CURLE_FILESIZE_EXCEEDED)
		x->too_large = true;
	return result;
}

/* The request may have arrived, but its answer was lost. */
static bool answer_was_lost(CURLcode result)
{
	return result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR ||
	       result == CURLE_SEND_ERROR || result == CURLE_PARTIAL_FILE;
}

static bool worth_another_try(const struct exchange *x, CURLcode result)
{
	/* A second DELETE or PATCH with If-Match would only find its own change. */
	bool repeatable =
		strcmp(x->in->method, "DELETE") != 0 && strcmp(x->in->method, "PATCH") != 0;
	if (result != CURLE_OK)
		return repeatable && answer_was_lost(result);
	return x->reply->status == 503 && x->retry_after_s <= RETRY_AFTER_MAX_S;
}

static void wait_s(long s)
{
	struct timespec left = { .tv_sec = s > 0 ? s : 1 };
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}

static enum exit_code tell_connection(const struct client *c, const struct exchange *x,
				      CURLcode result)
{
	if (x->in->quiet)
		return EXIT_FAILED;
	if (x->too_large)
		return cli_fail(EXIT_FAILED, "the answer of %s is too large", c->login.url);
	long verified = 0;
	curl_easy_getinfo(c->curl, CURLINFO_SSL_VERIFYRESULT, &verified);
	if (result == CURLE_PEER_FAILED_VERIFICATION || verified != 0)
		return cli_fail(EXIT_AUTH,
				"%s does not prove that it is the server you logged in to: %s",
				c->login.url, x->error);
	return cli_fail(EXIT_FAILED, "cannot reach %s: %s", c->login.url,
			*x->error ? x->error : curl_easy_strerror(result));
}

static enum exit_code read_answer(const struct exchange *x)
{
	struct reply *r = x->reply;
	bool done = r->status >= 200 && r->status < 300;
	if (r->size > 0 && !(done && x->in->max))
		r->json = json_loadb((const char *)r->data, r->size,
				     JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (done || (x->in->also_ok && r->status == x->in->also_ok))
		return EXIT_DONE;
	return x->in->quiet ? problem_exit_code(r->status) : problem_tell(r->status, r->json);
}

enum exit_code client_call(struct client *c, const struct request *in, struct reply *ret)
{
	struct exchange x = { .in = in, .reply = ret };
	struct uuid key;
	char key_text[UUID_TEXT_SIZE];
	bool is_post = strcmp(in->method, "POST") == 0;
	if (is_post) {
		uuid_random(&key);
		uuid_format(&key, key_text);
	}
	CURLcode result = CURLE_OK;
	for (int i = 0; i < TRIES; i++) {
		result = exchange_once(c, &x, is_post ? key_text : NULL);
		if (in->quiet || !worth_another_try(&x, result))
			break;
		if (i + 1 < TRIES)
			wait_s(x.retry_after_s);
	}
	ret->too_large = x.too_large && in->max;
	if (ret->too_large)
		return EXIT_DONE;
	if (result != CURLE_OK)
		return tell_connection(c, &x, result);
	return read_answer(&x);
}

enum exit_code client_get(struct client *c, const char *path, struct reply *ret)
{
	struct request in = { .method = "GET", .path = path };
	return client_call(c, &in, ret);
}

enum exit_code client_post(struct client *c, const char *path, const json_t *body,
			   struct reply *ret)
{
	struct request in = { .method = "POST", .path = path, .body = body };
	return client_call(c, &in, ret);
}

enum exit_code client_change(struct client *c, const char *path, const struct request *in,
			     struct reply *ret)
{
	CLEAN(reply) struct reply now = { 0 };
	enum exit_code code = client_get(c, path, &now);
	if (code != EXIT_DONE)
		return code;
	struct request change = *in;
	change.if_match = now.etag;
	return client_call(c, &change, ret);
}

enum exit_code client_fetch_ca(const char *url, struct arena *mem, const char **ret_root_pem)
{
	struct login nobody = { .url = url };
	CLEAN(client) struct client *c = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = client_create(&nobody, &c);
	if (!c)
		return code;
	c->prove = false;
	code = client_get(c, "/v1/ca", &reply);
	if (code != EXIT_DONE)
		return code;
	const char *pem = json_string_value(json_object_get(reply.json, "root_pem"));
	if (!pem)
		return cli_fail(EXIT_FAILED,
				"%s does not say which CA it has; is it a Muster server?", url);
	*ret_root_pem = arena_text(mem, pem);
	return EXIT_DONE;
}

static enum rc first_certificate(const char *pem, struct arena *mem, struct bytes *ret_der)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----",
			  end[] = "-----END CERTIFICATE-----";
	const char *from = strstr(pem, begin);
	const char *to = from ? strstr(from, end) : NULL;
	if (!to)
		return RC_INVALID;
	char *text = arena_alloc(mem, (size_t)(to - from) + 1);
	size_t n = 0;
	for (from += sizeof(begin) - 1; from < to; from++)
		if (!strchr(" \t\r\n", *from))
			text[n++] = *from;
	return base64_decode(mem, (struct bytes){ (const uint8_t *)text, n }, ret_der);
}

enum rc client_fingerprint(const char *pem, struct arena *mem, struct digest *ret)
{
	struct bytes der;
	enum rc rc = first_certificate(pem, mem, &der);
	if (rc == RC_OK)
		sha256_of(der, ret);
	return rc;
}

/* Lines of 64, as everybody writes it (RFC 7468). */
static const char *pem_of(struct bytes der, struct arena *mem)
{
	const char *text = base64_encode(mem, der);
	size_t n = strlen(text), at = 0;
	char *lines = arena_alloc(mem, n + n / PEM_LINE + 2), *to = lines;
	while (at < n) {
		*to++ = text[at++];
		if (at % PEM_LINE == 0 || at == n)
			*to++ = '\n';
	}
	*to = '\0';
	return arena_printf(mem, "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n",
			    lines);
}

enum rc client_take_root(const char *sent, struct arena *mem, const char **ret_pem,
			 struct digest *ret_fingerprint)
{
	struct bytes der;
	enum rc rc = first_certificate(sent, mem, &der);
	if (rc != RC_OK)
		return rc;
	if (der.n > ROOT_MAX)
		return RC_TOO_LARGE;
	sha256_of(der, ret_fingerprint);
	*ret_pem = pem_of(der, mem);
	return RC_OK;
}

const char *client_escape(struct arena *mem, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	char *ret = arena_alloc(mem, strlen(text) * 3 + 1), *to = ret;
	for (; *text != '\0'; text++) {
		if (strchr(plain, *text))
			*to++ = *text;
		else
			to += snprintf(to, 4, "%%%02X", (unsigned)(uint8_t)*text);
	}
	return ret;
}

enum exit_code client_each_page(struct client *c, const char *path,
				enum exit_code (*page)(void *ctx, const json_t *items),
				void *ctx)
{
	CLEAN(mem) char *token = NULL;
	do {
		CLEAN(arena) struct arena *mem = arena_create();
		CLEAN(reply) struct reply reply = { 0 };
		const char *url = arena_printf(
			mem, "%s%cpage_size=500%s%s", path, strchr(path, '?') ? '&' : '?',
			token ? "&page_token=" : "", token ? client_escape(mem, token) : "");
		enum exit_code code = client_get(c, url, &reply);
		if (code == EXIT_DONE)
			code = page(ctx, json_object_get(reply.json, "items"));
		if (code != EXIT_DONE)
			return code;
		free(token);
		const char *next =
			json_string_value(json_object_get(reply.json, "next_page_token"));
		token = next ? xstrdup(next) : NULL;
	} while (token);
	return EXIT_DONE;
}
