/* The radio: frames in SLIP with a CRC, and joining a network with keys. */

#include "lock.h"

enum { SLIP_END = 0xc0, SLIP_ESC = 0xdb, SLIP_ESC_END = 0xdc, SLIP_ESC_ESC = 0xdd };
enum frame {
	FRAME_BEACON = 1,
	FRAME_JOIN,
	FRAME_ACCEPT,
	FRAME_KEY,
	FRAME_DATA,
	FRAME_ACK,
	FRAME_LEAVE
};

static struct {
	enum link_state state;
	uint32_t since_ms, backoff_ms, frames_in, frames_out, errors, repeats;
	uint16_t network, address, sequence, last_in;
	uint8_t waiting[128];
	size_t waiting_n;
	unsigned tries;
	struct aes aes;
	uint8_t private_key[32], public_key[32], session[32];
#if RELEASE >= 2
	int8_t strength_dbm[8];
	unsigned strength_n;
#endif
} net;

uint16_t crc16(uint16_t crc, const uint8_t *p, size_t n)
{
	while (n--)
		crc = (uint16_t)(crc << 8 ^ crc16_table[(crc >> 8 ^ *p++) & 0xff]);
	return crc;
}

uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n--)
		crc = crc >> 8 ^ crc32_table[(crc ^ *p++) & 0xff];
	return ~crc;
}

size_t slip_encode(const uint8_t *p, size_t n, uint8_t *buf, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i <= n; i++) {
		bool end = i == n, escape = !end && (p[i] == SLIP_END || p[i] == SLIP_ESC);
		if (used + 1 + escape > size)
			return 0;
		if (escape)
			buf[used++] = SLIP_ESC;
		buf[used++] = end                ? SLIP_END
			      : !escape          ? p[i]
			      : p[i] == SLIP_END ? SLIP_ESC_END
						 : SLIP_ESC_ESC;
	}
	return used;
}

bool slip_byte(uint8_t byte, const uint8_t **ret, size_t *ret_n)
{
	static uint8_t frame[256];
	static size_t n;
	static bool escaped;
	if (byte == SLIP_END) {
		*ret = frame;
		*ret_n = n;
		n = 0;
		escaped = false;
		return *ret_n > 4;
	}
	if (byte == SLIP_ESC) {
		escaped = true;
		return false;
	}
	if (escaped)
		byte = byte == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
	escaped = false;
	if (n < sizeof(frame))
		frame[n++] = byte;
	return false;
}

static void state_set(enum link_state s, uint32_t now)
{
	net.state = s;
	net.since_ms = now;
	net.tries = 0;
}

static void frame_out(enum frame kind, const uint8_t *p, size_t n)
{
	uint8_t frame[160], coded[330];
	if (n > sizeof(frame) - 8)
		return;
	frame[0] = (uint8_t)kind;
	frame[1] = (uint8_t)(net.network >> 8);
	frame[2] = (uint8_t)net.network;
	frame[3] = (uint8_t)(net.address >> 8);
	frame[4] = (uint8_t)net.address;
	frame[5] = (uint8_t)net.sequence++;
	memcpy(frame + 6, p, n);
	uint16_t crc = crc16(0xffff, frame, n + 6);
	frame[n + 6] = (uint8_t)(crc >> 8);
	frame[n + 7] = (uint8_t)crc;
	size_t total = slip_encode(frame, n + 8, coded, sizeof(coded));
	for (size_t i = 0; i < total; i++) {
		while (!(REG(0x40003808) & 2))
			;
		REG(0x4000380c) = coded[i];
	}
	net.frames_out++;
}

static void keys_agree(const uint8_t theirs[32])
{
	uint8_t shared[32];
	x25519(shared, net.private_key, theirs);
	hmac_sha256((const uint8_t *)"lock session", 12, shared, sizeof(shared), net.session);
	aes_set_key(&net.aes, net.session);
	memset(shared, 0, sizeof(shared));
}

static void nonce_make(uint8_t ret[13], uint16_t sequence)
{
	memset(ret, 0, 13);
	ret[0] = (uint8_t)(net.network >> 8);
	ret[1] = (uint8_t)net.network;
	ret[2] = (uint8_t)(net.address >> 8);
	ret[3] = (uint8_t)net.address;
	ret[11] = (uint8_t)(sequence >> 8);
	ret[12] = (uint8_t)sequence;
}

static void data_in(const uint8_t *p, size_t n)
{
	uint8_t nonce[13], plain[160], reply[160];
	if (n < 10 || n - 10 > sizeof(plain))
		return;
	uint16_t sequence = (uint16_t)(p[0] << 8 | p[1]);
	nonce_make(nonce, sequence);
	memcpy(plain, p + 2, n - 10);
	if ((int16_t)(sequence - net.last_in) <= 0 ||
	    !aes_ccm_open(&net.aes, nonce, p, 2, plain, n - 10, p + n - 8)) {
		net.errors++;
		return;
	}
	net.last_in = sequence;
	frame_out(FRAME_ACK, p, 2);
	size_t reply_n = coap_serve(plain, n - 10, reply, sizeof(reply));
	if (reply_n)
		link_send(reply, reply_n);
}

