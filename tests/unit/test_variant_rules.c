/* The choice among a release's manifests: by cases, and against a slow and obvious model over
 * random devices and releases (the seed is printed). */

#include "base/model/release.h"
#include "core/variant_rules.h"
#include "tests/dice.h"
#include "tests/tap.h"

#include <stdlib.h>

static const struct component runs[] = {
	{ .name = "main", .has_digest = true, .digest = { { 1 } } },
	{ .name = "modem", .has_digest = true, .digest = { { 7 } } },
	{ .name = "boot" },
};

static struct variant whole(uint8_t id, const char *needs, int64_t bytes)
{
	return (struct variant){ .manifest = { { id } },
				 .envelope_bytes = 300,
				 .bytes = bytes,
				 .image_bytes = bytes,
				 .needs = needs };
}

static struct variant delta(uint8_t id, uint8_t base, int64_t bytes)
{
	struct variant v = whole(id, "patch-heatshrink", bytes);

	v.base_component = "main";
	v.base_digest.b[0] = base;
	return v;
}

static struct variant_device reads(const char *formats)
{
	return (struct variant_device){ .formats = formats,
					.components = runs,
					.component_count = ARRAY_LEN(runs) };
}

/* The first byte of the manifest that is chosen, 0: none. */
static int chosen(const struct variant *v, int n, const struct variant_device *d,
		  struct variant_choice *ret)
{
	variant_choose(v, n, d, ret);
	ok((ret->variant != NULL) == (ret->lack[0] == '\0'), "a choice, or why not");
	return ret->variant ? ret->variant->manifest.b[0] : 0;
}

static void test_smallest(void)
{
	const struct variant v[] = { whole(1, "", 100000), whole(2, "lzma", 40000),
				     delta(3, 1, 5000), delta(4, 2, 4000),
				     whole(5, "aes-kw,ctr", 100000) };
	struct variant_device d = reads("lzma,patch-heatshrink");
	struct variant_choice c;

	is_int(chosen(v, 5, &d, &c), 3, "the delta from what it runs");
	is_int(c.bytes_saved, 95000, "is so much smaller than the largest that fits");
	d.no_delta = true;
	is_int(chosen(v, 5, &d, &c), 2, "no delta after one failed: the compressed image");
	is_int(c.bytes_saved, 60000, "which is still smaller");
	d = reads("lzma");
	is_int(chosen(v, 5, &d, &c), 2, "no delta for one that reads none");
	d = reads("");
	is_int(chosen(v, 5, &d, &c), 1, "the plain image for one that reads nothing else");
	is_int(c.bytes_saved, 0, "nothing is saved by what is the only one");
	d = reads("aes-kw,ctr,lzma,patch-heatshrink");
	d.only_encrypted = true;
	is_int(chosen(v, 5, &d, &c), 5, "what is encrypted for one that takes nothing else");
	is_int(c.bytes_saved, 0, "against what it cannot have nothing is saved");
}

static void test_equals(void)
{
	struct variant v[] = { whole(9, "", 500), whole(8, "", 500) };
	struct variant_device d = reads("");
	struct variant_choice c;

	is_int(chosen(v, 2, &d, &c), 8, "of equals the lower digest");
	v[1].envelope_bytes = 301;
	is_int(chosen(v, 2, &d, &c), 9, "the envelope counts");
	v[1].bytes = 498;
	is_int(chosen(v, 2, &d, &c), 8, "with what is fetched");
	is_int(c.bytes_saved, 2, "but is nothing that is saved");
}

/* One thing is missing, and said. */
static void lacks(const struct variant *v, const struct variant_device *d, bool too_large,
		  const char *text)
{
	struct variant_choice c;

	is_int(chosen(v, 1, d, &c), 0, "it does not fit");
	is_str(c.lack, text, "and why");
	ok(c.too_large == too_large, "whether it is too large");
}

#define NONE "no manifest of the release fits: "

