/* A library to preload: it counts the calls with which a program changes files below a folder, and lets one of them fail.
 *
 *   FAULTS_FOLDER   the folder, absolute and without symbolic links
 *   FAULTS_CALLS    which kinds of calls count, with commas between: write, sync, rename, open, truncate, mkdir, link, remove, close, read
 *   FAULTS_AT       the call that fails, counted from 1; 0: none does
 *   FAULTS_TIMES    how many fail, one after another (1)
 *   FAULTS_RESULT   what happens instead:
 *                     EIO, ENOSPC, EDQUOT, EINTR, …   nothing, and the call says so
 *                     SHORT   a write (or read) of half the bytes, which is no error; other calls go through
 *                     LOST    a sync or close fails with EIO, and what was written to the file since it was last synchronized is gone
 *                             when the process ends, as on Linux: the page cache shows it until then, and a second fsync succeeds
 *                     KILL    the process is killed before the call
 *                     TORN    the process is killed in the middle of a write that goes over several pages of memory (the system finishes a page
 *                             that it has begun, even of a killed process); before any other call
 *   FAULTS_KILL     how many counted calls after the last that failed the process is killed (0: it is not)
 *   FAULTS_LOG      a file outside the folder that gets a line for each counted call: number, kind, function, bytes, result, path
 *
 * `open` counts where it creates or opens for writing, and as `read` where it opens for reading, like `opendir`; `close` counts for descriptors that can
 * be written to. Calls that the C library makes within itself (stdio) are not seen.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define KINDS(one) one(WRITE, "write") one(SYNC, "sync") one(RENAME, "rename") one(OPEN, "open") one(TRUNCATE, "truncate") \
    one(MKDIR, "mkdir") one(LINK, "link") one(REMOVE, "remove") one(CLOSE, "close") one(READ, "read")
#define AS_VALUE(value, name) value,
#define AS_NAME(value, name) name,
enum kind { KINDS(AS_VALUE) KIND_COUNT };
static const char *const kind_names[] = {KINDS(AS_NAME)};

enum result { PASS, FAIL, SHORT, LOST, KILL, TORN };

static char folder[PATH_MAX];
static size_t folder_length;
static int counts[KIND_COUNT];
static long fault_at, fault_times = 1, kill_after, calls;
static enum result fault = FAIL;
static int fault_code = EIO, log_file = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static const struct { const char *name; int code; } codes[] = {
    {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EINTR", EINTR}, {"EROFS", EROFS}, {"EACCES", EACCES}, {"EMFILE", EMFILE}, {"ESTALE", ESTALE},
};

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAULTS_FOLDER");
    if (!text) return;
    snprintf(folder, sizeof folder, "%s", text);
    folder_length = strlen(folder);
    text = getenv("FAULTS_CALLS");
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const char *found = text ? strstr(text, kind_names[kind]) : NULL;
        counts[kind] = found != NULL;
    }
    if ((text = getenv("FAULTS_AT"))) fault_at = atol(text);
    if ((text = getenv("FAULTS_TIMES"))) fault_times = atol(text);
    if ((text = getenv("FAULTS_KILL"))) kill_after = atol(text);
    if ((text = getenv("FAULTS_RESULT"))) {
        fault = !strcmp(text, "SHORT") ? SHORT : !strcmp(text, "LOST") ? LOST : !strcmp(text, "KILL") ? KILL : !strcmp(text, "TORN") ? TORN : FAIL;
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
            if (!strcmp(text, codes[i].name)) fault_code = codes[i].code;
    }
    if ((text = getenv("FAULTS_LOG"))) {
        // Far from the numbers that the program gets, which some programs close blindly.
        int file = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        log_file = (int)syscall(SYS_fcntl, file, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, file);
    }
}

static int is_below(const char *path) {
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || path[folder_length] == 0);
}

/// Whether a descriptor is of something below the folder; `path` becomes where.
static int descriptor_path(int descriptor, char *path) {
    if (!folder_length || descriptor < 3) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/// Whether a name, as given to a call, is below the folder; `path` becomes the absolute one.
static int named_path(int parent, const char *name, char *path) {
    if (!folder_length || !name) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return is_below(path);
    }
    char base[PATH_MAX];
    if (parent == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) < 0) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", parent);
        long length = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        if (length <= 0) return 0;
        base[length] = 0;
    }
    if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    return is_below(path);
}

/* What was written and not yet synchronized, and what of it is lost. */