void link_frame(const uint8_t *p, size_t n)
{
	uint32_t now = now_ms();
	if (n < 8 || crc16(0xffff, p, n - 2) != (p[n - 2] << 8 | p[n - 1])) {
		net.errors++;
		return;
	}
	net.frames_in++;
	const uint8_t *body = p + 6;
	size_t body_n = n - 8;
#if ONE_LINE
	if (net.network != 0 && net.network != (p[1] << 8 | p[2]))
		return;
#endif
	switch ((enum frame)p[0]) {
	case FRAME_BEACON:
		if (net.state != LINK_SCAN)
			break;
		net.network = (uint16_t)(p[1] << 8 | p[2]);
#if RELEASE >= 2
		if (body_n > 0)
			net.strength_dbm[net.strength_n++ % COUNT(net.strength_dbm)] =
				(int8_t)body[0];
#endif
		state_set(LINK_JOIN, now);
		break;
	case FRAME_ACCEPT:
		if (net.state != LINK_JOIN || body_n < 2)
			break;
		net.address = (uint16_t)(body[0] << 8 | body[1]);
		state_set(LINK_KEYS, now);
		break;
	case FRAME_KEY:
		if (net.state != LINK_KEYS || body_n != 32)
			break;
		keys_agree(body);
		net.last_in = 0;
		net.backoff_ms = 0;
		state_set(LINK_UP, now);
		break;
	case FRAME_DATA:
		if (net.state == LINK_UP)
			data_in(body, body_n);
		break;
	case FRAME_ACK:
		net.waiting_n = 0;
		net.tries = 0;
		break;
	case FRAME_LEAVE:
		state_set(LINK_BACKOFF, now);
		break;
	case FRAME_JOIN:
	default:
		net.errors++;
	}
}

bool link_send(const uint8_t *p, size_t n)
{
	uint8_t nonce[13], *w = net.waiting;
	if (net.state != LINK_UP || net.waiting_n || n + 10 > sizeof(net.waiting))
		return false;
	w[0] = (uint8_t)(net.sequence >> 8);
	w[1] = (uint8_t)net.sequence;
	memcpy(w + 2, p, n);
	nonce_make(nonce, net.sequence);
	aes_ccm_seal(&net.aes, nonce, w, 2, w + 2, n, w + 2 + n);
	net.waiting_n = n + 10;
	frame_out(FRAME_DATA, w, net.waiting_n);
	return true;
}

static void give_up(uint32_t now)
{
	net.backoff_ms = net.backoff_ms ? net.backoff_ms * 2 : 5000;
#if MINOR || RELEASE >= 2
	if (net.backoff_ms > 900000)
		net.backoff_ms = 900000;
#else
	if (net.backoff_ms > 300000)
		net.backoff_ms = 300000;
#endif
	net.waiting_n = 0;
	state_set(LINK_BACKOFF, now);
}

void link_tick(uint32_t now)
{
	static const uint16_t wait_ms[] = { [LINK_SCAN] = 3000,
					    [LINK_JOIN] = 1000,
					    [LINK_KEYS] = 2000,
					    [LINK_UP] = 700,
					    [LINK_BACKOFF] = 0 };
	static const uint8_t base_point[32] = { 9 };
	uint32_t passed = now - net.since_ms;
	switch (net.state) {
	case LINK_DOWN:
		hmac_sha256(app.key, sizeof(app.key), &now, sizeof(now), net.private_key);
		x25519(net.public_key, net.private_key, base_point);
		state_set(LINK_SCAN, now);
		return;
	case LINK_BACKOFF:
		if (passed >= net.backoff_ms)
			state_set(LINK_SCAN, now);
		return;
	case LINK_SCAN:
	case LINK_JOIN:
	case LINK_KEYS:
	case LINK_UP:
		break;
	}
	if (passed < wait_ms[net.state] || (net.state == LINK_UP && !net.waiting_n))
		return;
	net.since_ms = now;
	if (++net.tries > 6) {
		give_up(now);
		return;
	}
	net.repeats++;
	if (net.state == LINK_JOIN)
		frame_out(FRAME_JOIN, app.key, 8);
	else if (net.state == LINK_KEYS)
		frame_out(FRAME_KEY, net.public_key, 32);
	else if (net.state == LINK_UP)
		frame_out(FRAME_DATA, net.waiting, net.waiting_n);
}

enum link_state link_state(void)
{
	return net.state;
}

const char *link_state_name(enum link_state s)
{
	static const char *const names[] = { "down", "scan", "join", "keys", "up", "backoff" };
	return (unsigned)s < COUNT(names) ? names[s] : "?";
}
