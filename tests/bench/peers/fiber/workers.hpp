// SPDX-License-Identifier: Apache-2.0
// What the workloads for Boost.Fiber share: threads, stacks, a way to start a fiber, and a gate.
//
// Threads. Each of w threads has a scheduler, and channels and fibers may be used from any of them:
// every workload but yield runs on several (two fibers that yield would each have a thread). Who
// schedules is a choice, and so is whether a thread without work sleeps or spins:
//
//   plain     the library's default; one thread alone
//   stealing  a queue for each thread, idle ones steal. Whoever makes a fiber ready tells nobody: a
//             thread that sleeps comes back only when a fiber of its own is woken from elsewhere,
//             so that in effect the other thread does the work.
//   sharing   one queue under one lock, for all; also with one thread, where it switches sooner
//             than `plain`
//
// Each workload names what was fastest when all of them were tried; algo= and idle= override that.
#pragma once

#include "common.hpp"

#include <boost/fiber/all.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

namespace fibers = boost::fibers;

// A mailbox. Of `capacity`, a power of two, it holds one less.
template <class T>
using channel = fibers::buffered_channel<T>;

std::size_t power_of_two(std::size_t at_least);

template <class T>
T take(channel<T>& from) {
  T value{};
  if (from.pop(value) != fibers::channel_op_status::success) fail("a channel was closed too early");
  return value;
}

template <class T>
void put(channel<T>& to, T value) {
  if (to.push(std::move(value)) != fibers::channel_op_status::success)
    fail("a channel was closed too early");
}

// Stacks from lists that each thread keeps, refilled from a common one. The allocators that come
// with the library are slower by far where fibers are many: one calls malloc for each stack, one
// mmap, and the one that pools must not be used from two threads.
class stack_cache {
 public:
  static void set_size(std::size_t bytes);

  boost::context::stack_context allocate();
  void deallocate(boost::context::stack_context& stack) noexcept;
};

// post: the fiber is queued. dispatch: it runs at once, and who started it is queued.
template <class F>
void start(fibers::launch how, F&& run) {
  fibers::fiber(how, std::allocator_arg, stack_cache(), std::forward<F>(run)).detach();
}
template <class F>
void start(F&& run) {
  start(fibers::launch::post, std::forward<F>(run));
}

fibers::launch launch_of(const params& p);  // launch=post or launch=dispatch

enum class algorithm { plain, stealing, sharing };
enum class without_work { sleep, spin };

// The w threads; the one that makes it is the first of them.
class workers {
 public:
  // `one`: with one thread; `more` and `idle`: with several.
  workers(const params& p, algorithm one, algorithm more, without_work idle);
  ~workers();
  workers(const workers&) = delete;
  workers& operator=(const workers&) = delete;

 private:
  std::vector<std::thread> others_;
  fibers::mutex mutex_;
  fibers::condition_variable over_;
  bool is_over_ = false;
};

// Opens when `count` fibers have called pass().
class gate {
 public:
  explicit gate(std::int64_t count) : left_(count) {}
  void pass();
  void wait();

 private:
  fibers::mutex mutex_;
  fibers::condition_variable open_;
  std::int64_t left_;
};

void yield(const params& p);
void pingpong(const params& p);
void ring(const params& p);
void spawn(const params& p);
void skynet(const params& p);
void fanin(const params& p);
void idle(const params& p);
void hog(const params& p);
void bigfan(const params& p);
void timers(const params& p);
void ask(const params& p);

}  // namespace bench
