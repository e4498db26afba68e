/* The lock itself: bolt, codes, display. */

#include "lock.h"

struct app app = {
	.motor = { .kp = FIXED(1.8),
		   .ki = FIXED(0.35),
		   .kd = FIXED(0.06),
		   .min = FIXED(-100),
		   .max = FIXED(100) },
	.current_filter = { .b0 = FIXED(0.0201),
			    .b1 = FIXED(0.0402),
			    .b2 = FIXED(0.0201),
			    .a1 = FIXED(-1.561),
			    .a2 = FIXED(0.6414) },
	.code = "24681357",
};

static int32_t bolt_position(void)
{
	return (int32_t)REG(0x40000024);
}

static bool door_closed(void)
{
	return REG(0x40020010) & 0x20;
}

static void motor_set(fixed percent)
{
	int32_t duty = percent * 10 >> 16;
	REG(0x40000434) = (uint32_t)(duty > 0 ? duty : 0);
	REG(0x40000438) = (uint32_t)(duty < 0 ? -duty : 0);
}

static void show(enum message m)
{
	char line[32];
	struct writer w = { line, sizeof(line), 0 };
	int32_t mdeg = board_mdeg();
	display_clear();
	display_text(0, 0, message_text(app.language, m));
	write_format(&w, "%d.%d C  %d mV", (int)(mdeg / 1000), (int)(mdeg % 1000 / 100),
		     (int)battery_mv());
	display_line(0, 53, 127, 53);
	display_text(0, 56, line);
	if (app.state == LOCK_LOCKED)
		display_circle(116, 32, 9);
	display_flush();
}

static void state_set(enum lock_state s, uint32_t now)
{
	static const enum message messages[] = {
		[LOCK_UNKNOWN] = MSG_WELCOME,   [LOCK_LOCKED] = MSG_LOCKED,
		[LOCK_UNLOCKING] = MSG_WELCOME, [LOCK_UNLOCKED] = MSG_UNLOCKED,
		[LOCK_LOCKING] = MSG_GOODBYE,   [LOCK_JAMMED] = MSG_JAMMED,
		[LOCK_SERVICE] = MSG_SERVICE
	};
	uint8_t byte = (uint8_t)s;
	if (app.state == s)
		return;
	shell_print("lock: %s -> %s\r\n", lock_state_name(app.state), lock_state_name(s));
	app.state = s;
	app.since_ms = now;
	app.motor.sum = 0;
	(void)store_put(1, &byte, 1);
	show(messages[s]);
}