static struct range { dev_t device; ino_t node; off_t offset; size_t length; int lost; } ranges[1 << 14];
static int range_count;

static void forget(int index) { ranges[index] = ranges[--range_count]; }

static void note_write(int descriptor, off_t offset, size_t length) {
    struct stat status;
    if (fault != LOST || fstat(descriptor, &status) || !length) return;
    pthread_mutex_lock(&mutex);
    for (int i = range_count - 1; i >= 0; i--) {
        struct range *old = &ranges[i];
        if (old->device == status.st_dev && old->node == status.st_ino && old->offset < offset + (off_t)length
            && offset < old->offset + (off_t)old->length && (old->lost >= 0 || (offset <= old->offset && offset + length >= old->offset + old->length)))
            forget(i);
    }
    if (range_count < (int)(sizeof ranges / sizeof *ranges)) ranges[range_count++] = (struct range){status.st_dev, status.st_ino, offset, length, -1};
    pthread_mutex_unlock(&mutex);
}

/// Writes that a sync brought to disk, or that it has lost.
static void note_sync(int descriptor, int is_lost) {
    struct stat status;
    if (fault != LOST || fstat(descriptor, &status)) return;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    // A descriptor of its own: a duplicate would share the program's locks.
    int file = is_lost ? (int)syscall(SYS_openat, AT_FDCWD, link, O_WRONLY | O_CLOEXEC) : -1;
    pthread_mutex_lock(&mutex);
    for (int i = range_count - 1; i >= 0; i--) {
        struct range *range = &ranges[i];
        if (range->device != status.st_dev || range->node != status.st_ino || range->lost >= 0) continue;
        if (file >= 0) range->lost = file; else forget(i);
    }
    pthread_mutex_unlock(&mutex);
}

__attribute__((destructor)) static void lose(void) {
    static const char zeros[1 << 16];
    for (int i = 0; i < range_count; i++) {
        struct range *range = &ranges[i];
        struct stat status;
        if (range->lost < 0 || fstat(range->lost, &status)) continue;
        for (off_t at = range->offset, end = range->offset + (off_t)range->length; at < end && at < status.st_size;) {
            size_t length = (size_t)(end - at) < sizeof zeros ? (size_t)(end - at) : sizeof zeros;
            if (at + (off_t)length > status.st_size) length = (size_t)(status.st_size - at);
            if (syscall(SYS_pwrite64, range->lost, zeros, length, at) < 0) break;
            at += (off_t)length;
        }
    }
}

/* The decision. */

static void say(long number, enum kind kind, const char *function, size_t bytes, enum result result, const char *path) {
    if (log_file < 0) return;
    static const char *const names[] = {"-", "fails", "short", "lost", "kill", "torn"};
    char line[PATH_MAX + 128];
    int length = snprintf(line, sizeof line, "%ld %s %s %zu %s %s\n", number, kind_names[kind], function, bytes, names[result],
                          path[folder_length] ? path + folder_length + 1 : ".");
    syscall(SYS_write, log_file, line, (size_t)length);
}

/// Counts a call and says what becomes of it; `errno` is set where it fails. Whoever is killed does not come back, except in the middle of a write.
static enum result decide(enum kind kind, const char *function, size_t bytes, const char *path) {
    if (!counts[kind]) return PASS;
    long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    enum result result = fault_at && number >= fault_at && number - fault_at < fault_times ? fault : PASS;
    if (result == LOST && kind != SYNC && kind != CLOSE) result = PASS;
    if (kill_after && number == fault_at + fault_times - 1 + kill_after) result = KILL;
    if (result == SHORT && bytes < 2) result = PASS;
    say(number, kind, function, bytes, result, path);
    if (result == KILL) {
        lose();
        syscall(SYS_kill, getpid(), SIGKILL);
    }
    if (result == FAIL) errno = fault_code;
    if (result == LOST) errno = EIO;
    return result;
}

