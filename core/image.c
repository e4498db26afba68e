/* Images as the operators know them: the rows beside the files of core/images.c. */
#include "core/release.h"

#include "core/audit.h"
#include "db/image_store.h"

static enum rc note(struct call *c, const struct digest *digest)
{
	char hex[DIGEST_TEXT_SIZE];
	struct audit_act act = { .action = "image.create",
				 .object_kind = "image",
				 .object_id = digest_format(digest, hex) };

	return audit_add(c, &act);
}

enum rc image_add(struct call *c, const struct digest *digest, int64_t size,
		  struct image_item *ret, bool *ret_new)
{
	struct image_item image = { .digest = *digest, .size = size, .created_at = c->now };
	bool is_new = false;

	enum rc rc = image_store_add(c->db, c->tenant, &image, &c->actor.id, &is_new);
	if (rc != RC_OK)
		return rc;
	if (is_new)
		rc = note(c, digest);
	else
		rc = image_store_get(c->db, c->tenant, digest, &image);
	if (rc != RC_OK)
		return rc;
	*ret = image;
	*ret_new = is_new;
	return RC_OK;
}

enum rc image_get(struct call *c, const struct digest *digest, struct image_item *ret)
{
	enum rc rc = image_store_get(c->db, c->tenant, digest, ret);

	return rc == RC_NOT_FOUND ? call_fail(c, ERR_NOT_FOUND, "there is no such image") : rc;
}

enum rc image_list(struct call *c, const struct digest *after, int limit,
		   struct image_item **ret, int *ret_count)
{
	return image_store_list(c->db, c->tenant, after, limit, c->mem, ret, ret_count);
}
