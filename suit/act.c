/* Conditions and directives of one component.  A condition without its parameter does not hold;
 * a directive without its own ends the run. */

#include "suit/machine.h"

/* --- what was measured -------------------------------------------------------------------- */

/* The map { key: value } of a record. */
static void measure_uint(struct suit_run *r, enum suit_parameter key, uint64_t v)
{
	struct scbor_out o;

	scbor_out_init(&o, r->measured, sizeof(r->measured));
	scbor_put_map(&o, 1);
	scbor_put_int(&o, key);
	scbor_put_uint(&o, v);
	r->measured_n = (uint8_t)o.n;
}

/* What a platform's function has written: pairs, at most two, in order. */
static void measure_pairs(struct suit_run *r, const struct scbor_out *pairs)
{
	struct suit_bytes bytes = scbor_out_bytes(pairs);
	struct scbor c;
	uint8_t n = 0;

	scbor_init(&c, bytes);
	while (scbor_ok(&c) && !scbor_done(&c) && n < 3) {
		scbor_int(&c);
		scbor_skip(&c);
		n++;
	}
	if (!scbor_done(&c) || n == 0 || n > 2)
		return;
	r->measured[0] = (uint8_t)(SCBOR_MAP << 5 | n);
	r->measured_n = (uint8_t)(1 + bytes.n);
}

/* Room for them, behind the head of the map. */
static struct scbor_out measure_open(struct suit_run *r)
{
	struct scbor_out o;

	scbor_out_init(&o, r->measured + 1, sizeof(r->measured) - 1);
	return o;
}

/* --- conditions --------------------------------------------------------------------------- */

static enum suit_rc holds(bool yes)
{
	return yes ? SUIT_OK : SUIT_CONDITION;
}

static __attribute__((noinline)) enum suit_rc
identity(struct suit_run *r, const struct suit_target *t, enum suit_parameter key)
{
	struct scbor_out measured = measure_open(r);
	struct suit_bytes encoded, id;

	if (!r->platform->identity)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_encoded(t, key, &encoded))
		return SUIT_CONDITION;
	if (!suit_parameter_bytes(t, key, &id))
		id = encoded; /* a tag 112 */
	enum suit_rc rc = r->platform->identity(r->ctx, t, key, id, &measured);
	measure_pairs(r, &measured);
	if (rc == SUIT_OK) {
		r->level->vendor = r->level->vendor || key == SUIT_PARAM_VENDOR;
		r->level->class_ = r->level->class_ || key == SUIT_PARAM_CLASS;
	}
	return rc;
}

static __attribute__((noinline)) enum suit_rc image_of_component(struct suit_run *r,
								 const struct suit_target *t)
{
	struct scbor_out measured = measure_open(r);
	struct suit_digest digest;
	uint64_t size;

	if (!r->platform->image)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_digest(t, &digest))
		return SUIT_CONDITION;
	bool sized = suit_parameter_uint(t, SUIT_PARAM_SIZE, &size);
	enum suit_rc rc =
		r->platform->image(r->ctx, t, &digest, sized ? &size : NULL, &measured);
	measure_pairs(r, &measured);
	return rc;
}

/* Without a digest neither condition holds. */
static enum suit_rc image(struct suit_run *r, const struct suit_target *t, bool match)
{
	struct suit_bytes digest;

	if (!suit_parameter_encoded(t, SUIT_PARAM_DIGEST, &digest))
		return SUIT_CONDITION;
	enum suit_rc rc =
		t->dependency ? suit_dependency_match(r, t) : image_of_component(r, t);
	if (match || (rc != SUIT_OK && rc != SUIT_CONDITION))
		return rc;
	return holds(rc == SUIT_CONDITION);
}

static enum suit_rc slot(struct suit_run *r, const struct suit_target *t)
{
	uint64_t want, is = 0;

	if (!r->platform->slot)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_uint(t, SUIT_PARAM_SLOT, &want))
		return SUIT_CONDITION;
	enum suit_rc rc = r->platform->slot(r->ctx, t, &is);
	if (rc != SUIT_OK)
		return rc;
	measure_uint(r, SUIT_PARAM_SLOT, is);
	return holds(is == want);
}

/* In constant time for contents of one length: every byte is looked at, whatever the others
 * were.  A byte more is asked for, so that a longer component does not fit. */
