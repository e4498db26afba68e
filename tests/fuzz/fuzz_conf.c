/* The daemon's configuration file: whatever it holds, what is taken is within the table's
 * bounds, and what is not is explained. */

#include "base/conf_value.h"
#include "base/bytes.h"
#include "server/settings.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	scratch_make();
	return 0;
}

static void check_text(const struct conf_key *key, const char *text)
{
	check(text && (int64_t)strlen(text) >= key->min && (int64_t)strlen(text) <= key->max);
	check(text_is_clean(bytes_of(text)));
}

/* A number is within its bounds, and written out it is read again as the same. */
static void check_number(const struct conf_key *key, int64_t v, struct arena *mem)
{
	const char *why = NULL;
	int64_t again = -1;

	check(v >= key->min && v <= key->max);
	check(conf_value_parse(key, conf_value_format(key->type, v, mem), mem, &again, &why) ==
	      RC_OK);
	check(again == v);
}

static void check_key(const struct conf_key *key, const unsigned char *slot, struct arena *mem)
{
	switch (key->type) {
	case CONF_TEXT:
	case CONF_ADDRESS:
		check_text(key, *(const char *const *)(const void *)slot);
		return;
	case CONF_BOOL:
		check(*slot <= 1);
		return;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		check_number(key, *(const int64_t *)(const void *)slot, mem);
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct conf_table *table = settings_table();
	struct arena *mem = arena_create();
	struct conf_errors errors = { .count = 0 };
	struct settings s;

	scratch_write("musterd.conf", data, size);
	conf_defaults(table, mem, &s);
	enum rc rc = conf_load(table, scratch_path("musterd.conf"), mem, &s, &errors);
	check((rc == RC_OK) == (errors.count == 0) && errors.count <= CONF_ERRORS_MAX);
	check(rc != RC_OK || !memchr(data, 0, size));
	for (size_t i = 0; i < table->count; i++)
		check_key(&table->keys[i], (unsigned char *)&s + table->keys[i].offset, mem);
	arena_free(mem);
	return 0;
}
