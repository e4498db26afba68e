/* Handlers of the device API: decode, ask core, encode.  What can be answered from memory is,
 * on the network thread. */

#include "api/device/device.h"

#include "api/come_back.h"
#include "api/device/device_codec.h"
#include "base/hash.h"
#include "core/core.h"
#include "core/images.h"
#include "core/job.h"
#include "core/registration.h"
#include "core/signed_report.h"

#include <string.h>

#define FOR_EVER_S 86400 /* Max-Age of what never changes */
#define ETAG_SIZE  8

static void answer_cbor(struct res *res, struct bytes body)
{
	res->format = FORMAT_CBOR;
	res->body = body;
}

enum rc h_well_known(struct call *c, const struct req *req, struct res *res)
{
	static const char links[] = "</register>;ct=60,</update>;ct=60;obs,</time>;ct=60";

	(void)c;
	(void)req;
	res->format = FORMAT_LINK;
	res->body = bytes_of(links);
	return RC_OK;
}

enum rc h_time(struct call *c, const struct req *req, struct res *res)
{
	(void)req;
	answer_cbor(res, time_encode(c->mem, c->now));
	return RC_OK;
}

/* --- register --- */

/* A device's own, so that those who came at the same moment do not come back at the same
 * moment for ever; and the same at each answer, or an observer would be told of it as news. */
static int32_t checkin_s(const struct call *c)
{
	return come_back_spread_s(c->core->options.checkin_interval_s, &c->actor.id);
}

static void answer_registered(struct call *c, struct res *res)
{
	answer_cbor(res, registered_encode(c->mem, c->now, checkin_s(c)));
}

enum rc h_register_memory(struct call *c, const struct req *req, struct res *res)
{
	struct digest digest;

	if (req->format != FORMAT_CBOR)
		return RC_RETRY;
	sha256_of(req->body, &digest);
	if (!registration_is_known(c->actor.device, &digest))
		return RC_RETRY;
	answer_registered(c, res);
	return RC_OK;
}

static enum rc read_registration(struct call *c, const struct req *req, struct registrant *ret)
{
	struct registration *in = arena_new(c->mem, struct registration);
	const char *why;

	if (req->format != FORMAT_CBOR)
		return call_fail(c, ERR_MEDIA_TYPE, "a registration is CBOR (60)");
	if (registration_decode(req->body, c->mem, in, &why) != RC_OK)
		return call_fail(c, ERR_BAD_REQUEST, "%s", why);
	*ret = (struct registrant){ .call = c, .registration = in };
	sha256_of(req->body, &ret->digest);
	return RC_OK;
}

enum rc h_register(struct call *c, const struct req *req, struct res *res)
{
	struct registrant in = { 0 };

	enum rc rc = read_registration(c, req, &in);
	if (rc == RC_OK)
		rc = registration_commit(c, in.registration, &in.digest);
	if (rc == RC_OK)
		answer_registered(c, res);
	return rc;
}

enum rc h_register_many(struct arena *mem, struct route_item *items, size_t n)
{
	struct registrant *list = arena_array(mem, n, sizeof(*list));
	struct route_item **from = arena_array(mem, n, sizeof(struct route_item *));
	size_t good = 0;

	for (size_t i = 0; i < n; i++) {
		items[i].rc = read_registration(items[i].call, items[i].req, &list[good]);
		if (items[i].rc == RC_OK)
			from[good++] = &items[i];
	}
	enum rc rc = good ? registration_commit_many(list, good) : RC_OK;
	for (size_t i = 0; rc == RC_OK && i < good; i++) {
		from[i]->rc = list[i].rc;
		if (list[i].rc == RC_OK)
			answer_registered(list[i].call, from[i]->res);
	}
	return rc;
}

/* --- update --- */

static void answer_offer(struct call *c, struct res *res, const struct offer *offer)
{
	int32_t come_back_s = checkin_s(c);

	answer_cbor(res, offer_encode(c->mem, offer, come_back_s));
	res->max_age_s = come_back_s;
	res->observe = true;
}

enum rc h_update_memory(struct call *c, const struct req *req, struct res *res)
{
	struct offer offer;

	(void)req;
	enum rc rc = offer_from_memory(c->actor.device, &offer);
	if (rc == RC_OK)
		answer_offer(c, res, &offer);
	return rc;
}

enum rc h_update(struct call *c, const struct req *req, struct res *res)
{
	struct offer offer;

	(void)req;
	enum rc rc = offer_next(c, &offer);
	if (rc == RC_OK)
		answer_offer(c, res, &offer);
	return rc;
}

/* --- manifest and image --- */

/* What the device may not fetch is refused alike, whether it exists or not. */
static enum rc entitled(struct call *c, const char *param, struct digest *ret)
{
	if (digest_parse(param, ret) != RC_OK || !roster_may_fetch(c->actor.device, ret))
		return call_fail(c, ERR_DENIED, "the device's open job does not need this");
	return RC_OK;
}

/* The same for ever, on every node: the digest's first bytes. */
static void immutable(struct call *c, struct res *res, const struct digest *digest)
{
	res->coap_etag = (struct bytes){ arena_copy(c->mem, digest->b, ETAG_SIZE), ETAG_SIZE };
	res->max_age_s = FOR_EVER_S;
}

enum rc h_manifest(struct call *c, const struct req *req, struct res *res)
{
	struct roster_view v;
	struct digest digest;

	enum rc rc = entitled(c, req->params[0], &digest);
	if (rc != RC_OK)
		return rc;
	roster_view(c->actor.device, &v);
	if (!v.release || !digest_equal(&v.release->manifest_digest, &digest))
		return call_fail(c, ERR_DENIED, "the device's open job does not need this");
	answer_cbor(res, v.release->envelope);
	immutable(c, res, &digest);
	return RC_OK;
}

