/* Lays a source out as command sequences.  The shared sequence checks whom the manifest is for
 * and says what is expected; a section brings, checks or runs it. */

#include "suit/layout.h"

#define NO_INDEX SIZE_MAX

/* A sequence and the index that is current in it. */
struct layout {
	const struct suit_source *in;
	struct suit_sequence_out s;
	size_t current;
};

bool suit_layout_indexed(const struct suit_source *in)
{
	return in->component_count + in->dependency_count > 1;
}

static void index_set(struct layout *l, size_t index)
{
	if (suit_layout_indexed(l->in) && l->current != index)
		suit_put_command(&l->s, SUIT_SET_COMPONENT_INDEX, index);
	l->current = index;
}

static void override(struct layout *l, const struct suit_parameters *p)
{
	suit_put_parameters(&l->s, SUIT_OVERRIDE_PARAMETERS, p);
}

static void check(struct layout *l, enum suit_command condition)
{
	suit_put_command(&l->s, condition, SUIT_POLICY_ALL);
}

/* --- alternatives --------------------------------------------------------------------------
 */

typedef void alternative_fn(struct layout *l, const struct suit_source_component *c,
			    const struct suit_source_image *image);

/* The first image of its slot. */
static bool is_first_of_slot(const struct suit_source_component *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (c->image[k].has_slot == c->image[i].has_slot &&
		    c->image[k].slot == c->image[i].slot)
			return false;
	return true;
}

/* One alternative for each image, or for each slot; without try-each when there is only one. */
static void alternatives(struct layout *l, size_t index, bool by_slot, alternative_fn *put)
{
	const struct suit_source_component *c = &l->in->component[index];
	size_t count = 0, at = 0, written = 0;

	for (size_t i = 0; i < c->image_count; i++)
		count += !by_slot || is_first_of_slot(c, i);
	if (count > 1) {
		index_set(l, index);
		at = suit_try_begin(&l->s);
	}
	for (size_t i = 0; i < c->image_count; i++) {
		if (by_slot && !is_first_of_slot(c, i))
			continue;
		struct layout inner = *l;
		if (count > 1)
			suit_alternative_begin(&inner.s, &l->s);
		put(&inner, c, &c->image[i]);
		if (count > 1)
			suit_sequence_end(&inner.s);
		else
			*l = inner;
		written++;
	}
	if (count > 1) {
		suit_try_end(&l->s, at, written);
		l->current = NO_INDEX;
	}
}

static size_t index_of(const struct layout *l, const struct suit_source_component *c)
{
	return (size_t)(c - l->in->component);
}

static void slot_guard(struct layout *l, const struct suit_source_component *c,
		       const struct suit_source_image *image)
{
	struct suit_parameters p = { .has = SUIT_BIT(SUIT_PARAM_SLOT), .slot = image->slot };

	if (!image->has_slot)
		return;
	index_set(l, index_of(l, c));
	override(l, &p);
	suit_put_command(&l->s, SUIT_COND_SLOT, SUIT_POLICY_SLOT);
}

static void expect(struct suit_parameters *p, const struct suit_image_ref *r)
{
	if (r->has_digest)
		p->has |= SUIT_BIT(SUIT_PARAM_DIGEST);
	if (r->has_size)
		p->has |= SUIT_BIT(SUIT_PARAM_SIZE);
	p->digest = r->digest;
	p->size = r->size;
}

/* What the component will hold. */
static void put_expected(struct layout *l, const struct suit_source_component *c,
			 const struct suit_source_image *image)
{
	struct suit_parameters p = { 0 };

	slot_guard(l, c, image);
	expect(&p, &image->whole);
	if (p.has)
		index_set(l, index_of(l, c));
	override(l, &p);
}

static bool is_straight(const struct suit_source_component *c)
{
	return c->image_count == 1 && !c->image[0].has_slot;
}