static void test_lacks(void)
{
	struct variant v = whole(1, "aes-kw,ctr,lzma", 5000);
	struct variant_device d = reads("ctr,lzmax");

	lacks(&v, &d, false, NONE "the device does not read aes-kw, lzma");
	d = reads("aes-kw,ctr,lzma");
	d.max_image = 4999;
	lacks(&v, &d, true, NONE "an image has 5000 bytes, the device takes 4999");
	d.max_envelope = 299;
	lacks(&v, &d, true,
	      NONE "the envelope has 300 bytes, the device takes 299; "
		   "an image has 5000 bytes, the device takes 4999");
	d = reads("");
	d.max_image = 1;
	lacks(&v, &d, false,
	      NONE "the device does not read aes-kw, ctr, lzma; "
		   "an image has 5000 bytes, the device takes 1");
	v = whole(1, "lzma", 5000);
	d = reads("lzma");
	d.only_encrypted = true;
	lacks(&v, &d, false, NONE "the device takes encrypted payloads only");
	v = delta(1, 2, 100);
	d = reads("patch-heatshrink");
	lacks(&v, &d, false, NONE "the device's main is not what the delta is from");
	v = delta(1, 1, 100);
	d.no_delta = true;
	lacks(&v, &d, false, NONE "a delta has failed");
	v.base_component = "boot";
	d.no_delta = false;
	lacks(&v, &d, false, NONE "the device's boot is not what the delta is from");
	v.base_component = "radio";
	lacks(&v, &d, false, NONE "the device's radio is not what the delta is from");
}

