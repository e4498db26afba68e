/* SUIT: results, views and limits.  This folder proves manifests (draft-ietf-suit-manifest-37).
 * It does no I/O, allocates nothing, includes nothing outside itself, and takes its
 * cryptography through a table of functions, so daemon, CLI, agent and a microcontroller run
 * the same code. Every function may be called from any thread; what it reads must stay
 * unchanged meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUIT_ENVELOPE_MAX   65536 /* bytes */
#define SUIT_COMPONENTS_MAX 8
#define SUIT_SEGMENTS_MAX   8  /* of one component id */
#define SUIT_BLOCKS_MAX     8  /* signatures and MACs */
#define SUIT_COMMANDS_MAX   64 /* of one sequence */
#define SUIT_DEPTH_MAX      8  /* of nested sequences, and of any CBOR */
#define SUIT_SLOTS_MAX      8
#define SUIT_PAYLOADS_MAX   8   /* integrated ones */
#define SUIT_URI_MAX        255 /* bytes */
#define SUIT_KID_MAX        64
#define SUIT_VERSION_MAX    8    /* numbers of a set-version */
#define SUIT_SIGNATURE_MAX  512  /* bytes: RSA of 4096 bits */
#define SUIT_CHAIN_MAX      4    /* certificates of one signature */
#define SUIT_CERT_MAX       4096 /* bytes of one, DER */

#define SUIT_MUST_CHECK __attribute__((warn_unused_result))

/* A microcontroller's own: a third of the memory.  All of a program is built with it, or none.
 */
#ifdef SUIT_SMALL
#undef SUIT_COMPONENTS_MAX
#undef SUIT_SEGMENTS_MAX
#undef SUIT_BLOCKS_MAX
#undef SUIT_PAYLOADS_MAX
#undef SUIT_DEPTH_MAX
#undef SUIT_VERSION_MAX
#define SUIT_COMPONENTS_MAX 4
#define SUIT_SEGMENTS_MAX   4
#define SUIT_BLOCKS_MAX     2
#define SUIT_PAYLOADS_MAX   2
#define SUIT_DEPTH_MAX      6 /* a wait-info for another device's version */
#define SUIT_VERSION_MAX    5 /* three of the release, two before it */
#endif

/* The processor (suit/process.h). */
#define SUIT_STEPS_MAX  4096 /* commands of one run, each component of a list counted */
#define SUIT_NESTED_MAX 3    /* dependencies of dependencies */
#ifdef SUIT_SMALL
#define SUIT_TARGETS_MAX   6
#define SUIT_SEQUENCES_MAX 4
#define SUIT_POOL_MAX      32
#else
#define SUIT_TARGETS_MAX   16  /* components of all manifests of a run */
#define SUIT_SEQUENCES_MAX 8   /* one inside the other */
#define SUIT_POOL_MAX      128 /* that are set at a time, of all targets */
#endif

enum suit_rc {
	SUIT_OK = 0,
	SUIT_MALFORMED,   /* not deterministic CBOR, or not of the expected shape */
	SUIT_TOO_LARGE,   /* over one of the limits above */
	SUIT_UNKNOWN,     /* a key, command or parameter that the draft does not have */
	SUIT_UNSUPPORTED, /* known, but not done by this library */
	SUIT_DIGEST,      /* a digest does not hold */
	SUIT_SIGNATURE,   /* a signature does not verify */
	SUIT_KEY,         /* the key cannot be used for this algorithm */
	SUIT_CONDITION,   /* a condition does not hold for this device */
	SUIT_MISSING,     /* something required is not there */
	SUIT_NO_SPACE,    /* the caller's buffer is too small */
	SUIT_CRYPTO,      /* the cryptographic backend failed */
	SUIT_CERTIFICATE, /* a certificate leads to no anchor, or may not sign now */
	SUIT_DECRYPT,     /* encrypted for another key, or changed since */
	SUIT_OPERATION,   /* a directive failed on the device */
};

/* A short text for people, such as "signature does not verify". */
const char *suit_rc_text(enum suit_rc rc);

/* Bytes that somebody else owns. */
struct suit_bytes {
	const uint8_t *p;
	size_t n;
};

struct suit_uuid {
	uint8_t b[16];
};

/* SHA-256, the mandatory algorithm (-16). */
struct suit_digest {
	uint8_t b[32];
};

/* COSE algorithm numbers (RFC 9053, 9459, 9864). */
enum suit_alg {
	SUIT_ALG_NONE = 0,
	SUIT_ALG_A128GCM = 1,
	SUIT_ALG_A256GCM = 3,
	SUIT_ALG_HMAC256 = 5,
	SUIT_ALG_CHACHA20 = 24, /* with Poly1305 */
	SUIT_ALG_A128KW = -3,
	SUIT_ALG_A256KW = -5,
	SUIT_ALG_ES256 = -7,
	SUIT_ALG_EDDSA = -8,
	SUIT_ALG_ESP256 = -9,
	SUIT_ALG_SHA256 = -16,
	SUIT_ALG_ED25519 = -19,
	SUIT_ALG_ECDH_ES_A128KW = -29,
	SUIT_ALG_ES384 = -35,
	SUIT_ALG_PS256 = -37, /* RSA-PSS, RFC 8230 */
	SUIT_ALG_ESP384 = -51,
	SUIT_ALG_A128CTR = -65534,
	SUIT_ALG_A256CTR = -65532,
};

static inline bool suit_bytes_equal(struct suit_bytes a, struct suit_bytes b)
{
	return a.n == b.n && (a.n == 0 || __builtin_memcmp(a.p, b.p, a.n) == 0);
}

static inline bool suit_digest_equal(const struct suit_digest *a, const struct suit_digest *b)
{
	return __builtin_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}