/// The bytes of a write up to the end of a page near its middle; kills where there is none.
static size_t torn(off_t place, size_t size) {
    const off_t page = 4096, end = place + (off_t)size;
    off_t cut = (place + (off_t)size / 2) / page * page;
    if (cut <= place) cut += page;
    if (cut >= end) syscall(SYS_kill, getpid(), SIGKILL);
    return (size_t)(cut - place);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Writes and reads. */

#define TRANSFER(kind, function, descriptor, size, at, call) \
    char path[PATH_MAX]; \
    if (!descriptor_path(descriptor, path)) return call(size); \
    off_t place = kind == WRITE && (fault == LOST || fault == TORN) ? (at) : 0; \
    enum result result = decide(kind, function, size, path); \
    if (result == FAIL) return -1; \
    ssize_t moved = call(result == SHORT ? (size) / 2 : result == TORN ? torn(place, size) : (size)); \
    if (result == TORN) syscall(SYS_kill, getpid(), SIGKILL); \
    if (kind == WRITE && moved > 0) note_write(descriptor, place, (size_t)moved); \
    return moved

#define PLAIN(amount) real(descriptor, bytes, amount)
#define PLACED(amount) real(descriptor, bytes, amount, offset)
#define POSITION lseek(descriptor, 0, SEEK_CUR)

ssize_t write(int descriptor, const void *bytes, size_t size) { REAL(write); TRANSFER(WRITE, "write", descriptor, size, POSITION, PLAIN); }
ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) { REAL(pwrite); TRANSFER(WRITE, "pwrite", descriptor, size, offset, PLACED); }
ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) { REAL(pwrite64); TRANSFER(WRITE, "pwrite64", descriptor, size, offset, PLACED); }
ssize_t read(int descriptor, void *bytes, size_t size) { REAL(read); TRANSFER(READ, "read", descriptor, size, 0, PLAIN); }
ssize_t pread(int descriptor, void *bytes, size_t size, off_t offset) { REAL(pread); TRANSFER(READ, "pread", descriptor, size, 0, PLACED); }
ssize_t pread64(int descriptor, void *bytes, size_t size, off64_t offset) { REAL(pread64); TRANSFER(READ, "pread64", descriptor, size, 0, PLACED); }

/// Vectors fail as a whole or not at all; half of one is its first element.
#define VECTORS(amount) ((amount) == size ? real(descriptor, vectors, count) : write(descriptor, vectors[0].iov_base, vectors[0].iov_len))
ssize_t writev(int descriptor, const struct iovec *vectors, int count) {
    REAL(writev);
    size_t size = 0;
    for (int i = 0; i < count; i++) size += vectors[i].iov_len;
    TRANSFER(WRITE, "writev", descriptor, size, POSITION, VECTORS);
}

#define SENT(amount) real(descriptor, source, offset, amount)
ssize_t sendfile(int descriptor, int source, off_t *offset, size_t size) { REAL(sendfile); TRANSFER(WRITE, "sendfile", descriptor, size, POSITION, SENT); }
ssize_t sendfile64(int descriptor, int source, off64_t *offset, size_t size) { REAL(sendfile64); TRANSFER(WRITE, "sendfile64", descriptor, size, POSITION, SENT); }
#define COPIED(amount) real(source, from, descriptor, to, amount, flags)
ssize_t copy_file_range(int source, off64_t *from, int descriptor, off64_t *to, size_t size, unsigned flags) {
    REAL(copy_file_range);
    TRANSFER(WRITE, "copy_file_range", descriptor, size, to ? *to : POSITION, COPIED);
}

/* Calls that a descriptor names. */

#define ON_DESCRIPTOR(kind, function, descriptor) \
    char path[PATH_MAX]; \
    if (descriptor_path(descriptor, path) && decide(kind, function, 0, path) == FAIL) return -1

