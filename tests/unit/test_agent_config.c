/* The configuration file and the server's address. */
#include "agent/config.h"
#include "agent/file.h"

#include "tests/tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WITHOUT_ANCHOR                                                                         \
	"vendor_id = 0637e301-e05d-505b-8267-486f5677de9b\n"                                   \
	"class_id = 67504030-cbba-5a2f-88cc-e21374325c26\n"                                    \
	"state_dir = state\n"
#define REST WITHOUT_ANCHOR "anchor = a.pub\n"
#define GOOD "endpoint = e\nserver = coaps://h\n" REST

static char dir[] = "/tmp/muster-config-XXXXXX";
static char path[FILE_PATH_MAX];
static struct config config;
static char why[CONFIG_TEXT_MAX];

static bool load(const char *text)
{
	why[0] = '\0';
	return file_replace(dir, "agent.conf", text, strlen(text)) &&
	       config_load(path, &config, why);
}

static void test_good(void)
{
	char wanted[FILE_PATH_MAX];
	ok(load(GOOD "anchor = /abs/b.pub\nattribute.site = berlin\nobserve = yes\n"), "%s",
	   why);
	is_str(config.endpoint, "e", "endpoint");
	is_str(config.component, "main", "component has a standard");
	is_int((int64_t)config.trial_s, 300, "so has the trial's time");
	ok(file_path(dir, "a.pub", wanted), "path");
	is_str(config.anchor[0], wanted, "a path is relative to the file");
	is_str(config.anchor[1], "/abs/b.pub", "an absolute one is not");
	ok(config.attribute_count == 1 && strcmp(config.attribute[0].value, "berlin") == 0,
	   "attribute");
	ok(config.observe, "observe");
	ok(load(GOOD "delegate = d.pub\ndelegate = /abs/e.pub\n"), "%s", why);
	ok(config.delegate_count == 2 && config.anchor_count == 1, "delegates are no anchors");
	is_str(config.delegate[1], "/abs/e.pub", "a delegate");
	ok(load("endpoint = e\nserver = coaps://h\n" WITHOUT_ANCHOR "mac_key_file = m\n"),
	   "a MAC key in place of an anchor: %s", why);
	ok(file_path(dir, "m", wanted), "path");
	is_str(config.mac_key_file, wanted, "its file");
}

/* An install hook starts in the root folder. */
static void test_paths_are_absolute(void)
{
	char wanted[FILE_PATH_MAX], here[FILE_PATH_MAX];
	ok(getcwd(here, sizeof(here)) && load(GOOD) && chdir(dir) == 0, "in its folder");
	ok(file_path(dir, "state", wanted) && config_load("agent.conf", &config, why), "%s",
	   why);
	is_str(config.state_dir, wanted, "named by its name alone");
	ok(config_load("./agent.conf", &config, why), "%s", why);
	is_str(config.state_dir, wanted, "and by a relative path");
	ok(chdir(here) == 0, "back");
}

static void test_folder_that_is_too_long(void)
{
	char name[201], here[FILE_PATH_MAX];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ok(getcwd(here, sizeof(here)) && load(GOOD) && chdir(dir) == 0, "in its folder");
	ok(mkdir(name, 0700) == 0 && chdir(name) == 0 && mkdir(name, 0700) == 0 &&
		   chdir(name) == 0 && file_replace(".", "agent.conf", GOOD, strlen(GOOD)),
	   "a long one");
	ok(!config_load("agent.conf", &config, why) && strstr(why, "too long"), "%s", why);
	ok(unlink("agent.conf") == 0 && chdir("..") == 0 && rmdir(name) == 0 &&
		   chdir("..") == 0 && rmdir(name) == 0 && chdir(here) == 0,
	   "back");
}

