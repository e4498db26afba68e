/* Threads with names. */

#include "server/thread.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

pthread_t thread_start(const char *name, void *(*body)(void *arg), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, body, arg);

	if (error) {
		log_error("no thread", "name", name, "error", strerror(error));
		abort();
	}
	pthread_setname_np(thread, name);
	return thread;
}
