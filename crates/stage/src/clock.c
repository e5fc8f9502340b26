/* Moves the clock of one process: loaded before it (LD_PRELOAD), it adds to the time of day the seconds that stand
   in the file which WAXWING_CLOCK names. The file is mapped, so that the clock can jump while the process runs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void look(void) {
  const char *name = getenv("WAXWING_CLOCK");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) ahead = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (!failed && ahead && clock == CLOCK_REALTIME) now->tv_sec += *ahead;
  return failed;
}
