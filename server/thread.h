/* Threads with names. */
#pragma once

#include <pthread.h>

/* Aborts when no thread can be made: nothing has started to depend on it yet.  name: at most 15
 * bytes.  Signals are for the main thread, which blocks them before it starts another. */
pthread_t thread_start(const char *name, void *(*body)(void *arg), void *arg);