static __attribute__((noinline)) enum suit_rc check_content(struct suit_run *r,
							    const struct suit_target *t)
{
	struct suit_bytes want;
	uint8_t part[32], differs = 0;
	size_t n = 0, got = 0;

	if (!r->platform->read)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_bytes(t, SUIT_PARAM_CONTENT, &want))
		return SUIT_CONDITION;
	for (size_t at = 0; at <= want.n; at += n) {
		n = want.n - at < sizeof(part) ? want.n - at : sizeof(part);
		size_t ask = n < sizeof(part) ? n + 1 : n;
		enum suit_rc rc = r->platform->read(r->ctx, t, at, part, ask, &got);
		if (rc != SUIT_OK)
			return rc;
		differs |= got != n;
		for (size_t i = 0; i < n && i < got; i++)
			differs |= part[i] ^ want.p[at + i];
		if (n < sizeof(part))
			break;
	}
	return holds(differs == 0);
}

static enum suit_rc use_before(struct suit_run *r, const struct suit_target *t)
{
	uint64_t end, now = 0;

	if (!r->platform->now)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_uint(t, SUIT_PARAM_USE_BEFORE, &end))
		return SUIT_CONDITION;
	enum suit_rc rc = r->platform->now(r->ctx, t, &now);
	if (rc != SUIT_OK)
		return rc;
	measure_uint(r, SUIT_PARAM_USE_BEFORE, now);
	return holds(now < end);
}

static enum suit_rc not_yet(struct suit_run *r, enum suit_command condition, enum suit_rc rc)
{
	if (rc == SUIT_CONDITION)
		r->not_yet = (uint8_t)condition;
	return rc;
}

static enum suit_rc battery(struct suit_run *r, const struct suit_target *t)
{
	uint64_t least, is = 0;

	if (!r->platform->battery)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_uint(t, SUIT_PARAM_BATTERY, &least))
		return SUIT_CONDITION;
	enum suit_rc rc = r->platform->battery(r->ctx, t, &is);
	if (rc != SUIT_OK)
		return rc;
	measure_uint(r, SUIT_PARAM_BATTERY, is);
	return not_yet(r, SUIT_COND_MIN_BATTERY, holds(is >= least));
}

static enum suit_rc authorized(struct suit_run *r, const struct suit_target *t)
{
	int64_t priority;

	if (!r->platform->authorized)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_int(t, SUIT_PARAM_PRIORITY, &priority))
		return SUIT_CONDITION;
	return not_yet(r, SUIT_COND_AUTHORIZED, r->platform->authorized(r->ctx, t, priority));
}

static void put_version(struct scbor_out *o, const int64_t *version, size_t n)
{
	scbor_put_array(o, 2);
	scbor_put_int(o, 3); /* equal */
	scbor_put_array(o, n);
	for (size_t i = 0; i < n; i++)
		scbor_put_int(o, version[i]);
}

/* { 28: <<[3, [numbers]]>> }: written once to count, so that no second buffer is needed. */
static void measure_version(struct suit_run *r, const int64_t *version, size_t n)
{
	struct scbor_out o;

	scbor_out_init(&o, NULL, 0);
	put_version(&o, version, n);
	size_t wrapped = o.n;
	scbor_out_init(&o, r->measured, sizeof(r->measured));
	scbor_put_map(&o, 1);
	scbor_put_int(&o, SUIT_PARAM_VERSION);
	size_t head = o.n;
	scbor_put_uint(&o, wrapped);
	r->measured[head] |= SCBOR_BYTES << 5; /* a byte string's head, not a number's */
	put_version(&o, version, n);
	r->measured_n = (uint8_t)scbor_out_bytes(&o).n;
}

enum suit_rc suit_version_match(struct suit_bytes match, const int64_t *version, size_t n)
{
	enum { GREATER = 1, GREATER_EQUAL, EQUAL, LESS_EQUAL, LESS };
	struct scbor c;
	int order = 0;

	scbor_init(&c, match);
	if (scbor_array(&c, 2) != 2)
		return SUIT_MALFORMED;
	uint64_t op = scbor_uint(&c);
	size_t count = scbor_array(&c, match.n);
	for (size_t i = 0; i < count; i++) {
		int64_t want = scbor_int(&c), is = i < n ? version[i] : 0;
		if (order == 0)
			order = (is > want) - (is < want);
	}
	if (!scbor_done(&c) || count == 0 || op < GREATER || op > LESS)
		return SUIT_MALFORMED;
	return holds((op == GREATER && order > 0) || (op == GREATER_EQUAL && order >= 0) ||
		     (op == EQUAL && order == 0) || (op == LESS_EQUAL && order <= 0) ||
		     (op == LESS && order < 0));
}

