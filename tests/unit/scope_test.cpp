// SPDX-License-Identifier: Apache-2.0
// Scopes: children end before the block does, and one that fails ends the others.
#include "unit_test.hpp"

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

constexpr gr::duration soon = 2ms;

struct number {
  int value;
};

// On a green thread, and on an OS thread with a scope in that runtime. `body` gets a function that
// makes the scope's argument list: body(make) calls make(f) to run f(scope&) in a fresh scope.
template <class Body>
void on_both(Body body) {
  gr::runtime rt;
  CHECK(rt.spawn([&] {
            body([](auto f) {
              gr::scope s;
              f(s);
            });
          }).join());
  body([&](auto f) {
    gr::scope s(rt);
    f(s);
  });
}

void wait_for_ever() { gr::sleep_for(24h); }

}  // namespace

TEST_CASE("a scope's end waits for its children, and for what their closures hold") {
  const unit::no_leaks watch;
  on_both([](auto in_scope) {
    std::atomic<int> ended{0};
    const long before = counted::alive();
    in_scope([&](gr::scope& s) {
      for (int i = 0; i < 20; ++i)
        s.spawn([&, held = counted(1)] {
          gr::yield();
          if (held.value() == 1) ++ended;
        });
      CHECK(
          s.spawn({.name = "a child"}, [&](int n, const counted&) { ended += n; }, 10, counted(2)));
    });
    CHECK(ended == 30);
    CHECK(counted::alive() == before);
  });
}

TEST_CASE("join waits, and then the scope can be used again") {
  on_both([](auto in_scope) {
    in_scope([](gr::scope& s) {
      s.join();
      for (int round = 0; round < 3; ++round) {
        std::atomic<int> ended{0};
        for (int i = 0; i < 5; ++i)
          s.spawn([&] {
            gr::sleep_for(1us);
            ++ended;
          });
        s.join();
        CHECK(ended == 5);
        CHECK(s.size() == 0);
      }
    });
  });
}

TEST_CASE("a child that fails cancels the others, and the scope throws its exception object") {
  struct telling : std::runtime_error {
    using std::runtime_error::runtime_error;
    std::vector<int> more = {1, 2, 3};
  };
  const unit::no_leaks watch;
  on_both([](auto in_scope) {
    for (const bool joins : {true, false}) {
      std::atomic<int> unwound{0};
      std::string text;
      std::size_t more = 0;
      const std::exception* thrown_at = nullptr;
      const std::exception* caught_at = nullptr;
      try {
        in_scope([&](gr::scope& s) {
          for (int i = 0; i < 5; ++i)
            s.spawn([&] {
              struct count {
                std::atomic<int>& n;
                ~count() { ++n; }
              } const at_end{unwound};
              const counted mine(1);
              wait_for_ever();
            });
          s.spawn([&] {
            try {
              throw telling("the third valve");
            } catch (const std::exception& e) {
              thrown_at = &e;
              throw;
            }
          });
          if (joins) s.join();
        });
      } catch (const telling& e) {
        caught_at = &e;
        text = e.what();
        more = e.more.size();
      }
      CHECK(text == "the third valve");
      CHECK(more == 3);
      CHECK(thrown_at == caught_at);
      // Those that had not begun by then did not run.
      CHECK(unwound <= 5);
    }
  });
}

TEST_CASE("what the others throw while they are cancelled is logged, and the first one thrown") {
  unit::log_book book;
  {
    gate waits;
    gr::runtime rt{{.logger = book.logger()}};
    const gr::status s = unit::on_green_thread(rt, [&] {
      try {
        gr::scope both;
        both.spawn({.name = "second"}, [&] {
          try {
            waits.open();
            wait_for_ever();
          } catch (const gr::cancelled&) { throw std::runtime_error("could not clean up"); }
        });
        both.spawn([&] {
          waits.wait_on_green_thread();
          throw std::logic_error("first");
        });
      } catch (const std::logic_error& e) { CHECK(std::string(e.what()) == "first"); }
    });
    CHECK(s);
  }
  CHECK(book.errors() == 1);
  CHECK(book.has("second"));
  CHECK(book.has("could not clean up"));
}

