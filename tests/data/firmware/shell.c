/* Commands over the serial line. */

#include "lock.h"

struct command {
	const char *name, *arguments, *help;
	void (*run)(const char *argument);
};

static void help(const char *argument);

static void version(const char *argument)
{
	(void)argument;
#if RELEASE >= 2
	shell_print("lock-7 firmware 3.2.0, %u bytes of settings free\r\n",
		    (unsigned)store_free());
#elif MINOR
	shell_print("lock-7 firmware 3.1.5, %u bytes of settings free\r\n",
		    (unsigned)store_free());
#else
	shell_print("lock-7 firmware 3.1.4, %u bytes of settings free\r\n",
		    (unsigned)store_free());
#endif
}

static void climate(const char *argument)
{
	struct climate c;
	(void)argument;
	if (!climate_read(&c)) {
		shell_print("climate: the sensor does not answer\r\n");
		return;
	}
	shell_print("temperature %d.%02d C, humidity %d.%d %%, pressure %d Pa\r\n",
		    (int)(c.temperature_mdeg / 1000), (int)(c.temperature_mdeg % 1000 / 10),
		    (int)(c.humidity_permille / 10), (int)(c.humidity_permille % 10),
		    (int)c.pressure_pa);
}

static void state(const char *argument)
{
	(void)argument;
	shell_print("lock %s, link %s, %u openings, %u wrong codes, %d mV, %d mA\r\n",
		    lock_state_name(app.state), link_state_name(link_state()),
		    (unsigned)app.openings, (unsigned)app.wrong_codes, (int)battery_mv(),
		    (int)motor_ma());
}

static void lock(const char *argument)
{
	shell_print(app_command("lock", argument) ? "locking\r\n" : "lock: not now\r\n");
}

static void unlock(const char *argument)
{
	shell_print(app_command("unlock", argument) ? "unlocking\r\n" : "unlock: not now\r\n");
}

static void service(const char *argument)
{
	shell_print(app_command("service", argument) ? "service mode changed\r\n"
						     : "service: not now\r\n");
}

static void language(const char *argument)
{
	if (!app_command("language", argument))
		shell_print("language: 0 English, 1 Deutsch, 2 Francais, 3 Espanol\r\n");
}

static void dump(const char *argument)
{
	uint8_t bytes[64];
	int32_t key;
	size_t n;
	if (!read_number(argument, &key) ||
	    !store_get((uint16_t)key, bytes, sizeof(bytes), &n)) {
		shell_print("dump: no such setting\r\n");
		return;
	}
	for (size_t i = 0; i < n; i++)
		shell_print("%02x%s", bytes[i], i % 16 == 15 || i + 1 == n ? "\r\n" : " ");
}

static void selftest(const char *argument)
{
	static const uint8_t sha_abc[4] = { 0xba, 0x78, 0x16, 0xbf };
	uint8_t digest[32], block[16] = { 0 };
	struct sha256 s;
	struct aes a;
	(void)argument;
	sha256_begin(&s);
	sha256_add(&s, "abc", 3);
	sha256_end(&s, digest);
	aes_set_key(&a, block);
	aes_encrypt(&a, block);
	aes_decrypt(&a, block);
	bool aes_good = true;
	for (size_t i = 0; i < sizeof(block); i++)
		aes_good = aes_good && block[i] == 0;
	shell_print("sha-256 %s, aes %s, crc-32 %08x, sqrt(2) %d, log2(10) %d\r\n",
		    memcmp(digest, sha_abc, 4) == 0 ? "good" : "BAD", aes_good ? "good" : "BAD",
		    (unsigned)crc32(0, (const uint8_t *)"123456789", 9),
		    (int)fixed_sqrt(FIXED(2)), (int)fixed_log2(FIXED(10)));
}

static void report(const char *argument)
{
	uint8_t buf[128];
	struct cbor_out o = { buf, sizeof(buf), 0 };
	(void)argument;
	cbor_put(&o, 5, 2);
	cbor_put_text(&o, "battery");
	cbor_put_int(&o, battery_mv());
	cbor_put_text(&o, "board");
	cbor_put_int(&o, board_mdeg());
	struct cbor c = { buf, buf + o.n, false };
	cbor_skip(&c, 4);
	shell_print(!c.bad && link_send(buf, o.n) ? "sent\r\n"
						  : "report: the link is busy\r\n");
}

#if RELEASE >= 2
static void guest(const char *argument)
{
	if (!app_command("guest", argument))
		shell_print("guest: say for how many seconds\r\n");
}

static void holiday(const char *argument)
{
	shell_print(app_command("holiday", argument) ? "holiday mode changed\r\n"
						     : "holiday: cannot store it\r\n");
}

static void schedule(const char *argument)
{
	char text[400];
	struct writer w = { text, sizeof(text), 0 };
	(void)argument;
	shell_print("%u entries\r\n", (unsigned)schedule_list(&w));
	shell_print("%s", text);
}
#endif

static const struct command commands[] = {
	{ "help", "", "show this list", help },
	{ "version", "", "the firmware's version and what is free for settings", version },
	{ "state", "", "lock, link, batteries and motor", state },
	{ "climate", "", "temperature, humidity and pressure", climate },
	{ "lock", "", "drive the bolt out", lock },
	{ "unlock", "", "drive the bolt in", unlock },
	{ "service", "", "enter or leave service mode; the bolt stays as it is", service },
	{ "language", "N", "choose the display's language", language },
	{ "dump", "KEY", "show a setting in hexadecimal", dump },
	{ "selftest", "", "check the cryptography and the mathematics", selftest },
	{ "report", "", "send batteries and board temperature to the server", report },
#if RELEASE >= 2
	{ "guest", "SECONDS", "let a guest in for some time", guest },
	{ "holiday", "", "turn holiday mode on or off", holiday },
	{ "schedule", "", "show when the door locks by itself", schedule },
#endif
};

static void help(const char *argument)
{
	(void)argument;
	for (size_t i = 0; i < COUNT(commands); i++)
		shell_print("  %s %s: %s\r\n", commands[i].name, commands[i].arguments,
			    commands[i].help);
}

static void run(char *line)
{
	char *argument = line;
	while (*argument && *argument != ' ')
		argument++;
	if (*argument)
		*argument++ = '\0';
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (strcmp(commands[i].name, line) == 0) {
			commands[i].run(argument);
			return;
		}
	}
	shell_print("%s: no such command, try help\r\n", line);
}

void shell_byte(char c)
{
	static char line[64];
	static size_t n;
	if (c == '\r' || c == '\n') {
		line[n] = '\0';
		shell_print("\r\n");
		if (n > 0)
			run(line);
		n = 0;
		shell_print("> ");
		return;
	}
	if (c == 8 || c == 127) {
		n -= n > 0;
		return;
	}
	if (n < sizeof(line) - 1)
		line[n++] = c;
	app_key(c, now_ms());
}
