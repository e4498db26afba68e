/* A display of 128 by 64 points. */

#include "lock.h"

#define WIDTH  128
#define HEIGHT 64

static uint8_t frame[WIDTH * HEIGHT / 8];

void display_open(void)
{
	static const uint8_t commands[] = { 0xae, 0xd5, 0x80, 0xa8, 0x3f, 0xd3, 0x00,
					    0x40, 0x8d, 0x14, 0x20, 0x00, 0xa1, 0xc8,
					    0xda, 0x12, 0x81, 0xcf, 0xd9, 0xf1, 0xdb,
					    0x40, 0xa4, 0xa6, 0xaf };
	for (size_t i = 0; i < sizeof(commands); i++)
		(void)i2c_write(0x3c, 0, &commands[i], 1);
}

void display_clear(void)
{
	memset(frame, 0, sizeof(frame));
}

static void point(int x, int y)
{
	if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT)
		return;
	frame[x + y / 8 * WIDTH] |= (uint8_t)(1u << (y % 8));
}

void display_line(int x0, int y0, int x1, int y1)
{
	int dx = x1 > x0 ? x1 - x0 : x0 - x1, dy = y1 > y0 ? y0 - y1 : y1 - y0;
	int sx = x0 < x1 ? 1 : -1, sy = y0 < y1 ? 1 : -1, error = dx + dy;
	for (;;) {
		point(x0, y0);
		if (x0 == x1 && y0 == y1)
			return;
		int twice = 2 * error;
		if (twice >= dy) {
			error += dy;
			x0 += sx;
		}
		if (twice <= dx) {
			error += dx;
			y0 += sy;
		}
	}
}

void display_circle(int cx, int cy, int r)
{
	for (unsigned i = 0; i < 64; i++) {
		uint16_t a = (uint16_t)(i << 10), b = (uint16_t)((i + 1) << 10);
		display_line(cx + (fixed_sin((uint16_t)(a + 16384)) * r >> 16),
			     cy + (fixed_sin(a) * r >> 16),
			     cx + (fixed_sin((uint16_t)(b + 16384)) * r >> 16),
			     cy + (fixed_sin(b) * r >> 16));
	}
}

static void glyph(int x, int y, char c)
{
	unsigned at = (uint8_t)c - 32u;
	if (at >= 96)
		return;
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 7; j++)
			if (font_5x7[at][i] >> j & 1)
				point(x + i, y + j);
}

/* Broken at blanks. */
void display_text(int x, int y, const char *text)
{
	int at = x;
	while (*text) {
		size_t n = 0;
		while (text[n] && text[n] != ' ')
			n++;
		if (at + 6 * (int)n > WIDTH && at > x) {
			at = x;
			y += 9;
		}
		for (size_t i = 0; i < n; i++, at += 6)
			glyph(at, y, text[i]);
		text += n;
		if (*text == ' ') {
			text++;
			at += 6;
		}
	}
}

void display_flush(void)
{
	for (size_t i = 0; i < sizeof(frame); i += 16)
		(void)i2c_write(0x3c, 0x40, frame + i, 16);
}
