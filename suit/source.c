/* Is a source within its bounds, and does it make sense?  What only shows in the bytes is left
 * to the decoder, which reads whatever was encoded. */

#include "suit/source.h"

#include "suit/cbor.h"

static bool is_text(struct suit_bytes b, size_t max)
{
	return b.n <= max && scbor_utf8(b);
}

static enum suit_rc id_check(const struct suit_component_id *id)
{
	if (id->count > SUIT_SEGMENTS_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < id->count; i++)
		if (id->segment[i].n > SUIT_SOURCE_TEXT_MAX)
			return SUIT_TOO_LARGE;
	return SUIT_OK;
}

/* --- images --------------------------------------------------------------------------------
 */

static bool same_ref(const struct suit_image_ref *a, const struct suit_image_ref *b)
{
	return a->has_digest == b->has_digest && a->has_size == b->has_size &&
	       (!a->has_digest || suit_digest_equal(&a->digest, &b->digest)) &&
	       (!a->has_size || a->size == b->size);
}

/* Two alternatives of the same slot: the earlier one must ask for a precursor, or the later one
 * is never reached; and both end in the same image. */
static enum suit_rc pair_check(const struct suit_source_image *earlier,
			       const struct suit_source_image *later)
{
	if (earlier->has_slot != later->has_slot)
		return SUIT_MALFORMED;
	if (earlier->has_slot && earlier->slot != later->slot)
		return SUIT_OK;
	if (!earlier->precursor.has_digest || !same_ref(&earlier->whole, &later->whole))
		return SUIT_MALFORMED;
	bool same = later->precursor.has_digest &&
		    suit_digest_equal(&earlier->precursor.digest, &later->precursor.digest);
	return same ? SUIT_MALFORMED : SUIT_OK;
}

static enum suit_rc via_check(const struct suit_source *in, const struct suit_source_image *i)
{
	if (i->via >= in->component_count)
		return SUIT_UNKNOWN;
	const struct suit_source_component *via = &in->component[i->via];
	if (via->install != SUIT_INSTALL_NONE || via->image_count > 0)
		return SUIT_UNSUPPORTED;
	return i->fetched.has_digest ? SUIT_OK : SUIT_MISSING;
}

static enum suit_rc image_check(const struct suit_source *in,
				const struct suit_source_component *c,
				const struct suit_source_image *i)
{
	bool fetches = c->install != SUIT_INSTALL_NONE && c->install != SUIT_INSTALL_WRITE;
	bool through = fetches && c->install != SUIT_INSTALL_FETCH;

	if (i->fetch_args.n > SUIT_SOURCE_STRING_MAX || i->content.n > SUIT_SOURCE_STRING_MAX ||
	    i->encryption_info.n > SUIT_SOURCE_STRING_MAX || i->uri.n > SUIT_URI_MAX)
		return SUIT_TOO_LARGE;
	if (fetches != (i->uri.n > 0))
		return SUIT_MISSING;
	if (c->install != SUIT_INSTALL_WRITE && !i->whole.has_digest)
		return SUIT_MISSING;
	if (!scbor_utf8(i->uri))
		return SUIT_MALFORMED;
	/* Only a copy or a write decrypts. */
	if (i->encryption_info.n > 0 && c->install != SUIT_INSTALL_COPY &&
	    c->install != SUIT_INSTALL_WRITE)
		return SUIT_UNSUPPORTED;
	if (i->precursor.has_digest && !fetches)
		return SUIT_UNSUPPORTED;
	if (c->install != SUIT_INSTALL_WRITE && i->content.n > 0)
		return SUIT_UNSUPPORTED;
	return through ? via_check(in, i) : SUIT_OK;
}

static enum suit_rc images_check(const struct suit_source *in,
				 const struct suit_source_component *c)
{
	enum suit_rc rc = SUIT_OK;

	if (c->image_count > SUIT_IMAGES_MAX)
		return SUIT_TOO_LARGE;
	if (c->image_count == 0)
		return c->install == SUIT_INSTALL_NONE ? SUIT_OK : SUIT_MISSING;
	for (size_t i = 0; i < c->image_count && rc == SUIT_OK; i++) {
		rc = image_check(in, c, &c->image[i]);
		for (size_t k = 0; k < i && rc == SUIT_OK; k++)
			rc = pair_check(&c->image[k], &c->image[i]);
		if (rc == SUIT_OK &&
		    c->image[i].whole.has_digest != c->image[0].whole.has_digest)
			rc = SUIT_MISSING;
	}
	return rc;
}

