/* Something happens to the daemon at its n-th call that others can see: write, writev, pwrite,
 * send, sendto, sendmsg, sendmmsg, fsync, fdatasync, rename, and what it asks of libpq.
 * Standard output and error do not count.  Preloaded by tests, which say in the environment:
 *
 * - MUSTER_CALL_AT: n, counted from 1; 0: only count
 * - MUSTER_CALL_HOW: before, after: kill -9 there; torn: half of a write or send is done first;
 *   cut-before, cut-after: nobody dies, but the database's connection goes (calls of libpq
 * alone are counted then); eio: the call fails with EIO and is not done (image store: write,
 * fsync)
 * - MUSTER_CALL_KIND: file: only calls on files and folders are counted
 * - MUSTER_CALL_MARK: a file that gets the name of the call when it has happened
 * - MUSTER_CALL_COUNT: a file that gets a line "NAME NUMBER" for each call, at an orderly end
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum how { HOW_COUNT, HOW_BEFORE, HOW_AFTER, HOW_TORN, HOW_CUT_BEFORE, HOW_CUT_AFTER, HOW_EIO };

static const char *const hows[] = { "",           "before",    "after", "torn",
				    "cut-before", "cut-after", "eio" };

#define CALLS(X)                                                                               \
	X(write)                                                                               \
	X(writev)                                                                              \
	X(pwrite)                                                                              \
	X(send)                                                                                \
	X(sendto)                                                                              \
	X(sendmsg)                                                                             \
	X(sendmmsg)                                                                            \
	X(fsync)                                                                               \
	X(fdatasync)                                                                           \
	X(rename)                                                                              \
	X(PQconnectdbParams)                                                                   \
	X(PQsendQuery)                                                                         \
	X(PQsendPrepare) X(PQsendQueryPrepared) X(PQflush) X(PQconsumeInput) X(PQgetResult)

enum call_id {
#define X(name) CALL_##name,
	CALLS(X)
#undef X
		CALL_COUNT
};

static const char *const names[] = {
#define X(name) #name,
	CALLS(X)
#undef X
};

#define FIRST_PQ CALL_PQconnectdbParams

static enum how how;
static int files_alone;
static long at;
static _Atomic long calls, each[CALL_COUNT];

__attribute__((constructor)) static void begin(void)
{
	const char *n = getenv("MUSTER_CALL_AT"), *word = getenv("MUSTER_CALL_HOW");

	at = n ? strtol(n, NULL, 10) : 0;
	files_alone = getenv("MUSTER_CALL_KIND") != NULL;
	for (size_t i = 0; word && i < sizeof(hows) / sizeof(*hows); i++)
		if (strcmp(hows[i], word) == 0)
			how = (enum how)i;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("MUSTER_CALL_COUNT");
	FILE *f = path ? fopen(path, "we") : NULL;

	for (int i = 0; f && i < CALL_COUNT; i++)
		fprintf(f, "%s %ld\n", names[i], atomic_load(&each[i]));
	if (f)
		fclose(f);
}

/* By the kernel alone: it must not be counted. */
static void mark(enum call_id id)
{
	const char *path = getenv("MUSTER_CALL_MARK");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_CLOEXEC,
				     0600)
		      : -1;

	if (fd < 0)
		return;
	if (syscall(SYS_write, fd, names[id], strlen(names[id])) < 0)
		abort();
	syscall(SYS_close, fd);
}

static void die(enum call_id id)
{
	mark(id);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static int is_cut(void)
{
	return how == HOW_CUT_BEFORE || how == HOW_CUT_AFTER;
}

static int is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* Of the image store: what else the daemon writes may fail without a word to an uploader. */
static int is_image(int fd)
{
	char link[64], path[4096];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	return strstr(path, "/images") != NULL;
}

/* Counts; true when this is the call. */
static int is_point(enum call_id id)
{
	if ((is_cut() && id < FIRST_PQ) || (files_alone && id >= FIRST_PQ))
		return 0;
	atomic_fetch_add(&each[id], 1);
	return atomic_fetch_add(&calls, 1) + 1 == at;
}

static int is_fd_point(enum call_id id, int fd)
{
	if (fd == 1 || fd == 2 || (files_alone && !is_file(fd)) ||
	    (how == HOW_EIO && !(is_file(fd) && is_image(fd))))
		return 0;
	return is_point(id);
}

#define REAL(ret, name, ...) ((ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

/* What happens around a call on a descriptor; half is a statement that does half of it. */
#define AROUND(ret_type, id, fd, half, call)                                                   \
	do {                                                                                   \
		int here = is_fd_point(id, fd);                                                \
		if (here && how == HOW_EIO) {                                                  \
			mark(id);                                                              \
			errno = EIO;                                                           \
			return -1;                                                             \
		}                                                                              \
		if (here && how == HOW_TORN) {                                                 \
			half;                                                                  \
		}                                                                              \
		if (here && (how == HOW_BEFORE || how == HOW_TORN))                            \
			die(id);                                                               \
		ret_type done = call;                                                          \
		if (here && how == HOW_AFTER)                                                  \
			die(id);                                                               \
		return done;                                                                   \
	} while (0)

ssize_t write(int fd, const void *p, size_t n)
{
	ssize_t (*real)(int, const void *, size_t) =
		REAL(ssize_t, write, int, const void *, size_t);
	AROUND(ssize_t, CALL_write, fd, (void)!real(fd, p, n / 2), real(fd, p, n));
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
	ssize_t (*real)(int, const struct iovec *, int) =
		REAL(ssize_t, writev, int, const struct iovec *, int);
	AROUND(ssize_t, CALL_writev, fd, (void)!real(fd, v, count / 2), real(fd, v, count));
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t where)
{
	ssize_t (*real)(int, const void *, size_t, off_t) =
		REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
	AROUND(ssize_t, CALL_pwrite, fd, (void)!real(fd, p, n / 2, where),
	       real(fd, p, n, where));
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t where)
{
	return pwrite(fd, p, n, where);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int) =
		REAL(ssize_t, send, int, const void *, size_t, int);
	AROUND(ssize_t, CALL_send, fd, (void)!real(fd, p, n / 2, flags), real(fd, p, n, flags));
}

ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to,
	       socklen_t size)
{
	ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
		REAL(ssize_t, sendto, int, const void *, size_t, int, const struct sockaddr *,
		     socklen_t);
	AROUND(ssize_t, CALL_sendto, fd, (void)!real(fd, p, n / 2, flags, to, size),
	       real(fd, p, n, flags, to, size));
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int) =
		REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
	AROUND(ssize_t, CALL_sendmsg, fd, , real(fd, m, flags));
}

