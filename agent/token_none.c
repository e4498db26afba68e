/* In place of token.c where p11-kit is not wanted: make TOKENS=no. */
#include "agent/log.h"
#include "agent/token.h"

bool token_key_load(const char *setting, const char *uri, const char *pin_file,
		    const char *state_dir, struct suit_key **ret)
{
	(void)uri;
	(void)pin_file;
	(void)state_dir;
	(void)ret;
	log_line("%s: this agent was built without tokens", setting);
	return false;
}
