/* What a release makes devices do.  The update procedure says what is fetched and how devices
 * end; the other two say what else it touches. */
#include "core/release_survey.h"

#include "base/hash.h"
#include "base/model/device.h"
#include "core/component_name.h"
#include "core/images.h"
#include "core/release_rules.h"
#include "suit/encrypt.h"
#include "suit/survey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16
#define KEYS_MAX  8 /* of these: devices that an admission is for */

struct place {
	const char *name;  /* NULL: a dependency, which has none */
	bool area;         /* for downloads */
	struct bytes word; /* its format; empty: plain */
};

struct work {
	struct release_facts *f;
	struct suit_survey *s; /* of the procedure under way */
	struct place place[SUIT_SURVEY_COMPONENTS_MAX];
	const char *words[WORDS_MAX]; /* that a device needs; sorted */
	int word_count;
	struct arena *mem;
	struct release_refusal *why;
};

static enum rc refuse(struct work *w, enum err err, const char *fmt, ...) PRINTF(3, 4);
static enum rc refuse(struct work *w, enum err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*w->why = (struct release_refusal){ err, arena_vprintf(w->mem, fmt, ap) };
	va_end(ap);
	return RC_UNPROCESSABLE;
}

static struct bytes from_suit(struct suit_bytes b)
{
	return (struct bytes){ b.p, b.n };
}

static struct digest digest_of(const struct suit_digest *d)
{
	struct digest ret;

	memcpy(ret.b, d->b, sizeof(ret.b));
	return ret;
}

/* --- running it --- */

/* Where it got stuck, in words. */
static const char *where(const struct work *w)
{
	static const struct {
		uint64_t key;
		const char *name;
	} sections[] = { { 3, "the shared sequence" },
			 { 7, "validate" },
			 { 8, "load" },
			 { 9, "invoke" },
			 { 15, "dependency-resolution" },
			 { 16, "payload-fetch" },
			 { 18, "candidate-verification" },
			 { 20, "install" },
			 { 24, "uninstall" } };
	const struct suit_record *r = &w->s->failed;

	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (sections[i].key == r->section)
			return arena_printf(w->mem,
					    "in %s, at byte %" PRIu64 " of its commands, at "
					    "component index %" PRIu64,
					    sections[i].name, r->offset, r->component);
	return "before its first command";
}

static enum rc dependency_missing(struct work *w)
{
	char hex[DIGEST_TEXT_SIZE];
	struct bytes uri = from_suit(w->f->parts.missing_uri);

	digest_format(&w->f->parts.missing_digest, hex);
	if (uri.n > 0)
		return refuse(
			w, ERR_DEPENDENCY_MISSING,
			"dependency %s is fetched from %s, and its envelope is not there: "
			"integrate it, or upload its envelope as an image, whose URI is "
			"img/ and its SHA-256",
			hex,
			text_is_clean(uri) ? bytes_text(w->mem, uri) : hex_encode(w->mem, uri));
	return refuse(
		w, ERR_DEPENDENCY_MISSING,
		"dependency %s is neither in the envelope nor released here: integrate it, "
		"or upload its envelope before",
		hex);
}

static enum rc stuck(struct work *w, enum suit_rc src, enum suit_procedure procedure)
{
	static const char *const names[] = { "update", "invoke", "uninstall" };

	if (src == SUIT_CONDITION && procedure == SUIT_UPDATE_PROCEDURE)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "there is no device that the manifest would update: its "
			      "conditions exclude each other");
	if (src == SUIT_CONDITION)
		return RC_OK;
	if (src == SUIT_KEY && w->f->delegated)
		return refuse(w, ERR_AUTHOR_NOT_ALLOWED,
			      "a delegate alone has signed it, who lets devices into what an "
			      "author signed and commands nothing else: %s",
			      where(w));
	if (src == SUIT_TOO_LARGE)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "it has more conditions, payloads or commands than can be gone "
			      "through in every way: make several manifests of it");
	return refuse(w, ERR_MANIFEST_INVALID, "a device could not %s by it: %s, %s",
		      names[procedure], suit_rc_text(src), where(w));
}