int sendmmsg(int fd, struct mmsghdr *m, unsigned count, int flags)
{
	int (*real)(int, struct mmsghdr *, unsigned, int) =
		REAL(int, sendmmsg, int, struct mmsghdr *, unsigned, int);
	AROUND(int, CALL_sendmmsg, fd, (void)!real(fd, m, count / 2, flags),
	       real(fd, m, count, flags));
}

int fsync(int fd)
{
	int (*real)(int) = REAL(int, fsync, int);
	AROUND(int, CALL_fsync, fd, , real(fd));
}

int fdatasync(int fd)
{
	int (*real)(int) = REAL(int, fdatasync, int);
	AROUND(int, CALL_fdatasync, fd, , real(fd));
}

int rename(const char *from, const char *to)
{
	int here = how != HOW_EIO && is_point(CALL_rename);
	if (here && (how == HOW_BEFORE || how == HOW_TORN))
		die(CALL_rename);
	int done = REAL(int, rename, const char *, const char *)(from, to);
	if (here && how == HOW_AFTER)
		die(CALL_rename);
	return done;
}

/* --- libpq --- */

static void cut(const PGconn *conn, enum call_id id)
{
	mark(id);
	shutdown(PQsocket(conn), SHUT_RDWR);
}

static int pq_before(const PGconn *conn, enum call_id id)
{
	int here = how != HOW_EIO && is_point(id);

	if (here && (how == HOW_BEFORE || how == HOW_TORN))
		die(id);
	if (here && how == HOW_CUT_BEFORE)
		cut(conn, id);
	return here;
}

static void pq_after(const PGconn *conn, enum call_id id, int here)
{
	if (here && how == HOW_AFTER)
		die(id);
	if (here && how == HOW_CUT_AFTER)
		cut(conn, id);
}

#define AROUND_PQ(ret_type, name, conn, call)                                                  \
	do {                                                                                   \
		int here = pq_before(conn, CALL_##name);                                       \
		ret_type done = call;                                                          \
		pq_after(conn, CALL_##name, here);                                             \
		return done;                                                                   \
	} while (0)

PGconn *PQconnectdbParams(const char *const *keys, const char *const *values, int expand)
{
	int here = pq_before(NULL, CALL_PQconnectdbParams);
	PGconn *done = REAL(PGconn *, PQconnectdbParams, const char *const *,
			    const char *const *, int)(keys, values, expand);
	pq_after(done, CALL_PQconnectdbParams, here);
	return done;
}

int PQsendQuery(PGconn *conn, const char *query)
{
	AROUND_PQ(int, PQsendQuery, conn,
		  REAL(int, PQsendQuery, PGconn *, const char *)(conn, query));
}

int PQsendPrepare(PGconn *conn, const char *name, const char *query, int n, const Oid *types)
{
	AROUND_PQ(int, PQsendPrepare, conn,
		  REAL(int, PQsendPrepare, PGconn *, const char *, const char *, int,
		       const Oid *)(conn, name, query, n, types));
}

int PQsendQueryPrepared(PGconn *conn, const char *name, int n, const char *const *values,
			const int *lengths, const int *formats, int format)
{
	AROUND_PQ(int, PQsendQueryPrepared, conn,
		  REAL(int, PQsendQueryPrepared, PGconn *, const char *, int,
		       const char *const *, const int *, const int *,
		       int)(conn, name, n, values, lengths, formats, format));
}

int PQflush(PGconn *conn)
{
	AROUND_PQ(int, PQflush, conn, REAL(int, PQflush, PGconn *)(conn));
}

int PQconsumeInput(PGconn *conn)
{
	AROUND_PQ(int, PQconsumeInput, conn, REAL(int, PQconsumeInput, PGconn *)(conn));
}

PGresult *PQgetResult(PGconn *conn)
{
	AROUND_PQ(PGresult *, PQgetResult, conn, REAL(PGresult *, PQgetResult, PGconn *)(conn));
}