static __attribute__((noinline)) enum suit_rc version(struct suit_run *r,
						      const struct suit_target *t)
{
	int64_t is[SUIT_VERSION_MAX];
	struct suit_bytes match;
	size_t n = 0;

	if (!r->platform->version)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_bytes(t, SUIT_PARAM_VERSION, &match))
		return SUIT_CONDITION;
	enum suit_rc rc = r->platform->version(r->ctx, t, is, &n);
	if (rc != SUIT_OK)
		return rc;
	if (n > SUIT_VERSION_MAX)
		return SUIT_TOO_LARGE;
	measure_version(r, is, n);
	return suit_version_match(match, is, n);
}

static enum suit_rc condition(struct suit_run *r, const struct suit_target *t,
			      enum suit_command command)
{
	switch ((int)command) {
	case SUIT_COND_VENDOR:
		return identity(r, t, SUIT_PARAM_VENDOR);
	case SUIT_COND_CLASS:
		return identity(r, t, SUIT_PARAM_CLASS);
	case SUIT_COND_DEVICE:
		return identity(r, t, SUIT_PARAM_DEVICE);
	case SUIT_COND_IMAGE_MATCH:
		return image(r, t, true);
	case SUIT_COND_IMAGE_NOT_MATCH:
		return image(r, t, false);
	case SUIT_COND_SLOT:
		return slot(r, t);
	case SUIT_COND_CHECK_CONTENT:
		return check_content(r, t);
	case SUIT_COND_USE_BEFORE:
		return use_before(r, t);
	case SUIT_COND_MIN_BATTERY:
		return battery(r, t);
	case SUIT_COND_AUTHORIZED:
		return authorized(r, t);
	case SUIT_COND_VERSION:
		return version(r, t);
	case SUIT_COND_DEPENDENCY_INTEGRITY:
		return suit_dependency_verify(r, t);
	case SUIT_COND_IS_DEPENDENCY:
		return holds(t->dependency);
	case SUIT_COND_ABORT:
		return SUIT_CONDITION;
	default:
		return SUIT_UNSUPPORTED;
	}
}

/* --- directives --------------------------------------------------------------------------- */

/* What the envelope itself holds under the URI. */
static enum suit_rc integrated(const struct suit_envelope *e, struct suit_bytes uri,
			       struct suit_bytes *ret)
{
	static const uint8_t empty;

	for (size_t i = 0; i < e->payload_count; i++) {
		if (suit_bytes_equal(e->payload[i].name, uri)) {
			*ret = e->payload[i].content;
			if (!ret->p)
				ret->p = &empty;
			return SUIT_OK;
		}
	}
	return uri.n > 0 && uri.p[0] == '#' ? SUIT_MISSING : SUIT_OK;
}

static enum suit_rc fetch(struct suit_run *r, const struct suit_target *t)
{
	struct suit_bytes uri, content = { 0 };

	if (!r->platform->fetch)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_bytes(t, SUIT_PARAM_URI, &uri))
		return SUIT_MISSING;
	enum suit_rc rc = integrated(t->envelope, uri, &content);
	return rc == SUIT_OK ? r->platform->fetch(r->ctx, t, uri, content) : rc;
}

static enum suit_rc write_content(struct suit_run *r, const struct suit_target *t)
{
	struct suit_bytes content;

	if (!r->platform->write)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_bytes(t, SUIT_PARAM_CONTENT, &content))
		return SUIT_MISSING;
	return r->platform->write(r->ctx, t, content);
}

/* Within an unordered sequence nothing may be read that is written there. */
static enum suit_rc race(struct suit_run *r, const struct suit_target *t,
			 const struct suit_target *source)
{
	struct suit_frame *f = r->frame;

	if (!f->unordered)
		return SUIT_OK;
	f->written |= (uint16_t)(1u << t->place);
	if (source)
		f->read |= (uint16_t)(1u << source->place);
	return (f->written & f->read) ? SUIT_MALFORMED : SUIT_OK;
}

/* Do the bytes stand in the envelope, and not in another one that it holds? */
static __attribute__((noinline)) bool stands_in(const struct suit_envelope *e, const uint8_t *p)
{
	if (p < e->whole.p || p >= e->whole.p + e->whole.n)
		return false;
	for (size_t i = 0; i < e->payload_count; i++) {
		struct suit_bytes inside = e->payload[i].content;
		if (p >= inside.p && p < inside.p + inside.n)
			return false;
	}
	return true;
}

/* The index counts in the manifest that has set it, so it must be this one. */
static enum suit_rc source_make(struct suit_run *r, const struct suit_target *t,
				struct suit_target *ret)
{
	struct suit_bytes encoded;
	uint64_t index;