static bool has_precursor(const struct suit_source_component *c)
{
	for (size_t i = 0; i < c->image_count; i++)
		if (c->image[i].precursor.has_digest)
			return true;
	return false;
}

static bool is_checked(const struct suit_source_component *c)
{
	return c->image_count > 0 && c->image[0].whole.has_digest;
}

/* --- shared --------------------------------------------------------------------------------
 */

static void put_classes(struct layout *l)
{
	const struct suit_source *in = l->in;

	if (in->class_count == 1)
		check(l, SUIT_COND_CLASS);
	if (in->class_count < 2)
		return;
	size_t at = suit_try_begin(&l->s);
	for (size_t i = 0; i < in->class_count; i++) {
		struct suit_parameters p = { .has = SUIT_BIT(SUIT_PARAM_CLASS),
					     .class_id = in->class_id[i] };
		struct layout inner = *l;
		suit_alternative_begin(&inner.s, &l->s);
		override(&inner, &p);
		check(&inner, SUIT_COND_CLASS);
		suit_sequence_end(&inner.s);
	}
	suit_try_end(&l->s, at, in->class_count);
}

/* Whom the manifest is for, and, in the same parameters, what the first component will hold. */
static void put_identity(struct layout *l)
{
	const struct suit_source *in = l->in;
	struct suit_parameters p = { .vendor = in->vendor, .device_id = in->device_id };

	if (in->has_vendor)
		p.has |= SUIT_BIT(SUIT_PARAM_VENDOR);
	if (in->class_count == 1) {
		p.has |= SUIT_BIT(SUIT_PARAM_CLASS);
		p.class_id = in->class_id[0];
	}
	if (in->has_device)
		p.has |= SUIT_BIT(SUIT_FIELD_DEVICE);
	if (!p.has && in->class_count == 0)
		return;
	if (in->component_count > 0 && is_straight(&in->component[0]) &&
	    !in->component[0].repeat_digest)
		expect(&p, &in->component[0].image[0].whole);
	index_set(l, 0);
	override(l, &p);
	if (in->has_vendor)
		check(l, SUIT_COND_VENDOR);
	put_classes(l);
	if (in->has_device)
		check(l, SUIT_COND_DEVICE);
}

static bool has_identity(const struct suit_source *in)
{
	return in->has_vendor || in->class_count > 0 || in->has_device;
}

static bool expects_in_shared(const struct suit_source *in, size_t i)
{
	return is_checked(&in->component[i]) && !in->component[i].repeat_digest;
}

static void put_shared(struct layout *l)
{
	const struct suit_source *in = l->in;

	put_identity(l);
	for (size_t i = 0; i < in->component_count; i++) {
		bool is_said = i == 0 && has_identity(in) && is_straight(&in->component[0]);
		if (expects_in_shared(in, i) && !is_said)
			alternatives(l, i, true, put_expected);
	}
	for (size_t i = 0; i < in->dependency_count; i++) {
		struct suit_parameters p = { 0 };
		expect(&p, &in->dependency[i].manifest);
		index_set(l, in->component_count + i);
		override(l, &p);
	}
}

static bool shared_has(const struct suit_source *in)
{
	for (size_t i = 0; i < in->component_count; i++)
		if (expects_in_shared(in, i))
			return true;
	return has_identity(in) || in->dependency_count > 0;
}

/* --- guards --------------------------------------------------------------------------------
 */

static bool guard_has(const struct suit_source_guard *g)
{
	return g->version_count > 0 || g->skip_installed || g->has_use_before ||
	       g->has_battery || g->has_priority || g->wait.has;
}

static void put_bounds(struct layout *l, const struct suit_source_range *range, size_t from)
{
	for (size_t i = from; i < range->count; i++) {
		struct suit_parameters p = { .has = SUIT_BIT(SUIT_FIELD_VERSION),
					     .version = range->bound[i] };
		override(l, &p);
		check(l, SUIT_COND_VERSION);
	}
}