/* A dependency that devices are to have already may be found by another way of the same
 * manifest, which fetches it; then all is gone through again. */
static enum rc survey(struct work *w, enum suit_procedure procedure)
{
	struct release_parts *parts = &w->f->parts;
	enum suit_rc src = SUIT_OK;

	for (int round = 0; round < RELEASE_PARTS_MAX; round++) {
		parts->missing = false;
		src = (w->f->delegated ? suit_survey_delegated : suit_survey_procedure)(
			&parts->list[0]->envelope, procedure, release_parts_resolve, parts,
			w->s);
		if (parts->rc != RC_OK)
			return parts->rc;
		if (!parts->missing)
			break;
		if (!release_parts_have(parts, &parts->missing_digest))
			return dependency_missing(w);
	}
	return src == SUIT_OK ? RC_OK : stuck(w, src, procedure);
}

/* --- components --- */

static enum rc name_place(struct work *w, size_t i)
{
	const struct suit_component_id *id = w->s->component[i].id;
	struct place *p = &w->place[i];
	struct bytes segments[SUIT_SEGMENTS_MAX];

	*p = (struct place){ 0 };
	if (!id)
		return RC_OK;
	for (size_t k = 0; k < id->count; k++)
		segments[k] = from_suit(id->segment[k]);
	if (component_name_format(segments, (int)id->count, w->mem, &p->name) != RC_OK)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "component index %zu: its id has no name of at most %d bytes", i,
			      COMPONENT_NAME_MAX);
	switch (release_download_area(segments, (int)id->count, &p->word)) {
	case AREA_NONE:
		break;
	case AREA_YES:
		p->area = true;
		break;
	case AREA_INVALID:
		return refuse(w, ERR_MANIFEST_INVALID,
			      "component %s: a download area is dl or dl/FORMAT, a format 1 to "
			      "32 of a-z, 0-9 and -, that does not begin with key-",
			      p->name);
	}
	return RC_OK;
}

static enum rc note_touched(struct work *w, size_t i)
{
	const struct suit_survey_component *k = &w->s->component[i];
	struct release_facts *f = w->f;

	if (!w->place[i].name || w->place[i].area || (!k->touched && !k->invoked))
		return RC_OK;
	for (int n = 0; n < f->touched_count; n++)
		if (strcmp(f->touched[n], w->place[i].name) == 0)
			return RC_OK;
	if (f->touched_count == RELEASE_TOUCHED_MAX)
		return refuse(w, ERR_MANIFEST_INVALID, "it touches more than %d components",
			      RELEASE_TOUCHED_MAX);
	f->touched[f->touched_count++] = w->place[i].name;
	return RC_OK;
}

static enum rc read_places(struct work *w)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < w->s->component_count; i++) {
		rc = name_place(w, i);
		if (rc == RC_OK)
			rc = note_touched(w, i);
	}
	return rc;
}

static const char *place_name(const struct work *w, uint8_t i)
{
	return w->place[i].name ? w->place[i].name : "a dependency";
}

/* --- what a device needs for it --- */

static enum rc add_word(struct work *w, struct bytes word)
{
	const char *text = bytes_text(w->mem, word);
	int at = 0;

	while (at < w->word_count && strcmp(w->words[at], text) < 0)
		at++;
	if (word.n == 0 || (at < w->word_count && strcmp(w->words[at], text) == 0))
		return RC_OK;
	if (w->word_count == WORDS_MAX)
		return refuse(w, ERR_MANIFEST_INVALID, "it needs more than %d formats",
			      WORDS_MAX);
	memmove(&w->words[at + 1], &w->words[at],
		(size_t)(w->word_count - at) * sizeof(w->words[0]));
	w->words[at] = text;
	w->word_count++;
	return RC_OK;
}