/* --- components ----------------------------------------------------------------------------
 */

static enum suit_rc metadata_check(const struct suit_metadata *m)
{
	for (size_t i = 0; i < 3; i++) {
		const struct suit_permissions *p = &m->permissions[i];
		if (p->count > SUIT_ACTORS_MAX)
			return SUIT_TOO_LARGE;
		for (size_t k = 0; k < p->count; k++)
			for (size_t j = 0; j < k; j++)
				if (p->of[j].actor == p->of[k].actor)
					return SUIT_MALFORMED;
	}
	return SUIT_OK;
}

static enum suit_rc component_check(const struct suit_source *in, size_t i)
{
	const struct suit_source_component *c = &in->component[i];
	bool through = c->install == SUIT_INSTALL_COPY || c->install == SUIT_INSTALL_SWAP;
	enum suit_rc rc = id_check(&c->id);

	if (rc == SUIT_OK && c->id.count == 0)
		rc = SUIT_MISSING;
	for (size_t k = 0; k < i && rc == SUIT_OK; k++)
		if (suit_component_equal(&in->component[k].id, &c->id))
			rc = SUIT_MALFORMED;
	if (rc == SUIT_OK)
		rc = images_check(in, c);
	if (rc == SUIT_OK && c->metadata)
		rc = metadata_check(c->metadata);
	if (rc != SUIT_OK)
		return rc;
	if (c->load && (c->load_into >= in->component_count || c->load_into == i))
		return SUIT_UNKNOWN;
	/* Only what was fetched before can be looked at there. */
	if (c->check_candidate &&
	    !(through && (c->fetch_early || in->given[SUIT_PAYLOAD_FETCH].n > 0)))
		return SUIT_UNSUPPORTED;
	if (c->invoke_args.n > SUIT_SOURCE_STRING_MAX ||
	    c->load_encryption_info.n > SUIT_SOURCE_STRING_MAX)
		return SUIT_TOO_LARGE;
	return SUIT_OK;
}

static enum suit_rc dependency_check(const struct suit_source_dependency *d)
{
	enum suit_rc rc = id_check(&d->prefix);

	if (rc != SUIT_OK)
		return rc;
	if (d->uri.n > SUIT_URI_MAX)
		return SUIT_TOO_LARGE;
	if (!scbor_utf8(d->uri) || d->sections >= SUIT_BIT(SUIT_SECTIONS) ||
	    (d->sections & SUIT_BIT(SUIT_SHARED)))
		return SUIT_MALFORMED;
	return d->manifest.has_digest ? SUIT_OK : SUIT_MISSING;
}

/* --- guards --------------------------------------------------------------------------------
 */

static enum suit_rc match_check(const struct suit_version_match *m)
{
	if (m->count == 0 || m->comparison < SUIT_VERSION_GREATER ||
	    m->comparison > SUIT_VERSION_LESSER)
		return SUIT_MALFORMED;
	return m->count <= SUIT_VERSION_MAX ? SUIT_OK : SUIT_TOO_LARGE;
}

static enum suit_rc wait_check(const struct suit_wait *w)
{
	bool other = w->has & SUIT_BIT(SUIT_WAIT_OTHER_DEVICE);
	enum suit_rc rc = SUIT_OK;

	if ((w->has & 1) || w->has >= SUIT_BIT(SUIT_WAIT_EVENTS))
		return SUIT_UNKNOWN;
	for (unsigned e = SUIT_WAIT_TIME; e < SUIT_WAIT_EVENTS; e++)
		if ((w->has & SUIT_BIT(e)) && w->value[e] < 0)
			return SUIT_MALFORMED;
	if (!other)
		return SUIT_OK;
	if (w->other_device.n == 0 || w->other_version_count == 0)
		return SUIT_MISSING;
	if (w->other_version_count > SUIT_RANGES_MAX ||
	    w->other_device.n > SUIT_SOURCE_STRING_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < w->other_version_count && rc == SUIT_OK; i++)
		rc = match_check(&w->other_version[i]);
	return rc;
}

