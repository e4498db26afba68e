/* What a server answers to a device: taken only when it is of the form, bounded, and when
 * every key came once. */

#include "agent/proto.h"
#include "suit/cbor.h"
#include "tests/fuzz/target.h"

static bool is_one_map(struct suit_bytes b)
{
	struct scbor_order order = { 0 };
	struct scbor c;

	scbor_init(&c, b);
	for (size_t n = scbor_map(&c, b.n); n && scbor_ok(&c); n--) {
		const uint8_t *start = c.p;
		scbor_int(&c);
		scbor_key(&c, &order, start);
		scbor_any(&c);
	}
	return scbor_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_bytes b = { data, size };
	struct proto_offer offer = { .again_s = 0 };
	uint64_t again_s = 0;
	bool stop = false;

	if (proto_get_registered(b, &again_s))
		check(is_one_map(b) && again_s <= PROTO_AGAIN_MAX_S);
	if (proto_get_offer(b, &offer)) {
		check(is_one_map(b) && offer.again_s <= PROTO_AGAIN_MAX_S);
		check(!offer.offered || size > 32);
	}
	if (proto_get_reported(b, &stop))
		check(size == 0 ? !stop : is_one_map(b));
	return 0;
}
