/* Builds the program; coap_steer.h says what it does.  The one thing to know: the hash is there
 * twice, in C and as instructions, and test_coap_steer compares them through the kernel. */

#include "server/coap/coap_steer.h"

#include "base/hash.h"

#include <linux/filter.h>
#include <string.h>

#define PROGRAM_MAX 2048
#define WORDS       5 /* address as IPv6, port */
#define LENGTH_WORD ((uint32_t)(WORDS * 4) << 24)
#define INIT_2      0x6c796765u
#define INIT_3      0x74656462u
#define FINAL       0xffu
#define MAPPED      0xffffu /* ::ffff:a.b.c.d */

/* Offsets in a datagram: RFC 6347's record header (13 bytes), handshake header (12), version
 * and random (34), length of the session id; then session id, length of the cookie, cookie. */
#define AT_EPOCH     3
#define AT_HANDSHAKE 13
#define AT_SESSION   (AT_HANDSHAKE + 12 + 34)
#define HANDSHAKE    22
#define CLIENT_HELLO 1
#define NET(offset)  ((uint32_t)(SKF_NET_OFF + (offset)))

/* --- in C -------------------------------------------------------------------------------- */

static uint32_t rotate_left(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static void sip_round(uint32_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 5) ^ v[0];
	v[0] = rotate_left(v[0], 16);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 8) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 7) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[2];
	v[2] = rotate_left(v[2], 16);
}

static uint32_t sip(const struct steer_key *key, const uint32_t words[WORDS])
{
	uint32_t v[4] = { key->k[0], key->k[1], INIT_2 ^ key->k[0], INIT_3 ^ key->k[1] };

	for (int i = 0; i <= WORDS; i++) {
		uint32_t m = i < WORDS ? words[i] : LENGTH_WORD;

		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	v[2] ^= FINAL;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[1] ^ v[3];
}

static void words_of(const struct sockaddr *from, uint32_t ret[WORDS])
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(ret, 0, WORDS * sizeof(*ret));
	if (from->sa_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		ret[2] = MAPPED;
		ret[3] = ntohl(in.sin_addr.s_addr);
		ret[4] = ntohs(in.sin_port);
		return;
	}
	memcpy(&in6, from, sizeof(in6));
	for (int i = 0; i < 4; i++)
		ret[i] = ntohl(in6.sin6_addr.s6_addr32[i]);
	ret[4] = ntohs(in6.sin6_port);
}

uint32_t steer_cookie(const struct steer *s, const struct sockaddr *from)
{
	uint32_t words[WORDS];

	words_of(from, words);
	return sip(&s->current, words);
}

/* --- as instructions --------------------------------------------------------------------- */

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned n;
};

/* Scratch memory. */
enum { V0, V1, V2, V3, WORD, COOKIE = WORD + WORDS };

/* Leaves room at the end: a program that fills it was cut off, and is not used. */
static void put_one(struct program *p, struct sock_filter instruction)
{
	if (p->n < PROGRAM_MAX)
		p->code[p->n++] = instruction;
}

static void put(struct program *p, uint16_t code, uint32_t k)
{
	put_one(p, (struct sock_filter){ .code = code, .k = k });
}

/* Skips so many instructions when it is true, and when not. */
static void put_jump(struct program *p, uint16_t test, uint32_t k, uint8_t yes, uint8_t no)
{
	put_one(p, (struct sock_filter){ BPF_JMP | test, yes, no, k });
}

static void unless(struct program *p, uint32_t k, uint8_t skip)
{
	put_jump(p, BPF_JEQ | BPF_K, k, 0, skip);
}

/* m[a] = m[a] op m[b] */
static void combine(struct program *p, uint16_t op, uint32_t a, uint32_t b)
{
	put(p, BPF_LDX | BPF_MEM, b);
	put(p, BPF_LD | BPF_MEM, a);
	put(p, BPF_ALU | op | BPF_X, 0);
	put(p, BPF_ST, a);
}