static bool is_guarded(const struct suit_source_guard *g)
{
	return g->version_count > 0 || g->skip_installed || g->has_use_before ||
	       g->has_battery || g->has_priority || g->wait.has;
}

static enum suit_rc guard_check(const struct suit_source *in)
{
	const struct suit_source_guard *g = &in->guard;
	enum suit_rc rc = wait_check(&g->wait);

	if (g->version_count > SUIT_RANGES_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < g->version_count && rc == SUIT_OK; i++) {
		if (g->version[i].count == 0 || g->version[i].count > 2)
			return SUIT_MALFORMED;
		for (size_t k = 0; k < g->version[i].count && rc == SUIT_OK; k++)
			rc = match_check(&g->version[i].bound[k]);
	}
	if (rc != SUIT_OK || !is_guarded(g))
		return rc;
	/* A given sequence would drop the conditions without a word. */
	static const enum suit_section update[] = { SUIT_DEPENDENCY_RESOLUTION,
						    SUIT_PAYLOAD_FETCH, SUIT_INSTALL };
	for (size_t i = 0; i < sizeof(update) / sizeof(update[0]); i++)
		if (in->given[update[i]].n > 0 || (in->leave_out & SUIT_BIT(update[i])))
			return SUIT_UNSUPPORTED;
	/* One image that is there stops the update, so there must be no other. */
	size_t images = 0;
	for (size_t i = 0; i < in->component_count; i++)
		images += in->component[i].image_count > 0;
	if (g->skip_installed && (images != 1 || in->component[0].image_count == 0))
		return SUIT_UNSUPPORTED;
	if (g->skip_installed && in->component[0].repeat_digest &&
	    in->component[0].image[0].has_slot)
		return SUIT_UNSUPPORTED;
	return SUIT_OK;
}

/* --- text and payloads ---------------------------------------------------------------------
 */

static enum suit_rc texts_check(const struct suit_bytes *text, size_t keys)
{
	for (size_t key = 0; key < keys; key++) {
		if (text[key].n > SUIT_SOURCE_TEXT_MAX)
			return SUIT_TOO_LARGE;
		if (!scbor_utf8(text[key]))
			return SUIT_MALFORMED;
	}
	return SUIT_OK;
}

static enum suit_rc language_check(const struct suit_source *in,
				   const struct suit_source_text *t)
{
	enum suit_rc rc = texts_check(t->text, SUIT_TEXT_KEYS);

	if (!is_text(t->language, 32) || t->language.n == 0)
		return SUIT_MALFORMED;
	if (t->component_count > SUIT_COMPONENTS_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < t->component_count && rc == SUIT_OK; i++) {
		rc = texts_check(t->component[i].text, SUIT_TEXT_COMPONENT_KEYS);
		if (t->component[i].component >= in->component_count)
			return SUIT_UNKNOWN;
		for (size_t k = 0; k < i; k++)
			if (t->component[k].component == t->component[i].component)
				return SUIT_MALFORMED;
	}
	return rc;
}

static enum suit_rc text_check(const struct suit_source *in)
{
	enum suit_rc rc = SUIT_OK;

	if (in->text_count > SUIT_LANGUAGES_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < in->text_count && rc == SUIT_OK; i++) {
		rc = language_check(in, &in->text[i]);
		for (size_t k = 0; k < i; k++)
			if (suit_bytes_equal(in->text[k].language, in->text[i].language))
				return SUIT_MALFORMED;
	}
	return rc;
}

static enum suit_rc payloads_check(const struct suit_source *in)
{
	if (in->payload_count > SUIT_PAYLOADS_MAX)
		return SUIT_TOO_LARGE;
	for (size_t i = 0; i < in->payload_count; i++) {
		if (in->payload[i].name.n == 0 || !is_text(in->payload[i].name, SUIT_URI_MAX))
			return SUIT_MALFORMED;
		for (size_t k = 0; k < i; k++)
			if (suit_bytes_equal(in->payload[k].name, in->payload[i].name))
				return SUIT_MALFORMED;
	}
	return SUIT_OK;
}

