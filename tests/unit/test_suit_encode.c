/* suit/encode.h: every buffer size, every bound, and what each layout makes of a source.  The
 * vectors are in test_cli_source.c. */

#include "suit/encode.h"
#include "suit/nest.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define C (&suit_crypto_openssl)

/* --- nest --------------------------------------------------------------------------------- */

static void test_heads_move_what_they_hold(void)
{
	static const size_t lengths[] = { 0, 1, 23, 24, 255, 256, 65535, 65536 };
	static uint8_t content[65536], got[65600], want[65600];

	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct scbor_out g, w;
		struct suit_bytes b = { content, lengths[i] };
		scbor_out_init(&w, want, sizeof(want));
		scbor_put_bytes(&w, b);
		scbor_out_init(&g, got, w.n); /* never a byte more than the result */
		size_t at = suit_nest_begin(&g);
		scbor_put_raw(&g, b);
		suit_nest_end_bytes(&g, at);
		tap_ok(scbor_out_fits(&g), "%zu bytes fit exactly", lengths[i]);
		is_bytes(got, g.n, want, w.n, "as if the length had been known");
		scbor_out_init(&g, got, w.n - 1);
		at = suit_nest_begin(&g);
		scbor_put_raw(&g, b);
		suit_nest_end_bytes(&g, at);
		tap_ok(!scbor_out_fits(&g) && g.n == w.n,
		       "one byte less does not, and says it");
	}
}

/* --- a source to change --------------------------------------------------------------------
 */

struct fixture {
	struct suit_source source;
	struct suit_source_component component[3];
	struct suit_source_image image[3];
	struct suit_uuid class_id[2];
	struct suit_source_range range[2];
	struct suit_source_text text[2];
	struct suit_source_text_component words[2];
	struct suit_payload payload[2];
	struct suit_source_dependency dependency[1];
	struct suit_metadata metadata;
};

static struct suit_component_id id_of(const char *a, const char *b)
{
	struct suit_component_id id = { .segment = { suit_text(a) }, .count = 1 };

	if (b)
		id.segment[id.count++] = suit_text(b);
	return id;
}

static struct suit_image_ref ref_of(uint8_t seed, uint64_t size)
{
	struct suit_image_ref r = { .has_digest = true, .has_size = true, .size = size };

	memset(r.digest.b, seed, sizeof(r.digest.b));
	return r;
}

static void fill_components(struct fixture *f)
{
	f->image[0] = (struct suit_source_image){ .whole = ref_of(1, 1000),
						  .precursor = ref_of(2, 900),
						  .uri = suit_text("img/patch"),
						  .via = 1,
						  .fetched = ref_of(3, 80) };
	f->image[1] = (struct suit_source_image){ .whole = ref_of(1, 1000),
						  .uri = suit_text("img/full"),
						  .uri_replaceable = true,
						  .fetch_args = suit_text("args"),
						  .encryption_info = suit_data(
							  "libcsuit/encryption_info_aes.cose"),
						  .via = 1,
						  .fetched = ref_of(4, 1016) };
	f->component[0] = (struct suit_source_component){ .id = id_of("main", NULL),
							  .install = SUIT_INSTALL_COPY,
							  .image = f->image,
							  .image_count = 2,
							  .fetch_early = true,
							  .check_candidate = true,
							  .metadata = &f->metadata,
							  .load = true,
							  .load_into = 2,
							  .loaded = ref_of(5, 2000),
							  .invoke = true,
							  .invoke_args = suit_text("-v"),
							  .uninstall = true };
	f->component[1].id = id_of("dl", "area");
	f->component[2].id = id_of("ram", NULL);
}

static void fill_metadata(struct fixture *f)
{
	f->metadata = (struct suit_metadata){
		.has = 0x1fe,
		.default_permissions = 4,
		.permissions = { { { { -2, 1 }, { 1000, 6 }, { -1, 2 }, { 3, 4 } }, 4 },
				 { { { 7, 1 } }, 1 },
				 { { { 8, 2 } }, 1 } },
		.file_type = 1,
		.modified = 1763683200,
		.created = 1763683100,
		.creator = 1000
	};
	f->range[0] = (struct suit_source_range){
		.bound = { { SUIT_VERSION_GREATER_EQUAL, { 1, 2 }, 2 },
			   { SUIT_VERSION_LESSER, { 2 }, 1 } },
		.count = 2
	};
	f->range[1] = (struct suit_source_range){
		.bound = { { SUIT_VERSION_EQUAL, { 2, 0, -1, 1 }, 4 } }, .count = 1
	};
}

