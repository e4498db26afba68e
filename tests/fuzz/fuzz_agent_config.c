/* The device's configuration file, and the server's address in it. */

#include "agent/config.h"
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

static bool ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static void check_config(const struct config *c)
{
	check(c->endpoint[0] && ends(c->endpoint, sizeof(c->endpoint)));
	check(c->state_dir[0] == '/' && ends(c->state_dir, sizeof(c->state_dir)));
	check(ends(c->key_file, sizeof(c->key_file)) &&
	      ends(c->device_key_file, sizeof(c->device_key_file)) &&
	      ends(c->report_key_file, sizeof(c->report_key_file)));
	check(c->psk_file[0] == '/' || !c->psk_file[0]);
	check(c->pin_file[0] == '/' || !c->pin_file[0]);
	check(c->anchor_count >= 1 && c->anchor_count <= CONFIG_ANCHORS_MAX);
	check(c->delegate_count <= CONFIG_ANCHORS_MAX);
	check(c->attribute_count <= CONFIG_ATTRIBUTES_MAX && c->part_count <= CONFIG_PARTS_MAX);
	for (size_t i = 0; i < c->part_count; i++)
		check(boot_name_is_good(c->part[i].name) && c->part[i].known &&
		      (!c->part[i].hook || (c->part[i].program[0] && c->part[i].user[0])));
	for (size_t i = 0; i < c->attribute_count; i++)
		check(ends(c->attribute[i].name, sizeof(c->attribute[i].name)) &&
		      ends(c->attribute[i].value, sizeof(c->attribute[i].value)));
	check(c->block_size >= 16 && c->block_size <= 1024 &&
	      (c->block_size & (c->block_size - 1)) == 0);
	check(c->envelope_max <= SUIT_ENVELOPE_MAX && c->retry_min_ms <= c->retry_max_ms);
}

static void check_server(struct config *c)
{
	struct link_config l;

	memset(&l, 0, sizeof(l));
	if (!config_server(c->server, &l))
		return;
	check(l.host[0] && ends(l.host, sizeof(l.host)) && l.port > 0);
	check(l.kind == LINK_PLAIN || l.kind == LINK_PSK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config c;
	char why[CONFIG_TEXT_MAX] = "";

	scratch_write("agent.conf", data, size);
	if (config_load(scratch_path("agent.conf"), &c, why)) {
		check(!memchr(data, 0, size));
		check_config(&c);
		check_server(&c);
		(void)config_finish(&c, why);
	} else {
		check(why[0] && ends(why, sizeof(why)));
	}
	return 0;
}