/* Recipients of both kinds: who is of one has no use for the other. */
static void test_either(void)
{
	const struct variant v = whole(1, "aes-kw|ecdh-es,gcm", 5000);
	static const struct {
		const char *reads, *lacks;
	} cases[] = {
		{ "aes-kw,gcm", NULL },
		{ "ecdh-es,gcm", NULL },
		{ "aes-kw,ecdh-es,gcm", NULL },
		{ "aes-kw,ecdh-es", NONE "the device does not read gcm" },
		{ "gcm", NONE "the device does not read aes-kw or ecdh-es" },
		{ "aes,ecdh-es|gcm,lzma",
		  NONE "the device does not read aes-kw or ecdh-es, gcm" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct variant_device d = reads(cases[i].reads);
		struct variant_choice c;
		d.only_encrypted = true;
		is_int(chosen(&v, 1, &d, &c), cases[i].lacks == NULL, "either key will do");
		is_str(c.lack, cases[i].lacks ? cases[i].lacks : "", "and no less");
	}
}

static void test_nearest(void)
{
	struct variant v[] = { delta(1, 2, 100), whole(2, "lzma", 4000),
			       whole(3, "zstd", 5000) };
	struct variant_device d = reads("patch-heatshrink");
	struct variant_choice c;

	v[1].envelope_bytes = 2000;
	d.max_envelope = 1000;

	is_int(chosen(v, 3, &d, &c), 0, "nothing fits");
	is_str(c.lack, NONE "the device does not read zstd",
	       "the whole image that is nearest says why");
	is_int(chosen(v, 0, &d, &c), 0, "a release without manifests");
	is_str(c.lack, "the release has no manifest", "says that");
	ok(!c.too_large, "and not that something is too large");
}

static void test_long_text(void)
{
	char needs[800] = "";
	struct variant_device d = reads("");
	struct variant v = whole(1, needs, 1);
	struct variant_choice c;

	for (int i = 0; i < 24; i++)
		snprintf(needs + strlen(needs), sizeof(needs) - strlen(needs),
			 "%sa-format-with-a-long-name-%02d", i ? "," : "", i);
	is_int(chosen(&v, 1, &d, &c), 0, "much is missing");
	is_int((int64_t)strlen(c.lack), VARIANT_LACK_MAX - 1, "and cut where the room ends");
}

static void test_deltas(void)
{
	struct variant v = whole(1, "", 1);

	ok(!variant_is_delta(&v), "a plain image is no delta");
	v.needs = "patch";
	ok(!variant_is_delta(&v), "nor is a format with a name like it");
	v.needs = "lzma,patch-lzma";
	ok(variant_is_delta(&v), "what needs a patch is one");
	v.needs = "";
	v.base_component = "main";
	ok(variant_is_delta(&v), "and what needs a precursor");
	ok(!variant_has_base(&v, runs, ARRAY_LEN(runs)), "which must be there");
	v.base_digest.b[0] = 1;
	ok(variant_has_base(&v, runs, ARRAY_LEN(runs)), "and is");
	ok(!variant_has_base(&v, runs, 0), "but not where nothing is");
}

/* --- the model: sets of words as bits, and every pair compared --- */

static const char *const words[] = { "heatshrink", "lzma",   "patch-heatshrink",
				     "patch-zstd", "aes-kw", "ctr" };
#define WORDS       ARRAY_LEN(words)
#define PATCHES     (1U << 2 | 1U << 3)
#define ENCRYPTIONS (1U << 4 | 1U << 5)

/* One need of each three that can be met in two ways. */
static const char *list_of_needs(unsigned set, unsigned either, char ret[256])
{
	ret[0] = '\0';
	for (size_t i = 0; i < WORDS; i++)
		if (set & 1U << i)
			snprintf(ret + strlen(ret), 256 - strlen(ret), "%s%s%s%s",
				 ret[0] ? "," : "", words[i], either & 1U << i ? "|" : "",
				 either & 1U << i ? words[(i + 1) % WORDS] : "");
	return ret;
}

static const char *list_of(unsigned set, char ret[128])
{
	ret[0] = '\0';
	for (size_t i = 0; i < WORDS; i++)
		if (set & 1U << i)
			snprintf(ret + strlen(ret), 128 - strlen(ret), "%s%s",
				 ret[0] ? "," : "", words[i]);
	return ret;
}

struct model {
	unsigned needs, either; /* of these the next word will do as well */
	int base_component;     /* index of runs; -1: none */
	struct variant v;
	char text[256];
};

static void random_variant(struct model *m, uint8_t id)
{
	*m = (struct model){ .needs = random_below(1U << WORDS) & random_below(1U << WORDS),
			     .base_component = (int)random_below(4) - 1 };
	m->v = (struct variant){ .manifest = { { (uint8_t)random_below(3), id } },
				 .envelope_bytes = 10 * (1 + random_below(5)),
				 .bytes = 10 * random_below(20),
				 .image_bytes = 10 * random_below(20) };
	m->either = m->needs & ENCRYPTIONS & random_below(1U << WORDS);
	m->v.needs = list_of_needs(m->needs, m->either, m->text);
	if (m->base_component < 0)
		return;
	m->v.base_component = runs[m->base_component].name;
	m->v.base_digest = runs[m->base_component].digest;
	m->v.base_digest.b[0] ^= random_below(2) ? 0x55 : 0;
}

static bool model_reads(const struct model *m, unsigned formats)
{
	unsigned missing = m->needs & ~formats;

	for (unsigned i = 0; i < WORDS; i++)
		if (m->either & 1U << i && formats & 1U << (i + 1) % WORDS)
			missing &= ~(1U << i);
	return missing == 0;
}

static bool model_fits(const struct model *m, unsigned formats, const struct variant_device *d)
{
	const struct component *k = m->base_component < 0 ? NULL : &runs[m->base_component];
	bool is_delta = k || m->needs & PATCHES;

	return model_reads(m, formats) && !(d->only_encrypted && !(m->needs & ENCRYPTIONS)) &&
	       !(k && (!k->has_digest ||
		       memcmp(&k->digest, &m->v.base_digest, sizeof(k->digest)) != 0)) &&
	       !(d->max_envelope && m->v.envelope_bytes > d->max_envelope) &&
	       !(d->max_image && m->v.image_bytes > d->max_image) && !(d->no_delta && is_delta);
}

/* Is there one that fits and that nobody who fits beats?  Says which, and what it saves. */
static const struct variant *model_choice(const struct model *m, const bool *fits, int n,
					  int64_t *ret_saved)
{
	for (int i = 0; i < n; i++) {
		int64_t cost = m[i].v.bytes + m[i].v.envelope_bytes;
		bool beaten = !fits[i];
		*ret_saved = 0;
		for (int k = 0; k < n; k++) {
			int64_t other = m[k].v.bytes + m[k].v.envelope_bytes;
			if (!fits[k])
				continue;
			beaten |= other < cost ||
				  (other == cost && memcmp(&m[k].v.manifest, &m[i].v.manifest,
							   sizeof(struct digest)) < 0);
			if (m[k].v.bytes - m[i].v.bytes > *ret_saved)
				*ret_saved = m[k].v.bytes - m[i].v.bytes;
		}
		if (!beaten)
			return &m[i].v;
	}
	return NULL;
}

struct totals {
	int chosen, none, deltas, wrong;
};

static void one_round(struct totals *t)
{
	static struct model m[RELEASE_VARIANTS_MAX];
	struct variant v[RELEASE_VARIANTS_MAX];
	bool fits[RELEASE_VARIANTS_MAX];
	unsigned formats = random_below(1U << WORDS);
	char text[128];
	int n = (int)random_below(random_below(4) ? 6 : RELEASE_VARIANTS_MAX);
	struct variant_device d = reads(list_of(formats, text));
	struct variant_choice c;
	int64_t saved = 0;

	d.only_encrypted = random_below(4) == 0;
	d.no_delta = random_below(4) == 0;
	d.max_envelope = random_below(3) ? 0 : 10 * random_below(6);
	d.max_image = random_below(3) ? 0 : 10 * random_below(20);
	for (int i = 0; i < n; i++) {
		random_variant(&m[i], (uint8_t)i);
		v[i] = m[i].v;
		fits[i] = model_fits(&m[i], formats, &d);
		t->wrong += variant_fits(&v[i], &d) != fits[i];
	}
	const struct variant *best = model_choice(m, fits, n, &saved);
	variant_choose(v, n, &d, &c);
	t->chosen += best != NULL;
	t->none += best == NULL;
	t->deltas += best && variant_is_delta(best);
	if (!best)
		t->wrong += c.variant || !c.lack[0];
	else
		t->wrong += !c.variant || c.bytes_saved != saved ||
			    memcmp(&c.variant->manifest, &best->manifest,
				   sizeof(struct digest)) != 0;
}

static void test_model(void)
{
	struct totals t = { 0 };

	for (int i = 0; i < 20000; i++)
		one_round(&t);
	printf("# %d chosen, %d of them deltas; %d times nothing\n", t.chosen, t.deltas,
	       t.none);
	ok(t.chosen > 4000 && t.none > 2000 && t.deltas > 500, "all of it happens");
	is_int(t.wrong, 0, "the choice is the model's");
}

/* What names keys is for these devices alone, and they get nothing that others may have. */
static void test_admissions(void)
{
	const struct variant v[] = { whole(1, "ecdh-es,gcm", 1000),
				     whole(2, "ecdh-es,gcm,key-aa,key-bb", 1300),
				     whole(3, "ecdh-es,gcm,key-cc,lzma", 900) };
	struct variant_device d = reads("ecdh-es,gcm,key-bb");
	struct variant_choice c;

	is_int(chosen(v, 3, &d, &c), 2, "the one that lets it in, though it is larger");
	is_int(c.bytes_saved, 0, "what it could not open would have saved nothing");
	d = reads("ecdh-es,gcm,key-cc");
	is_int(chosen(v, 3, &d, &c), 1, "let in, and in a format that it does not read");
	d = reads("ecdh-es,gcm,key-dd,lzma");
	is_int(chosen(v, 3, &d, &c), 1, "let in by none");
	is_int(chosen(v + 1, 2, &d, &c), 0, "and no other is there");
	ok(strstr(c.lack, "it lets other devices in"), "%s", c.lack);
	d = reads("ecdh-es,gcm,lzma");
	is_int(chosen(v + 1, 2, &d, &c), 0, "nor is it for one that names no key");
	d = reads("ecdh-es,gcm,key-cc");
	is_int(chosen(v + 2, 1, &d, &c), 0, "it is for it, in a format that it does not read");
	ok(strstr(c.lack, "lzma") && !strstr(c.lack, "key-"), "%s", c.lack);
	d = reads("key-bb");
	is_int(chosen(v + 1, 1, &d, &c), 0, "no cipher is known");
	ok(strstr(c.lack, "gcm") && !strstr(c.lack, "key-"), "%s", c.lack);
	const struct variant both[] = { whole(1, "aes-kw|ecdh-es,gcm", 1000),
					whole(2, "ecdh-es,gcm,key-bb", 1300) };
	d = reads("ecdh-es,gcm,key-bb");
	is_int(chosen(both, 2, &d, &c), 2, "the author's is for a class's key, or for others");
	d = reads("aes-kw,ecdh-es,gcm,key-bb");
	is_int(chosen(both, 2, &d, &c), 1, "who has the class's key opens the author's");
	const struct variant plain[] = { whole(4, "", 500), v[1] };
	d = reads("ecdh-es,gcm,key-aa");
	is_int(chosen(plain, 2, &d, &c), 4, "what anybody can open is still the smallest");
}

int main(void)
{
	dice_begin();
	test_smallest();
	test_equals();
	test_lacks();
	test_either();
	test_nearest();
	test_long_text();
	test_deltas();
	test_model();
	test_admissions();
	return tap_done();
}
