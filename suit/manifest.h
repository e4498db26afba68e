/* The envelope, decoded in place: every pointer points into the bytes given.  Decoding is
 * strict and complete: shape, order, counts, depth, known keys, commands and parameters, the
 * manifest's digest and the digest of every severable element present.  It does not check
 * signatures: that is suit/cose.h. */
#pragma once

#include "suit/crypto.h"
#include "suit/suit.h"

struct suit_component_id {
	struct suit_bytes segment[SUIT_SEGMENTS_MAX];
	size_t count;
};

#define SUIT_TAG_ENVELOPE 107

/* One signature or MAC.  A COSE_Sign holds several, each of which is a block. */
enum suit_block_kind { SUIT_BLOCK_SIGN1 = 18, SUIT_BLOCK_SIGN = 98, SUIT_BLOCK_MAC0 = 17 };
struct suit_block {
	enum suit_block_kind kind;
	int64_t alg;                   /* as it stands there, see enum suit_alg */
	struct suit_bytes protected_;  /* content of the protected header's byte string */
	struct suit_bytes unprotected; /* that header, encoded; see suit/block.h */
	struct suit_bytes kid;         /* empty when there is none */
	struct suit_bytes signature;   /* or tag */
};

/* Sections of a manifest. */
enum suit_section {
	SUIT_SHARED,
	SUIT_VALIDATE,
	SUIT_LOAD,
	SUIT_INVOKE,
	SUIT_DEPENDENCY_RESOLUTION,
	SUIT_PAYLOAD_FETCH,
	SUIT_CANDIDATE_VERIFICATION,
	SUIT_INSTALL,
	SUIT_UNINSTALL,
	SUIT_SECTIONS,
};

/* A component index that stands for a dependency. */
struct suit_dependency {
	uint8_t index;
	struct suit_bytes prefix; /* a component id, encoded; empty: none is said */
};

struct suit_payload {
	struct suit_bytes name;
	struct suit_bytes content;
};

struct suit_envelope {
	struct suit_bytes whole;
	bool untagged;                    /* only by suit_envelope_decode_untagged */
	struct suit_bytes digest_encoded; /* SUIT_Digest, what the signatures are over */
	struct suit_digest digest;        /* the manifest digest: its identity */
	struct suit_bytes messages;       /* the wrapper's COSE messages, encoded */
	size_t message_count;
	struct suit_block block[SUIT_BLOCKS_MAX];
	size_t block_count;
	struct suit_bytes manifest; /* content of the manifest's byte string */
	uint64_t sequence;
	struct suit_bytes reference_uri; /* empty: none */
	struct suit_bytes own_id;        /* manifest-component-id, encoded; empty: none */
	int64_t version[SUIT_VERSION_MAX];
	size_t version_count; /* 0: no set-version */
	struct suit_component_id component[SUIT_COMPONENTS_MAX];
	size_t component_count;
	struct suit_dependency dependency[SUIT_COMPONENTS_MAX];
	size_t dependency_count;
	/* A section's commands; n is 0 when it is absent or was severed away. */
	struct suit_bytes section[SUIT_SECTIONS];
	struct suit_bytes text;   /* the text map, or empty; see suit/text.h */
	struct suit_bytes coswid; /* a CoSWID tag, or empty */
	bool severed_away;        /* a section the manifest has is not in the envelope */
	struct suit_payload payload[SUIT_PAYLOADS_MAX];
	size_t payload_count;
};

/* ret is all zeros when it fails. */
enum suit_rc suit_envelope_decode(const struct suit_crypto *crypto, struct suit_bytes bytes,
				  struct suit_envelope *ret) SUIT_MUST_CHECK;
/* The same for an envelope without its tag, as TEEP wraps them, and for no other.  A server or
 * a device never takes one by itself. */
enum suit_rc suit_envelope_decode_untagged(const struct suit_crypto *crypto,
					   struct suit_bytes bytes,
					   struct suit_envelope *ret) SUIT_MUST_CHECK;

/* An element that the manifest holds under a key of 7 to 24. */
struct suit_element {
	bool severed;              /* the manifest holds its digest only */
	struct suit_digest digest; /* then */
	struct suit_bytes content; /* empty: severed away */
};
/* SUIT_MISSING: the manifest has none. */
enum suit_rc suit_envelope_element(const struct suit_envelope *e, uint8_t key,
				   struct suit_element *ret) SUIT_MUST_CHECK;

/* Reads an encoded component id. */
enum suit_rc suit_component_read(struct suit_bytes encoded,
				 struct suit_component_id *ret) SUIT_MUST_CHECK;

/* The version that the text names for the component (key 6), in any language; empty when it
 * names none. */
struct suit_bytes suit_text_version(const struct suit_envelope *e,
				    const struct suit_component_id *id);
static inline bool suit_block_is_mac(const struct suit_block *block)
{
	return block->kind == SUIT_BLOCK_MAC0;
}
bool suit_component_equal(const struct suit_component_id *a, const struct suit_component_id *b);
