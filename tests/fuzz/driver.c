/* Runs a fuzz target without libFuzzer, as `make check` does: over every file of its corpus,
 * then over mutations of them for a short while.  What is found is printed as a line that
 * repeats it: MUSTER_FUZZ_SEED=N, or the file's name as the argument. */

#include "base/clean.h"
#include "tests/fuzz/target.h"
#include "tests/tap.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX     65536
#define FILES_MAX     512
#define MUTATE_CPU_MS 250 /* of processor time, so a busy machine changes nothing */
#define ROUNDS_MAX    20000

struct input {
	uint8_t *p;
	size_t n;
};

static struct input corpus[FILES_MAX];
static int corpus_count;
static char current[600]; /* what is run now, for whoever reads the crash */

int __attribute__((weak)) LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* Only what a signal handler may do. */
static void on_crash(int number)
{
	static const char text[] = "# crashed at: ";

	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	(void)!write(STDOUT_FILENO, current, strlen(current));
	(void)!write(STDOUT_FILENO, "\n", 1);
	signal(number, SIG_DFL);
	raise(number);
}

/* A copy of exactly its size, so that a sanitizer sees the first byte too many. */
static void run(const uint8_t *p, size_t n)
{
	CLEAN(mem) uint8_t *copy = malloc(n + !n);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
}

static bool read_file(const char *path, struct input *ret)
{
	CLEAN(file) FILE *f = fopen(path, "re");

	ret->p = malloc(INPUT_MAX);
	ret->n = f && ret->p ? fread(ret->p, 1, INPUT_MAX, f) : 0;
	return f && !ferror(f);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_input(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static bool run_corpus(const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_input, by_name);
	bool good = n > 0 && n <= FILES_MAX;

	for (int i = 0; i < n; i++) {
		snprintf(current, sizeof(current), "%s/%s", dir, names[i]->d_name);
		free(names[i]);
		if (!good || !read_file(current, &corpus[corpus_count])) {
			good = false;
			continue;
		}
		run(corpus[corpus_count].p, corpus[corpus_count].n);
		corpus_count++;
	}
	free(names);
	return good;
}

/* --- mutations --- */

static uint64_t state;

/* xorshift64: the same on every machine. */
static size_t below(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? (size_t)(state % n) : 0;
}

static void cut(struct input *in)
{
	size_t at = below(in->n), n = below(in->n - at) + 1;

	memmove(in->p + at, in->p + at + n, in->n - at - n);
	in->n -= n;
}

/* Puts a piece of another file somewhere. */
static void splice(struct input *in)
{
	const struct input *from = &corpus[below((size_t)corpus_count)];
	size_t begin = below(from->n), n = below(from->n - begin) + 1, at = below(in->n + 1);

	if (from->n == 0 || in->n + n > INPUT_MAX)
		return;
	memmove(in->p + at + n, in->p + at, in->n - at);
	memcpy(in->p + at, from->p + begin, n);
	in->n += n;
}

static void mutate(struct input *in)
{
	static const uint8_t odd[] = { 0,    1,    0x17, 0x18, 0x1b, 0x1f, 0x20, '"',  '%',
				       '/',  '=',  '\n', 0x7f, 0x80, 0x9f, 0xbf, 0xc0, 0xf6,
				       0xfe, 0xff, '-',  '9',  '0',  ':',  0x5f };

	for (size_t times = 1 + below(4); times; times--) {
		size_t kind = in->n ? below(5) : 4, at = below(in->n);

		if (kind == 0)
			in->p[at] ^= (uint8_t)(1u << below(8));
		else if (kind == 1)
			in->p[at] = odd[below(sizeof(odd))];
		else if (kind == 2)
			in->p[at] = (uint8_t)(in->p[at] + below(17) - 8);
		else if (kind == 3)
			cut(in);
		else
			splice(in);
	}
}

static clock_t began;

static bool time_is_up(void)
{
	return (clock() - began) / (CLOCKS_PER_SEC / 1000) > MUTATE_CPU_MS;
}

static int run_mutations(uint64_t seed)
{
	static uint8_t buf[INPUT_MAX];
	int rounds = 0;

	state = seed;
	began = clock();
	for (; rounds < ROUNDS_MAX && !time_is_up(); rounds++) {
		const struct input *from = &corpus[below((size_t)corpus_count)];
		struct input in = { buf, from->n };

		memcpy(buf, from->p, from->n);
		mutate(&in);
		snprintf(current, sizeof(current), "MUSTER_FUZZ_SEED=%" PRIu64 ", round %d",
			 seed, rounds);
		run(in.p, in.n);
	}
	return rounds;
}

static uint64_t seed_take(void)
{
	const char *given = getenv("MUSTER_FUZZ_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t seed = given ? strtoull(given, NULL, 10)
			      : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec;
	return seed ? seed : 1;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char dir[300];
	uint64_t seed = seed_take();

	name = strstr(name ? name : argv[0], "fuzz_");
	snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name ? name + 5 : "");
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	(void)LLVMFuzzerInitialize(&argc, &argv);
	if (argc > 1) {
		ok(read_file(argv[1], &corpus[0]), "%s", argv[1]);
		run(corpus[0].p, corpus[0].n);
		return tap_done();
	}
	bool good = run_corpus(dir);
	if (ok(good, "test_R13: %d files of %s", corpus_count, dir)) {
		int rounds = run_mutations(seed);
		ok(rounds > 0, "test_R13: %d mutations, MUSTER_FUZZ_SEED=%" PRIu64, rounds,
		   seed);
	}
	for (int i = 0; i < corpus_count; i++)
		free(corpus[i].p);
	return tap_done();
}