TEST_CASE("a block left by an exception cancels and waits for its children, and that one goes on") {
  const unit::no_leaks watch;
  on_both([](auto in_scope) {
    std::atomic<bool> unwound{false};
    gate runs;
    CHECK_THROWS_WITH_AS(in_scope([&](gr::scope& s) {
                           s.spawn([&] {
                             try {
                               const counted mine(1);
                               runs.open();
                               wait_for_ever();
                             } catch (...) {
                               unwound = true;
                               throw;
                             }
                           });
                           while (!runs.is_open()) gr::yield();
                           throw std::runtime_error("of the owner");
                         }),
                         "of the owner", std::runtime_error);
    CHECK(unwound);
    // A child that fails meanwhile changes nothing about that.
    gate failed;
    CHECK_THROWS_WITH_AS(in_scope([&](gr::scope& s) {
                           s.spawn([&] {
                             const unit::opens_at_end last(failed);
                             throw std::logic_error("of the child");
                           });
                           while (!failed.is_open()) gr::yield();
                           throw std::runtime_error("of the owner");
                         }),
                         "of the owner", std::runtime_error);
  });
}

TEST_CASE("cancel ends the children and is no failure; children spawned later do not run") {
  const unit::no_leaks watch;
  on_both([](auto in_scope) {
    std::atomic<int> passed{0};
    in_scope([&](gr::scope& s) {
      std::vector<gr::green_thread> all;
      for (int i = 0; i < 100; ++i)
        all.push_back(s.spawn([&, held = counted(i)] {
          wait_for_ever();
          ++passed;
        }));
      s.cancel();
      s.join();
      for (const auto& each : all) CHECK(each.join().error() == gr::error::cancelled);
      CHECK(s.spawn([&] { ++passed; }).join().error() == gr::error::cancelled);
    });
    CHECK(passed == 0);
  });
}

TEST_CASE("one child can be cancelled by its handle, which is no failure either") {
  on_both([](auto in_scope) {
    std::atomic<int> ended{0};
    in_scope([&](gr::scope& s) {
      const gr::green_thread one = s.spawn(wait_for_ever);
      s.spawn([&ended, one] {
        one.cancel();
        CHECK(one.join().error() == gr::error::cancelled);
        ++ended;
      });
    });
    CHECK(ended == 1);
  });
}

TEST_CASE("an owner that is cancelled cancels its children, and theirs, and waits for all") {
  const unit::no_leaks watch;
  std::atomic<int> running{0}, unwound{0};
  bool passed = false;
  struct count {
    std::atomic<int>& n;
    ~count() { ++n; }
  };
  gr::runtime rt;
  const auto tree = [&](const auto& self, int depth) -> void {
    const count at_end{unwound};
    gr::scope s;
    if (depth != 0)
      for (int i = 0; i < 3; ++i) s.spawn([&self, depth] { self(self, depth - 1); });
    ++running;
    if (depth == 0) wait_for_ever();
  };
  auto owner = rt.spawn([&] {
    tree(tree, 4);
    passed = true;
  });
  constexpr int all = 1 + 3 + 9 + 27 + 81;
  unit::yield_until([&] { return running == all; });
  owner.cancel();
  CHECK(owner.join().error() == gr::error::cancelled);
  CHECK(unwound == all);
  CHECK_FALSE(passed);
}

TEST_CASE("a failure deep in a tree of scopes comes out at its top") {
  gr::runtime rt;
  const auto tree = [](const auto& self, int depth) -> void {
    gr::scope s;
    if (depth == 0) throw std::runtime_error("a leaf");
    for (int i = 0; i < 2; ++i) s.spawn([&self, depth] { self(self, depth - 1); });
  };
  std::string text;
  CHECK(unit::on_green_thread(rt, [&] {
    try {
      tree(tree, 4);
    } catch (const std::runtime_error& e) { text = e.what(); }
  }));
  CHECK(text == "a leaf");
}

TEST_CASE(
    "children inherit the deadline of their with_deadline, and so does the end of the scope") {
  const unit::no_leaks watch;
  on_both([](auto in_scope) {
    std::atomic<int> passed{0}, unwound{0};
    const gr::status late = gr::with_deadline(soon, [&] {
      in_scope([&](gr::scope& s) {
        for (int i = 0; i < 5; ++i)
          s.spawn([&, held = counted(1)] {
            struct count {
              std::atomic<int>& n;
              ~count() { ++n; }
            } const at_end{unwound};
            wait_for_ever();
            ++passed;
          });
      });
      ++passed;
    });
    CHECK(late.error() == gr::error::timeout);
    CHECK(passed == 0);
    CHECK(unwound <= 5);
    // One that begins too late does not run.
    const gr::status past =
        gr::with_deadline(0s, [&] { in_scope([&](gr::scope& s) { s.spawn([&] { ++passed; }); }); });
    CHECK(past.error() == gr::error::timeout);
    CHECK(passed == 0);
    // Where only the child had a deadline, its scope says so.
    CHECK_THROWS_AS(in_scope([&](gr::scope& s) {
                      (void)gr::with_deadline(soon, [&] { s.spawn(wait_for_ever); });
                    }),
                    gr::error);
  });
}

