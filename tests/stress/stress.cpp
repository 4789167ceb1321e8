// SPDX-License-Identifier: Apache-2.0
#include "stress.hpp"

#include <cstdlib>
#include <sys/syscall.h>
#include <unistd.h>

namespace stress {

std::uint32_t seed() {
  static const std::uint32_t value = [] {
    const char* const wish = std::getenv("GREENROOM_SEED");
    return wish != nullptr ? static_cast<std::uint32_t>(std::strtoul(wish, nullptr, 10))
                           : std::random_device{}();
  }();
  return value;
}

// A system call, since the C library may keep the number in thread-local storage.
__attribute__((noinline)) std::uint64_t this_os_thread() {
  long id = ::syscall(SYS_gettid);
  asm volatile("" : "+r"(id)::"memory");
  return static_cast<std::uint64_t>(id);
}

mover::mover() : thread_([this] { run(); }) {}

mover::~mover() {
  {
    const std::lock_guard guard(mutex_);
    over_ = true;
  }
  signal_.fetch_add(1, std::memory_order_release);
  signal_.notify_one();
  thread_.join();
}

void mover::run() {
  std::vector<gr::detail::wait_ticket> taken;
  for (bool over = false; !over;) {
    const std::uint32_t seen = signal_.load(std::memory_order_acquire);
    {
      const std::lock_guard guard(mutex_);
      taken.swap(waiting_);
      over = over_;
    }
    for (const auto& ticket : taken) gr::detail::wake(ticket);
    if (taken.empty() && !over) signal_.wait(seen, std::memory_order_acquire);
    taken.clear();
  }
}

bool mover::move() {
  static constexpr gr::detail::wait_reason moving{"to be moved"};
  const std::uint64_t before = this_os_thread();
  {
    const auto ticket = gr::detail::begin_wait(moving, false);
    const std::lock_guard guard(mutex_);
    waiting_.push_back(ticket);
  }
  signal_.fetch_add(1, std::memory_order_release);
  signal_.notify_one();
  gr::detail::park();
  return this_os_thread() != before;
}

bool wander(mover& away, random_stream& random) {
  const std::uint64_t before = this_os_thread();
  switch (random.below(4)) {
    case 0: gr::yield(); break;
    case 1: gr::sleep_for(std::chrono::microseconds(random.below(20))); break;
    default: away.move();
  }
  return this_os_thread() != before;
}

}  // namespace stress