static void put_rotation(struct program *p, uint32_t a, uint32_t n)
{
	put(p, BPF_LD | BPF_MEM, a);
	put(p, BPF_ALU | BPF_LSH | BPF_K, n);
	put(p, BPF_MISC | BPF_TAX, 0);
	put(p, BPF_LD | BPF_MEM, a);
	put(p, BPF_ALU | BPF_RSH | BPF_K, 32 - n);
	put(p, BPF_ALU | BPF_OR | BPF_X, 0);
	put(p, BPF_ST, a);
}

/* m[a] += m[b]; m[b] = m[b] <<< n ^ m[a] */
static void put_quarter(struct program *p, uint32_t a, uint32_t b, uint32_t n)
{
	combine(p, BPF_ADD, a, b);
	put_rotation(p, b, n);
	combine(p, BPF_XOR, b, a);
}

static void put_round(struct program *p)
{
	put_quarter(p, V0, V1, 5);
	put_rotation(p, V0, 16);
	put_quarter(p, V2, V3, 8);
	put_quarter(p, V0, V3, 7);
	put_quarter(p, V2, V1, 13);
	put_rotation(p, V2, 16);
}

static void put_constant(struct program *p, uint32_t a, uint32_t value)
{
	put(p, BPF_LD | BPF_IMM, value);
	put(p, BPF_ST, a);
}

static void put_xor_constant(struct program *p, uint32_t a, uint32_t value)
{
	put(p, BPF_LD | BPF_MEM, a);
	put(p, BPF_ALU | BPF_XOR | BPF_K, value);
	put(p, BPF_ST, a);
}

/* Leaves the hash in A. */
static void put_hash(struct program *p, const struct steer_key *key)
{
	put_constant(p, V0, key->k[0]);
	put_constant(p, V1, key->k[1]);
	put_constant(p, V2, INIT_2 ^ key->k[0]);
	put_constant(p, V3, INIT_3 ^ key->k[1]);
	for (uint32_t i = 0; i < WORDS; i++) {
		combine(p, BPF_XOR, V3, WORD + i);
		put_round(p);
		combine(p, BPF_XOR, V0, WORD + i);
	}
	put_xor_constant(p, V3, LENGTH_WORD);
	put_round(p);
	put_xor_constant(p, V0, LENGTH_WORD);
	put_xor_constant(p, V2, FINAL);
	for (int i = 0; i < 3; i++)
		put_round(p);
	combine(p, BPF_XOR, V1, V3);
}

static void put_load(struct program *p, uint16_t size, uint32_t at, uint32_t word)
{
	put(p, BPF_LD | size | BPF_ABS, at);
	put(p, BPF_ST, word);
}

#define WORDS_4_SIZE 12
#define WORDS_6_SIZE 18

/* Options may come before the port. */
static void put_words_of_4(struct program *p)
{
	put_constant(p, WORD, 0);
	put_constant(p, WORD + 1, 0);
	put_constant(p, WORD + 2, MAPPED);
	put_load(p, BPF_W, NET(12), WORD + 3);
	put(p, BPF_LDX | BPF_B | BPF_MSH, NET(0));
	put(p, BPF_LD | BPF_H | BPF_IND, NET(0));
	put(p, BPF_ST, WORD + 4);
	put(p, BPF_JMP | BPF_JA, WORDS_6_SIZE);
}

/* And so may a header with options, whose second byte says how long it is: what leaves a mesh
 * may still have one (RFC 9008). */
static void put_words_of_6(struct program *p)
{
	for (uint32_t i = 0; i < 4; i++)
		put_load(p, BPF_W, NET(8 + 4 * i), WORD + i);
	put(p, BPF_LDX | BPF_IMM, 0);
	put(p, BPF_LD | BPF_B | BPF_ABS, NET(6));
	put_jump(p, BPF_JEQ | BPF_K, IPPROTO_HOPOPTS, 1, 0);
	unless(p, IPPROTO_DSTOPTS, 4);
	put(p, BPF_LD | BPF_B | BPF_ABS, NET(41));
	put(p, BPF_ALU | BPF_ADD | BPF_K, 1);
	put(p, BPF_ALU | BPF_LSH | BPF_K, 3);
	put(p, BPF_MISC | BPF_TAX, 0);
	put(p, BPF_LD | BPF_H | BPF_IND, NET(40));
	put(p, BPF_ST, WORD + 4);
}

