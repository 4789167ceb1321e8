// SPDX-License-Identifier: Apache-2.0
// The alias header's other face: atomics, fences and plain fields that relacy watches, so that
// the lock-free files run in its model of the C++ memory as they stand. Included in place of the
// production half of <greenroom/detail/sync.hpp> through GREENROOM_SYNC_HEADER.
//
// Also what the checks share: a futex of a mutex and a condition variable, and the main program.
//
// Thread rules: relacy runs all model threads on one OS thread.
#pragma once

#include <relacy/relacy.hpp>
// relacy's spelling of the memory orders is a macro that takes the place in the source along.
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

#include <greenroom/config.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>

// Which mutation of the sources is in force; 0: none. run.py writes `mutated(N) ? bad : good`
// into its copy of the sources, so that one program holds them all.
inline unsigned active_mutation = 0;
inline bool mutated(unsigned number) noexcept { return number == active_mutation; }

namespace greenroom::detail::sync {

using place = std::source_location;
inline rl::debug_info info(const place& p) {
  return rl::debug_info(p.function_name(), p.file_name(), p.line());
}

using memory_order = rl::memory_order;
inline constexpr memory_order memory_order_relaxed = rl::mo_relaxed;
inline constexpr memory_order memory_order_acquire = rl::mo_acquire;
inline constexpr memory_order memory_order_release = rl::mo_release;
inline constexpr memory_order memory_order_acq_rel = rl::mo_acq_rel;
inline constexpr memory_order memory_order_seq_cst = rl::mo_seq_cst;
inline constexpr memory_order memory_order_peek = rl::mo_relaxed;

template <class T>
class atomic {
 public:
  atomic() : value_(T{}) {}
  atomic(T value) : value_(value) {}

  T load(memory_order o, place p = place::current()) const { return value_.load(o, info(p)); }
  void store(T v, memory_order o, place p = place::current()) { value_.store(v, o, info(p)); }
  T exchange(T v, memory_order o, place p = place::current()) {
    return value_.exchange(v, o, info(p));
  }
  T fetch_add(T v, memory_order o, place p = place::current()) {
    return value_.fetch_add(v, o, info(p));
  }
  T fetch_sub(T v, memory_order o, place p = place::current()) {
    return value_.fetch_sub(v, o, info(p));
  }
  T fetch_or(T v, memory_order o, place p = place::current()) {
    return value_.fetch_or(v, o, info(p));
  }
  T fetch_and(T v, memory_order o, place p = place::current()) {
    return value_.fetch_and(v, o, info(p));
  }
  bool compare_exchange_strong(T& old, T v, memory_order o, place p = place::current()) {
    return value_.compare_exchange_strong(old, v, o, info(p));
  }
  bool compare_exchange_weak(T& old, T v, memory_order o, place p = place::current()) {
    return value_.compare_exchange_weak(old, v, o, info(p));
  }
  bool compare_exchange_strong(T& old, T v, memory_order o, memory_order failed,
                               place p = place::current()) {
    return value_.compare_exchange_strong(old, v, o, info(p), failed, info(p));
  }
  bool compare_exchange_weak(T& old, T v, memory_order o, memory_order failed,
                             place p = place::current()) {
    return value_.compare_exchange_weak(old, v, o, info(p), failed, info(p));
  }

 private:
  rl::atomic<T> value_;
};

// Starts without a value: a read before the first write is a finding.
template <class T>
class owned {
 public:
  T get(place p = place::current()) const { return value_(info(p)).load(); }
  void set(T v, place p = place::current()) { value_(info(p)).store(v); }

 private:
  rl::var<T> value_;
};

inline void fence_seq_cst(place p = place::current()) {
  rl::atomic_thread_fence(rl::mo_seq_cst, info(p));
}
// The model has no asymmetric fences. Two full ones are the same to those who look at both sides.
inline void fence_light(place p = place::current()) { fence_seq_cst(p); }
inline void fence_heavy(place p = place::current()) { fence_seq_cst(p); }

inline void relax(place p = place::current()) { rl::yield(1, info(p)); }

// The kernel compares the word under the lock that its wakers take; the lock orders no more.
class futex {
 public:
  template <class T>
  void wait(const atomic<T>& word, T expected, place p = place::current()) {
    mutex_.lock(info(p));
    if (word.load(memory_order_relaxed, p) == expected) changed_.wait(mutex_, info(p));
    mutex_.unlock(info(p));
  }
  void wake(place p = place::current()) {
    mutex_.lock(info(p));
    changed_.notify_all(info(p));
    mutex_.unlock(info(p));
  }

 private:
  rl::mutex mutex_;
  rl::condition_variable changed_;
};

}  // namespace greenroom::detail::sync

namespace checks {

// One program, many checks. Usage: PROGRAM CHECK MUTATION random|bound COUNT
// COUNT: schedules to try, or how many switches a schedule may force (all such schedules).
struct named_check {
  const char* name;
  bool (*run)(rl::test_params&);
};

template <class Check>
bool simulate(rl::test_params& how) {
  return rl::simulate<Check>(how);
}

template <std::size_t N>
int check_main(int argc, char** argv, const named_check (&all)[N]) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s CHECK MUTATION random|bound COUNT\n", argv[0]);
    return 2;
  }
  active_mutation = static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10));
  rl::test_params how;
  how.execution_depth_limit = 5000;
  how.progress_stream = how.output_stream;
  how.progress_output_period = 1u << 30;
  const auto count = std::strtoull(argv[4], nullptr, 10);
  if (std::strcmp(argv[3], "bound") == 0) {
    how.search_type = rl::sched_bound;
    how.context_bound = static_cast<unsigned>(count);
    how.iteration_count = static_cast<rl::iteration_t>(~std::uint64_t{0} >> 1);
  } else {
    how.search_type = rl::sched_random;
    how.iteration_count = static_cast<rl::iteration_t>(count);
  }
  for (const named_check& c : all) {
    if (std::strcmp(c.name, argv[1]) != 0) continue;
    const bool held = c.run(how);
    std::printf("\n%s: %s after %llu schedules\n", c.name, rl::test_result_str(how.test_result),
                static_cast<unsigned long long>(how.stop_iteration));
    return held ? 0 : 1;
  }
  std::fprintf(stderr, "there is no check '%s'\n", argv[1]);
  return 2;
}

}  // namespace checks
