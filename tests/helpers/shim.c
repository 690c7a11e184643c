/* A disk that fails on demand: preloaded into a process and all it starts, it counts calls on files under one
 * folder and makes some of them fail. Built and set up by tests/helpers/failing_disk.py, which tells it in a file that
 * all processes share, FAULT_SHARED, what `struct shared` says. A process with FAULT_MAIN becomes its target.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct shared {
    long seen;         /* calls so far */
    long first, last;  /* that fail, from 1, */
    long every;        /* or the first of so many of them */
    long error;        /* what they fail with; 0 for reads: no failure, they return at most one byte; below 0: no
                          failure, a process gets this signal, as -9 */
    long target;       /* the process that gets it, below 0: the group of processes, 0: who makes the call */
    long ahead;        /* seconds that the clock is ahead, below 0: behind; timers are not touched */
    char calls[16];    /* write, read, sync, open; change: all that change a file, its name or its times */
    char under[4096];  /* folder whose files are touched */
} *shared;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_SHARED");
    if (!path) return;
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int descriptor = real(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (shared == MAP_FAILED) shared = NULL;
    if (shared && getenv("FAULT_MAIN")) shared->target = getpid();
    unsetenv("FAULT_MAIN");
}

static int counts(const char *kind)
{
    if (!shared) return 0;
    const char *calls = shared->calls;
    return !strcmp(kind, calls) || (!strcmp("change", calls) && (!strcmp(kind, "write") || !strcmp(kind, "name")));
}

static int fails_at(const char *path)
{
    if (strncmp(path, shared->under, strlen(shared->under))) return 0;
    long number = __atomic_add_fetch(&shared->seen, 1, __ATOMIC_SEQ_CST);
    if (number < shared->first || number > shared->last || (number - shared->first) % shared->every) return 0;
    if (shared->error < 0) {
        kill(shared->target ? (pid_t)shared->target : getpid(), (int)-shared->error);
        return 0;
    }
    errno = (int)shared->error;
    return 1;
}

/* Write the path of an open file or folder into `path`, and return its length; below 0: it has none. */
static ssize_t path_of(int descriptor, char path[PATH_MAX])
{
    char link[64];
    if (descriptor == AT_FDCWD) return getcwd(path, PATH_MAX) ? (ssize_t)strlen(path) : -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int kept = errno;
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = kept;
    if (length >= 0) path[length] = 0;
    return length;
}

static int fails(const char *kind, int descriptor)
{
    char path[PATH_MAX];
    return counts(kind) && path_of(descriptor, path) >= 0 && fails_at(path);
}

static int fails_named(const char *kind, int folder, const char *name)
{
    char path[PATH_MAX];
    if (!counts(kind)) return 0;
    if (name[0] == '/') return fails_at(name);
    ssize_t length = path_of(folder, path);
    if (length < 0) return 0;
    snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
    return fails_at(path);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *data, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    return fails("write", descriptor) ? -1 : real(descriptor, data, size);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return fails("write", descriptor) ? -1 : real(descriptor, data, size, at);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at)
{
    return pwrite64(descriptor, data, size, at);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return fails("write", descriptor) ? -1 : real(descriptor, parts, count);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t size)
{
    REAL(ssize_t, sendfile64, int, int, off64_t *, size_t);
    return fails("write", to) ? -1 : real(to, from, at, size);
}

ssize_t sendfile(int to, int from, off_t *at, size_t size) { return sendfile64(to, from, at, size); }

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t size, unsigned flags)
{
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
    return fails("write", to) ? -1 : real(from, at, to, to_at, size, flags);
}

int posix_fallocate64(int descriptor, off64_t at, off64_t size)
{
    REAL(int, posix_fallocate64, int, off64_t, off64_t);
    return fails("write", descriptor) ? errno : real(descriptor, at, size);
}

int posix_fallocate(int descriptor, off_t at, off_t size) { return posix_fallocate64(descriptor, at, size); }

static size_t shortened(int descriptor, size_t size)
{
    return shared && !shared->error && size > 1 && fails("read", descriptor) ? 1 : size;
}

ssize_t read(int descriptor, void *data, size_t size)
{
    REAL(ssize_t, read, int, void *, size_t);
    if (shared && shared->error && fails("read", descriptor)) return -1;
    return real(descriptor, data, shortened(descriptor, size));
}