static const char *cipher_word(enum suit_alg alg)
{
	if (alg == SUIT_ALG_A128GCM || alg == SUIT_ALG_A256GCM)
		return "gcm";
	return alg == SUIT_ALG_CHACHA20 ? "chacha20" : "ctr";
}

/* An admission is for these devices alone. */
static enum rc add_key(struct work *w, const struct suit_recipient *r)
{
	char word[KEY_WORD_SIZE];

	if (r->alg != SUIT_ALG_ECDH_ES_A128KW || r->kid.n == 0)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "a delegate lets devices in by their own keys, each under its "
			      "id, and not the holders of a shared one");
	return add_word(w, bytes_of(release_key_word(from_suit(r->kid), word)));
}

/* A device opens what it is a recipient of: with recipients of both kinds it needs one. */
enum { WRAP_CLASS = 1, WRAP_DEVICE = 2 };
static const char *const wrap_words[] = { "", "aes-kw", "ecdh-es", "aes-kw|ecdh-es" };

static enum rc add_encryption(struct work *w, struct suit_bytes info)
{
	struct suit_encryption e;
	struct suit_recipient r;
	unsigned wraps = 0;

	enum suit_rc src = suit_encryption_decode(info, &e);
	if (src != SUIT_OK)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "an encryption info cannot be read: %s (A128KW, A256KW and "
			      "ECDH-ES+A128KW; GCM, CTR and ChaCha20 are known)",
			      suit_rc_text(src));
	if (w->f->delegated && e.recipient_count > KEYS_MAX)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "it lets %zu devices in, an admission is for at most %d: make "
			      "several",
			      e.recipient_count, KEYS_MAX);
	enum rc rc = add_word(w, bytes_of(cipher_word(e.alg->alg)));
	for (size_t i = 0; rc == RC_OK && i < e.recipient_count; i++) {
		if (suit_encryption_recipient(&e, i, &r) != SUIT_OK)
			return RC_INTERNAL;
		wraps |= r.alg == SUIT_ALG_ECDH_ES_A128KW ? WRAP_DEVICE : WRAP_CLASS;
		if (w->f->delegated)
			rc = add_key(w, &r);
	}
	return rc == RC_OK ? add_word(w, bytes_of(wrap_words[wraps])) : rc;
}

static enum rc read_needs(struct work *w)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < w->s->encryption_count; i++)
		rc = add_encryption(w, w->s->encryption[i]);
	for (size_t i = 0; rc == RC_OK && i < w->s->payload_count; i++)
		rc = add_word(w, w->place[w->s->payload[i].component].word);
	return rc;
}

/* --- payloads --- */

static const char *payload_name(const struct work *w, const struct suit_survey_payload *p)
{
	struct bytes uri = from_suit(p->uri);

	return arena_printf(w->mem, "payload %s for %s",
			    text_is_clean(uri) ? bytes_text(w->mem, uri)
					       : hex_encode(w->mem, uri),
			    place_name(w, p->component));
}

static enum rc add_image(struct work *w, const struct suit_survey_payload *p,
			 const struct digest *digest)
{
	struct release_facts *f = w->f;

	if (!p->has_size)
		return refuse(w, ERR_MANIFEST_INVALID, "%s is fetched without a size",
			      payload_name(w, p));
	if (p->size == 0 || p->size > (uint64_t)IMAGE_SIZE_MAX)
		return refuse(w, ERR_MANIFEST_INVALID, "%s is empty or larger than 1 GiB",
			      payload_name(w, p));
	for (int i = 0; i < f->image_count; i++) {
		if (!digest_equal(&f->images[i].digest, digest))
			continue;
		return f->images[i].size == (int64_t)p->size
			       ? RC_OK
			       : refuse(w, ERR_MANIFEST_INVALID, "%s is said to have two sizes",
					payload_name(w, p));
	}
	if (f->image_count == MANIFEST_IMAGES_MAX)
		return refuse(w, ERR_MANIFEST_INVALID, "it fetches more than %d images",
			      MANIFEST_IMAGES_MAX);
	f->images[f->image_count++] =
		(struct image_item){ .digest = *digest, .size = (int64_t)p->size };
	return RC_OK;
}