TEST_CASE("what a child throws comes through a with_deadline and a shield") {
  on_both([](auto in_scope) {
    const auto fails = [](gr::scope& s) { s.spawn([] { throw std::runtime_error("out"); }); };
    CHECK_THROWS_AS((void)gr::with_deadline(24h, [&] { in_scope(fails); }), std::runtime_error);
    const gr::shield clean_up;
    CHECK_THROWS_AS(in_scope(fails), std::runtime_error);
  });
}

TEST_CASE("children may spawn into their scope; join is for its owner only") {
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    std::atomic<int> ran{0};
    gr::scope s;
    const auto spread = [&](const auto& self, int depth) -> void {
      ++ran;
      if (depth != 0)
        for (int i = 0; i < 2; ++i) s.spawn([&self, depth] { self(self, depth - 1); });
    };
    s.spawn([&] { spread(spread, 6); });
    s.join();
    CHECK(ran == 127);
    s.spawn([&] { CHECK_THROWS_AS(s.join(), std::logic_error); });
  }));
  CHECK_THROWS_AS([] { const gr::scope nowhere; }(), std::logic_error);
}

TEST_CASE("a scope in a runtime that shuts down fails, and does so aloud") {
  gr::runtime rt;
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK_THROWS_AS(
      [&] {
        gr::scope s(rt);
        CHECK_FALSE(s.spawn([] {}));
      }(),
      gr::error);
}

TEST_CASE(
    "what a child's closure throws when it is copied comes out of spawn, and nothing is left") {
  struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(const throws_when_copied&) { throw std::runtime_error("no copy"); }
    void operator()() const {}
  };
  on_both([](auto in_scope) {
    in_scope([](gr::scope& s) {
      const throws_when_copied f;
      CHECK_THROWS_AS(s.spawn(f), std::runtime_error);
      CHECK(s.size() == 0);
    });
  });
}

TEST_CASE("a scope with very many short children keeps nothing of them") {
  const unit::no_leaks watch;
  const int count = unit::scaled(1'000'000, 20'000);
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [&] {
    std::atomic<int> ran{0};
    gr::scope s;
    std::size_t most = 0;
    for (int i = 0; i < count; ++i) {
      s.spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); });
      if (i % 100 == 99) {
        most = std::max(most, s.size());
        s.join();
      }
    }
    CHECK(ran == count / 100 * 100);
    CHECK(most <= 100);
  }));
}

// Goal: children, their scope's end and cancels from outside may meet at any moment.
// Method: owners make children that wait, spawn, fail or end at random; another thread cancels
// owners at random. Whatever happens, when an owner has ended all its children's destructors have
// run, and each exception that came out was a child's.
TEST_CASE("ends, failures and cancels of children race with their scope") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(3'000, 200);
  std::atomic<long> begun{0}, ended{0};
  std::atomic<int> failed{0}, other{0};
  struct alive {
    std::atomic<long>& n;
    ~alive() { ++n; }
  };
  {
    gr::runtime rt;
    std::minstd_rand random(seed);
    for (int round = 0; round < rounds; ++round) {
      const auto own_seed = static_cast<std::uint32_t>(random());
      auto owner = rt.spawn([&, own_seed] {
        std::minstd_rand dice(own_seed);
        std::atomic<int> mine{0};  // outlives the scope
        try {
          gr::scope s;
          for (auto n = dice() % 8; n != 0; --n)
            s.spawn([&, how = dice() % 6] {
              ++begun;
              const alive at_end{ended};
              ++mine;
              if (how == 0) throw std::runtime_error("on purpose");
              if (how == 1) s.spawn([&] { ++mine; });
              if (how == 2) gr::yield();
              if (how == 3) s.cancel();
              if (how >= 4) gr::sleep_for(std::chrono::microseconds(how * 10));
              ++mine;
            });
          if (dice() % 3 == 0) gr::yield();
        } catch (const std::runtime_error&) { ++failed; } catch (const std::exception&) {
          ++other;
        }
      });
      for (auto n = random() % 200; n != 0; --n) asm volatile("");
      if (random() % 2 == 0) owner.cancel();
      (void)owner.join();
    }
    CHECK(rt.shutdown(unit::long_time).ok());
  }
  CHECK(begun == ended);
  CHECK(begun > 0);
  CHECK(failed > 0);
  CHECK(other == 0);
}
