/* Settings: records appended to one of two flash pages; the other takes the living ones when it
 * is full. */

#include "lock.h"

#define PAGE_SIZE  16384u
#define PAGE_A     0x08004000u
#define PAGE_B     0x08008000u
#define PAGE_MAGIC 0x4c4f434bu

struct record {
	uint16_t key, n;
	uint32_t crc;
};

static uint32_t page, used;

static void flash_wait(void)
{
	while (REG(0x40023c0c) & 0x10000)
		;
}

static void flash_unlock(void)
{
	REG(0x40023c04) = 0x45670123;
	REG(0x40023c04) = 0xcdef89ab;
}

static void flash_erase(uint32_t at)
{
	flash_unlock();
	flash_wait();
	REG(0x40023c10) = 0x10002u | (at == PAGE_A ? 1u : 2u) << 3;
	flash_wait();
	REG(0x40023c10) = 0x80000000u;
}

static void flash_write(uint32_t at, const void *p, size_t n)
{
	const uint8_t *b = p;
	flash_unlock();
	REG(0x40023c10) = 1;
	for (size_t i = 0; i < n; i++) {
		*(volatile uint8_t *)(uintptr_t)(at + i) = b[i];
		flash_wait();
	}
	REG(0x40023c10) = 0x80000000u;
}

static const struct record *record_at(uint32_t at)
{
	const struct record *r = (const struct record *)(uintptr_t)at;
	if (at + sizeof(*r) > page + PAGE_SIZE || r->key == 0xffff ||
	    r->n > PAGE_SIZE - (at - page) - sizeof(*r))
		return NULL;
	return r;
}

static uint32_t record_size(const struct record *r)
{
	return (uint32_t)(sizeof(*r) + ((r->n + 3u) & ~3u));
}

static const struct record *record_find(uint16_t key)
{
	const struct record *r, *found = NULL;
	for (uint32_t at = page + 8; at < used && (r = record_at(at)) != NULL;
	     at += record_size(r))
		if (r->key == key && crc32(key, (const uint8_t *)(r + 1), r->n) == r->crc)
			found = r;
	return found;
}

void store_open(void)
{
	const uint32_t *a = (const uint32_t *)(uintptr_t)PAGE_A,
		       *b = (const uint32_t *)(uintptr_t)PAGE_B;
	const struct record *r;
	bool a_good = a[0] == PAGE_MAGIC, b_good = b[0] == PAGE_MAGIC;
	page = a_good && (!b_good || (int32_t)(a[1] - b[1]) > 0) ? PAGE_A : PAGE_B;
	if (!a_good && !b_good) {
		uint32_t head[2] = { PAGE_MAGIC, 1 };
		flash_erase(PAGE_B);
		flash_write(PAGE_B, head, sizeof(head));
	}
	for (used = page + 8; (r = record_at(used)) != NULL; used += record_size(r))
		;
}

bool store_get(uint16_t key, void *p, size_t size, size_t *ret_n)
{
	const struct record *r = record_find(key);
	if (!r || r->n > size)
		return false;
	memcpy(p, r + 1, r->n);
	*ret_n = r->n;
	return true;
}

static void record_append(uint16_t key, const void *p, size_t n)
{
	struct record r = { key, (uint16_t)n, crc32(key, p, n) };
	flash_write(used + sizeof(r), p, n);
	flash_write(used, &r, sizeof(r));
	used += record_size(&r);
}

static void compact(void)
{
	uint32_t old_page = page, old_used = used,
		 head[2] = { PAGE_MAGIC, ((const uint32_t *)(uintptr_t)page)[1] + 1 };
	const struct record *r;
	uint32_t fresh = page == PAGE_A ? PAGE_B : PAGE_A, fresh_used = fresh + 8;
	flash_erase(fresh);
	for (uint32_t at = old_page + 8; at < old_used && (r = record_at(at)) != NULL;
	     at += record_size(r)) {
		if (record_find(r->key) != r)
			continue;
		used = fresh_used;
		record_append(r->key, r + 1, r->n);
		fresh_used = used;
		used = old_used;
	}
	flash_write(fresh, head, sizeof(head));
	page = fresh;
	used = fresh_used;
}

bool store_put(uint16_t key, const void *p, size_t n)
{
	if (n > 1024)
		return false;
	const struct record *r = record_find(key);
	if (r && r->n == n && memcmp(r + 1, p, n) == 0)
		return true;
	if (store_free() < n + sizeof(*r) + 4)
		compact();
	if (store_free() < n + sizeof(*r) + 4)
		return false;
	record_append(key, p, n);
	return true;
}

size_t store_free(void)
{
	return page + PAGE_SIZE - used;
}
