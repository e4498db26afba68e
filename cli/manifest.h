/* Manifests, offline: what the commands share. */
#pragma once

#include "cli/cli.h"
#include "suit/manifest.h"

/* Reads and decodes an envelope; the bytes are from c->mem. */
enum exit_code manifest_read(struct cli *c, const char *path,
			     struct suit_envelope *ret) MUST_CHECK;
/* The card, and what a device would do. */
void manifest_print(struct cli *c, const struct suit_envelope *e);

/* Commands in files of their own. */
enum exit_code manifest_create(struct cli *c);
enum exit_code manifest_lint(struct cli *c);
enum exit_code manifest_sign(struct cli *c);
enum exit_code manifest_verify(struct cli *c);
enum exit_code manifest_admit(struct cli *c);
extern const struct option_def manifest_create_options[];
extern const struct option_def manifest_lint_options[];
extern const struct option_def manifest_sign_options[];
extern const struct option_def manifest_verify_options[];
extern const struct option_def manifest_admit_options[];
