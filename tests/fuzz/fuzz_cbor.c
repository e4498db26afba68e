/* The two readers of CBOR against each other: what the strict one takes, the lenient one takes
 * too, and both end at the same byte; and a writer's work is read back. */

#include "api/device/cbor_read.h"
#include "suit/cbor.h"
#include "tests/fuzz/target.h"

#include <string.h>

/* Writes the first item again, where it is a number or a string. */
static void check_written(struct suit_bytes b)
{
	uint8_t buf[4096];
	struct scbor_out o;
	struct scbor c;

	scbor_init(&c, b);
	scbor_out_init(&o, buf, sizeof(buf));
	switch (scbor_peek(&c)) {
	case SCBOR_UINT:
		scbor_put_uint(&o, scbor_uint(&c));
		break;
	case SCBOR_NEGATIVE:
		scbor_put_int(&o, scbor_int(&c));
		break;
	case SCBOR_BYTES:
		scbor_put_bytes(&o, scbor_bytes(&c));
		break;
	case SCBOR_TEXT:
		scbor_put_text(&o, scbor_text(&c));
		break;
	case SCBOR_ARRAY:
	case SCBOR_MAP:
	case SCBOR_TAG:
	case SCBOR_SIMPLE:
	case SCBOR_END:
		return;
	}
	if (scbor_ok(&c) && scbor_out_fits(&o))
		check(o.n == (size_t)(c.p - b.p) && memcmp(buf, b.p, o.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_bytes b = { data, size };
	struct scbor strict;
	struct cbor_read lenient;

	scbor_init(&strict, b);
	struct suit_bytes item = scbor_any(&strict);
	check(strict.p >= data && strict.p <= data + size && item.n <= size);
	cbor_read_init(&lenient, (struct bytes){ data, size });
	cbor_skip(&lenient);
	check(lenient.p >= data && lenient.p <= data + size);
	if (scbor_ok(&strict))
		check(!lenient.why && lenient.p == strict.p);
	check_written(b);
	return 0;
}
