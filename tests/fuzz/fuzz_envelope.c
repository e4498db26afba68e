/* Decoding, verifying, writing again and planning of envelopes, from any bytes. */

#include "suit/plan.h"
#include "suit/rewrite.h"
#include "suit/text.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_ring.h"

#include <string.h>

#define C   (&suit_crypto_openssl)
#define MAX 16384

/* Keys that have signed parts of the corpus. */
static struct ring *ring_open(void)
{
	static struct ring ring;

	if (ring.count == 0) {
		ring.mac_key = suit_text("a key of a class");
		ring.mac_kid = suit_text("class");
		ring_add(&ring, suit_data_key("keys/spec-p256-public.pem"));
		ring_add(&ring, suit_data_key("keys/fuzz-p256-public.pem"));
		ring_add(&ring, suit_data_key("keys/fuzz-p384-public.pem"));
		ring_add(&ring, suit_data_key("keys/fuzz-rsa-public.pem"));
	}
	return &ring;
}

static enum suit_rc decode(struct suit_bytes bytes, bool untagged, struct suit_envelope *ret)
{
	return untagged ? suit_envelope_decode_untagged(C, bytes, ret)
			: suit_envelope_decode(C, bytes, ret);
}

static void check_verdict(const struct suit_envelope *e)
{
	struct suit_verdict strict, loose;
	enum suit_rc rc = ring_verify(ring_open(), e, false, &strict);
	enum suit_rc rc_loose = ring_verify(ring_open(), e, true, &loose);

	if (rc == SUIT_OK) {
		check(strict.signatures + strict.macs == e->block_count);
		check(strict.failed == e->block_count && rc_loose == SUIT_OK);
	} else if (rc != SUIT_MISSING) {
		check(strict.failed < e->block_count);
	}
	if (rc_loose == SUIT_OK)
		check(loose.signatures + loose.macs + loose.unknown == e->block_count);
	for (size_t i = 0; i < e->block_count; i++) {
		size_t n = 0;
		while (suit_block_certificate(&e->block[i], n).n > 0)
			n++;
		check(n <= SUIT_CHAIN_MAX);
		size_t hash = suit_block_x5t(&e->block[i]).n;
		check(hash == 0 || hash == sizeof(struct suit_digest));
	}
}

/* Nothing changed is the same bytes; without its severed elements it is still the same. */
static void check_rewrite(const struct suit_envelope *e)
{
	static const uint8_t keys[] = { 14, 15, 16, 18, 20, 23 };
	static const struct suit_change nothing = { 0 };
	static uint8_t buf[MAX];
	struct suit_envelope less;
	size_t n = 0;

	check(suit_envelope_rewrite(e, &nothing, buf, sizeof(buf), &n) == SUIT_OK);
	check(n == e->whole.n && memcmp(buf, e->whole.p, n) == 0);
	check(suit_envelope_sever(e, keys, sizeof(keys), buf, sizeof(buf), &n) == SUIT_OK);
	check(n <= e->whole.n);
	check(decode((struct suit_bytes){ buf, n }, e->untagged, &less) == SUIT_OK);
	check(suit_digest_equal(&less.digest, &e->digest));
	check(less.block_count == e->block_count && less.payload_count == e->payload_count);
	for (size_t k = 0; k < sizeof(keys); k++) {
		struct suit_element element;
		if (suit_envelope_element(&less, keys[k], &element) == SUIT_OK)
			check(element.severed == !element.content.p);
	}
}

/* Something more lies in it, or it was full, or had that already; nothing else has changed. */
static void check_integrate(const struct suit_envelope *e)
{
	static const struct suit_bytes name = { (const uint8_t *)"img/0", 5 };
	static uint8_t buf[MAX + 64];
	struct suit_envelope more;
	size_t n = 0;

	if (suit_envelope_integrate(e, name, name, buf, sizeof(buf), &n) != SUIT_OK ||
	    decode((struct suit_bytes){ buf, n }, e->untagged, &more) != SUIT_OK)
		return;
	check(suit_digest_equal(&more.digest, &e->digest));
	check(more.block_count == e->block_count);
	check(more.payload_count == e->payload_count + 1);
}

static void check_text(const struct suit_envelope *e)
{
	size_t n = 0;

	while (suit_text_language(e, n).n > 0)
		n++;
	check(n <= SUIT_LANGUAGES_MAX && (n > 0) == (e->text.p != NULL));
	for (int64_t key = -1; key <= 9; key++)
		for (size_t i = 0; i < e->component_count; i++)
			(void)suit_text_get(e, (struct suit_bytes){ 0 }, &e->component[i], key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_bytes bytes = { data, size };
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct suit_envelope e, other;
	size_t n = 0;

	if (size > MAX)
		return 0;
	for (int untagged = 0; untagged < 2; untagged++) {
		if (decode(bytes, untagged, &e) != SUIT_OK)
			continue;
		check(decode(bytes, !untagged, &other) != SUIT_OK);
		check_verdict(&e);
		check_rewrite(&e);
		check_integrate(&e);
		check_text(&e);
		if (suit_plan_all(&e, plans, &n) == SUIT_OK)
			(void)suit_text_version(&e, &e.component[0]);
	}
	return 0;
}