static void fill_texts(struct fixture *f)
{
	f->words[0] = (struct suit_source_text_component){
		.component = 0, .text = { [SUIT_TEXT_CURRENT_VERSION] = suit_text("1") }
	};
	f->words[1] = (struct suit_source_text_component){
		.component = 2, .text = { [SUIT_TEXT_MODEL_NAME] = suit_text("RAM") }
	};
	f->text[0] = (struct suit_source_text){ .language = suit_text("en-US"),
						.component = f->words,
						.component_count = 2 };
	f->text[0].text[SUIT_TEXT_YAML_SOURCE] = suit_text("a: b");
	f->text[1].language = suit_text("de");
	f->payload[0] = (struct suit_payload){ suit_text("#longer"), suit_text("payload") };
	f->payload[1] = (struct suit_payload){ suit_text("#b"), suit_text("") };
	f->dependency[0] =
		(struct suit_source_dependency){ .prefix = id_of("modem", NULL),
						 .manifest = ref_of(6, 300),
						 .uri = suit_text("modem.suit"),
						 .sections = SUIT_BIT(SUIT_INSTALL) |
							     SUIT_BIT(SUIT_UNINSTALL) };
}

/* Everything that a source can say at once, in the copy layout with slots and precursors. */
static void fill(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	fill_components(f);
	fill_metadata(f);
	fill_texts(f);
	f->class_id[0].b[0] = 1;
	f->class_id[1].b[0] = 2;
	f->source = (struct suit_source){ .sequence = 7,
					  .has_vendor = true,
					  .vendor = { .pen = suit_text("\x83\xda\x29") },
					  .class_id = f->class_id,
					  .class_count = 2,
					  .has_device = true,
					  .reference_uri = suit_text("coap://x/y"),
					  .own_component = id_of("root", NULL),
					  .version = { 1, 2, 3 },
					  .version_count = 3,
					  .guard = { .version = f->range,
						     .version_count = 2,
						     .has_use_before = true,
						     .use_before = 4000000000,
						     .has_battery = true,
						     .battery = 100,
						     .has_priority = true,
						     .priority = -1,
						     .wait = { .has = 0x202,
							       .value = { 0, -3, [9] = 6 } } },
					  .component = f->component,
					  .component_count = 3,
					  .dependency = f->dependency,
					  .dependency_count = 1,
					  .text = f->text,
					  .text_count = 2,
					  .coswid = suit_text("\xa0"),
					  .payload = f->payload,
					  .payload_count = 2,
					  .sever = SUIT_BIT(14) | SUIT_BIT(15) | SUIT_BIT(16) |
						   SUIT_BIT(18) | SUIT_BIT(20) | SUIT_BIT(23) };
}

static enum suit_rc encode(const struct fixture *f, struct suit_envelope *ret)
{
	static uint8_t buf[SUIT_ENVELOPE_MAX];
	size_t n = 0;
	enum suit_rc rc = suit_encode(C, &f->source, buf, sizeof(buf), &n);

	if (rc == SUIT_OK)
		rc = suit_envelope_decode(C, (struct suit_bytes){ buf, n }, ret);
	return rc;
}

static void test_everything_at_once(void)
{
	struct fixture f;
	struct suit_envelope e;

	fill(&f);
	is_int(encode(&f, &e), SUIT_OK, "a source that says everything");
	is_int((int64_t)e.component_count, 3, "its components");
	is_int((int64_t)e.dependency_count, 1, "its dependency");
	is_int((int64_t)e.payload_count, 2, "its payloads");
	is_bytes(e.payload[0].name.p, e.payload[0].name.n, "#b", 2, "shorter names first");
	for (int s = 0; s < SUIT_SECTIONS; s++)
		tap_ok(e.section[s].n > 0, "section %d is there", s);
	tap_ok(!e.severed_away, "nothing is missing");
	tap_ok(e.text.n > 0, "text too");
	is_bytes(e.text.p, 4,
		 "\xa2\x62"
		 "de",
		 4, "shorter languages first");
}