/* The first bound of the only range is a parameter already. */
static void put_versions(struct layout *l, const struct suit_source_guard *g)
{
	if (g->version_count == 1) {
		check(l, SUIT_COND_VERSION);
		put_bounds(l, &g->version[0], 1);
	}
	if (g->version_count < 2)
		return;
	size_t at = suit_try_begin(&l->s);
	for (size_t i = 0; i < g->version_count; i++) {
		struct layout inner = *l;
		suit_alternative_begin(&inner.s, &l->s);
		put_bounds(&inner, &g->version[i], 0);
		suit_sequence_end(&inner.s);
	}
	suit_try_end(&l->s, at, g->version_count);
}

static void guard_parameters(const struct suit_source_guard *g, struct suit_parameters *p)
{
	if (g->version_count == 1) {
		p->has |= SUIT_BIT(SUIT_FIELD_VERSION);
		p->version = g->version[0].bound[0];
	}
	if (g->has_use_before)
		p->has |= SUIT_BIT(SUIT_FIELD_USE_BEFORE);
	if (g->has_battery)
		p->has |= SUIT_BIT(SUIT_FIELD_BATTERY);
	if (g->has_priority)
		p->has |= SUIT_BIT(SUIT_FIELD_PRIORITY);
	if (g->wait.has)
		p->has |= SUIT_BIT(SUIT_FIELD_WAIT);
	p->use_before = g->use_before;
	p->battery = g->battery;
	p->priority = g->priority;
	p->wait = g->wait;
}

static void put_guard(struct layout *l)
{
	const struct suit_source_guard *g = &l->in->guard;
	struct suit_parameters p = { 0 };

	if (!guard_has(g))
		return;
	guard_parameters(g, &p);
	index_set(l, 0);
	if (g->skip_installed && l->in->component[0].repeat_digest)
		expect(&p, &l->in->component[0].image[0].whole);
	override(l, &p);
	put_versions(l, g);
	if (g->skip_installed)
		check(l, SUIT_COND_IMAGE_NOT_MATCH);
	if (g->has_use_before)
		check(l, SUIT_COND_USE_BEFORE);
	if (g->has_battery)
		check(l, SUIT_COND_MIN_BATTERY);
	if (g->has_priority)
		check(l, SUIT_COND_AUTHORIZED);
	if (g->wait.has)
		check(l, SUIT_WAIT);
}

/* --- fetch ---------------------------------------------------------------------------------
 */

static void put_where(struct layout *l, const struct suit_source_image *image,
		      struct suit_parameters *p)
{
	struct suit_parameters uri = { .has = SUIT_BIT(SUIT_PARAM_URI), .uri = image->uri };

	if (image->fetch_args.n > 0) {
		p->has |= SUIT_BIT(SUIT_FIELD_FETCH_ARGS);
		p->fetch_args = image->fetch_args;
	}
	if (image->uri_replaceable) {
		override(l, p);
		suit_put_parameters(&l->s, SUIT_SET_PARAMETERS, &uri);
		return;
	}
	p->has |= SUIT_BIT(SUIT_PARAM_URI);
	p->uri = image->uri;
	override(l, p);
}

static void add_metadata(const struct suit_source_component *c, struct suit_parameters *p)
{
	if (!c->metadata)
		return;
	p->has |= SUIT_BIT(SUIT_FIELD_METADATA);
	p->metadata = c->metadata;
}

static bool is_through_another(const struct suit_source_component *c)
{
	return c->install == SUIT_INSTALL_COPY || c->install == SUIT_INSTALL_SWAP;
}

/* All alternatives differ in their slot alone: they share one fetch behind them. */
static void put_slot_source(struct layout *l, const struct suit_source_component *c,
			    const struct suit_source_image *image)
{
	struct suit_parameters p = { 0 };

	slot_guard(l, c, image);
	if (c->repeat_digest)
		expect(&p, &image->whole);
	add_metadata(c, &p);
	put_where(l, image, &p);
}

