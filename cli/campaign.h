/* The commands of a campaign's life; cmd_campaign.c has their table. */
#pragma once

#include "cli/cli.h"

enum exit_code campaign_create(struct cli *c) MUST_CHECK;
enum exit_code campaign_status(struct cli *c) MUST_CHECK;
enum exit_code campaign_start(struct cli *c) MUST_CHECK;
enum exit_code campaign_pause(struct cli *c) MUST_CHECK;
enum exit_code campaign_resume(struct cli *c) MUST_CHECK;
enum exit_code campaign_abort(struct cli *c) MUST_CHECK;
