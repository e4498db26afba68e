/* Memory that has run out: the reserve, the mark on the thread, the way back.  Addresses are
 * limited and used up, in a child each, so that malloc really has none. */

#include "base/arena.h"
#include "base/memory.h"
#include "tests/tap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

#define HOARD_MAX 200000

/* glibc's: server/malloc.c would go on with the reserve. */
void *__libc_malloc(size_t size);

static void *hoard[HOARD_MAX];
static int hoarded;

static void use_up_memory(void)
{
	const struct rlimit none = { 1, 1 };

	setrlimit(RLIMIT_AS, &none);
	for (size_t size = 1 << 20; size >= 16; size /= 2)
		while (hoarded < HOARD_MAX && (hoard[hoarded] = __libc_malloc(size)))
			hoarded++;
}

static void give_memory_back(void)
{
	while (hoarded)
		free(hoard[--hoarded]);
}

/* What the child says: 0 when all is well, else the number of what was not. */
static int in_child(int (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		_exit(body());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int small_pieces(void)
{
	memory_begin();
	if (memory_is_short())
		return 1;
	use_up_memory();
	char *text = xstrdup("text");
	if (strcmp(text, "text") != 0 || !memory_is_short())
		return 2;
	unsigned char *zero = xcalloc(3, 100);
	for (int i = 0; i < 300; i++)
		if (zero[i])
			return 3;
	memory_begin();
	if (!memory_is_short())
		return 4; /* the reserve is not full and cannot be filled */
	free(text);
	free(zero);
	give_memory_back();
	memory_begin();
	return memory_is_short() ? 5 : 0;
}

static int growing(void)
{
	memory_begin();
	char *p = xmalloc(6);
	memcpy(p, "abcde", 6);
	use_up_memory();
	p = xrealloc(p, 100000);
	if (strcmp(p, "abcde") != 0 || !memory_is_short())
		return 1;
	memset(p, 'x', 100000);
	free(p);
	return 0;
}

static int arenas(void)
{
	memory_begin();
	struct arena *a = arena_create();
	use_up_memory();
	for (int i = 0; i < 100; i++) {
		memset(arena_alloc(a, 5000), 'x', 5000);
		if (strcmp(arena_printf(a, "%d", 4711), "4711") != 0)
			return 1;
	}
	arena_free(a);
	return memory_is_short() ? 0 : 2;
}

static int libraries(void)
{
	int got = 0, insisted = 0;

	memory_begin();
	use_up_memory();
	while (memory_library_alloc(100))
		got++;
	if (!memory_is_short() || got < 100)
		return 1;
	memory_insist(true);
	while (memory_library_alloc(100))
		insisted++;
	return insisted < 100 ? 2 : 0;
}

static int everything(void)
{
	memory_begin();
	use_up_memory();
	for (int i = 0; i < HOARD_MAX; i++)
		(void)xmalloc(100);
	return 1;
}

int main(void)
{
	memory_begin();
	ok(!memory_is_short(), "there is memory");
	memory_note_short();
	ok(memory_is_short(), "a library had none");
	memory_begin();
	ok(!memory_is_short(), "the next piece of work begins anew");
	if (HAS_SANITIZER) {
		printf("ok 4 - memory that has run out # SKIP sanitizers need "
		       "addresses\n1..4\n");
		return 0;
	}
	is_int(in_child(small_pieces), 0,
	       "small pieces come from the reserve, until it is full again");
	is_int(in_child(growing), 0, "a piece grows into the reserve with what it holds");
	is_int(in_child(arenas), 0, "a call's memory comes from the reserve");
	is_int(in_child(libraries), 0, "libraries get half of it, unless they insist");
	is_int(in_child(everything), 1000 + SIGABRT, "past the reserve the process ends");
	return tap_done();
}