static void test_every_size_of_buffer(void)
{
	static uint8_t buf[4096], whole[4096];
	struct fixture f;
	size_t n = 0, wanted = 0, bad = 0;

	fill(&f);
	is_int(suit_encode(C, &f.source, whole, sizeof(whole), &wanted), SUIT_OK, "fits");
	for (size_t size = 0; size < wanted; size++) {
		memset(buf, 0xee, sizeof(buf));
		n = 0;
		bad += suit_encode(C, &f.source, buf, size, &n) != SUIT_NO_SPACE || n != wanted;
		for (size_t i = size; i < sizeof(buf); i++)
			bad += buf[i] != 0xee;
	}
	is_int((int64_t)bad, 0,
	       "each smaller buffer is refused, with the size, untouched "
	       "behind its end");
	is_int(suit_encode(C, &f.source, buf, wanted, &n), SUIT_OK, "the exact size is enough");
	is_bytes(buf, n, whole, wanted, "and gives the same");
}

/* --- refusals ------------------------------------------------------------------------------
 */

static uint8_t long_text[SUIT_SOURCE_STRING_MAX + 1];

#define REFUSAL(name, statement)                                                               \
	static void refuse_##name(struct fixture *f)                                           \
	{                                                                                      \
		statement;                                                                     \
	}
#define LONG(n) ((struct suit_bytes){ long_text, (n) })
REFUSAL(nothing, f->source.component_count = 0; f->source.dependency_count = 0;
	f->source.guard = (struct suit_source_guard){ 0 })
REFUSAL(components, f->source.component_count = SUIT_COMPONENTS_MAX + 1)
REFUSAL(classes, f->source.class_count = SUIT_CLASSES_MAX + 1)
REFUSAL(versions, f->source.version_count = SUIT_VERSION_MAX + 1)
REFUSAL(reference, f->source.reference_uri = LONG(SUIT_URI_MAX + 1))
REFUSAL(twins, f->component[1].id = f->component[0].id)
REFUSAL(nameless, f->component[1].id.count = 0)
REFUSAL(segments, f->component[1].id.count = SUIT_SEGMENTS_MAX + 1)
REFUSAL(images, f->component[0].image_count = SUIT_IMAGES_MAX + 1)
REFUSAL(no_image, f->component[0].image_count = 0)
REFUSAL(no_uri, f->image[0].uri.n = 0)
REFUSAL(long_uri, f->image[0].uri = LONG(SUIT_URI_MAX + 1))
REFUSAL(bad_uri, f->image[0].uri = suit_text("\xff"))
REFUSAL(no_digest, f->image[0].whole.has_digest = false)
REFUSAL(no_fetched, f->image[0].fetched.has_digest = false)
REFUSAL(via, f->image[0].via = 3)
REFUSAL(via_itself, f->image[0].via = 0)
REFUSAL(unreachable, f->image[0].precursor.has_digest = false)
REFUSAL(half_slots, f->image[0].has_slot = true)
REFUSAL(two_ends, f->image[1].whole.digest.b[0] ^= 1)
REFUSAL(same_precursor, f->image[1].precursor = f->image[0].precursor)
REFUSAL(content, f->image[0].content = suit_text("x"))
REFUSAL(long_info, f->image[0].encryption_info = LONG(SUIT_SOURCE_STRING_MAX + 1))
REFUSAL(swap_decrypts, f->component[0].install = SUIT_INSTALL_SWAP)
REFUSAL(candidate, f->component[1].check_candidate = true)
REFUSAL(load, f->component[0].load_into = 3)
REFUSAL(load_itself, f->component[0].load_into = 0)
REFUSAL(actors, f->metadata.permissions[0].count = SUIT_ACTORS_MAX + 1)
REFUSAL(actor_twins, f->metadata.permissions[0].of[1].actor = -1)
REFUSAL(ranges, f->source.guard.version_count = SUIT_RANGES_MAX + 1)
REFUSAL(bounds, f->range[0].count = 3)
REFUSAL(comparison, f->range[0].bound[0].comparison = (enum suit_comparison)6)
REFUSAL(numbers, f->range[0].bound[0].count = SUIT_VERSION_MAX + 1)
REFUSAL(event, f->source.guard.wait.has |= 0x400)
REFUSAL(past, f->source.guard.wait.value[9] = -1)
REFUSAL(no_other, f->source.guard.wait.has |= SUIT_BIT(SUIT_WAIT_OTHER_DEVICE))
REFUSAL(lost_guard, f->source.given[SUIT_INSTALL] = suit_text("\x80"))
REFUSAL(left_out_guard, f->source.leave_out = SUIT_BIT(SUIT_PAYLOAD_FETCH))
REFUSAL(dependency, f->dependency[0].manifest.has_digest = false)
REFUSAL(dependency_section, f->dependency[0].sections = SUIT_BIT(SUIT_SHARED))
REFUSAL(languages, f->source.text_count = SUIT_LANGUAGES_MAX + 1)
REFUSAL(language_twins, f->text[1].language = f->text[0].language)
REFUSAL(no_language, f->text[1].language.n = 0)
REFUSAL(long_text, f->text[0].text[1] = LONG(SUIT_SOURCE_TEXT_MAX + 1))
REFUSAL(bad_text, f->text[0].text[1] = suit_text("\xc0\x80"))
REFUSAL(text_component, f->words[0].component = 3)
REFUSAL(text_twins, f->words[0].component = 2)
REFUSAL(payloads, f->source.payload_count = SUIT_PAYLOADS_MAX + 1)
REFUSAL(payload_twins, f->payload[0].name = f->payload[1].name)
REFUSAL(given, f->source.given[SUIT_VALIDATE] = suit_text("\x82\x18\x63\x0f"))
REFUSAL(coswid, f->source.coswid = suit_text("\xa1"))

