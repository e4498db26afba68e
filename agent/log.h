/* Lines for people, on standard error: "program: text". */
#pragma once

void log_open(const char *program);
__attribute__((format(printf, 1, 2))) void log_line(const char *fmt, ...);
/* The same with errno's text at the end. */
__attribute__((format(printf, 1, 2))) void log_errno(const char *fmt, ...);
