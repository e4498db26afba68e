/* test_A01: every single flipped bit and every truncation of a signed envelope is refused, by
 * decoding, by the lookup of its key id, or by its signature. */

#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define C (&suit_crypto_openssl)

/* What a verifier that knows one key, by its key id, says. */
static bool accepted(struct suit_bytes bytes, const struct suit_key *key, struct suit_bytes kid)
{
	struct suit_envelope e;

	if (suit_envelope_decode(C, bytes, &e) != SUIT_OK || e.block_count == 0)
		return false;
	for (size_t i = 0; i < e.block_count; i++)
		if (!suit_bytes_equal(e.block[i].kid, kid) ||
		    suit_block_verify(C, &e, &e.block[i], key) != SUIT_OK)
			return false;
	return true;
}

static void flip_all(const char *what, uint8_t *p, size_t n, const struct suit_key *key,
		     struct suit_bytes kid)
{
	size_t wrong = 0;

	tap_ok(accepted((struct suit_bytes){ p, n }, key, kid), "%s: whole, it is accepted",
	       what);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (accepted((struct suit_bytes){ p, n }, key, kid))
			printf("# %s: bit %zu of byte %zu\n", what, bit % 8, bit / 8), wrong++;
		p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	tap_ok(wrong == 0, "%s: %zu flips, %zu accepted", what, 8 * n, wrong);
	wrong = 0;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut + 1); /* so that a read past the end is seen */
		memcpy(copy, p, cut);
		wrong += accepted((struct suit_bytes){ copy, cut }, key, kid);
		free(copy);
	}
	tap_ok(wrong == 0, "%s: %zu truncations, %zu accepted", what, n, wrong);
	uint8_t *longer = malloc(n + 1);
	memcpy(longer, p, n);
	longer[n] = 0;
	tap_ok(!accepted((struct suit_bytes){ longer, n + 1 }, key, kid), "%s: a byte more",
	       what);
	free(longer);
}

int main(void)
{
	static const enum suit_key_type types[] = { SUIT_KEY_P256, SUIT_KEY_ED25519 };

	for (int i = 0; i < 2; i++) {
		struct suit_key *key = NULL;
		uint8_t buf[4096], kid[SUIT_KID_SIZE];

		if (suit_key_generate(types[i], &key) != SUIT_OK ||
		    suit_key_kid(key, kid) != SUIT_OK)
			abort();
		size_t n = suit_data_signed(key, buf, sizeof(buf));
		flip_all(i ? "Ed25519" : "ESP256", buf, n, key,
			 (struct suit_bytes){ kid, sizeof(kid) });
		suit_key_free(key);
	}
	struct suit_bytes worked = suit_data("worked/ab-severable.suit");
	struct suit_key *spec = suit_data_key("keys/spec-p256-public.pem");
	flip_all("ab-severable", (uint8_t *)worked.p, worked.n, spec, (struct suit_bytes){ 0 });
	suit_key_free(spec);
	return tap_done();
}