static enum suit_rc counts_check(const struct suit_source *in)
{
	if (in->component_count + in->dependency_count == 0)
		return SUIT_MISSING;
	if (in->component_count > SUIT_COMPONENTS_MAX ||
	    in->dependency_count > SUIT_COMPONENTS_MAX || in->class_count > SUIT_CLASSES_MAX ||
	    in->version_count > SUIT_VERSION_MAX || in->vendor.pen.n > 32 ||
	    in->reference_uri.n > SUIT_URI_MAX)
		return SUIT_TOO_LARGE;
	if (!scbor_utf8(in->reference_uri))
		return SUIT_MALFORMED;
	return id_check(&in->own_component);
}

/* --- areas that components share ------------------------------------------------------------
 */

static bool is_through_area(const struct suit_source_component *c)
{
	return c->install == SUIT_INSTALL_COPY || c->install == SUIT_INSTALL_SWAP;
}

static bool same_fetch(const struct suit_source_image *a, const struct suit_source_image *b)
{
	return same_ref(&a->fetched, &b->fetched) && suit_bytes_equal(a->uri, b->uri);
}

/* Whether something else than this image is fetched into its area for c.  Two copies of one
 * download need it once, and may fetch it twice. */
static bool uses_area(const struct suit_source_component *c,
		      const struct suit_source_image *image, bool copied)
{
	bool shares = copied && c->install == SUIT_INSTALL_COPY;

	for (size_t i = 0; is_through_area(c) && i < c->image_count; i++)
		if (c->image[i].via == image->via &&
		    !(shares && same_fetch(&c->image[i], image)))
			return true;
	return false;
}

/* Is `other` fetched after `c` was, and before `c` is installed?  What is fetched in install is
 * installed before the next component's turn. */
static bool overwrites(const struct suit_source_component *c,
		       const struct suit_source_component *other)
{
	return c->fetch_early && (other->fetch_early || other < c);
}

static bool clash(const struct suit_source *in, size_t i, size_t k,
		  struct suit_source_clash *ret)
{
	const struct suit_source_component *c = &in->component[i], *other = &in->component[k];

	for (size_t n = 0; i != k && is_through_area(c) && n < c->image_count; n++) {
		if (!uses_area(other, &c->image[n], c->install == SUIT_INSTALL_COPY))
			continue;
		bool by_uri = c->image[n].uri_replaceable && k < i;
		*ret = (struct suit_source_clash){ i, k, by_uri };
		if (by_uri || overwrites(c, other))
			return true;
	}
	return false;
}

/* Who writes the sections by hand may do it otherwise. */
bool suit_source_clashes(const struct suit_source *in, struct suit_source_clash *ret)
{
	uint32_t sections = SUIT_BIT(SUIT_PAYLOAD_FETCH) | SUIT_BIT(SUIT_INSTALL);

	if (in->given[SUIT_PAYLOAD_FETCH].n > 0 || in->given[SUIT_INSTALL].n > 0 ||
	    (in->leave_out & sections))
		return false;
	for (size_t i = 0; i < in->component_count; i++)
		for (size_t k = 0; k < in->component_count; k++)
			if (clash(in, i, k, ret))
				return true;
	return false;
}

enum suit_rc suit_source_check(const struct suit_source *in)
{
	struct suit_source_clash found;
	enum suit_rc rc = counts_check(in);

	for (size_t i = 0; rc == SUIT_OK && i < in->component_count; i++)
		rc = component_check(in, i);
	if (rc == SUIT_OK && suit_source_clashes(in, &found))
		rc = SUIT_UNSUPPORTED;
	for (size_t i = 0; rc == SUIT_OK && i < in->dependency_count; i++)
		rc = dependency_check(&in->dependency[i]);
	if (rc == SUIT_OK)
		rc = guard_check(in);
	if (rc == SUIT_OK)
		rc = text_check(in);
	if (rc == SUIT_OK)
		rc = payloads_check(in);
	return rc;
}