static void test_bad(void)
{
	static const struct {
		const char *text, *says;
	} row[] = {
		{ "", "endpoint is missing" },
		{ "endpoint = e\n", "server is missing" },
		{ "endpoint = e\nserver = coaps://h\nstate_dir = s\n", "vendor_id" },
		{ GOOD "block_size = 100\n", "power of two" },
		{ GOOD "block_size = 2048\n", "block_size is not a valid value" },
		{ GOOD "trial_s = 0\n", "agent.conf:7: trial_s" },
		{ GOOD "trial_s = ten\n", "trial_s is not a valid value" },
		{ GOOD "observe = maybe\n", "observe" },
		{ GOOD "vendor_id = 1\n", "vendor_id is not a valid value" },
		{ GOOD "no_such_key = 1\n", "no_such_key is not a known key" },
		{ GOOD "just words\n", "agent.conf:7: the line" },
		{ GOOD "delegate = b\ndelegate = c\ndelegate = d\ndelegate = e\ndelegate = f\n",
		  "one too many" },
		{ GOOD "anchor = b\nanchor = c\nanchor = d\nanchor = e\n", "one too many" },
		{ "endpoint = e\nserver = coaps://h\n" WITHOUT_ANCHOR,
		  "mac_key_file is missing" },
		{ GOOD "ack_timeout_ms = 999\n", "ack_timeout_ms" },
		{ GOOD "formats = lzma brotli\n", "formats is not a valid value" },
		{ GOOD "only_encrypted = yes\n", "no key" },
		{ GOOD "component.dl = file\n", "cannot be a component's name" },
		{ GOOD "component.a/b = file\n", "cannot be a component's name" },
		{ GOOD "component.a = slot\n", "component.a is not a valid value" },
		{ GOOD "component.main = file\n", "once more" },
		{ GOOD "component.a-b = file\ncomponent.a_b = file\n", "environment" },
		{ GOOD "component.m = hook\nhook_user.m = u\n", "hook_program" },
		{ GOOD "component.m = hook\nhook_program.m = p\n", "hook_user" },
		{ GOOD "hook_user.m = u\n", "a component that is not" },
		{ GOOD "hook_timeout_s.m = 0\n", "hook_timeout_s.m is not a valid value" },
		{ GOOD "component.a=file\ncomponent.b=file\ncomponent.c=file\n"
		       "component.d=file\ncomponent.e=file\n",
		  "one too many" },
		{ GOOD "psk_file = pkcs11:object=k\n", "psk_file is not a valid value" },
		{ GOOD "anchor = pkcs11:object=k\n", "anchor is one too many, or too long" },
		{ GOOD "pin_file = pkcs11:object=k\n", "pin_file is not a valid value" },
		{ GOOD "retry_min_ms = 5000\nretry_max_ms = 4000\n", "below retry_min_ms" },
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		if (!ok(!load(row[i].text) && strstr(why, row[i].says), "says \"%s\"",
			row[i].says))
			printf("# it says \"%s\"\n", why);
	unlink(path);
	ok(!config_load(path, &config, why) && strstr(why, "No such file"), "no file");
}

static void test_parts_and_formats(void)
{
	ok(load(GOOD "hook_user.modem = nobody\ncomponent.config = file\n"
		     "component.modem = hook\nhook_program.modem = flash\n"
		     "hook_timeout_s.modem = 7\nformats = zstd  patch-lzma\n"
		     "class_key_file = k\nonly_encrypted = yes\n"),
	   "%s", why);
	ok(config.part_count == 2 && config.part[0].hook && !config.part[1].hook, "two more");
	is_str(config.part[0].name, "modem", "name");
	is_str(config.part[0].user, "nobody", "user");
	ok(config.part[0].timeout_s == 7 && config.part[1].timeout_s == 60, "time");
	ok(config.has_formats && config.only_encrypted &&
		   config.formats == (FORMAT_BIT(FORMAT_ZSTD) | FORMAT_BIT(FORMAT_PATCH_LZMA)),
	   "formats");
	ok(load(GOOD "component.a-b = file\ncomponent.a_c = file\ncomponent.a-bc = file\n"),
	   "names that are alike at their beginning: %s", why);
	ok(load(GOOD "formats =\n") && config.has_formats && !config.formats, "none at all");
}

/* Keys in tokens: named as they are, never a file beside the configuration. */
static void test_tokens(void)
{
	char text[1024], wanted[FILE_PATH_MAX], name[CONFIG_KEY_MAX + 1];
	ok(load(GOOD "key_file = pkcs11:token=b;object=i?module-path=/d.so\n"
		     "device_key_file = pkcs11:object=p\nreport_key_file = r.pem\n"
		     "pin_file = pin\n"),
	   "%s", why);
	is_str(config.key_file, "pkcs11:token=b;object=i?module-path=/d.so", "of the session");
	is_str(config.device_key_file, "pkcs11:object=p", "of payloads");
	ok(file_path(dir, "r.pem", wanted), "path");
	is_str(config.report_key_file, wanted, "a file still");
	ok(file_path(dir, "pin", wanted), "path");
	is_str(config.pin_file, wanted, "the PIN's file");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name, "pkcs11:", 7);
	snprintf(text, sizeof(text), GOOD "key_file = %s\n", name);
	ok(!load(text) && strstr(why, "key_file is not a valid value"), "one too long: %s",
	   why);
	name[sizeof(name) - 2] = '\0';
	snprintf(text, sizeof(text), GOOD "key_file = %s\n", name);
	ok(load(text), "one that fits");
	is_str(config.key_file, name, "whole");
	ok(!config_is_token("pkcs11") && !config_is_token("/pkcs11:") &&
		   config_is_token("pkcs11:"),
	   "what is one");
}