static const struct {
	const char *name;
	void (*change)(struct fixture *f);
	enum suit_rc rc;
} refusals[] = {
	{ "nothing", refuse_nothing, SUIT_MISSING },
	{ "too many components", refuse_components, SUIT_TOO_LARGE },
	{ "too many classes", refuse_classes, SUIT_TOO_LARGE },
	{ "too long a version", refuse_versions, SUIT_TOO_LARGE },
	{ "too long a reference", refuse_reference, SUIT_TOO_LARGE },
	{ "a component twice", refuse_twins, SUIT_MALFORMED },
	{ "a component without a name", refuse_nameless, SUIT_MISSING },
	{ "too long a component id", refuse_segments, SUIT_TOO_LARGE },
	{ "too many images", refuse_images, SUIT_TOO_LARGE },
	{ "an install without image", refuse_no_image, SUIT_MISSING },
	{ "no URI", refuse_no_uri, SUIT_MISSING },
	{ "too long a URI", refuse_long_uri, SUIT_TOO_LARGE },
	{ "a URI that is no UTF-8", refuse_bad_uri, SUIT_MALFORMED },
	{ "no digest", refuse_no_digest, SUIT_MISSING },
	{ "no digest of what is fetched", refuse_no_fetched, SUIT_MISSING },
	{ "via no component", refuse_via, SUIT_UNKNOWN },
	{ "via itself", refuse_via_itself, SUIT_UNSUPPORTED },
	{ "an alternative that is never reached", refuse_unreachable, SUIT_MALFORMED },
	{ "a slot here and none there", refuse_half_slots, SUIT_MALFORMED },
	{ "two images for one slot", refuse_two_ends, SUIT_MALFORMED },
	{ "a precursor twice", refuse_same_precursor, SUIT_MALFORMED },
	{ "content beside a fetch", refuse_content, SUIT_UNSUPPORTED },
	{ "too long an encryption info", refuse_long_info, SUIT_TOO_LARGE },
	{ "a swap that decrypts", refuse_swap_decrypts, SUIT_UNSUPPORTED },
	{ "a candidate of nothing", refuse_candidate, SUIT_UNSUPPORTED },
	{ "load into no component", refuse_load, SUIT_UNKNOWN },
	{ "load into itself", refuse_load_itself, SUIT_UNKNOWN },
	{ "too many actors", refuse_actors, SUIT_TOO_LARGE },
	{ "an actor twice", refuse_actor_twins, SUIT_MALFORMED },
	{ "too many ranges", refuse_ranges, SUIT_TOO_LARGE },
	{ "a range of three bounds", refuse_bounds, SUIT_MALFORMED },
	{ "an unknown comparison", refuse_comparison, SUIT_MALFORMED },
	{ "too many numbers", refuse_numbers, SUIT_TOO_LARGE },
	{ "an unknown event", refuse_event, SUIT_UNKNOWN },
	{ "a negative day", refuse_past, SUIT_MALFORMED },
	{ "an other device without name", refuse_no_other, SUIT_MISSING },
	{ "a sequence in place of the guards", refuse_lost_guard, SUIT_UNSUPPORTED },
	{ "guards left out", refuse_left_out_guard, SUIT_UNSUPPORTED },
	{ "a dependency without digest", refuse_dependency, SUIT_MISSING },
	{ "a dependency in shared", refuse_dependency_section, SUIT_MALFORMED },
	{ "too many languages", refuse_languages, SUIT_TOO_LARGE },
	{ "a language twice", refuse_language_twins, SUIT_MALFORMED },
	{ "a language without name", refuse_no_language, SUIT_MALFORMED },
	{ "too long a text", refuse_long_text, SUIT_TOO_LARGE },
	{ "a text that is no UTF-8", refuse_bad_text, SUIT_MALFORMED },
	{ "text of no component", refuse_text_component, SUIT_UNKNOWN },
	{ "text of a component twice", refuse_text_twins, SUIT_MALFORMED },
	{ "too many payloads", refuse_payloads, SUIT_TOO_LARGE },
	{ "a payload twice", refuse_payload_twins, SUIT_MALFORMED },
	{ "a given sequence of an unknown command", refuse_given, SUIT_UNKNOWN },
	{ "a CoSWID that is no CBOR", refuse_coswid, SUIT_MALFORMED },
};