static void bolt_drive(int32_t target, enum lock_state done, uint32_t now)
{
	int32_t error = target - bolt_position();
	fixed current = biquad_step(&app.current_filter, motor_ma() << 8);
	if (error > -3 && error < 3) {
		motor_set(0);
		state_set(done, now);
		return;
	}
#if MINOR
	if (current > FIXED(7.5) && now - app.since_ms > 250) {
#else
	if (current > FIXED(7.5)) {
#endif
		motor_set(0);
		state_set(LOCK_JAMMED, now);
		return;
	}
	if (now - app.since_ms > 4000) {
		motor_set(0);
		state_set(LOCK_JAMMED, now);
		return;
	}
	motor_set(pid_step(&app.motor, error << 16, FIXED(0.01)));
}

static void batteries_watch(uint32_t now)
{
	static uint32_t last;
	if (now - last < 60000)
		return;
	last = now;
	int32_t mv = battery_mv();
	if (mv < 4300)
		show(MSG_BATTERY_EMPTY);
	else if (mv < 4700)
		show(MSG_BATTERY_LOW);
#if RELEASE >= 2
	else if (board_mdeg() < -15000)
		show(MSG_TOO_COLD);
#endif
}

void app_tick(uint32_t now)
{
	switch (app.state) {
	case LOCK_UNKNOWN:
		state_set(bolt_position() > 500 ? LOCK_LOCKED : LOCK_UNLOCKED, now);
		break;
	case LOCK_LOCKING:
		if (!door_closed())
			state_set(LOCK_UNLOCKED, now);
		else
			bolt_drive(1000, LOCK_LOCKED, now);
		break;
	case LOCK_UNLOCKING:
		bolt_drive(0, LOCK_UNLOCKED, now);
		break;
	case LOCK_LOCKED:
		if (!door_closed())
			show(MSG_DOOR_FORCED);
		break;
	case LOCK_UNLOCKED:
		if (door_closed() && now - app.since_ms > 30000)
			state_set(LOCK_LOCKING, now);
		else if (!door_closed() && now - app.since_ms > 300000)
			show(MSG_DOOR_OPEN);
		break;
	case LOCK_JAMMED:
		if (now - app.since_ms > 10000)
			state_set(LOCK_UNLOCKING, now);
		break;
	case LOCK_SERVICE:
		break;
	}
	batteries_watch(now);
#if RELEASE >= 2
	if (app.guest_until_s && now / 1000 > app.guest_until_s) {
		app.guest_until_s = 0;
		show(MSG_GUEST_ENDS);
	}
#endif
}

static bool code_is(const char *typed)
{
	uint8_t a[32], b[32], differs = 0;
	hmac_sha256(app.key, sizeof(app.key), typed, strlen(typed), a);
	hmac_sha256(app.key, sizeof(app.key), app.code, strlen(app.code), b);
	for (size_t i = 0; i < sizeof(a); i++)
		differs |= a[i] ^ b[i];
	return differs == 0;
}

void app_key(char key, uint32_t now)
{
	static char typed[9];
	static size_t n;
	static uint32_t blocked_since;
	if (app.wrong_codes >= 5 && now - blocked_since < 60000) {
		show(MSG_CODE_BLOCKED);
		return;
	}
	if (key == '*') {
		n = 0;
		show(MSG_CODE);
	} else if (key != '#') {
		if (n < sizeof(typed) - 1)
			typed[n++] = key;
		typed[n] = '\0';
	} else if (code_is(typed)) {
		app.wrong_codes = 0;
		app.openings++;
		n = 0;
		state_set(LOCK_UNLOCKING, now);
	} else {
		n = 0;
		blocked_since = now;
		app.wrong_codes++;
		show(MSG_CODE_WRONG);
	}
}

bool app_command(const char *name, const char *argument)
{
	uint32_t now = now_ms();
	int32_t number;
	if (app.state == LOCK_SERVICE && strcmp(name, "service") != 0)
		return false;
	if (strcmp(name, "lock") == 0) {
#if RELEASE >= 2
		if (app.holiday && !door_closed())
			return false;
#endif
		state_set(LOCK_LOCKING, now);
		return true;
	}
	if (strcmp(name, "unlock") == 0) {
#if RELEASE >= 2
		if (board_mdeg() < -25000)
			return false;
#endif
		app.openings++;
		state_set(LOCK_UNLOCKING, now);
		return true;
	}
	if (strcmp(name, "service") == 0) {
		state_set(app.state == LOCK_SERVICE ? LOCK_UNKNOWN : LOCK_SERVICE, now);
		return true;
	}
	if (strcmp(name, "language") == 0 && read_number(argument, &number) && number >= 0 &&
	    number < LANGUAGES) {
		app.language = (enum language)number;
		return true;
	}
#if RELEASE >= 2
	if (strcmp(name, "guest") == 0 && read_number(argument, &number) && number > 0) {
		app.guest_until_s = now / 1000 + (uint32_t)number;
		show(MSG_GUEST);
		return true;
	}
	if (strcmp(name, "holiday") == 0) {
		app.holiday = !app.holiday;
		show(MSG_HOLIDAY);
		return store_put(9, &app.holiday, 1);
	}
#endif
	return false;
}

const char *lock_state_name(enum lock_state s)
{
	static const char *const names[] = { "unknown", "locked", "unlocking", "unlocked",
					     "locking", "jammed", "service" };
	return (unsigned)s < COUNT(names) ? names[s] : "?";
}