/* What the envelope itself holds. */
static enum rc check_integrated(struct work *w, const struct suit_survey_payload *p)
{
	struct digest wanted = digest_of(&p->digest), got;

	if (p->has_size && p->size != p->content.n)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "%s has %zu bytes in the envelope, the manifest says %" PRIu64,
			      payload_name(w, p), p->content.n, p->size);
	if (w->s->component[p->component].dependency)
		return RC_OK;
	sha256_of(from_suit(p->content), &got);
	if (!digest_equal(&wanted, &got))
		return refuse(w, ERR_MANIFEST_INVALID,
			      "%s is in the envelope, and is not the image that the manifest "
			      "names",
			      payload_name(w, p));
	return RC_OK;
}

/* What the server must hold.  A dependency's digest is that of its manifest; its URI has that
 * of its envelope. */
static enum rc check_hosted(struct work *w, const struct suit_survey_payload *p)
{
	struct digest wanted = digest_of(&p->digest), named;
	bool dependency = w->s->component[p->component].dependency;

	if (release_uri_digest(from_suit(p->uri), &named) != RC_OK ||
	    (!dependency && !digest_equal(&wanted, &named)))
		return refuse(w, ERR_MANIFEST_INVALID,
			      "%s: its URI is not img/ and the digest of what is fetched: it "
			      "must be relative, so that no host is frozen into the release",
			      payload_name(w, p));
	return add_image(w, p, &named);
}

/* It must be what the digest says even if no way of the manifest comes to look at it. */
static enum rc check_dependency(struct work *w, const struct suit_survey_payload *p)
{
	const struct suit_envelope *e;

	enum suit_rc src =
		release_parts_resolve(&w->f->parts, &p->digest, p->uri, p->content, &e);
	if (w->f->parts.rc != RC_OK)
		return w->f->parts.rc;
	if (src == SUIT_MISSING)
		return dependency_missing(w);
	if (src != SUIT_OK)
		return refuse(w, ERR_MANIFEST_INVALID, "%s: the envelope there: %s",
			      payload_name(w, p), suit_rc_text(src));
	return RC_OK;
}

static bool is_delta(struct bytes word)
{
	return word.n >= 5 && memcmp(word.p, "patch", 5) == 0 &&
	       (word.n == 5 || word.p[5] == '-');
}

static enum rc check_payload(struct work *w, const struct suit_survey_payload *p)
{
	enum rc rc = RC_OK;

	if (!p->has_digest)
		return refuse(w, ERR_MANIFEST_INVALID, "%s is fetched without a digest",
			      payload_name(w, p));
	if (is_delta(w->place[p->component].word) && !p->has_precursor)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "%s is a delta, and no condition says for which image: give it a "
			      "precursor",
			      payload_name(w, p));
	if (w->s->component[p->component].dependency)
		rc = check_dependency(w, p);
	if (rc == RC_OK)
		rc = p->integrated ? check_integrated(w, p) : check_hosted(w, p);
	return rc;
}

static enum rc check_payloads(struct work *w)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < w->s->payload_count; i++)
		rc = check_payload(w, &w->s->payload[i]);
	return rc;
}

/* --- whom it is for --- */

static enum rc read_id(struct work *w, enum suit_parameter key, const char *what,
		       struct uuid *ret)
{
	struct suit_bytes found = { 0 };
	struct scbor c;
	int n = 0;

