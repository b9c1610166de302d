/* Loaded before libc by the fault tests (LD_PRELOAD): makes the disk fail or be slow, on files whose path has a given part.
 *
 *   RAPPORT_FAULT_FILE   a file of text, read at each call: "fail N"   the N-th sync from then on, and all later, give EIO
 *                                                           "once N"   only the N-th
 *                                                           "slow MS"  every sync takes MS milliseconds more
 *                                                           "full"     every write gives ENOSPC
 *                                                           anything else: nothing
 *   RAPPORT_FAULT_PATH   only descriptors whose path contains this
 *   RAPPORT_FAULT_LOG    each sync appends one byte here, so that a test can count them
 *
 * The count starts anew whenever the file's text changes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char told[64];
static long seen;

static int is_watched(int fd) {
  const char* part = getenv("RAPPORT_FAULT_PATH");
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0 || part == NULL) return 0;
  path[n] = 0;
  return strstr(path, part) != NULL;
}

static void read_order(char* order, size_t size) {
  order[0] = 0;
  const char* name = getenv("RAPPORT_FAULT_FILE");
  int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, order, size - 1);
  close(fd);
  order[n > 0 ? n : 0] = 0;
}

static void count(void) {
  const char* name = getenv("RAPPORT_FAULT_LOG");
  int fd = name == NULL ? -1 : open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  ssize_t (*real)(int, const void*, size_t) = (ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  if (real(fd, ".", 1) != 1) { /* a count that is short is seen by the test */ }
  close(fd);
}

/* 0: go on; otherwise the errno of a sync. */
static int judge_sync(int fd) {
  if (!is_watched(fd)) return 0;
  char order[64];
  read_order(order, sizeof order);
  pthread_mutex_lock(&mutex);
  if (strcmp(order, told) != 0) {
    strcpy(told, order);
    seen = 0;
  }
  const long number = ++seen;
  pthread_mutex_unlock(&mutex);
  count();
  long n = 0;
  if (sscanf(order, "slow %ld", &n) == 1) {
    struct timespec wait = {n / 1000, (n % 1000) * 1000000};
    nanosleep(&wait, NULL);
    return 0;
  }
  if (sscanf(order, "fail %ld", &n) == 1 && number >= n) return EIO;
  if (sscanf(order, "once %ld", &n) == 1 && number == n) return EIO;
  return 0;
}

static int is_full(int fd) {
  char order[64];
  if (!is_watched(fd)) return 0;
  read_order(order, sizeof order);
  return strncmp(order, "full", 4) == 0;
}

#define SYNC(name)                                          \
  int name(int fd) {                                        \
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
    const int error = judge_sync(fd);                       \
    if (error == 0) return real(fd);                        \
    errno = error;                                          \
    return -1;                                              \
  }
SYNC(fsync)
SYNC(fdatasync)


ssize_t write(int fd, const void* bytes, size_t size) {
  ssize_t (*real)(int, const void*, size_t) = (ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  if (!is_full(fd)) return real(fd, bytes, size);
  errno = ENOSPC;
  return -1;
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  ssize_t (*real)(int, const void*, size_t, off64_t) =
      (ssize_t(*)(int, const void*, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  if (!is_full(fd)) return real(fd, bytes, size, at);
  errno = ENOSPC;
  return -1;
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }
