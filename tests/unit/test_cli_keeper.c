/* URIs of keys in tokens: what is refused before any driver is loaded, and after. */
#include "suit/keeper_pkcs11.h"

#include "tests/tap.h"

static int asked;

static bool no_pin(void *arg, const char *source, const char *label, char ret[SUIT_PIN_MAX + 1])
{
	(void)arg;
	(void)source;
	(void)label;
	(void)ret;
	asked++;
	return false;
}

static void test_what_is_refused(void)
{
	static const struct {
		const char *uri;
		enum suit_rc rc;
		const char *says;
	} row[] = {
		{ "", SUIT_MALFORMED, "no PKCS#11 URI" },
		{ "/a/file", SUIT_MALFORMED, "no PKCS#11 URI" },
		{ "pkcs11:token", SUIT_MALFORMED, "no PKCS#11 URI" },
		{ "pkcs11:object=%zz", SUIT_MALFORMED, "no PKCS#11 URI" },
		{ "pkcs11:object=k?pin-value=1234", SUIT_MALFORMED, "does not belong" },
		{ "pkcs11:object=k?module-path=/none.so&pin-value=1%32", SUIT_MALFORMED,
		  "does not belong" },
		{ "pkcs11:object=k;colour=red", SUIT_MALFORMED, "not known" },
		{ "pkcs11:object=k;type=public", SUIT_MALFORMED, "no private key" },
		{ "pkcs11:object=k;type=cert", SUIT_MALFORMED, "no private key" },
		{ "pkcs11:object=k;type=private?module-path=/none.so", SUIT_CRYPTO,
		  "cannot load the PKCS#11 module /none.so" },
	};
	struct suit_pkcs11_host host = { .pin = no_pin };
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct suit_key *key = NULL;
		struct suit_pkcs11_why why;
		is_int(suit_pkcs11_key_load(row[i].uri, &host, &key, &why), row[i].rc,
		       row[i].uri);
		if (!ok(strstr(why.text, row[i].says) && !key, "says \"%s\"", row[i].says))
			printf("# it says \"%s\"\n", why.text);
		ok(!strstr(why.text, "1234") && !strstr(why.text, "1%32"), "and no PIN");
	}
	is_int(asked, 0, "nobody was asked for a PIN");
}

static void test_a_long_path_is_cut(void)
{
	char uri[2048] = "pkcs11:object=k?module-path=/";
	struct suit_pkcs11_host host = { .pin = no_pin };
	struct suit_key *key = NULL;
	struct suit_pkcs11_why why;
	size_t n = strlen(uri);
	memset(uri + n, 'x', sizeof(uri) - n - 1);
	uri[sizeof(uri) - 1] = '\0';
	is_int(suit_pkcs11_key_load(uri, &host, &key, &why), SUIT_CRYPTO, "no such module");
	is_int((int64_t)strlen(why.text), sizeof(why.text) - 1, "as much as fits");
}

int main(void)
{
	ok(suit_pkcs11_is_uri("pkcs11:") && !suit_pkcs11_is_uri("pkcs11") &&
		   !suit_pkcs11_is_uri("./pkcs11:"),
	   "which of them are URIs");
	test_what_is_refused();
	test_a_long_path_is_cut();
	return tap_done();
}