	for (size_t i = 0; i < w->s->identity_count; i++) {
		if (w->s->identity[i].key != key)
			continue;
		scbor_init(&c, w->s->identity[i].id);
		found = scbor_peek(&c) == SCBOR_BYTES ? scbor_bytes(&c)
						      : (struct suit_bytes){ 0 };
		n++;
	}
	if (n > 1)
		return refuse(
			w, ERR_MANIFEST_INVALID,
			"the manifest, with its dependencies, is for %d %s ids; a release "
			"is for one: sign one for each",
			n, what);
	if (n == 0 || found.n != sizeof(ret->b))
		return refuse(w, ERR_MANIFEST_INVALID, "the manifest's %s id is not a UUID",
			      what);
	memcpy(ret->b, found.p, sizeof(ret->b));
	return RC_OK;
}

static enum rc read_audience(struct work *w)
{
	if (!w->s->vendor_class)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "something is changed before both vendor and class were checked");
	enum rc rc = read_id(w, SUIT_PARAM_VENDOR, "vendor", &w->f->vendor_id);
	if (rc == RC_OK)
		rc = read_id(w, SUIT_PARAM_CLASS, "class", &w->f->class_id);
	if (rc == RC_OK && w->s->one_device)
		rc = refuse(w, ERR_MANIFEST_INVALID,
			    "it is for one device alone, and a release is for a class");
	return rc;
}

/* --- how devices end --- */

static bool is_changed(const struct work *w, size_t i)
{
	const struct suit_survey_component *k = &w->s->component[i];

	return w->place[i].name && !w->place[i].area && k->touched && !k->dependency;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum rc read_components(struct work *w)
{
	const char *names[SUIT_SURVEY_COMPONENTS_MAX], *joined = "";
	size_t n = 0;

	for (size_t i = 0; i < w->s->component_count; i++)
		if (is_changed(w, i))
			names[n++] = w->place[i].name;
	if (n == 0)
		return refuse(w, ERR_MANIFEST_INVALID, "the manifest brings no image");
	if (n > COMPONENTS_MAX)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "it changes %zu components, a device has at most %d", n,
			      COMPONENTS_MAX);
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++)
		joined = arena_printf(w->mem, "%s%s%s", joined, i ? "," : "", names[i]);
	w->f->components = joined;
	return RC_OK;
}

static int compare_installed(const void *a, const void *b)
{
	const struct release_installed *x = a, *y = b;
	int order = strcmp(x->component, y->component);

	return order ? order : memcmp(x->digest.b, y->digest.b, sizeof(x->digest.b));
}

/* Each component must be proven at the end, whichever way was gone. */
static enum rc check_proven(struct work *w, size_t i)
{
	bool proven = false;

	for (size_t k = 0; k < w->s->installed_count; k++)
		proven = proven || w->s->installed[k].component == i;
	if (proven && !w->s->component[i].unmatched)
		return RC_OK;
	return refuse(w, ERR_MANIFEST_INVALID,
		      "component %s is changed, and its digest is not compared afterwards: "
		      "validate it, or, if it only takes a download, call it dl/FORMAT",
		      w->place[i].name);
}

static enum rc read_installed(struct work *w)
{
	struct release_facts *f = w->f;
	enum rc rc = RC_OK;

	f->installed = arena_array(w->mem, w->s->installed_count, sizeof(*f->installed));
	for (size_t i = 0; rc == RC_OK && i < w->s->component_count; i++)
		if (is_changed(w, i))
			rc = check_proven(w, i);
	for (size_t i = 0; i < w->s->installed_count; i++) {
		const struct suit_survey_installed *is = &w->s->installed[i];
		if (is_changed(w, is->component))
			f->installed[f->installed_count++] =
				(struct release_installed){ w->place[is->component].name,
							    digest_of(&is->digest) };
	}
	if (f->installed_count > 0)
		qsort(f->installed, (size_t)f->installed_count, sizeof(*f->installed),
		      compare_installed);
	return rc;
}

/* The precursor that a device must report.  Where there are several, that of a component which
 * is changed: the others are for the device to refuse. */
