/* Vectors, reset, what a C library would bring, and the main loop. */

#include "lock.h"

extern uint32_t data_from[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];

static volatile uint32_t ticks_ms;
static uint8_t serial_in[256];
static volatile uint8_t serial_head, serial_tail;

void *memcpy(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	while (n--)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	if (t < f)
		return memcpy(to, from, n);
	while (n--)
		t[n] = f[n];
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	uint8_t *t = to;
	while (n--)
		*t++ = (uint8_t)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	for (; n--; x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *text)
{
	size_t n = 0;
	while (text[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

uint32_t now_ms(void)
{
	return ticks_ms;
}

static void clocks_on(void)
{
	REG(0x40023830) |= 0x0010009f;
	REG(0x40023840) |= 0x10624013;
	REG(0x40023844) |= 0x00005911;
	REG(0xe000e014) = 168000 - 1;
	REG(0xe000e018) = 0;
	REG(0xe000e010) = 7;
}

static void hard_fault(void)
{
	REG(0xe000ed0c) = 0x05fa0004;
	for (;;)
		;
}

static void tick(void)
{
	ticks_ms++;
}

static void serial(void)
{
	uint8_t next = (uint8_t)(serial_head + 1);
	uint8_t byte = (uint8_t)REG(0x40011004);
	if (next == serial_tail)
		return;
	serial_in[serial_head] = byte;
	serial_head = next;
}

static void radio(void)
{
	const uint8_t *p;
	size_t n;
	while (REG(0x40003808) & 1)
		if (slip_byte((uint8_t)REG(0x4000380c), &p, &n))
			link_frame(p, n);
}

static void main_loop(void)
{
	static uint32_t last_ms;
	for (;;) {
		while (serial_tail != serial_head)
			shell_byte((char)serial_in[serial_tail++]);
		uint32_t now = now_ms();
		if (now - last_ms < 10)
			continue;
		last_ms = now;
		link_tick(now);
		app_tick(now);
#if RELEASE >= 2
		schedule_tick(now / 1000);
#endif
	}
}

void reset(void);
void reset(void)
{
	memcpy(data_begin, data_from, (size_t)((char *)data_end - (char *)data_begin));
	memset(bss_begin, 0, (size_t)((char *)bss_end - (char *)bss_begin));
	clocks_on();
	store_open();
	display_open();
	main_loop();
}

static void idle(void)
{
}

__attribute__((section(".vectors"), used)) static void *const vectors[98] = {
	stack_top,
	(void *)reset,
	(void *)idle,
	(void *)hard_fault,
	(void *)hard_fault,
	(void *)hard_fault,
	(void *)hard_fault,
	0,
	0,
	0,
	0,
	(void *)idle,
	(void *)idle,
	0,
	(void *)idle,
	(void *)tick,
	[16 ... 52] = (void *)idle,
	[53] = (void *)serial,
	[54 ... 66] = (void *)idle,
	[67] = (void *)radio,
	[68 ... 97] = (void *)idle,
};
