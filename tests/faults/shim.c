/* Stands between a program and libc: fails the n-th call that changes a folder, and notes all of them with their bytes.

   LD_PRELOAD=shim.so, then from inside: fault_watch(folder), fault_arm(calls, errno, nth, for_ever), fault_note(fd).
   errno 0: write only half of the bytes; -1: die. A note is a header (see struct note), two paths, and the bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, TRUNCATE = 8, CREATE = 16, UNLINK = 32, MKDIR = 64, RMDIR = 128, ACK = 256 };

struct note { uint16_t call, path, other, more; uint32_t size; uint32_t spare; int64_t offset; };

static char folder[4096];
static size_t folder_size;
static int armed, error_number, wanted, for_ever, seen, fired, notes = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...) static result (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

void fault_watch(const char *path) { snprintf(folder, sizeof folder, "%s/", path); folder_size = strlen(folder); }
void fault_arm(int calls, int number, int nth, int always) {
  armed = calls; error_number = number; wanted = nth; for_ever = always; seen = fired = 0;
}
void fault_note(int fd) { notes = fd; }
int fault_seen(void) { return seen; }
int fault_fired(void) { return fired; }

static int below(const char *path) {
  return folder_size && (!strncmp(path, folder, folder_size) ||
                         (strlen(path) == folder_size - 1 && !strncmp(path, folder, folder_size - 1)));
}

static int of_fd(int fd, char *path) {
  char link[64];
  if (!folder_size) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, 4095);
  if (size < 0) return 0;
  path[size] = 0;
  return below(path) && !strstr(path, " (deleted)");
}

static int of_name(int at, const char *name, char *path) {
  if (!folder_size || !name) return 0;
  if (name[0] == '/') { snprintf(path, 4096, "%s", name); return below(path); }
  char base[4096];
  if (at == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
  else if (!of_fd(at, base)) return 0;
  snprintf(path, 4096, "%.2000s/%.2000s", base, name);
  return below(path);
}

static int hit(int call) {
  if (!(armed & call)) return 0;
  pthread_mutex_lock(&lock);
  int now = ++seen == wanted || (for_ever && seen > wanted);
  fired += now;
  pthread_mutex_unlock(&lock);
  if (now && error_number < 0) kill(getpid(), SIGKILL);
  return now;
}

static void put(const void *data, size_t size) {
  for (const char *at = data; size;) {
    ssize_t done = syscall(SYS_write, notes, at, size);
    if (done < 0) abort();
    at += done; size -= done;
  }
}

static void note(int call, const char *path, const char *other, const void *data, size_t size, int64_t offset) {
  if (notes < 0) return;
  int before = errno;
  struct note head = {call, strlen(path), other ? strlen(other) : 0, 0, data ? size : 0, 0, offset};
  pthread_mutex_lock(&lock);
  put(&head, sizeof head);
  put(path, head.path);
  if (other) put(other, head.other);
  if (data) put(data, size);
  pthread_mutex_unlock(&lock);
  errno = before;
}

void fault_ack(int number) { note(ACK, "", 0, 0, 0, number); }

static ssize_t written(int fd, const void *data, size_t size, off64_t offset, int at) {
  char path[4096];
  int ours = of_fd(fd, path);
  if (ours && hit(WRITE)) {
    if (error_number) { errno = error_number; return -1; }
    size = size > 1 ? size / 2 : size;
  }
  off64_t place = offset;
  if (ours && !at) {
    place = lseek64(fd, 0, SEEK_CUR);
    if (fcntl(fd, F_GETFL) & O_APPEND) place = lseek64(fd, 0, SEEK_END);
  }
  ssize_t done = at ? syscall(SYS_pwrite64, fd, data, size, offset) : syscall(SYS_write, fd, data, size);
  if (ours && done > 0) note(WRITE, path, 0, data, done, place);
  return done;
}

ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return written(fd, data, size, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return written(fd, data, size, offset, 1); }

static void unheard(int fd, const char *call) { /* a way to write that is not noted would make every proof worthless */
  char path[4096];
  if (of_fd(fd, path)) { fprintf(stderr, "shim: %s of %s is not noted\n", call, path); abort(); }
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec *, int); unheard(fd, "writev"); return real(fd, parts, count);
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
  REAL(ssize_t, "sendfile", int, int, off_t *, size_t); unheard(out, "sendfile"); return real(out, in, offset, count);
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
  REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t); unheard(out, "sendfile"); return real(out, in, offset, count);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
  REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
  unheard(out, "copy_file_range");
  return real(in, from, out, to, count, flags);
}

static int synced(int fd, long call) {
  char path[4096];
  int ours = of_fd(fd, path);
  if (ours && hit(SYNC)) { errno = error_number ? error_number : EIO; return -1; }
  int done = syscall(call, fd);
  if (ours && !done) note(SYNC, path, 0, 0, 0, 0);
  return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int cut(int fd, off64_t size) {
  char path[4096];
  int ours = of_fd(fd, path);
  if (ours && hit(TRUNCATE)) { errno = error_number ? error_number : EIO; return -1; }
  int done = syscall(SYS_ftruncate, fd, size);
  if (ours && !done) note(TRUNCATE, path, 0, 0, 0, size);
  return done;
}
int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }

static int renamed(int from_at, const char *from, int to_at, const char *to) {
  char source[4096], target[4096];
  int ours = of_name(to_at, to, target) & of_name(from_at, from, source);
  if (ours && hit(RENAME)) { errno = error_number ? error_number : EIO; return -1; }
  int done = syscall(SYS_renameat2, from_at, from, to_at, to, 0);
  if (ours && !done) note(RENAME, source, target, 0, 0, 0);
  return done;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return renamed(from_at, from, to_at, to); }

static int removed(int at, const char *name, int flags) {
  char path[4096];
  int ours = of_name(at, name, path), call = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
  if (ours && hit(call)) { errno = error_number ? error_number : EIO; return -1; }
  int done = syscall(SYS_unlinkat, at, name, flags);
  if (ours && !done) note(call, path, 0, 0, 0, 0);
  return done;
}
int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return removed(at, name, flags); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }

static int made(int at, const char *name, mode_t mode) {
  char path[4096];
  int ours = of_name(at, name, path);
  if (ours && access(path, F_OK) && hit(MKDIR)) { errno = error_number ? error_number : EIO; return -1; }
  int done = syscall(SYS_mkdirat, at, name, mode);
  if (ours && !done) note(MKDIR, path, 0, 0, 0, 0);
  return done;
}
int mkdir(const char *name, mode_t mode) { return made(AT_FDCWD, name, mode); }
int mkdirat(int at, const char *name, mode_t mode) { return made(at, name, mode); }

static int opened(int at, const char *name, int flags, mode_t mode) {
  char path[4096];
  int ours = (flags & (O_CREAT | O_TRUNC)) && of_name(at, name, path), fresh = 0;
  if (ours) {
    int before = errno;
    fresh = (flags & O_CREAT) && access(path, F_OK);
    errno = before;
  }
  if (fresh && hit(CREATE)) { errno = error_number ? error_number : EIO; return -1; }
  int fd = syscall(SYS_openat, at, name, flags, mode);
  if (ours && fd >= 0 && fresh) note(CREATE, path, 0, 0, 0, 0);
  else if (ours && fd >= 0 && (flags & O_TRUNC)) note(TRUNCATE, path, 0, 0, 0, 0);
  return fd;
}
#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { \
  va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(flags) return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return opened(at, name, flags, mode); }