	if (!suit_parameter_encoded(t, SUIT_PARAM_SOURCE, &encoded) ||
	    !suit_parameter_uint(t, SUIT_PARAM_SOURCE, &index))
		return SUIT_MISSING;
	if (!stands_in(t->envelope, encoded.p))
		return SUIT_UNSUPPORTED;
	if (index >= SUIT_INDEX_MAX)
		return SUIT_UNKNOWN;
	return suit_target_make(r, (size_t)index, ret);
}

static __attribute__((noinline)) enum suit_rc
copy_or_swap(struct suit_run *r, const struct suit_target *t, bool swap)
{
	struct suit_target source;

	if (swap ? !r->platform->swap : !r->platform->copy)
		return SUIT_UNSUPPORTED;
	enum suit_rc rc = source_make(r, t, &source);
	if (rc == SUIT_OK && source.place == t->place)
		rc = SUIT_MALFORMED;
	if (rc == SUIT_OK)
		rc = race(r, t, &source);
	if (rc != SUIT_OK)
		return rc;
	if (!swap)
		return r->platform->copy(r->ctx, t, &source);
	suit_dependency_forget(r, &source);
	return r->platform->swap(r->ctx, t, &source);
}

static enum suit_rc invoke(struct suit_run *r, const struct suit_target *t)
{
	struct suit_bytes args = { 0 };

	if (!r->platform->invoke)
		return SUIT_UNSUPPORTED;
	suit_parameter_bytes(t, SUIT_PARAM_INVOKE_ARGS, &args);
	return r->platform->invoke(r->ctx, t, args);
}

static enum suit_rc wait_for(struct suit_run *r, const struct suit_target *t)
{
	struct suit_bytes info;

	if (!r->platform->wait)
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_bytes(t, SUIT_PARAM_WAIT, &info))
		return SUIT_MISSING;
	return r->platform->wait(r->ctx, t, info);
}

/* Those that change what the target holds. */
static enum suit_rc change(struct suit_run *r, const struct suit_target *t,
			   enum suit_command command)
{
	enum suit_rc rc = race(r, t, NULL);

	suit_dependency_forget(r, t);
	if (rc != SUIT_OK)
		return rc;
	if (command == SUIT_FETCH)
		return fetch(r, t);
	if (command == SUIT_WRITE)
		return write_content(r, t);
	if (command == SUIT_UNLINK)
		return r->platform->unlink ? r->platform->unlink(r->ctx, t) : SUIT_UNSUPPORTED;
	return copy_or_swap(r, t, command == SUIT_SWAP);
}

static enum suit_rc directive(struct suit_run *r, const struct suit_target *t,
			      enum suit_command command)
{
	if (r->level->delegated && !suit_delegate_may(command, t->dependency))
		return SUIT_KEY;
	if (r->platform->identity_first && command != SUIT_PROCESS_DEPENDENCY &&
	    !(r->level->vendor && r->level->class_))
		return SUIT_MISSING;
	if (command == SUIT_PROCESS_DEPENDENCY)
		return suit_dependency_process(r, t);
	if (command == SUIT_DO_INVOKE)
		return invoke(r, t);
	if (command == SUIT_WAIT)
		return wait_for(r, t);
	return change(r, t, command);
}

static enum suit_rc custom(struct suit_run *r, const struct suit_target *t, int64_t command,
			   struct suit_bytes arg)
{
	if (!r->platform->custom)
		return SUIT_UNSUPPORTED;
	if (r->level->delegated)
		return SUIT_KEY;
	if (r->platform->identity_first && !(r->level->vendor && r->level->class_))
		return SUIT_MISSING;
	suit_dependency_forget(r, t);
	return r->platform->custom(r->ctx, t, command, arg);
}

enum suit_rc suit_act(struct suit_run *r, const struct suit_target *t, int64_t command,
		      struct suit_bytes arg)
{
	bool acts = false;

	if (command < 0)
		return custom(r, t, command, arg);
	switch (command) {
	case SUIT_PROCESS_DEPENDENCY:
	case SUIT_WRITE:
	case SUIT_FETCH:
	case SUIT_COPY:
	case SUIT_DO_INVOKE:
	case SUIT_WAIT:
	case SUIT_SWAP:
	case SUIT_UNLINK:
		acts = true;
		break;
	default:
		break;
	}
	if (!acts)
		return condition(r, t, (enum suit_command)command);
	enum suit_rc rc = directive(r, t, (enum suit_command)command);
	/* A failed condition inside a dependency forwards as what it was. */
	if (rc == SUIT_CONDITION && command != SUIT_PROCESS_DEPENDENCY)
		return SUIT_OPERATION;
	return rc;
}
