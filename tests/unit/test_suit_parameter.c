/* The form of every parameter: each value of the drafts is taken, and its neighbours are not.
 */

#include "suit/parameter.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#define U16 "0123456789abcdef"
#define D32 "\x82\x2f\x58\x20" U16 U16

static const struct value {
	int64_t key;
	const char *bytes;
	size_t n;
	enum suit_rc want;
	const char *name;
} plain[] = {
#define ROW(key, bytes, want, name)                                                            \
	{                                                                                      \
		key, bytes, sizeof(bytes) - 1, want, name                                      \
	}
#define OK(key, bytes, name) ROW(key, bytes, SUIT_OK, name)
#define NO(key, bytes, name) ROW(key, bytes, SUIT_MALFORMED, name)
	OK(1, "\x50" U16, "vendor: a UUID"),
	OK(1, "\xd8\x70\x43\x81\x02\x03", "vendor: an enterprise number"),
	NO(1, "\xd8\x70\x40", "an empty number"),
	NO(1, "\xd8\x70\x42\x01\x81", "a number without its end"),
	NO(1, "\xd8\x70\x42\x80\x01", "a number with zeros before it"),
	NO(1, "\xd8\x25\x50" U16, "another tag"),
	NO(1, "\x4f" U16, "a short UUID"),
	OK(2, "\x50" U16, "class: a UUID"),
	NO(2, "\xd8\x70\x43\x81\x02\x03", "class: an enterprise number"),
	OK(24, "\x50" U16, "device: a UUID"),
	NO(24,
	   "\x44"
	   "1234",
	   "device: four bytes"),
	OK(4, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", "use-before: the last moment"),
	NO(4, "\x20", "use-before: negative"),
	OK(5, "\x00", "slot"),
	OK(12, "\xf5", "strict order"),
	OK(13, "\xf4", "soft failure"),
	NO(12, "\xf6", "strict order: nil"),
	NO(13, "\x01", "soft failure: a number"),
	OK(14, "\x00", "size"),
	OK(18, "\x40", "content"),
	OK(21, "\x61x", "URI"),
	NO(21, "\x61\xff", "URI: no UTF-8"),
	ROW(21, "\x79\x01\x00" U16 U16 U16 U16 U16 U16 U16 U16 U16 U16 U16 U16 U16 U16 U16 U16,
	    SUIT_TOO_LARGE, "URI: 256 bytes"),
	OK(22, "\x01", "source"),
	OK(23, "\x41x", "invoke arguments"),
	OK(25, "\x41x", "fetch arguments"),
	NO(25, "\x61x", "fetch arguments: text"),
	OK(26, "\x18\x64", "battery"),
	NO(26, "\x20", "battery: negative"),
	OK(27, "\x20", "priority"),
	NO(27, "\x61x", "priority: text"),
	NO(3, D32, "a digest that is not wrapped"),
	NO(28, "\x82\x02\x81\x01", "version: not wrapped"),
	NO(19, "\xd8\x60\x80", "encryption: not wrapped"),
	OK(-1, "\x20", "private: a number"),
	OK(-300, "\x61x", "private: text"),
	OK(-2, "\xf4", "private: a truth value"),
	NO(-2, "\xf6", "private: nil"),
	NO(-2, "\x81\x01", "private: a list"),
	ROW(0, "\x01", SUIT_UNKNOWN, "key 0"),
	ROW(6, "\x01", SUIT_UNKNOWN, "key 6"),
	ROW(31, "\x01", SUIT_UNKNOWN, "key 31"),
	ROW(INT64_MAX, "\x01", SUIT_UNKNOWN, "the largest key"),
};

/* The test puts these into a byte string. */
static const struct value wrapped[] = {
	OK(3, D32, "a digest"),
	NO(3, D32 "x", "a digest and more"),
	NO(3, "\x82\x2f\x50" U16, "a short digest"),
	ROW(3, "\x82\x38\x2a\x58\x20" U16 U16, SUIT_UNSUPPORTED, "SHA-384"),
	OK(28, "\x82\x02\x83\x01\x02\x20", "version: >= 1.2-rc"),
	NO(28, "\x82\x02\x80", "version: no numbers"),
	NO(28, "\x82\x00\x81\x01", "version: comparison 0"),
	NO(28, "\x82\x06\x81\x01", "version: comparison 6"),
	NO(28, "\x82\x02\x01", "version: a number, not a list"),
	NO(28, "\x83\x02\x81\x01\x01", "version: three parts"),
	NO(28, "\x82\x02\x81\x01\x00", "version: something behind"),
	NO(28, "\x82\x02\x89\x01\x01\x01\x01\x01\x01\x01\x01\x01", "version: nine numbers"),
	OK(29, "\xa1\x01\x20", "wait: authorization"),
	OK(29, "\xa2\x02\x01\x03\x02", "wait: power and network"),
	OK(29, "\xa1\x04\x82\x41x\x81\x82\x03\x81\x01", "wait: another device"),
	NO(29, "\xa1\x04\x82\x41x\x81\x82\x03\x80", "wait: a device's empty version"),
	NO(29, "\xa1\x04\x82\x41x\x80", "wait: a device with no version"),
	NO(29, "\xa1\x04\x81\x41x", "wait: a device alone"),
	OK(29, "\xa1\x05\x1a\x69\x1f\xab\x80", "wait: time"),
	NO(29, "\xa1\x05\x20", "wait: a negative time"),
	OK(29, "\xa1\x06\x1a\x00\x01\x51\x7f", "wait: 23:59:59"),
	NO(29, "\xa1\x06\x1a\x00\x01\x51\x80", "wait: 24:00:00"),
	NO(29, "\xa1\x08\x1a\x00\x01\x51\x80", "wait: 24:00:00 UTC"),
	OK(29, "\xa2\x07\x06\x09\x00", "wait: Saturday, Sunday UTC"),
	NO(29, "\xa1\x07\x07", "wait: day 7"),
	NO(29, "\xa1\x09\x07", "wait: day 7 UTC"),
	NO(29, "\xa0", "wait: for nothing"),
	ROW(29, "\xa1\x0a\x00", SUIT_UNKNOWN, "wait: an unknown event"),
	NO(29, "\xa2\x03\x02\x02\x01", "wait: not in order"),
	NO(29, "\xa2\x02\x01\x02\x01", "wait: twice"),
	NO(29, "\xa1\x01\x20\x00", "wait: something behind"),
	OK(30, "\xa1\x01\x07", "metadata: default permissions"),
	NO(30, "\xa1\x01\x19\x40\x00", "metadata: an unknown permission"),
	OK(30, "\xa1\x02\xa2\x01\x07\x61r\x01", "metadata: users"),
	OK(30, "\xa1\x03\xa1\xd8\x25\x50" U16 "\x07", "metadata: a group by UUID"),
	NO(30, "\xa1\x03\xa1\xd8\x26\x50" U16 "\x07", "metadata: another tag"),
	NO(30, "\xa1\x04\xa0", "metadata: no roles"),
	NO(30, "\xa1\x02\xa2\x02\x07\x01\x07", "metadata: users not in order"),
	NO(30, "\xa1\x02\xa1\x81\x01\x07", "metadata: a list as a user"),
	OK(30, "\xa1\x05\x03", "metadata: a link"),
	NO(30, "\xa1\x05\x00", "metadata: file type 0"),
	NO(30, "\xa1\x05\x04", "metadata: file type 4"),
	OK(30, "\xa2\x06\xc1\x01\x07\xc1\x02", "metadata: times"),
	NO(30, "\xa1\x06\x01", "metadata: a time without its tag"),
	NO(30, "\xa1\x07\xc1\x20", "metadata: a time before 1970"),
	OK(30, "\xa1\x08\x61r", "metadata: a creator"),
	OK(30, "\xa1\x08\x20", "metadata: a creator's number"),
	ROW(30, "\xa1\x09\x01", SUIT_UNKNOWN, "metadata: an unknown key"),
	NO(30, "\xa0", "metadata: nothing"),
#define KW                                                                                     \
	"\x83\x40\xa2\x01\x22\x04\x41k\x48"                                                    \
	"12345678"
#define GCM(r) "\xd8\x60\x84\x43\xa1\x01\x01\xa1\x05\x43iv.\xf6" r
	OK(19, GCM("\x81" KW), "encryption: AES-KW"),
	OK(19, GCM("\x82" KW KW), "encryption: two recipients"),
	OK(19, "\xd8\x60\x84\x40\xa2\x01\x01\x05\x43iv.\xf6\x81" KW, "encryption: CTR"),
	OK(19, GCM("\x81\x83\x44\xa1\x01\x38\x1c\xa2\x20\xa1\x01\x02\x04\x41k\x41x"),
	   "encryption: labels not in order"),
	NO(19, GCM("\x81\x83\x40\xa2\x04\x41k\x04\x41k\x41x"), "encryption: a label twice"),
	NO(19, GCM("\x80"), "encryption: for nobody"),
	NO(19, GCM("\x81\x82\x40\xa0"), "encryption: half a recipient"),
	NO(19, GCM("\x81" KW "\x00"), "encryption: something behind"),
	NO(19, "\xd8\x60\x84\x41\xa0\xa0\xf6\x81" KW, "encryption: an empty header kept"),
	NO(19, "\xd8\x60\x84\x44\xa1\x01\x01\x00\xa0\xf6\x81" KW, "encryption: a long header"),
	NO(19, "\xd8\x60\x84\x43\xa1\x01\x01\xa0\x40\x81" KW, "encryption: ciphertext inside"),
	NO(19, "\xd8\x60\x83\x43\xa1\x01\x01\xa0\xf6", "encryption: no recipients"),
	NO(19, "\xd8\x10\x84\x43\xa1\x01\x01\xa1\x05\x43iv.\xf6\x81" KW, "COSE_Encrypt0"),
};

static void check(const struct value *v, struct suit_bytes bytes)
{
	struct scbor c;

	scbor_init(&c, bytes);
	enum suit_rc rc = suit_parameter_check(&c, v->key);
	if (rc == SUIT_OK && !scbor_done(&c))
		rc = SUIT_MALFORMED;
	is_int(rc, v->want, v->name);
}

int main(void)
{
	uint8_t buf[512];
	struct scbor_out o;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		const struct value *v = &plain[i];
		check(v, (struct suit_bytes){ (const uint8_t *)v->bytes, v->n });
		ok(suit_parameter_known(v->key) == (v->want != SUIT_UNKNOWN), "known, or not");
	}
	for (size_t i = 0; i < sizeof(wrapped) / sizeof(wrapped[0]); i++) {
		const struct value *v = &wrapped[i];
		scbor_out_init(&o, buf, sizeof(buf));
		scbor_put_bytes(&o, (struct suit_bytes){ (const uint8_t *)v->bytes, v->n });
		check(v, scbor_out_bytes(&o));
	}
	return tap_done();
}