static void test_server(void)
{
	static const struct {
		const char *uri, *host;
		unsigned port;
		enum link_kind kind;
	} good[] = {
		{ "coaps://h", "h", 5684, LINK_PSK },
		{ "coaps://updates.example.net:1", "updates.example.net", 1, LINK_PSK },
		{ "coap://127.0.0.1:65535", "127.0.0.1", 65535, LINK_PLAIN },
		{ "coaps://[::1]:7", "::1", 7, LINK_PSK },
		{ "coap://[fe80::1]", "fe80::1", 5683, LINK_PLAIN },
	};
	static const char *const bad[] = { "",
					   "h",
					   "http://h",
					   "coaps://",
					   "coaps://:1",
					   "coaps://h:0",
					   "coaps://h:x",
					   "coaps://h:65536",
					   "coaps://h/path",
					   "coaps://[::1",
					   "coaps://[::1]x",
					   "coaps://h:" };
	struct link_config c;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		memset(&c, 0, sizeof(c));
		ok(config_server(good[i].uri, &c) && strcmp(c.host, good[i].host) == 0 &&
			   c.port == good[i].port && c.kind == good[i].kind,
		   "%s", good[i].uri);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!config_server(bad[i], &c), "not an address: \"%s\"", bad[i]);
}

static void test_credentials(void)
{
	char key[FILE_PATH_MAX];
	ok(load(GOOD) && !config_finish(&config, why) && strstr(why, "psk_file"), "none given");
	ok(load(GOOD "psk_file = k\n"), "%s", why);
	ok(!config_finish(&config, why) && strstr(why, "No such file"), "no key file");
	file_replace(dir, "k", "AAEC\n", 5);
	ok(config_finish(&config, why) && config.link.psk_n == 3 && config.link.psk[2] == 2,
	   "key");
	file_replace(dir, "k", "not base64\n", 11);
	ok(!config_finish(&config, why) && strstr(why, "base64"), "not a key");
	ok(load(GOOD "cert_file = c\nkey_file = k\n") && !config_finish(&config, why),
	   "a certificate without the CA's is nothing");
	ok(load(GOOD "cert_file = c\nkey_file = k\nca_file = a\n") &&
		   config_finish(&config, why) && config.link.kind == LINK_CERT,
	   "certificate");
	if (file_path(dir, "k", key))
		unlink(key);
}

int main(void)
{
	if (!mkdtemp(dir) || !file_path(dir, "agent.conf", path))
		return 1;
	test_good();
	test_paths_are_absolute();
	test_folder_that_is_too_long();
	test_bad();
	test_parts_and_formats();
	test_tokens();
	test_server();
	test_credentials();
	unlink(path);
	rmdir(dir);
	return tap_done();
}