/* An alternative with a fetch of its own. */
static void put_fetch(struct layout *l, const struct suit_source_component *c,
		      const struct suit_source_image *image)
{
	struct suit_parameters precursor = { 0 }, p = { 0 };

	slot_guard(l, c, image);
	if (image->precursor.has_digest) {
		index_set(l, index_of(l, c));
		expect(&precursor, &image->precursor);
		override(l, &precursor);
		check(l, SUIT_COND_IMAGE_MATCH);
	}
	index_set(l, is_through_another(c) ? image->via : index_of(l, c));
	expect(&p, is_through_another(c) ? &image->fetched : &image->whole);
	if (!is_through_another(c))
		add_metadata(c, &p);
	put_where(l, image, &p);
	suit_put_command(&l->s, SUIT_FETCH, SUIT_POLICY_DO);
	check(l, SUIT_COND_IMAGE_MATCH);
}

static void put_fetches(struct layout *l, size_t i)
{
	const struct suit_source_component *c = &l->in->component[i];

	if (is_through_another(c) || has_precursor(c)) {
		alternatives(l, i, false, put_fetch);
		return;
	}
	index_set(l, i);
	alternatives(l, i, true, put_slot_source);
	index_set(l, i);
	suit_put_command(&l->s, SUIT_FETCH, SUIT_POLICY_DO);
	check(l, SUIT_COND_IMAGE_MATCH);
}

static bool fetches_in(const struct suit_source_component *c, enum suit_section section)
{
	bool fetches = c->install == SUIT_INSTALL_FETCH || is_through_another(c);

	return fetches && section == (c->fetch_early ? SUIT_PAYLOAD_FETCH : SUIT_INSTALL);
}

/* --- install -------------------------------------------------------------------------------
 */

/* The parameters of a move, and the encryption info: set only where no dependent manifest has
 * set another one, if that is allowed. */
static void put_encrypted(struct layout *l, const struct suit_source_image *image,
			  struct suit_parameters *p)
{
	struct suit_parameters info = { .has = SUIT_BIT(SUIT_FIELD_ENCRYPTION_INFO),
					.encryption_info = image->encryption_info };
	bool has = image->encryption_info.n > 0;

	if (has && !image->encryption_replaceable) {
		p->has |= info.has;
		p->encryption_info = info.encryption_info;
	}
	override(l, p);
	if (has && image->encryption_replaceable)
		suit_put_parameters(&l->s, SUIT_SET_PARAMETERS, &info);
}

static void put_move(struct layout *l, const struct suit_source_component *c,
		     const struct suit_source_image *image, struct suit_parameters *p)
{
	bool copies = c->install == SUIT_INSTALL_COPY;

	p->has |= SUIT_BIT(SUIT_FIELD_SOURCE);
	p->source = image->via;
	add_metadata(c, p);
	put_encrypted(l, image, p);
	suit_put_command(&l->s, copies ? SUIT_COPY : SUIT_SWAP, SUIT_POLICY_DO);
}

/* Which of several was fetched shows in what the download area holds. */
static void put_move_alternative(struct layout *l, const struct suit_source_component *c,
				 const struct suit_source_image *image)
{
	struct suit_parameters fetched = { 0 }, p = { 0 };

	slot_guard(l, c, image);
	if (has_precursor(c)) {
		index_set(l, image->via);
		expect(&fetched, &image->fetched);
		override(l, &fetched);
		check(l, SUIT_COND_IMAGE_MATCH);
	}
	index_set(l, index_of(l, c));
	put_move(l, c, image, &p);
}

