// SPDX-License-Identifier: Apache-2.0
// Exceptions belong to the green thread that threw them, wherever it waits while it handles or
// unwinds: in catch blocks, in destructors, before a rethrow, on any worker.
#include "stress.hpp"

#include <exception>

using stress::mover;
using stress::random_stream;
using stress::verdict;

namespace {

constexpr int threads = 6;
const int rounds = stress::scaled(1500, 200);

struct marked {
  int owner;
  int number;
};

struct counted_error : std::exception {
  static inline std::atomic<int> alive{0};
  int owner;
  explicit counted_error(int o) : owner(o) { ++alive; }
  counted_error(const counted_error& other) noexcept : std::exception(other), owner(other.owner) {
    ++alive;
  }
  ~counted_error() override { --alive; }
};

// Waits while the stack unwinds, and throws and catches another exception meanwhile.
class waits_at_end {
 public:
  waits_at_end(mover& away, random_stream& random, verdict& v, int owner)
      : away_(away), random_(random), verdict_(v), owner_(owner) {}
  waits_at_end(const waits_at_end&) = delete;
  waits_at_end& operator=(const waits_at_end&) = delete;
  ~waits_at_end() {
    const int before = std::uncaught_exceptions();
    verdict_.expect(before == 1, "one exception unwinds this stack");
    stress::wander(away_, random_);
    verdict_.expect(std::uncaught_exceptions() == before, "it still does after a wait");
    try {
      throw marked{owner_, -1};
    } catch (const marked& inner) {
      stress::wander(away_, random_);
      verdict_.expect(inner.owner == owner_ && inner.number == -1, "the inner one is ours");
    }
    verdict_.expect(std::uncaught_exceptions() == before, "and after an inner one");
  }

 private:
  mover& away_;
  random_stream& random_;
  verdict& verdict_;
  int owner_;
};

[[noreturn]] void throw_deep(int depth, mover& away, random_stream& random, verdict& v,
                             const marked& what) {
  const waits_at_end first(away, random, v, what.owner);
  if (depth == 0) throw what;
  throw_deep(depth - 1, away, random, v, what);
}

void catch_and_wait(int owner, mover& away, verdict& v, std::atomic<long>& moves) {
  random_stream random(static_cast<std::uint32_t>(owner));
  for (int i = 0; i < rounds; ++i) {
    try {
      try {
        throw marked{owner, i};
      } catch (const marked& outer) {
        moves += stress::wander(away, random);
        v.expect(outer.owner == owner && outer.number == i, "the caught exception is ours");
        try {
          throw counted_error(owner);
        } catch (const counted_error& inner) {
          moves += stress::wander(away, random);
          v.expect(inner.owner == owner, "the one thrown in a handler is ours");
        }
        moves += stress::wander(away, random);
        v.expect(std::current_exception() != nullptr, "there is a current exception");
        try {
          std::rethrow_exception(std::current_exception());
        } catch (const marked& same) {
          v.expect(&same == &outer, "the current exception is the outer one again");
        }
        throw;
      }
    } catch (const marked& again) {
      moves += stress::wander(away, random);
      v.expect(again.owner == owner && again.number == i, "the rethrown exception is ours");
    }
    v.expect(std::current_exception() == nullptr, "no exception is left");
  }
}

void unwind_and_wait(int owner, mover& away, verdict& v) {
  random_stream random(static_cast<std::uint32_t>(owner) + 1000);
  for (int i = 0; i < rounds / 4; ++i) {
    try {
      throw_deep(3, away, random, v, {owner, i});
    } catch (const marked& m) {
      v.expect(m.owner == owner && m.number == i, "the unwound exception is ours");
    }
    v.expect(std::uncaught_exceptions() == 0, "nothing unwinds any more");
  }
}

}  // namespace

TEST_CASE("exceptions caught by several green threads at once stay apart across migrations") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    verdict v;
    std::atomic<long> moves{0};
    {
      mover away;
      gr::runtime rt{{.workers = workers}};
      stress::group all;
      for (int owner = 0; owner < threads; ++owner)
        all.spawn(rt, [owner, &away, &v, &moves] { catch_and_wait(owner, away, v, moves); });
      CHECK(all.join());
    }
    v.report();
    CHECK(counted_error::alive == 0);
    if (workers > 1) CHECK(moves > 0);
  }
}

TEST_CASE("destructors wait and migrate while an exception unwinds their stack") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    verdict v;
    {
      mover away;
      gr::runtime rt{{.workers = workers}};
      stress::group all;
      for (int owner = 0; owner < threads; ++owner)
        all.spawn(rt, [owner, &away, &v] { unwind_and_wait(owner, away, v); });
      CHECK(all.join());
    }
    v.report();
  }
}

TEST_CASE("an exception travels to another green thread and is rethrown there") {
  verdict v;
  {
    mover away;
    gr::runtime rt{{.workers = 2}};
    for (int i = 0; i < rounds; ++i) {
      std::exception_ptr carried;
      (void)
          rt.spawn([&] {
              try {
                throw counted_error(i);
              } catch (...) {
                away.move();
                carried = std::current_exception();
              }
            }).join();
      (void)
          rt.spawn([&] {
              try {
                std::rethrow_exception(std::exchange(carried, nullptr));
              } catch (const counted_error& e) {
                away.move();
                v.expect(e.owner == i, "the carried exception arrives whole");
              }
            }).join();
    }
  }
  v.report();
  CHECK(counted_error::alive == 0);
}

TEST_CASE("a cancel unwinds green threads that wait in handlers and destructors") {
  verdict v;
  std::atomic<int> unwound{0};
  constexpr int victims = 200;
  {
    mover away;
    gr::runtime rt{{.workers = 3}};
    std::vector<gr::green_thread> all;
    for (int i = 0; i < victims; ++i) {
      all.push_back(rt.spawn([i, &v, &away, &unwound] {
        random_stream random(static_cast<std::uint32_t>(i) + 5000);
        struct at_end {
          std::atomic<int>& count;
          ~at_end() { ++count; }
        } const count{unwound};
        const waits_at_end waits(away, random, v, i);
        try {
          throw marked{i, 0};
        } catch (const marked& m) {
          for (;;) {
            gr::sleep_for(std::chrono::microseconds(random.below(50)));
            v.expect(m.owner == i, "the exception in hand survives sleeps");
          }
        }
      }));
    }
    random_stream random(77);
    for (int i = 0; i < victims; ++i) all[random.below(victims)].cancel();
    for (const gr::green_thread& each : all) each.cancel();
    for (const gr::green_thread& each : all) {
      const gr::status ended = each.join();
      v.expect(!ended && ended.error() == gr::error::cancelled, "it ended by the cancel");
    }
  }
  v.report();
  CHECK(unwound == victims);
}
