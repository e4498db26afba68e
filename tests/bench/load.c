/* What the load generators share. */

#include "tests/bench/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BUFFER_SIZE (16 << 20)

int64_t load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

double load_cpu(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (!pid)
		return 0;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		load_die("the server's CPU time cannot be read");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void load_die(const char *why)
{
	fprintf(stderr, "%s: %s (%s)\n", program_invocation_short_name, why, strerror(errno));
	exit(1);
}

void load_widen(int fd)
{
	int size = BUFFER_SIZE;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void load_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t load_number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!*text || *end)
		load_die(text);
	return n;
}

/* --- latencies --- */

static size_t bucket_of(uint64_t us)
{
	if (us < 16)
		return us;
	unsigned power = 63u - (unsigned)__builtin_clzll(us);
	size_t bucket = (power - 3) * 16 + (us >> (power - 4)) % 16;

	return bucket < 32 * 16 ? bucket : 32 * 16 - 1;
}

static uint64_t bucket_floor(size_t bucket)
{
	return bucket < 16 ? bucket : (16 + bucket % 16) << (bucket / 16 - 1);
}

void latency_add(struct latencies *l, int64_t us)
{
	uint64_t v = us < 0 ? 0 : (uint64_t)us;

	l->counts[bucket_of(v)]++;
	l->n++;
	l->max = v > l->max ? v : l->max;
}

static uint64_t quantile(const struct latencies *l, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)l->n), seen = 0;

	for (size_t i = 0; i < ARRAY_LEN(l->counts); i++) {
		seen += l->counts[i];
		if (seen > wanted)
			return bucket_floor(i);
	}
	return l->max;
}

void latency_print(const struct latencies *l, FILE *out)
{
	fprintf(out, "\"p50_us\": %llu, \"p90_us\": %llu, \"p99_us\": %llu, \"max_us\": %llu",
		(unsigned long long)quantile(l, 0.5), (unsigned long long)quantile(l, 0.9),
		(unsigned long long)quantile(l, 0.99), (unsigned long long)l->max);
}

/* --- messages --- */

struct writing {
	uint8_t *p;
	unsigned last; /* option number */
};

/* A nibble of an option's head, and what follows it (RFC 7252 section 3.1). */
static unsigned nibble(unsigned v, uint8_t ext[2], size_t *n)
{
	*n = 0;
	if (v < 13)
		return v;
	if (v < 269) {
		ext[(*n)++] = (uint8_t)(v - 13);
		return 13;
	}
	ext[(*n)++] = (uint8_t)((v - 269) >> 8);
	ext[(*n)++] = (uint8_t)(v - 269);
	return 14;
}

static void put_option(struct writing *w, unsigned number, const void *value, size_t size)
{
	uint8_t delta[2], length[2];
	size_t dn, ln;
	unsigned d = nibble(number - w->last, delta, &dn);
	unsigned l = nibble((unsigned)size, length, &ln);

	*w->p++ = (uint8_t)(d << 4 | l);
	memcpy(w->p, delta, dn);
	memcpy(w->p + dn, length, ln);
	memcpy(w->p + dn + ln, value, size);
	w->p += dn + ln + size;
	w->last = number;
}

static void put_number(struct writing *w, unsigned number, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			 (uint8_t)v };
	size_t skip = 0;

	while (skip < 4 && b[skip] == 0)
		skip++;
	put_option(w, number, b + skip, 4 - skip);
}

static void put_path(struct writing *w, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		put_option(w, 11, path, n);
		path += n;
		path += *path == '/';
	}
}

size_t ask_write(const struct ask *a, uint8_t ret[MESSAGE_MAX])
{
	struct writing w = { ret + 4 + TOKEN_SIZE, 0 };

	ret[0] = 0x40 | TYPE_CON << 4 | TOKEN_SIZE;
	ret[1] = a->code;
	ret[2] = (uint8_t)(a->mid >> 8);
	ret[3] = (uint8_t)a->mid;
	memcpy(ret + 4, a->token, TOKEN_SIZE);
	if (a->observe)
		put_number(&w, 6, 0);
	put_path(&w, a->path);
	if (a->format >= 0)
		put_number(&w, 12, (uint32_t)a->format);
	if (a->block >= 0)
		put_number(&w, 23, (uint32_t)a->block << 4 | a->szx);
	if (a->size) {
		*w.p++ = 0xff;
		memcpy(w.p, a->payload, a->size);
		w.p += a->size;
	}
	return (size_t)(w.p - ret);
}

size_t empty_write(int type, uint16_t mid, uint8_t ret[4])
{
	ret[0] = (uint8_t)(0x40 | type << 4);
	ret[1] = 0;
	ret[2] = (uint8_t)(mid >> 8);
	ret[3] = (uint8_t)mid;
	return 4;
}

/* The extended form of a nibble; false when the message ends in it. */
static bool take_ext(const uint8_t **p, const uint8_t *end, unsigned *v)
{
	size_t n = *v == 13 ? 1 : *v == 14 ? 2 : 0;

	if (*v == 15 || (size_t)(end - *p) < n)
		return false;
	if (n == 1)
		*v = 13u + (*p)[0];
	else if (n == 2)
		*v = 269u + ((unsigned)(*p)[0] << 8 | (*p)[1]);
	*p += n;
	return true;
}

static void take_block(const uint8_t *p, size_t n, struct heard *ret)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	ret->has_block = true;
	ret->more = v & 8;
	ret->block = v >> 4;
}

static bool take_options(const uint8_t *p, const uint8_t *end, struct heard *ret)
{
	unsigned number = 0;

	while (p < end && *p != 0xff) {
		unsigned delta = *p >> 4, size = *p & 15;

		p++;
		if (!take_ext(&p, end, &delta) || !take_ext(&p, end, &size) ||
		    (size_t)(end - p) < size)
			return false;
		number += delta;
		if (number == 6)
			ret->observe = true;
		if (number == 23)
			take_block(p, size, ret);
		p += size;
	}
	ret->payload = p < end ? (size_t)(end - p - 1) : 0;
	return true;
}

bool heard_read(const uint8_t *p, size_t n, struct heard *ret)
{
	size_t token = n ? p[0] & 15 : 0;

	if (n < 4 || p[0] >> 6 != 1 || token > 8 || n < 4 + token)
		return false;
	*ret = (struct heard){
		.type = p[0] >> 4 & 3,
		.code = p[1],
		.mid = (uint16_t)(p[2] << 8 | p[3]),
		.token = token == TOKEN_SIZE ? p + 4 : NULL,
	};
	return take_options(p + 4 + token, p + n, ret);
}

void codes_print(const struct codes *c, FILE *out)
{
	const char *comma = "";

	fprintf(out, "{");
	for (int i = 0; i < 256; i++) {
		if (!c->counts[i])
			continue;
		fprintf(out, "%s\"%d.%02d\": %llu", comma, i >> 5, i & 31,
			(unsigned long long)c->counts[i]);
		comma = ", ";
	}
	fprintf(out, "}");
}
