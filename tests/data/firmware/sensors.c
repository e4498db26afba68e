/* Climate by I2C, voltages and currents by the converter. */

#include "lock.h"

#define I2C 0x40005400u

static bool i2c_wait(uint32_t mask)
{
	for (uint32_t i = 0; i < 20000; i++)
		if (REG(I2C + 0x14) & mask)
			return true;
	return false;
}

static bool i2c_start(uint8_t address)
{
	REG(I2C) |= 0x100;
	if (!i2c_wait(1))
		return false;
	REG(I2C + 0x10) = address;
	if (!i2c_wait(2))
		return false;
	(void)REG(I2C + 0x18);
	return true;
}

static void i2c_stop(void)
{
	REG(I2C) |= 0x200;
}

bool i2c_write(uint8_t address, uint8_t reg, const uint8_t *p, size_t n)
{
	bool good = i2c_start((uint8_t)(address << 1));
	if (good)
		REG(I2C + 0x10) = reg;
	for (size_t i = 0; good && i < n; i++) {
		good = i2c_wait(0x80);
		REG(I2C + 0x10) = p[i];
	}
	good = good && i2c_wait(4);
	i2c_stop();
	return good;
}

bool i2c_read(uint8_t address, uint8_t reg, uint8_t *p, size_t n)
{
	if (!i2c_write(address, reg, NULL, 0))
		return false;
	bool good = i2c_start((uint8_t)(address << 1 | 1));
	for (size_t i = 0; good && i < n; i++) {
		REG(I2C) = i + 1 < n ? REG(I2C) | 0x400 : REG(I2C) & ~0x400u;
		good = i2c_wait(0x40);
		p[i] = (uint8_t)REG(I2C + 0x10);
	}
	i2c_stop();
	return good;
}

static struct {
	uint16_t t1, p1;
	int16_t t2, t3, p2, p3, p4, p5, p6, p7, p8, p9, h2, h4, h5;
	uint8_t h1, h3;
	int8_t h6;
	bool known;
} cal;

static int16_t le16(const uint8_t *p)
{
	return (int16_t)(p[0] | p[1] << 8);
}

static bool calibration_read(void)
{
	uint8_t a[26], b[7];
	if (cal.known)
		return true;
	if (!i2c_read(0x76, 0x88, a, sizeof(a)) || !i2c_read(0x76, 0xe1, b, sizeof(b)))
		return false;
	cal.t1 = (uint16_t)le16(a);
	cal.t2 = le16(a + 2);
	cal.t3 = le16(a + 4);
	cal.p1 = (uint16_t)le16(a + 6);
	cal.p2 = le16(a + 8);
	cal.p3 = le16(a + 10);
	cal.p4 = le16(a + 12);
	cal.p5 = le16(a + 14);
	cal.p6 = le16(a + 16);
	cal.p7 = le16(a + 18);
	cal.p8 = le16(a + 20);
	cal.p9 = le16(a + 22);
	cal.h1 = a[25];
	cal.h2 = le16(b);
	cal.h3 = b[2];
	cal.h4 = (int16_t)(b[3] << 4 | (b[4] & 15));
	cal.h5 = (int16_t)(b[5] << 4 | b[4] >> 4);
	cal.h6 = (int8_t)b[6];
	cal.known = true;
	return true;
}

static int32_t temperature(int32_t raw, int32_t *ret_fine)
{
	int32_t a = (((raw >> 3) - ((int32_t)cal.t1 << 1)) * cal.t2) >> 11;
	int32_t d = (raw >> 4) - cal.t1;
	int32_t b = (((d * d) >> 12) * cal.t3) >> 14;
	*ret_fine = a + b;
	return (*ret_fine * 50 + 1280) >> 8;
}

static int32_t pressure(int32_t raw, int32_t fine)
{
	int64_t a = (int64_t)fine - 128000, b = a * a * cal.p6;
	b += (a * cal.p5) << 17;
	b += (int64_t)cal.p4 << 35;
	a = ((a * a * cal.p3) >> 8) + ((a * cal.p2) << 12);
	a = ((((int64_t)1 << 47) + a) * cal.p1) >> 33;
	if (a == 0)
		return 0;
	int64_t p = 1048576 - raw;
	fixed scale = fixed_div((fixed)(p >> 4), (fixed)(a >> 8));
	p = ((int64_t)scale * 3125) >> 3;
	a = (cal.p9 * (p >> 13) * (p >> 13)) >> 25;
	b = (cal.p8 * p) >> 19;
	return (int32_t)(((p + a + b) >> 8) + ((int64_t)cal.p7 << 4)) / 256;
}

static int32_t humidity(int32_t raw, int32_t fine)
{
	int32_t v = fine - 76800;
	v = ((((raw << 14) - ((int32_t)cal.h4 << 20) - (cal.h5 * v)) + 16384) >> 15) *
	    (((((((v * cal.h6) >> 10) * (((v * cal.h3) >> 11) + 32768)) >> 10) + 2097152) *
		      cal.h2 +
	      8192) >>
	     14);
	v -= ((((v >> 15) * (v >> 15)) >> 7) * cal.h1) >> 4;
	v = v < 0 ? 0 : v > 419430400 ? 419430400 : v;
	return (int32_t)((uint32_t)(v >> 12) * 10 / 1024);
}

bool climate_read(struct climate *ret)
{
	uint8_t b[8], forced = 0x25, oversampling = 1;
	int32_t fine;
	if (!calibration_read() || !i2c_write(0x76, 0xf2, &oversampling, 1) ||
	    !i2c_write(0x76, 0xf4, &forced, 1) || !i2c_read(0x76, 0xf7, b, sizeof(b)))
		return false;
	ret->temperature_mdeg = temperature(b[3] << 12 | b[4] << 4 | b[5] >> 4, &fine) * 10;
	ret->pressure_pa = pressure(b[0] << 12 | b[1] << 4 | b[2] >> 4, fine);
	ret->humidity_permille = humidity(b[6] << 8 | b[7], fine);
	return true;
}

static uint32_t adc(unsigned channel)
{
	uint32_t sum = 0;
	for (int i = 0; i < 8; i++) {
		REG(0x40012034) = channel;
		REG(0x40012008) |= 0x40000000;
		while (!(REG(0x40012000) & 2))
			;
		sum += REG(0x4001204c);
	}
	return sum / 8;
}

int32_t battery_mv(void)
{
#if RELEASE >= 2
	uint32_t reference = adc(17);
	return reference ? (int32_t)(adc(4) * 2 * 1210 / reference) : 0;
#else
	return (int32_t)(adc(4) * 2 * 3300 / 4096);
#endif
}

int32_t motor_ma(void)
{
	int32_t v = (int32_t)adc(5) - 2048;
	return v * 3300 / 4096 * 10;
}

int32_t board_mdeg(void)
{
	uint32_t v = adc(6), at = v / 64, rest = v % 64;
	int32_t low = thermistor_table[at], high = thermistor_table[at + 1];
	return (low + (high - low) * (int32_t)rest / 64) * 10 / 3 - 60000;
}