static void put_moves(struct layout *l, size_t i)
{
	const struct suit_source_component *c = &l->in->component[i];
	struct suit_parameters p = { 0 };
	/* A fetch in this very section has left the precursor's digest behind. */
	bool say = c->repeat_digest || (has_precursor(c) && !c->fetch_early);

	if (is_straight(c)) {
		index_set(l, i);
		if (say)
			expect(&p, &c->image[0].whole);
		put_move(l, c, &c->image[0], &p);
	} else {
		alternatives(l, i, false, put_move_alternative);
		index_set(l, i);
		if (say)
			alternatives(l, i, true, put_expected);
	}
	index_set(l, i);
	check(l, SUIT_COND_IMAGE_MATCH);
}

static void put_content(struct layout *l, const struct suit_source_component *c,
			const struct suit_source_image *image)
{
	struct suit_parameters p = { .has = SUIT_BIT(SUIT_FIELD_CONTENT),
				     .content = image->content };

	slot_guard(l, c, image);
	index_set(l, index_of(l, c));
	if (c->repeat_digest)
		expect(&p, &image->whole);
	add_metadata(c, &p);
	put_encrypted(l, image, &p);
	suit_put_command(&l->s, SUIT_WRITE, SUIT_POLICY_DO);
	if (image->whole.has_digest)
		check(l, SUIT_COND_IMAGE_MATCH);
}

/* --- sections ------------------------------------------------------------------------------
 */

static void put_dependencies(struct layout *l, enum suit_section section)
{
	for (size_t i = 0; i < l->in->dependency_count; i++) {
		if (!(l->in->dependency[i].sections & SUIT_BIT(section)))
			continue;
		index_set(l, l->in->component_count + i);
		check(l, SUIT_COND_DEPENDENCY_INTEGRITY);
		check(l, SUIT_PROCESS_DEPENDENCY);
	}
}

static bool dependencies_have(const struct suit_source *in, enum suit_section section)
{
	for (size_t i = 0; i < in->dependency_count; i++)
		if (in->dependency[i].sections & SUIT_BIT(section))
			return true;
	return false;
}

static void put_resolution(struct layout *l)
{
	for (size_t i = 0; i < l->in->dependency_count; i++) {
		const struct suit_source_dependency *d = &l->in->dependency[i];
		struct suit_parameters p = { .has = SUIT_BIT(SUIT_PARAM_URI), .uri = d->uri };

		if (d->uri.n == 0)
			continue;
		index_set(l, l->in->component_count + i);
		suit_put_parameters(&l->s,
				    d->uri_replaceable ? SUIT_SET_PARAMETERS
						       : SUIT_OVERRIDE_PARAMETERS,
				    &p);
		suit_put_command(&l->s, SUIT_FETCH, SUIT_POLICY_DO);
		check(l, SUIT_COND_DEPENDENCY_INTEGRITY);
	}
}

static void put_candidate(struct layout *l, const struct suit_source_component *c,
			  const struct suit_source_image *image)
{
	struct suit_parameters p = { 0 };

	slot_guard(l, c, image);
	index_set(l, image->via);
	expect(&p, &image->fetched);
	override(l, &p);
	check(l, SUIT_COND_IMAGE_MATCH);
}

static void put_validation(struct layout *l, size_t i)
{
	index_set(l, i);
	if (l->in->component[i].repeat_digest)
		alternatives(l, i, true, put_expected);
	index_set(l, i);
	check(l, SUIT_COND_IMAGE_MATCH);
}

static void put_load(struct layout *l, size_t i)
{
	const struct suit_source_component *c = &l->in->component[i];
	struct suit_parameters p = { .has = SUIT_BIT(SUIT_FIELD_SOURCE), .source = i };

	index_set(l, c->load_into);
	expect(&p, &c->loaded);
	if (c->load_encryption_info.n > 0) {
		p.has |= SUIT_BIT(SUIT_FIELD_ENCRYPTION_INFO);
		p.encryption_info = c->load_encryption_info;
	}
	override(l, &p);
	suit_put_command(&l->s, SUIT_COPY, SUIT_POLICY_DO);
	if (c->loaded.has_digest)
		check(l, SUIT_COND_IMAGE_MATCH);
}

