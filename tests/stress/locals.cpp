// SPDX-License-Identifier: Apache-2.0
// What belongs to the OS thread, read through accessors that no compiler looks through, is that
// of the OS thread one stands on, after any wait; errno goes with the green thread. Compiled a
// second time with -O3 -flto -fPIC, library included: that is where stale addresses appeared.
#include "stress.hpp"

#include <cerrno>
#include <pthread.h>

using stress::mover;
using stress::random_stream;
using stress::verdict;

namespace {

struct mark {
  std::uint64_t owner = 0;  // the OS thread that it belongs to, as the kernel numbers it
  pthread_t thread{};
};

thread_local mark tls_mark;

__attribute__((noinline)) mark* address_of_mark() {
  mark* p = &tls_mark;
  asm volatile("" : "+r"(p)::"memory");
  return p;
}

__attribute__((noinline)) int* address_of_errno() {
  int* e = &errno;
  asm volatile("" : "+r"(e)::"memory");
  return e;
}

__attribute__((noinline)) pthread_t thread_here() {
  pthread_t t = pthread_self();
  asm volatile("" : "+r"(t)::"memory");
  return t;
}

// Not watched by ThreadSanitizer, to which green threads that use one worker's thread_local in turn
// look like threads that share a variable.
__attribute__((no_sanitize("thread"))) void read_across_waits(int number, mover& away, verdict& v,
                                                              std::atomic<long>& moves) {
  random_stream random(static_cast<std::uint32_t>(number) + 300);
  const int rounds = stress::scaled(6000, 800);
  for (int i = 0; i < rounds; ++i) {
    mark* const here = address_of_mark();
    const std::uint64_t id = stress::this_os_thread();
    if (here->owner == 0) *here = {id, thread_here()};
    v.expect(here->owner == id, "the thread_local is this OS thread's");
    v.expect(pthread_equal(here->thread, thread_here()) != 0, "pthread_self is right");
    const int value = number * 100'000 + i;
    *address_of_errno() = value;
    moves += stress::wander(away, random);
    v.expect(*address_of_errno() == value, "errno went with the green thread");
  }
}

}  // namespace

TEST_CASE("thread_local, pthread_self and errno are right after every migration") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    verdict v;
    std::atomic<long> moves{0};
    {
      mover away;
      gr::runtime rt{{.workers = workers}};
      stress::group all;
      for (int number = 1; number <= 6; ++number)
        all.spawn(rt, [number, &away, &v, &moves] { read_across_waits(number, away, v, moves); });
      CHECK(all.join());
    }
    v.report();
    if (workers > 1) CHECK(moves > 0);
  }
}
