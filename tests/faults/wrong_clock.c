/* Loaded before libc (LD_PRELOAD), this makes a process wrong about the time of day, as the file named by WRONG_CLOCK says:
   `+3600 x1`, seconds to be added and the rate from now on. What measures durations stays right.

   Not libfaketime: it takes the monotonic deadlines of waiting threads for times of day, and a JVM spins (0.9.10). */

#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL
#define LOOK_NS (BILLION / 2)

static atomic_flag looking = ATOMIC_FLAG_INIT;
static atomic_llong looked_ns, offset_ns, since_ns;
static _Atomic double rate = 1;

static long long real_ns(clockid_t clock) {
  struct timespec now;
  syscall(SYS_clock_gettime, clock, &now);
  return now.tv_sec * BILLION + now.tv_nsec;
}

static void look(long long monotonic_ns) {
  static long long last_offset;
  static double last_rate = 1;
  long long offset;
  double new_rate;
  looked_ns = monotonic_ns;
  FILE *says = fopen(getenv("WRONG_CLOCK"), "r");
  if (says == NULL)
    return;
  int found = fscanf(says, "%lld x%lf", &offset, &new_rate);
  fclose(says);
  if (found != 2 || (offset == last_offset && new_rate == last_rate))
    return;
  last_offset = offset;
  last_rate = new_rate;
  since_ns = real_ns(CLOCK_REALTIME);
  offset_ns = offset * BILLION;
  rate = new_rate;
}

static long long wrong_ns(void) {
  long long monotonic_ns = real_ns(CLOCK_MONOTONIC);
  if (monotonic_ns - looked_ns > LOOK_NS && !atomic_flag_test_and_set(&looking)) {
    look(monotonic_ns);
    atomic_flag_clear(&looking);
  }
  long long real = real_ns(CLOCK_REALTIME);
  return real + offset_ns + (long long)((real - since_ns) * (rate - 1));
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
    return syscall(SYS_clock_gettime, clock, now);
  long long ns = wrong_ns();
  now->tv_sec = ns / BILLION;
  now->tv_nsec = ns % BILLION;
  return 0;
}

int gettimeofday(struct timeval *now, void *zone) {
  (void)zone;
  long long ns = wrong_ns();
  now->tv_sec = ns / BILLION;
  now->tv_usec = ns % BILLION / 1000;
  return 0;
}

time_t time(time_t *where) {
  time_t now = wrong_ns() / BILLION;
  if (where != NULL)
    *where = now;
  return now;
}