static void put_invoke(struct layout *l, size_t i)
{
	const struct suit_source_component *c = &l->in->component[i];
	struct suit_parameters p = { .invoke_args = c->invoke_args };

	if (c->invoke_args.n > 0)
		p.has = SUIT_BIT(SUIT_FIELD_INVOKE_ARGS);
	index_set(l, c->load ? c->load_into : i);
	override(l, &p);
	suit_put_command(&l->s, SUIT_DO_INVOKE, SUIT_POLICY_DO);
}

/* What a section does with a component, or asks whether it would (l NULL). */
static bool component_part(struct layout *l, const struct suit_source *in,
			   enum suit_section section, size_t i)
{
	const struct suit_source_component *c = &in->component[i];
	bool fetch = fetches_in(c, section);
	bool install = section == SUIT_INSTALL &&
		       (is_through_another(c) || c->install == SUIT_INSTALL_WRITE);
	bool candidate = section == SUIT_CANDIDATE_VERIFICATION && c->check_candidate;
	bool validate = section == SUIT_VALIDATE && is_checked(c);
	bool load = section == SUIT_LOAD && c->load;
	bool invoke = section == SUIT_INVOKE && c->invoke;
	bool uninstall = section == SUIT_UNINSTALL && c->uninstall;

	if (!l)
		return fetch || install || candidate || validate || load || invoke || uninstall;
	if (fetch)
		put_fetches(l, i);
	if (install && is_through_another(c))
		put_moves(l, i);
	else if (install)
		alternatives(l, i, false, put_content);
	if (candidate)
		alternatives(l, i, false, put_candidate);
	if (validate)
		put_validation(l, i);
	if (load)
		put_load(l, i);
	if (invoke)
		put_invoke(l, i);
	if (uninstall) {
		index_set(l, i);
		check(l, SUIT_UNLINK);
	}
	return true;
}

/* Without the guards, which go into the first section of an update that there is. */
static bool section_has(const struct suit_source *in, enum suit_section section)
{
	if (in->given[section].n > 0 || (in->leave_out & SUIT_BIT(section)))
		return in->given[section].n > 0;
	if (section == SUIT_SHARED)
		return shared_has(in);
	for (size_t i = 0; i < in->dependency_count; i++)
		if (section == SUIT_DEPENDENCY_RESOLUTION && in->dependency[i].uri.n > 0)
			return true;
	for (size_t i = 0; i < in->component_count; i++)
		if (component_part(NULL, in, section, i))
			return true;
	return dependencies_have(in, section);
}

static bool is_guarded(const struct suit_source *in, enum suit_section section)
{
	static const enum suit_section update[] = { SUIT_DEPENDENCY_RESOLUTION,
						    SUIT_PAYLOAD_FETCH, SUIT_INSTALL };

	for (size_t i = 0; i < sizeof(update) / sizeof(update[0]); i++)
		if (section_has(in, update[i]))
			return update[i] == section && guard_has(&in->guard);
	return section == SUIT_PAYLOAD_FETCH && guard_has(&in->guard);
}

bool suit_layout_has(const struct suit_source *in, enum suit_section section)
{
	return section_has(in, section) || is_guarded(in, section);
}

void suit_layout_put(struct scbor_out *o, const struct suit_source *in,
		     enum suit_section section)
{
	struct layout l = { .in = in, .current = NO_INDEX };

	if (in->given[section].n > 0) {
		scbor_put_bytes(o, in->given[section]);
		return;
	}
	suit_sequence_begin(&l.s, o);
	if (section == SUIT_SHARED)
		put_shared(&l);
	if (is_guarded(in, section))
		put_guard(&l);
	if (section == SUIT_DEPENDENCY_RESOLUTION)
		put_resolution(&l);
	put_dependencies(&l, section);
	for (size_t i = 0; i < in->component_count; i++)
		component_part(&l, in, section, i);
	suit_sequence_end(&l.s);
}
