// A wall clock that jumps, for the processes of the drill: preloaded (LD_PRELOAD), it adds the nanoseconds that stand
// in the file $GYRE_DRILL_CLOCK to what they are told of CLOCK_REALTIME, and takes them off again where they give the
// kernel a moment of that clock to wait for; the kernel's own clock stays. CLOCK_MONOTONIC, and timers by it, are left
// alone: that is where this differs from libfaketime.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t second = 1'000'000'000;

std::int64_t offset() {
  static const std::atomic<std::int64_t>* const shared = [] {
    const char* path = std::getenv("GYRE_DRILL_CLOCK");
    const int file = path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return static_cast<const std::atomic<std::int64_t>*>(nullptr);
    void* const page = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    return page == MAP_FAILED ? nullptr : static_cast<const std::atomic<std::int64_t>*>(page);
  }();
  return shared ? shared->load(std::memory_order_relaxed) : 0;
}

timespec moved(const timespec& time, std::int64_t by) {
  const auto all = static_cast<std::int64_t>(time.tv_sec) * second + time.tv_nsec + by;
  const auto rest = ((all % second) + second) % second;
  return {static_cast<time_t>((all - rest) / second), static_cast<long>(rest)};
}

bool is_wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

// What a condition variable waits by is its maker's secret; moments of a clock that began at the start of the machine
// are far smaller than those of the wall's.
bool looks_like_wall(const timespec& time) { return time.tv_sec > 1'000'000'000; }

template <class F>
F* real(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) {
  static auto* const get = real<decltype(clock_gettime)>("clock_gettime");
  const int failed = get(clock, out);
  if (failed == 0 && is_wall(clock)) *out = moved(*out, offset());
  return failed;
}

int gettimeofday(timeval* out, void*) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  static auto* const wait = real<decltype(pthread_cond_timedwait)>("pthread_cond_timedwait");
  const auto meant = looks_like_wall(*until) ? moved(*until, -offset()) : *until;
  return wait(condition, mutex, &meant);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  static auto* const wait = real<decltype(pthread_cond_clockwait)>("pthread_cond_clockwait");
  const auto meant = is_wall(clock) ? moved(*until, -offset()) : *until;
  return wait(condition, mutex, clock, &meant);
}

int sem_timedwait(sem_t* semaphore, const timespec* until) {
  static auto* const wait = real<decltype(sem_timedwait)>("sem_timedwait");
  const auto meant = moved(*until, -offset());
  return wait(semaphore, &meant);
}

long syscall(long number, ...) {
  static auto* const call = real<decltype(syscall)>("syscall");
  long given[6];
  va_list rest;
  va_start(rest, number);
  for (auto& one : given) one = va_arg(rest, long);
  va_end(rest);
  timespec meant{};
  if (number == SYS_futex && (given[1] & FUTEX_CLOCK_REALTIME) != 0 && given[3] != 0) {
    meant = moved(*reinterpret_cast<const timespec*>(given[3]), -offset());
    given[3] = reinterpret_cast<long>(&meant);
  }
  return call(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

}  // extern "C"