/* Source address and port to scratch memory. */
static void put_words(struct program *p)
{
	put(p, BPF_LD | BPF_B | BPF_ABS, NET(0));
	put(p, BPF_ALU | BPF_AND | BPF_K, 0xf0);
	unless(p, 0x40, WORDS_4_SIZE);
	put_words_of_4(p);
	put_words_of_6(p);
}

/* To the shard of the sender: 1 + a part of (address words + port) * spread. */
static void put_to_shard(struct program *p, const struct steer *s)
{
	put(p, BPF_LD | BPF_MEM, WORD);
	for (uint32_t i = 1; i < WORDS; i++) {
		put(p, BPF_ALU | BPF_MUL | BPF_K, s->spread);
		put(p, BPF_LDX | BPF_MEM, WORD + i);
		put(p, BPF_ALU | BPF_XOR | BPF_X, 0);
	}
	put(p, BPF_ALU | BPF_MUL | BPF_K, s->spread);
	put(p, BPF_ALU | BPF_RSH | BPF_K, 12);
	put(p, BPF_ALU | BPF_MOD | BPF_K, s->shards);
	put(p, BPF_ALU | BPF_ADD | BPF_K, 1);
	put(p, BPF_RET | BPF_A, 0);
}

#define TO_SHARD_SIZE (1 + (WORDS - 1) * 3 + 5)

static void put_check(struct program *p, const struct steer *s, const struct steer_key *key)
{
	put_hash(p, key);
	put(p, BPF_LDX | BPF_MEM, COOKIE);
	put_jump(p, BPF_JEQ | BPF_X, 0, 0, TO_SHARD_SIZE);
	put_to_shard(p, s);
}

static void build(struct program *p, const struct steer *s)
{
	put_words(p);
	/* Anything that libcoap does not take for a ClientHello; it looks at these two bytes
	 * alone, and keeps a session for half a minute for whatever has them. */
	put(p, BPF_LD | BPF_W | BPF_LEN, 0);
	put_jump(p, BPF_JGT | BPF_K, AT_HANDSHAKE, 0, 4);
	put(p, BPF_LD | BPF_B | BPF_ABS, 0);
	unless(p, HANDSHAKE, 2);
	put(p, BPF_LD | BPF_B | BPF_ABS, AT_HANDSHAKE);
	put_jump(p, BPF_JEQ | BPF_K, CLIENT_HELLO, TO_SHARD_SIZE, 0);
	put_to_shard(p, s);
	/* Under a session's keys these are random bytes, one time in 256, and with another
	 * number they come again. */
	put(p, BPF_LD | BPF_H | BPF_ABS, AT_EPOCH);
	put_jump(p, BPF_JEQ | BPF_K, 0, 1, 0);
	put(p, BPF_RET | BPF_K, 0);
	/* A read past the end of the datagram ends the program with 0: the doorman. */
	put(p, BPF_LD | BPF_B | BPF_ABS, AT_SESSION);
	put(p, BPF_MISC | BPF_TAX, 0);
	put(p, BPF_LD | BPF_B | BPF_IND, AT_SESSION + 1);
	put_jump(p, BPF_JEQ | BPF_K, STEER_COOKIE_SIZE, 1, 0);
	put(p, BPF_RET | BPF_K, 0);
	put(p, BPF_LD | BPF_W | BPF_IND, AT_SESSION + 2);
	put(p, BPF_ST, COOKIE);
	put_check(p, s, &s->current);
	put_check(p, s, &s->previous);
	put(p, BPF_RET | BPF_K, 0);
}

bool steer_attach(const struct steer *s, int fd)
{
	struct program p;

	p.n = 0;
	build(&p, s);
	if (p.n == PROGRAM_MAX)
		return false;
	struct sock_fprog program = { .len = (unsigned short)p.n, .filter = p.code };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
			  sizeof(program)) == 0;
}

void steer_init(struct steer *s, uint32_t shards)
{
	random_bytes(s, sizeof(*s));
	s->spread |= 1;
	s->shards = shards;
}

void steer_rotate(struct steer *s)
{
	s->previous = s->current;
	random_bytes(&s->current, sizeof(s->current));
}
