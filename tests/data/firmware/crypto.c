/* SHA-256, HMAC, AES-128-CCM and X25519, small rather than fast. */

#include "lock.h"

static const uint32_t round_constant[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t turn(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void sha256_block(struct sha256 *s)
{
	uint32_t w[64], v[8];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)s->block[4 * i] << 24 | (uint32_t)s->block[4 * i + 1] << 16 |
		       (uint32_t)s->block[4 * i + 2] << 8 | s->block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];
		w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] +
		       (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
	memcpy(v, s->h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4], a = v[0];
		uint32_t t1 = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
			      ((e & v[5]) ^ (~e & v[6])) + round_constant[i] + w[i];
		uint32_t t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
			      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		s->h[i] += v[i];
}

void sha256_begin(struct sha256 *s)
{
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	memcpy(s->h, first, sizeof(first));
	s->n = 0;
}

void sha256_add(struct sha256 *s, const void *p, size_t n)
{
	const uint8_t *b = p;
	for (; n--; b++) {
		s->block[s->n++ & 63] = *b;
		if ((s->n & 63) == 0)
			sha256_block(s);
	}
}

void sha256_end(struct sha256 *s, uint8_t ret[32])
{
	uint64_t bits = s->n * 8;
	uint8_t byte = 0x80;
	do {
		sha256_add(s, &byte, 1);
		byte = 0;
	} while ((s->n & 63) != 56);
	for (int i = 56; i >= 0; i -= 8) {
		byte = (uint8_t)(bits >> i);
		sha256_add(s, &byte, 1);
	}
	for (int i = 0; i < 32; i++)
		ret[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void hmac_sha256(const uint8_t *key, size_t key_n, const void *p, size_t n, uint8_t ret[32])
{
	struct sha256 s;
	uint8_t pad[64] = { 0 };
	if (key_n > sizeof(pad)) {
		sha256_begin(&s);
		sha256_add(&s, key, key_n);
		sha256_end(&s, pad);
	} else {
		memcpy(pad, key, key_n);
	}
	for (size_t i = 0; i < 64; i++)
		pad[i] ^= 0x36;
	sha256_begin(&s);
	sha256_add(&s, pad, 64);
	sha256_add(&s, p, n);
	sha256_end(&s, ret);
	for (size_t i = 0; i < 64; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_begin(&s);
	sha256_add(&s, pad, 64);
	sha256_add(&s, ret, 32);
	sha256_end(&s, ret);
}

static uint8_t twice(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

void aes_set_key(struct aes *a, const uint8_t key[16])
{
	uint8_t *k = a->round_key, rcon = 1;
	memcpy(k, key, 16);
	for (int i = 16; i < 176; i += 4) {
		uint8_t t[4];
		memcpy(t, k + i - 4, 4);
		if (i % 16 == 0) {
			uint8_t first = t[0];
			t[0] = aes_box[t[1]] ^ rcon;
			t[1] = aes_box[t[2]];
			t[2] = aes_box[t[3]];
			t[3] = aes_box[first];
			rcon = twice(rcon);
		}
		for (int j = 0; j < 4; j++)
			k[i + j] = k[i + j - 16] ^ t[j];
	}
}

static void key_add(uint8_t b[16], const uint8_t *k)
{
	for (int i = 0; i < 16; i++)
		b[i] ^= k[i];
}

static void columns_mix(uint8_t b[16])
{
	for (int i = 0; i < 16; i += 4) {
		uint8_t *c = b + i, first = c[0], all = c[0] ^ c[1] ^ c[2] ^ c[3];
		c[0] ^= all ^ twice(c[0] ^ c[1]);
		c[1] ^= all ^ twice(c[1] ^ c[2]);
		c[2] ^= all ^ twice(c[2] ^ c[3]);
		c[3] ^= all ^ twice(c[3] ^ first);
	}
}

void aes_encrypt(const struct aes *a, uint8_t b[16])
{
	uint8_t t[16];
	key_add(b, a->round_key);
	for (int round = 1; round <= 10; round++) {
		for (int i = 0; i < 16; i++)
			t[i] = aes_box[b[(i + 4 * (i % 4)) % 16]];
		memcpy(b, t, 16);
		if (round < 10)
			columns_mix(b);
		key_add(b, a->round_key + 16 * round);
	}
}

void aes_decrypt(const struct aes *a, uint8_t b[16])
{
	uint8_t t[16];
	key_add(b, a->round_key + 160);
	for (int round = 9; round >= 0; round--) {
		for (int i = 0; i < 16; i++)
			t[(i + 4 * (i % 4)) % 16] = aes_inverse_box[b[i]];
		memcpy(b, t, 16);
		key_add(b, a->round_key + 16 * round);
		for (int i = 0; round > 0 && i < 3; i++)
			columns_mix(b);
	}
}

static void ccm_mac(const struct aes *a, const uint8_t nonce[13], const uint8_t *aad,
		    size_t aad_n, const uint8_t *p, size_t n, uint8_t x[16])
{
	memset(x, 0, 16);
	x[0] = (uint8_t)(aad_n ? 0x59 : 0x19);
	memcpy(x + 1, nonce, 13);
	x[14] = (uint8_t)(n >> 8);
	x[15] = (uint8_t)n;
	aes_encrypt(a, x);
	if (aad_n) {
		x[0] ^= (uint8_t)(aad_n >> 8);
		x[1] ^= (uint8_t)aad_n;
		for (size_t i = 0; i < aad_n; i++) {
			x[(i + 2) % 16] ^= aad[i];
			if ((i + 2) % 16 == 15)
				aes_encrypt(a, x);
		}
		if ((aad_n + 2) % 16)
			aes_encrypt(a, x);
	}
	for (size_t i = 0; i < n; i++) {
		x[i % 16] ^= p[i];
		if (i % 16 == 15 || i + 1 == n)
			aes_encrypt(a, x);
	}
}

static void ccm_stream(const struct aes *a, const uint8_t nonce[13], uint16_t counter,
		       uint8_t ret[16])
{
	ret[0] = 1;
	memcpy(ret + 1, nonce, 13);
	ret[14] = (uint8_t)(counter >> 8);
	ret[15] = (uint8_t)counter;
	aes_encrypt(a, ret);
}

static void ccm_crypt(const struct aes *a, const uint8_t nonce[13], uint8_t *p, size_t n)
{
	uint8_t s[16];
	for (size_t i = 0; i < n; i++) {
		if (i % 16 == 0)
			ccm_stream(a, nonce, (uint16_t)(i / 16 + 1), s);
		p[i] ^= s[i % 16];
	}
}

void aes_ccm_seal(const struct aes *a, const uint8_t nonce[13], const uint8_t *aad,
		  size_t aad_n, uint8_t *p, size_t n, uint8_t ret_tag[8])
{
	uint8_t x[16], s[16];
	ccm_mac(a, nonce, aad, aad_n, p, n, x);
	ccm_stream(a, nonce, 0, s);
	for (int i = 0; i < 8; i++)
		ret_tag[i] = x[i] ^ s[i];
	ccm_crypt(a, nonce, p, n);
}

bool aes_ccm_open(const struct aes *a, const uint8_t nonce[13], const uint8_t *aad,
		  size_t aad_n, uint8_t *p, size_t n, const uint8_t tag[8])
{
	uint8_t x[16], s[16], differs = 0;
	ccm_crypt(a, nonce, p, n);
	ccm_mac(a, nonce, aad, aad_n, p, n, x);
	ccm_stream(a, nonce, 0, s);
	for (int i = 0; i < 8; i++)
		differs |= (uint8_t)(tag[i] ^ x[i] ^ s[i]);
	if (differs)
		memset(p, 0, n);
	return differs == 0;
}

/* --- X25519: sixteen limbs of 16 bits --- */

typedef int64_t field[16];

static void field_carry(field o)
{
	for (int i = 0; i < 16; i++) {
		o[i] += (int64_t)1 << 16;
		int64_t c = o[i] >> 16;
		o[i < 15 ? i + 1 : 0] += c - 1 + (i == 15 ? 37 * (c - 1) : 0);
		o[i] -= c * 65536;
	}
}

static void field_swap(field p, field q, int64_t bit)
{
	for (int i = 0; i < 16; i++) {
		int64_t t = ~(bit - 1) & (p[i] ^ q[i]);
		p[i] ^= t;
		q[i] ^= t;
	}
}

static void field_mul(field o, const field a, const field b)
{
	int64_t t[31] = { 0 };
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 16; j++)
			t[i + j] += a[i] * b[j];
	for (int i = 0; i < 15; i++)
		t[i] += 38 * t[i + 16];
	memcpy(o, t, sizeof(field));
	field_carry(o);
	field_carry(o);
}

static void field_add(field o, const field a, const field b)
{
	for (int i = 0; i < 16; i++)
		o[i] = a[i] + b[i];
}

static void field_sub(field o, const field a, const field b)
{
	for (int i = 0; i < 16; i++)
		o[i] = a[i] - b[i];
}

static void field_invert(field o, const field a)
{
	field c;
	memcpy(c, a, sizeof(c));
	for (int i = 253; i >= 0; i--) {
		field_mul(c, c, c);
		if (i != 2 && i != 4)
			field_mul(c, c, a);
	}
	memcpy(o, c, sizeof(c));
}

static void field_pack(uint8_t *o, const field n)
{
	field m, t;
	memcpy(t, n, sizeof(t));
	field_carry(t);
	field_carry(t);
	field_carry(t);
	for (int j = 0; j < 2; j++) {
		m[0] = t[0] - 0xffed;
		for (int i = 1; i < 15; i++) {
			m[i] = t[i] - 0xffff - ((m[i - 1] >> 16) & 1);
			m[i - 1] &= 0xffff;
		}
		m[15] = t[15] - 0x7fff - ((m[14] >> 16) & 1);
		int64_t b = (m[15] >> 16) & 1;
		m[14] &= 0xffff;
		field_swap(t, m, 1 - b);
	}
	for (int i = 0; i < 16; i++) {
		o[2 * i] = (uint8_t)t[i];
		o[2 * i + 1] = (uint8_t)(t[i] >> 8);
	}
}

void x25519(uint8_t ret[32], const uint8_t scalar[32], const uint8_t point[32])
{
	static const field k121665 = { 0xdb41, 1 };
	uint8_t z[32];
	field x, a = { 1 }, b, c = { 0 }, d = { 1 }, e, f;
	memcpy(z, scalar, 32);
	z[31] = (z[31] & 127) | 64;
	z[0] &= 248;
	for (int i = 0; i < 16; i++)
		x[i] = point[2 * i] + ((int64_t)point[2 * i + 1] << 8);
	x[15] &= 0x7fff;
	memcpy(b, x, sizeof(b));
	for (int i = 254; i >= 0; i--) {
		int64_t r = (z[i >> 3] >> (i & 7)) & 1;
		field_swap(a, b, r);
		field_swap(c, d, r);
		field_add(e, a, c);
		field_sub(a, a, c);
		field_add(c, b, d);
		field_sub(b, b, d);
		field_mul(d, e, e);
		field_mul(f, a, a);
		field_mul(a, c, a);
		field_mul(c, b, e);
		field_add(e, a, c);
		field_sub(a, a, c);
		field_mul(b, a, a);
		field_sub(c, d, f);
		field_mul(a, c, k121665);
		field_add(a, a, d);
		field_mul(c, c, a);
		field_mul(a, d, f);
		field_mul(d, b, x);
		field_mul(b, e, e);
		field_swap(a, b, r);
		field_swap(c, d, r);
	}
	field_invert(c, c);
	field_mul(a, a, c);
	field_pack(ret, a);
}