static void test_refusals(void)
{
	struct suit_envelope e;
	struct fixture f;

	memset(long_text, 'a', sizeof(long_text));
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		fill(&f);
		refusals[i].change(&f);
		enum suit_rc rc = encode(&f, &e);
		tap_ok(rc == refusals[i].rc, "refused: %s (%s)", refusals[i].name,
		       suit_rc_text(rc));
	}
}

static void test_too_large_an_envelope(void)
{
	static uint8_t content[SUIT_ENVELOPE_MAX], buf[2 * SUIT_ENVELOPE_MAX];
	struct fixture f;
	size_t n = 0;

	fill(&f);
	f.payload[0].content = (struct suit_bytes){ content, sizeof(content) };
	is_int(suit_encode(C, &f.source, buf, sizeof(buf), &n), SUIT_TOO_LARGE,
	       "an envelope over the limit");
}

/* What skips an installed image must not skip another one. */
static void test_skip_only_the_only_image(void)
{
	struct suit_envelope e;
	struct fixture f;

	fill(&f);
	f.source.guard.skip_installed = true;
	is_int(encode(&f, &e), SUIT_OK, "one image may be skipped");
	f.component[2].image = &f.image[2];
	f.component[2].image_count = 1;
	f.component[2].install = SUIT_INSTALL_WRITE;
	f.image[2].whole = ref_of(9, 1);
	f.component[0].load = false;
	is_int(encode(&f, &e), SUIT_UNSUPPORTED, "one of two may not");
	f.source.guard.skip_installed = false;
	is_int(encode(&f, &e), SUIT_OK, "without the guard both are there");
}

int main(void)
{
	test_heads_move_what_they_hold();
	test_everything_at_once();
	test_every_size_of_buffer();
	test_refusals();
	test_too_large_an_envelope();
	test_skip_only_the_only_image();
	return tap_done();
}
