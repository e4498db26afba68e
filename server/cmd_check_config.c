/* musterd check-config: reads the configuration as serve does, and says what is wrong. */

#include "server/command.h"
#include "server/settings.h"

#include <stdio.h>

int cmd_check_config(const struct command_line *line)
{
	struct settings settings;

	if (line->sample) {
		fputs(conf_sample(settings_table(), line->mem), stdout);
		return COMMAND_DONE;
	}
	if (settings_load(line->config, line->mem, &settings) != RC_OK)
		return COMMAND_FAILED;
	printf("%s: good\n", line->config ? line->config : SETTINGS_DEFAULT_PATH);
	return COMMAND_DONE;
}
