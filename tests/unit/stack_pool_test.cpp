// SPDX-License-Identifier: Apache-2.0
#include "scheduler/stack_pool.hpp"

#include "child_process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#if defined(GREENROOM_ASAN)
#include <sanitizer/asan_interface.h>
#endif

using greenroom::detail::stack_memory;
using greenroom::detail::stack_pool;

namespace {

constexpr std::size_t kib = 1024;

stack_memory acquire(std::size_t size) {
  const char* why = nullptr;
  const stack_memory stack = stack_pool::instance().acquire(size, why);
  REQUIRE_MESSAGE(stack.low != nullptr, why);
  return stack;
}

void release(stack_memory stack) { stack_pool::instance().release(stack); }

// Asks the kernel to read one byte, which faults without a signal.
bool readable(const char* at) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const ssize_t n = ::write(ends[1], at, 1);
  const int error = errno;
  ::close(ends[0]);
  ::close(ends[1]);
  REQUIRE((n == 1 || error == EFAULT));
  return n == 1;
}

int maps_of_this_process() {
  std::FILE* const file = std::fopen("/proc/self/maps", "r");
  REQUIRE(file != nullptr);
  int lines = 0;
  for (int c; (c = std::fgetc(file)) != EOF;) lines += c == '\n';
  std::fclose(file);
  return lines;
}

[[maybe_unused]] long number_in_file(const char* path) {
  std::FILE* const file = std::fopen(path, "r");
  long number = -1;
  if (file == nullptr || std::fscanf(file, "%ld", &number) != 1) number = -1;
  if (file != nullptr) std::fclose(file);
  return number;
}

// Gives back what a test took, also when it fails.
struct stacks {
  std::vector<stack_memory> all;
  ~stacks() {
    for (const stack_memory& each : all) release(each);
  }
};

}  // namespace