ssize_t pread64(int descriptor, void *data, size_t size, off64_t at)
{
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    if (shared && shared->error && fails("read", descriptor)) return -1;
    return real(descriptor, data, shortened(descriptor, size), at);
}

ssize_t pread(int descriptor, void *data, size_t size, off_t at) { return pread64(descriptor, data, size, at); }

ssize_t readv(int descriptor, const struct iovec *parts, int count)
{
    REAL(ssize_t, readv, int, const struct iovec *, int);
    if (shared && shared->error && fails("read", descriptor)) return -1;
    if (count == 1 && shortened(descriptor, parts->iov_len) == 1) return read(descriptor, parts->iov_base, 1);
    return real(descriptor, parts, count);
}

ssize_t preadv64v2(int descriptor, const struct iovec *parts, int count, off64_t at, int flags)
{
    REAL(ssize_t, preadv64v2, int, const struct iovec *, int, off64_t, int);
    if (shared && shared->error && fails("read", descriptor)) return -1;
    struct iovec part = *parts;
    if (count == 1) part.iov_len = shortened(descriptor, part.iov_len);
    return real(descriptor, count == 1 ? &part : parts, count, at, flags);
}

ssize_t preadv2(int descriptor, const struct iovec *parts, int count, off_t at, int flags)
{
    return preadv64v2(descriptor, parts, count, at, flags);
}

int fsync(int descriptor)
{
    REAL(int, fsync, int);
    return fails("sync", descriptor) ? -1 : real(descriptor);
}

int fdatasync(int descriptor)
{
    REAL(int, fdatasync, int);
    return fails("sync", descriptor) ? -1 : real(descriptor);
}

static int open_fails(int folder, const char *path, int flags)
{
    return fails_named("open", folder, path) || (flags & (O_CREAT | O_TRUNC) && fails_named("name", folder, path));
}

static int mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
}

int openat64(int folder, const char *path, int flags, ...)
{
    REAL(int, openat64, int, const char *, int, ...);
    va_list more;
    va_start(more, flags);
    int mode = mode_of(flags, more);
    va_end(more);
    return open_fails(folder, path, flags) ? -1 : real(folder, path, flags, mode);
}

#define OPENED(folder) \
    va_list more; \
    va_start(more, flags); \
    int mode = mode_of(flags, more); \
    va_end(more); \
    return openat64(folder, path, flags, mode)

int openat(int folder, const char *path, int flags, ...) { OPENED(folder); }
int open64(const char *path, int flags, ...) { OPENED(AT_FDCWD); }
int open(const char *path, int flags, ...) { OPENED(AT_FDCWD); }

/* What changes names, lengths and times; each function stands for those that come to the same. */

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    REAL(int, renameat2, int, const char *, int, const char *, unsigned);
    return fails_named("name", to, new) ? -1 : real(from, old, to, new, flags);
}

int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int folder, const char *path, int flags)
{
    REAL(int, unlinkat, int, const char *, int);
    return fails_named("name", folder, path) ? -1 : real(folder, path, flags);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL(int, mkdirat, int, const char *, mode_t);
    return fails_named("name", folder, path) ? -1 : real(folder, path, mode);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    REAL(int, linkat, int, const char *, int, const char *, int);
    return fails_named("name", to, new) ? -1 : real(from, old, to, new, flags);
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int ftruncate64(int descriptor, off64_t size)
{
    REAL(int, ftruncate64, int, off64_t);
    return fails("name", descriptor) ? -1 : real(descriptor, size);
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

int truncate64(const char *path, off64_t size)
{
    REAL(int, truncate64, const char *, off64_t);
    return fails_named("name", AT_FDCWD, path) ? -1 : real(path, size);
}

int truncate(const char *path, off_t size) { return truncate64(path, size); }

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
    REAL(int, utimensat, int, const char *, const struct timespec[2], int);
    return fails_named("name", folder, path) ? -1 : real(folder, path, times, flags);
}

int futimens(int descriptor, const struct timespec times[2])
{
    REAL(int, futimens, int, const struct timespec[2]);
    return fails("name", descriptor) ? -1 : real(descriptor, times);
}

static long ahead(void) { return shared ? shared->ahead : 0; }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int done = real(clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
    return done;
}

int gettimeofday(struct timeval *now, void *zone)
{
    REAL(int, gettimeofday, struct timeval *, void *);
    int done = real(now, zone);
    if (!done) now->tv_sec += ahead();
    return done;
}

time_t time(time_t *kept)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}