static enum rc read_base(struct work *w)
{
	const struct suit_survey *s = w->s;
	const struct suit_survey_installed *base = NULL;

	if (s->precursors_differ)
		return refuse(w, ERR_MANIFEST_INVALID,
			      "every way of it wants a precursor, and not the same: make one "
			      "manifest for each, or add a way for all other devices");
	for (size_t i = 0; i < s->precursor_count; i++)
		if (w->place[s->precursor[i].component].area)
			continue; /* no device reports what is in one */
		else if (!base || (!is_changed(w, base->component) &&
				   is_changed(w, s->precursor[i].component)))
			base = &s->precursor[i];
	if (!base)
		return RC_OK;
	for (size_t i = 0; i < s->installed_count; i++)
		if (s->installed[i].component == base->component &&
		    is_changed(w, base->component) &&
		    suit_digest_equal(&s->installed[i].digest, &base->digest))
			return refuse(w, ERR_MANIFEST_INVALID,
				      "every way of it wants in %s what it brings there",
				      place_name(w, base->component));
	w->f->base_component = w->place[base->component].name;
	w->f->base_digest = digest_of(&base->digest);
	return RC_OK;
}

static enum rc read_sizes(struct work *w)
{
	if (w->s->largest > (uint64_t)IMAGE_SIZE_MAX)
		return refuse(w, ERR_MANIFEST_INVALID, "an image is larger than 1 GiB");
	w->f->bytes = (int64_t)w->s->fetched;
	w->f->image_bytes = (int64_t)w->s->largest;
	return RC_OK;
}

/* The devices that one info names must be able to open everything. */
static enum rc check_admission(struct work *w)
{
	if (!w->f->delegated || w->s->encryption_count == 1)
		return RC_OK;
	if (w->s->encryption_count == 0)
		return refuse(w, ERR_AUTHOR_NOT_ALLOWED,
			      "a delegate alone has signed it, and it lets no device in: "
			      "nothing is encrypted");
	return refuse(w, ERR_MANIFEST_INVALID,
		      "there are several encryption infos, each with a key of its own: an "
		      "admission has one");
}

static enum rc read_update(struct work *w)
{
	enum rc rc = read_audience(w);

	if (rc == RC_OK)
		rc = read_components(w);
	if (rc == RC_OK)
		rc = read_installed(w);
	if (rc == RC_OK)
		rc = read_base(w);
	if (rc == RC_OK)
		rc = read_sizes(w);
	return rc == RC_OK ? check_admission(w) : rc;
}

static const char *join_words(const struct work *w)
{
	const char *joined = "";

	for (int i = 0; i < w->word_count; i++)
		joined = arena_printf(w->mem, "%s%s%s", joined, i ? "," : "", w->words[i]);
	return joined;
}

enum rc release_survey(struct release_facts *f, struct release_refusal *ret_why)
{
	static const enum suit_procedure procedures[] = { SUIT_UPDATE_PROCEDURE,
							  SUIT_INVOKE_PROCEDURE,
							  SUIT_UNINSTALL_PROCEDURE };
	struct work w = { .f = f, .mem = f->parts.mem, .why = ret_why };
	enum rc rc = RC_OK;

	w.s = arena_new(w.mem, struct suit_survey);
	for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(procedures); i++) {
		rc = survey(&w, procedures[i]);
		if (rc == RC_OK && w.s->custom)
			rc = refuse(&w, ERR_MANIFEST_INVALID,
				    "it has a vendor's own command: what that does cannot be "
				    "told");
		if (rc == RC_OK)
			rc = read_places(&w);
		if (rc == RC_OK && procedures[i] == SUIT_UPDATE_PROCEDURE)
			rc = read_update(&w);
		if (rc == RC_OK)
			rc = check_payloads(&w);
		if (rc == RC_OK)
			rc = read_needs(&w);
	}
	f->needs = join_words(&w);
	return rc;
}