TEST_CASE("a stack size is rounded up to a power of two from 16 KiB to 256 MiB") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t smallest = std::max(16 * kib, page);
  CHECK(stack_pool::rounded(0) == smallest);
  CHECK(stack_pool::rounded(smallest) == smallest);
  CHECK(stack_pool::rounded(smallest + 1) == 2 * smallest);
  CHECK(stack_pool::rounded(256 * kib) == 256 * kib);
  CHECK(stack_pool::rounded(300'000) == 512 * kib);
  CHECK(stack_pool::rounded(256 * kib * kib) == 256 * kib * kib);
  CHECK(stack_pool::rounded(256 * kib * kib + 1) == 0);
}

TEST_CASE("a stack that is too large is refused with a sentence") {
  const char* why = nullptr;
  CHECK(stack_pool::instance().acquire(SIZE_MAX, why).low == nullptr);
  REQUIRE(why != nullptr);
  CHECK(std::string(why).find("256 MiB") != std::string::npos);
}

TEST_CASE("all of a stack can be used, and nothing of the guard below it") {
  for (const std::size_t size : {16 * kib, 256 * kib, 8 * kib * kib}) {
    CAPTURE(size);
    const stack_memory stack = acquire(size);
    REQUIRE(stack.size >= size);
    std::memset(stack.low, 1, stack.size);
    CHECK_FALSE(readable(stack.low - 1));
    CHECK_FALSE(readable(stack.low - stack_pool::guard_size / 2));
    CHECK_FALSE(readable(stack.low - stack_pool::guard_size));
    release(stack);
  }
}

TEST_CASE("an address is found in its stack, in its guard, or nowhere") {
  const stack_memory stack = acquire(64 * kib);
  for (const char* const inside : {stack.low, stack.low + stack.size - 1}) {
    CHECK(stack_pool::find(inside).stack.low == stack.low);
    CHECK(stack_pool::find(inside).stack.size == stack.size);
    CHECK_FALSE(stack_pool::is_guard_address(inside));
  }
  for (const char* const guard : {stack.low - 1, stack.low - stack_pool::guard_size}) {
    CHECK(stack_pool::find(guard).stack.low == stack.low);
    CHECK(stack_pool::is_guard_address(guard));
  }
  CHECK(stack_pool::find(stack.low - stack_pool::guard_size - 1).stack.low != stack.low);
  CHECK(stack_pool::find(stack.low + stack.size).stack.low != stack.low);
  int on_this_stack = 0;
  CHECK(stack_pool::find(&on_this_stack).stack.low == nullptr);
  CHECK_FALSE(stack_pool::is_guard_address(&on_this_stack));
  CHECK(stack_pool::find(nullptr).stack.low == nullptr);
  release(stack);
}

TEST_CASE("the stack released last is the first to be used again") {
  const stack_memory first = acquire(32 * kib);
  const stack_memory second = acquire(32 * kib);
  const stack_memory third = acquire(32 * kib);
  release(second);
  release(first);
  CHECK(acquire(32 * kib).low == first.low);
  CHECK(acquire(32 * kib).low == second.low);
  for (const stack_memory& each : {first, second, third}) release(each);
}

TEST_CASE("the pool counts live and free stacks") {
  stack_pool& pool = stack_pool::instance();
  const auto before = pool.count();
  const stack_memory stack = acquire(128 * kib);
  CHECK(pool.count().live == before.live + 1);
  CHECK(pool.count().reserved_bytes >= stack.size + stack_pool::guard_size);
  release(stack);
  const auto after = pool.count();
  CHECK(after.live == before.live);
  CHECK(after.free_warm + after.free_trimmed >= 1);
}

TEST_CASE("free stacks keep at most the warm limit of memory, and trim() takes the rest") {
  stack_pool& pool = stack_pool::instance();
  pool.trim();
  constexpr std::size_t size = 256 * kib;
  constexpr std::size_t enough = stack_pool::warm_bytes_max / size + 2 * stack_pool::trim_batch;
  std::vector<stack_memory> all;
  {
    stacks taken;
    for (std::size_t i = 0; i < enough; ++i) {
      taken.all.push_back(acquire(size));
      std::memset(taken.all.back().low, 1, size);
    }
    all = taken.all;
  }
  const auto full = pool.count();
  CHECK(full.warm_bytes <= stack_pool::warm_bytes_max);
  CHECK(full.free_warm >= 1);
  CHECK(full.free_trimmed >= stack_pool::trim_batch);
  pool.trim();
  const auto empty = pool.count();
  CHECK(empty.free_warm == 0);
  CHECK(empty.warm_bytes == 0);
  for (const stack_memory& each : all) {
    std::vector<unsigned char> present(size / 4096);
    REQUIRE(::mincore(each.low, each.size, present.data()) == 0);
    REQUIRE(std::count_if(present.begin(), present.end(), [](auto p) { return p & 1; }) == 0);
  }
  const stack_memory again = acquire(size);
  CHECK_FALSE(readable(again.low - 1));
  CHECK(*(again.low + again.size - 1) == 0);
  release(again);
}

TEST_CASE("a class that is out of use does not keep the warm limit to itself") {
  stack_pool& pool = stack_pool::instance();
  pool.trim();
  {
    stacks idle;
    for (std::size_t i = 0; i < stack_pool::warm_bytes_max / (1024 * kib); ++i) {
      idle.all.push_back(acquire(1024 * kib));
      std::memset(idle.all.back().low, 1, 1024 * kib);
    }
  }
  {
    stacks used;
    for (int i = 0; i < 16; ++i) {
      used.all.push_back(acquire(512 * kib));
      std::memset(used.all.back().low, 1, 512 * kib);
    }
  }
  const std::size_t trimmed = pool.count().free_trimmed;
  stacks again;
  for (int i = 0; i < 16; ++i) again.all.push_back(acquire(512 * kib));
  CHECK(pool.count().free_trimmed == trimmed);  // all came warm
  pool.trim();
}

TEST_CASE("twenty thousand stacks take few maps where guards are markers") {
  if (stack_pool::instance().guards() != stack_pool::guard_kind::marker) {
    MESSAGE("skipped: this kernel has no guard markers");
    return;
  }
  const int before = maps_of_this_process();
  stacks many;
  for (int i = 0; i < 20'000; ++i) many.all.push_back(acquire(64 * kib));
  CHECK(maps_of_this_process() < before + 100);
}

// Goal: no stack is ever handed to two, and every guard faults. Method: threads acquire and
// release at random from a seed, while each signs both ends of what it holds.
TEST_CASE("stacks belong to one owner at a time while threads take and return them") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  const auto before = stack_pool::instance().count();
  std::vector<std::thread> threads;
  std::vector<int> failures(3);
  for (std::size_t t = 0; t < failures.size(); ++t) {
    threads.emplace_back([&failed = failures[t], seed, t] {
      std::mt19937 random(seed + static_cast<std::uint32_t>(t));
      std::vector<stack_memory> mine;
      const char sign = static_cast<char>('a' + t);
      const auto give = [&] {
        const stack_memory stack = mine.back();
        mine.pop_back();
        if (*stack.low != sign || stack.low[stack.size - 1] != sign) ++failed;
        stack_pool::instance().release(stack);
      };
      for (int i = 0; i < 5000; ++i) {
        if (random() % 2 == 0 || mine.size() > 200) {
          if (!mine.empty()) give();
        } else {
          const char* why = nullptr;
          const stack_memory stack = stack_pool::instance().acquire(16 * kib << random() % 4, why);
          if (stack.low == nullptr || !stack_pool::is_guard_address(stack.low - 1)) {
            ++failed;
            continue;
          }
          *stack.low = stack.low[stack.size - 1] = sign;
          mine.push_back(stack);
        }
        if (random() % 512 == 0) stack_pool::instance().trim();
      }
      while (!mine.empty()) give();
    });
  }
  for (std::thread& each : threads) each.join();
  for (const int failed : failures) CHECK(failed == 0);
  CHECK(stack_pool::instance().count().live == before.live);
}

#if defined(GREENROOM_ASAN)
TEST_CASE("a stack that is used again has no poisoned bytes left") {
  const stack_memory stack = acquire(64 * kib);
  __asan_poison_memory_region(stack.low + 32 * kib, 64);
  release(stack);
  const stack_memory again = acquire(64 * kib);
  CHECK(again.low == stack.low);
  CHECK(__asan_region_is_poisoned(again.low, again.size) == nullptr);
  release(again);
}
#endif

// ---- in processes of their own ----

namespace {

// False, with a message, where it cannot be run.
bool run_child_case(const char* name, const char* guard, child_process::result& child) {
  child = child_process::run_test_case(name, "GREENROOM_GUARD", guard);
  if (child.could_not_start()) MESSAGE("skipped: this program cannot be started under emulation");
  return !child.could_not_start();
}

// Takes stacks until there are no more, and tells why on standard error. There are no checks of
// the test framework in it, for it may need the memory that is just used up.
[[maybe_unused]] int take_all(std::size_t size, std::size_t expected) {
  static stack_memory last;
  std::size_t taken = 0;
  const char* why = nullptr;
  for (;;) {
    const stack_memory stack = stack_pool::instance().acquire(size, why);
    if (stack.low == nullptr) break;
    last = stack;
    ++taken;
  }
  std::fprintf(stderr, "%s\n", why);
  stack_pool::instance().release(last);
  const bool reused = stack_pool::instance().acquire(size, why).low == last.low;
  return reused && taken >= expected ? 0 : 1;
}

}  // namespace

TEST_CASE("child: guards are gaps when asked" * doctest::skip()) {
  REQUIRE(stack_pool::instance().guards() == stack_pool::guard_kind::gap);
  stacks some;
  for (int i = 0; i < 100; ++i) {
    some.all.push_back(acquire(16 * kib));
    std::memset(some.all.back().low, 1, 16 * kib);
    REQUIRE_FALSE(readable(some.all.back().low - 1));
    REQUIRE_FALSE(readable(some.all.back().low - stack_pool::guard_size));
    REQUIRE(stack_pool::is_guard_address(some.all.back().low - 1));
  }
}

TEST_CASE("without guard markers the guards are made by mprotect") {
  child_process::result child;
  if (!run_child_case("child: guards are gaps when asked", "mprotect", child)) return;
  CHECK_MESSAGE(child.exited_with(0), child.errors);
}

#if !defined(GREENROOM_TSAN)  // its runtime needs maps and address space of its own

TEST_CASE("child: the map limit is told" * doctest::skip()) {
  std::_Exit(take_all(16 * kib, 10'000));
}

TEST_CASE("at the map limit a stack is refused with a sentence that names vm.max_map_count") {
  const long limit = number_in_file("/proc/sys/vm/max_map_count");
  if (limit < 0 || limit > 100'000) {
    MESSAGE("skipped: vm.max_map_count is ", limit, ", too many to fill");
    return;
  }
  child_process::result child;
  if (!run_child_case("child: the map limit is told", "mprotect", child)) return;
  CHECK_MESSAGE(child.exited_with(0), child.errors);
  CHECK_MESSAGE(
      child.errors.find("vm.max_map_count, is " + std::to_string(limit)) != std::string::npos,
      child.errors);
}

#endif
#if !defined(GREENROOM_TSAN) && !defined(GREENROOM_ASAN)  // their shadows exceed any such limit

// It must come close to the limit, with ever smaller slabs.
TEST_CASE("child: the address space limit is told" * doctest::skip()) {
  const rlimit limit{rlim_t{1} << 30, rlim_t{1} << 30};
  ::setrlimit(RLIMIT_AS, &limit);
  std::_Exit(take_all(1024 * kib, 850));
}

TEST_CASE("under ulimit -v a stack is refused with a sentence that names RLIMIT_AS") {
  child_process::result child;
  if (!run_child_case("child: the address space limit is told", "", child)) return;
  CHECK_MESSAGE(child.exited_with(0), child.errors);
  CHECK_MESSAGE(child.errors.find("RLIMIT_AS (ulimit -v), is 1048576 KiB") != std::string::npos,
                child.errors);
}

#endif
