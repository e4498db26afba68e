/* Explaining is deciding without acting. */

#include "core/campaign_explain.h"

#include "core/offer.h"
#include "db/member_store.h"

enum rc campaign_explain(struct call *c, const struct uuid *device_id,
			 const struct uuid *campaign_id, struct explanation *ret)
{
	struct device_row device;
	struct offer_row row;
	struct offer_facts f;
	struct explanation e = { 0 };

	enum rc rc = registration_store_get(c->db, c->tenant, device_id, c->mem, &device);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such device");
	if (rc == RC_OK)
		rc = member_store_look(c->db);
	if (rc == RC_OK)
		rc = offer_store_get(c->db, c->tenant, device_id, campaign_id, c->mem, &row);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such campaign");
	if (rc == RC_OK)
		rc = offer_gather(c, &device, &row, &f);
	if (rc != RC_OK)
		return rc;
	enum offer_verdict verdict = offer_decide(&f);
	e.offered = verdict == OFFER_YES || verdict == OFFER_OPEN;
	e.count = offer_reasons(&f, e.reasons);
	*ret = e;
	return RC_OK;
}