enum rc h_image(struct call *c, const struct req *req, struct res *res)
{
	struct image *image;
	struct digest digest;

	enum rc rc = entitled(c, req->params[0], &digest);
	if (rc != RC_OK)
		return rc;
	rc = images_open_soon(c->core->images, &digest, &image);
	if (rc == RC_NOT_FOUND || rc == RC_UNPROCESSABLE)
		return call_fail(c, ERR_UNAVAILABLE, "the image was put away");
	if (rc == RC_UNAVAILABLE)
		return call_fail(c, ERR_UNAVAILABLE, "the image is being read");
	if (rc != RC_OK)
		return call_fail(c, ERR_INTERNAL, "the image cannot be read");
	roster_fetched(c->core->roster, c->actor.device, c->now);
	res->format = FORMAT_OCTETS;
	res->image = image;
	immutable(c, res, &digest);
	return RC_OK;
}

/* --- report --- */

/* What came, in one of its two forms. */
struct reported {
	struct job_report report;
	struct signed_report suit;
	bool is_suit;
};

static enum rc decode_report(struct call *c, const struct req *req, struct reported *ret)
{
	const char *why = "";
	enum rc rc;

	ret->is_suit = req->format == FORMAT_SUIT_REPORT;
	if (req->format == FORMAT_CBOR)
		rc = progress_decode(req->body, c->mem, &ret->report, &why);
	else if (ret->is_suit)
		rc = suit_report_progress(req->body, c->mem, &ret->report, &ret->suit, &why);
	else
		return call_fail(c, ERR_MEDIA_TYPE,
				 "a report is CBOR (60) or a SUIT report (270)");
	return rc == RC_OK ? RC_OK : call_fail(c, ERR_BAD_REQUEST, "%s", why);
}

static enum rc read_report(struct call *c, const struct req *req, struct reported *ret)
{
	uint64_t job, attempt;

	*ret = (struct reported){ .suit.call = c };
	if (parse_u64(bytes_of(req->params[0]), INT64_MAX, &job) != RC_OK ||
	    parse_u64(bytes_of(req->params[1]), INT32_MAX, &attempt) != RC_OK)
		return call_fail(c, ERR_NOT_FOUND, "no such job");
	enum rc rc = decode_report(c, req, ret);
	if (rc != RC_OK)
		return rc;
	ret->report.job_id = ret->suit.job_id = (int64_t)job;
	ret->report.attempt = ret->suit.attempt = (int32_t)attempt;
	return RC_OK;
}

enum rc h_report(struct call *c, const struct req *req, struct res *res)
{
	struct reported in;
	bool stop;

	enum rc rc = read_report(c, req, &in);
	if (rc == RC_OK && in.is_suit)
		rc = signed_report_check(&in.suit, 1);
	if (rc == RC_OK && in.is_suit)
		rc = in.suit.rc;
	if (rc == RC_OK)
		rc = job_report(c, &in.report, &stop);
	if (rc == RC_OK && in.is_suit)
		rc = signed_report_keep(&in.suit, 1);
	if (rc == RC_OK)
		answer_cbor(res, reported_encode(stop));
	return rc;
}

/* Many reports on their way: those that are good so far. */
struct report_batch {
	struct route_item **from;
	struct job_reported *reports; /* as many as good */
	size_t good;
	struct signed_report *suit;
	size_t *suit_from; /* places in items */
	size_t suit_count;
};

static void batch_read(struct report_batch *b, struct arena *mem, struct route_item *items,
		       size_t n)
{
	struct reported in;

	for (size_t i = 0; i < n; i++) {
		items[i].rc = read_report(items[i].call, items[i].req, &in);
		if (items[i].rc != RC_OK)
			continue;
		if (in.is_suit) {
			if (!b->suit) {
				b->suit = arena_array(mem, n, sizeof(*b->suit));
				b->suit_from = arena_array(mem, n, sizeof(*b->suit_from));
			}
			b->suit_from[b->suit_count] = b->good;
			b->suit[b->suit_count++] = in.suit;
		}
		b->reports[b->good].call = items[i].call;
		b->reports[b->good].report = in.report;
		b->from[b->good++] = &items[i];
	}
}

/* Leaves out those whose signature does not hold. */
static enum rc batch_check(struct report_batch *b)
{
	size_t good = 0;

	enum rc rc = signed_report_check(b->suit, b->suit_count);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < b->suit_count; i++)
		b->from[b->suit_from[i]]->rc = b->suit[i].rc;
	for (size_t i = 0; i < b->good; i++) {
		if (b->from[i]->rc != RC_OK)
			continue;
		b->reports[good] = b->reports[i];
		b->from[good++] = b->from[i];
	}
	b->good = good;
	return RC_OK;
}

enum rc h_report_many(struct arena *mem, struct route_item *items, size_t n)
{
	struct report_batch b = { .from = arena_array(mem, n, sizeof(*b.from)),
				  .reports = arena_array(mem, n, sizeof(*b.reports)) };

	batch_read(&b, mem, items, n);
	enum rc rc = batch_check(&b);
	if (rc == RC_OK && b.good)
		rc = job_report_many(b.reports, b.good);
	if (rc == RC_OK)
		rc = signed_report_keep(b.suit, b.suit_count);
	for (size_t i = 0; rc == RC_OK && i < b.good; i++) {
		b.from[i]->rc = b.reports[i].rc;
		if (b.reports[i].rc == RC_OK)
			answer_cbor(b.from[i]->res, reported_encode(b.reports[i].stop));
	}
	return rc;
}
