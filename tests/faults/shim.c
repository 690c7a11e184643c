/* A disk that fails on demand: preloaded into a process and all it starts, it counts calls on files under one
 * folder and makes some of them fail. Built and set up by tests/faults/failing_disk.py.
 *
 *   FAULT_UNDER    folder whose files are touched
 *   FAULT_CALLS    kind of call: write, read, sync, open
 *   FAULT_ERRNO    what they fail with; 0 for reads: no failure, they return at most one byte; below 0: no
 *                  failure, the process gets this signal, as -9
 *   FAULT_FROM     the first call that fails, from 1
 *   FAULT_TO       the last one
 *   FAULT_COUNTER  file of one 64-bit number that all processes share: calls seen so far
 *   FAULT_CLOCK    seconds that the clock is ahead, below 0: behind; timers are not touched
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
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *under, *calls;
static size_t under_length;
static long failure, first, last, ahead;
static unsigned long *counter;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_COUNTER"), *clock = getenv("FAULT_CLOCK");
    ahead = clock ? atol(clock) : 0;
    under = getenv("FAULT_UNDER");
    calls = getenv("FAULT_CALLS");
    if (!path || !under || !calls) return;
    under_length = strlen(under);
    failure = atol(getenv("FAULT_ERRNO"));
    first = atol(getenv("FAULT_FROM"));
    last = atol(getenv("FAULT_TO"));
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int descriptor = real(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (counter == MAP_FAILED) counter = NULL;
}

static int fails_at(const char *kind, const char *path)
{
    if (!counter || strcmp(kind, calls) || strncmp(path, under, under_length)) return 0;
    long number = (long)__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    if (number < first || number > last) return 0;
    if (failure < 0) {
        kill(getpid(), (int)-failure);
        return 0;
    }
    errno = (int)failure;
    return 1;
}

static int fails(const char *kind, int descriptor)
{
    char link[64], path[PATH_MAX];
    if (!counter || strcmp(kind, calls)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int kept = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0) return 0;
    path[length] = 0;
    return fails_at(kind, path);
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
    return fails("write", descriptor) ? (int)failure : real(descriptor, at, size);
}

int posix_fallocate(int descriptor, off_t at, off_t size) { return posix_fallocate64(descriptor, at, size); }

static size_t shortened(int descriptor, size_t size)
{
    return !failure && size > 1 && fails("read", descriptor) ? 1 : size;
}

ssize_t read(int descriptor, void *data, size_t size)
{
    REAL(ssize_t, read, int, void *, size_t);
    if (failure && fails("read", descriptor)) return -1;
    return real(descriptor, data, shortened(descriptor, size));
}

ssize_t pread64(int descriptor, void *data, size_t size, off64_t at)
{
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    if (failure && fails("read", descriptor)) return -1;
    return real(descriptor, data, shortened(descriptor, size), at);
}

ssize_t pread(int descriptor, void *data, size_t size, off_t at) { return pread64(descriptor, data, size, at); }

ssize_t readv(int descriptor, const struct iovec *parts, int count)
{
    REAL(ssize_t, readv, int, const struct iovec *, int);
    if (failure && fails("read", descriptor)) return -1;
    if (count == 1 && shortened(descriptor, parts->iov_len) == 1) return read(descriptor, parts->iov_base, 1);
    return real(descriptor, parts, count);
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

static int open_fails(const char *path)
{
    char full[PATH_MAX];
    if (!counter || strcmp("open", calls)) return 0;
    if (path[0] == '/') return fails_at("open", path);
    if (!getcwd(full, sizeof full / 2)) return 0;
    snprintf(full + strlen(full), sizeof full / 2, "/%s", path);
    return fails_at("open", full);
}

static int mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
}

int open64(const char *path, int flags, ...)
{
    REAL(int, open64, const char *, int, ...);
    va_list more;
    va_start(more, flags);
    int mode = mode_of(flags, more);
    va_end(more);
    return open_fails(path) ? -1 : real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = mode_of(flags, more);
    va_end(more);
    return open64(path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int done = real(clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead;
    return done;
}

int gettimeofday(struct timeval *now, void *zone)
{
    REAL(int, gettimeofday, struct timeval *, void *);
    int done = real(now, zone);
    if (!done) now->tv_sec += ahead;
    return done;
}

time_t time(time_t *kept)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}
