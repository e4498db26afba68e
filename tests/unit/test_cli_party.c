/* Keys from files are gone from memory when their list is. */

#include "cli/party.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

static size_t not_zero(const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t ret = 0;

	for (size_t i = 0; i < n; i++)
		ret += b[i] != 0;
	return ret;
}

int main(void)
{
	static struct cli cli;
	static struct party_list list;
	struct temp_dir __attribute__((cleanup(clean_temp_dir))) dir = temp_dir_make();
	char path[300];
	FILE *f;

	cli.mem = arena_create();
	snprintf(path, sizeof(path), "%s/key", dir.path);
	f = fopen(path, "we");
	if (!f || fputs("0123456789abcdefFEDCBA9876543210\n", f) < 0 || fclose(f) != 0)
		return 99;
	is_int(party_add_kek(&cli, &list, path), EXIT_DONE, "a key");
	static const uint8_t want[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };
	is_bytes(list.party[0].secret.p, list.party[0].secret.n, want, sizeof(want),
		 "from its digits, of either case");
	is_int((int64_t)list.party[0].kid.n, 0, "without id");
	ok(chdir(dir.path) == 0, "beside it");
	is_int(party_add_kek(&cli, &list, "0x00ff=key"), EXIT_DONE, "another");
	is_bytes(list.party[1].kid.p, list.party[1].kid.n, "\0\xff", 2, "with one");
	is_int((int64_t)list.count, 2, "two");
	clean_party_list(&list);
	is_int((int64_t)not_zero(&list, sizeof(list)), 0, "nothing is left of them");
	arena_free(cli.mem);
	return tap_done();
}