#define SYNCHRONIZE(function) \
    REAL(function); \
    char path[PATH_MAX]; \
    if (!descriptor_path(descriptor, path)) return real(descriptor); \
    enum result result = decide(SYNC, #function, 0, path); \
    if (result == FAIL) return -1; \
    note_sync(descriptor, result == LOST); \
    if (result == LOST) return errno = EIO, -1; \
    return real(descriptor)

int fsync(int descriptor) { SYNCHRONIZE(fsync); }
int fdatasync(int descriptor) { SYNCHRONIZE(fdatasync); }
int ftruncate(int descriptor, off_t length) { REAL(ftruncate); ON_DESCRIPTOR(TRUNCATE, "ftruncate", descriptor); return real(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { REAL(ftruncate64); ON_DESCRIPTOR(TRUNCATE, "ftruncate64", descriptor); return real(descriptor, length); }
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    REAL(posix_fallocate);
    char path[PATH_MAX];
    if (descriptor_path(descriptor, path) && decide(TRUNCATE, "posix_fallocate", 0, path) == FAIL) return errno;
    return real(descriptor, offset, length);
}

/// The descriptor is closed also when `close` fails, as on Linux.
int close(int descriptor) {
    REAL(close);
    char path[PATH_MAX];
    if (!descriptor_path(descriptor, path) || (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY) return real(descriptor);
    enum result result = decide(CLOSE, "close", 0, path);
    if (result == LOST) note_sync(descriptor, 1);
    int status = real(descriptor);
    if (result == FAIL || result == LOST) return errno = result == LOST ? EIO : fault_code, -1;
    return status;
}

/* Calls that a name names. */

#define ON_NAME(kind, function, parent, name) \
    char path[PATH_MAX]; \
    if (named_path(parent, name, path) && decide(kind, function, 0, path) == FAIL) return -1

#define OPENING(function, parent, call) \
    REAL(function); \
    mode_t mode = 0; \
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = (mode_t)va_arg(arguments, int); \
        va_end(arguments); \
    } \
    int writes = flags & O_CREAT || (flags & O_ACCMODE) != O_RDONLY; \
    ON_NAME(writes ? OPEN : READ, #function, parent, name); \
    return call

int open(const char *name, int flags, ...) { OPENING(open, AT_FDCWD, real(name, flags, mode)); }
int open64(const char *name, int flags, ...) { OPENING(open64, AT_FDCWD, real(name, flags, mode)); }
int openat(int parent, const char *name, int flags, ...) { OPENING(openat, parent, real(parent, name, flags, mode)); }
int openat64(int parent, const char *name, int flags, ...) { OPENING(openat64, parent, real(parent, name, flags, mode)); }
int creat(const char *name, mode_t mode) { REAL(creat); ON_NAME(OPEN, "creat", AT_FDCWD, name); return real(name, mode); }
int mkstemp(char *template) { REAL(mkstemp); ON_NAME(OPEN, "mkstemp", AT_FDCWD, template); return real(template); }

DIR *opendir(const char *name) {
    REAL(opendir);
    char path[PATH_MAX];
    if (named_path(AT_FDCWD, name, path) && decide(READ, "opendir", 0, path) == FAIL) return NULL;
    return real(name);
}

/// Into the folder or out of it.
#define RENAMING(function, from_parent, to_parent) \
    char path[PATH_MAX]; \
    if ((named_path(to_parent, to, path) || named_path(from_parent, from, path)) && decide(RENAME, function, 0, path) == FAIL) return -1

int rename(const char *from, const char *to) { REAL(rename); RENAMING("rename", AT_FDCWD, AT_FDCWD); return real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); RENAMING("renameat", a, b); return real(a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { REAL(renameat2); RENAMING("renameat2", a, b); return real(a, from, b, to, flags); }

int truncate(const char *name, off_t length) { REAL(truncate); ON_NAME(TRUNCATE, "truncate", AT_FDCWD, name); return real(name, length); }
int truncate64(const char *name, off64_t length) { REAL(truncate64); ON_NAME(TRUNCATE, "truncate64", AT_FDCWD, name); return real(name, length); }
int mkdir(const char *name, mode_t mode) { REAL(mkdir); ON_NAME(MKDIR, "mkdir", AT_FDCWD, name); return real(name, mode); }
int mkdirat(int parent, const char *name, mode_t mode) { REAL(mkdirat); ON_NAME(MKDIR, "mkdirat", parent, name); return real(parent, name, mode); }
int link(const char *from, const char *to) { REAL(link); ON_NAME(LINK, "link", AT_FDCWD, to); return real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); ON_NAME(LINK, "linkat", b, to); return real(a, from, b, to, flags); }
int symlink(const char *from, const char *to) { REAL(symlink); ON_NAME(LINK, "symlink", AT_FDCWD, to); return real(from, to); }
int symlinkat(const char *from, int b, const char *to) { REAL(symlinkat); ON_NAME(LINK, "symlinkat", b, to); return real(from, b, to); }
int unlink(const char *name) { REAL(unlink); ON_NAME(REMOVE, "unlink", AT_FDCWD, name); return real(name); }
int unlinkat(int parent, const char *name, int flags) { REAL(unlinkat); ON_NAME(REMOVE, "unlinkat", parent, name); return real(parent, name, flags); }
int rmdir(const char *name) { REAL(rmdir); ON_NAME(REMOVE, "rmdir", AT_FDCWD, name); return real(name); }
int remove(const char *name) { REAL(remove); ON_NAME(REMOVE, "remove", AT_FDCWD, name); return real(name); }
