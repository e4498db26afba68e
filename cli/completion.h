/* Shell completion, made from the command table. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* "bash", "zsh" or "fish"; false for another one. */
bool completion_print(FILE *to, const char *shell);
