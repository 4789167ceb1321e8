// SPDX-License-Identifier: Apache-2.0
// High and low water marks of a mailbox.
#include "unit_test.hpp"

#include <string>
#include <thread>

using unit::gate;

namespace {

struct number {
  int value;
};

// Writes down which marks were told of, and that it was by turns and one at a time.
struct tide {
  std::atomic<int> rises{0};
  std::atomic<int> falls{0};
  std::atomic<int> inside{0};
  std::atomic<bool> orderly{true};
  gr::callback<> high() {
    return {[](void* self, auto...) { static_cast<tide*>(self)->rise(); }, this};
  }
  gr::callback<> low() {
    return {[](void* self, auto...) { static_cast<tide*>(self)->fall(); }, this};
  }

 private:
  void rise() { enter(rises == falls, rises); }
  void fall() { enter(rises == falls + 1, falls); }
  void enter(bool in_turn, std::atomic<int>& n) {
    if (inside.fetch_add(1) != 0 || !in_turn) orderly = false;
    ++n;
    --inside;
  }
};

}  // namespace

TEST_CASE("the high mark is told once when it is reached, the low one once when it is again") {
  using gr::overload;
  for (const overload policy :
       {overload::wait, overload::fail, overload::drop_newest, overload::drop_oldest}) {
    CAPTURE(name_of(policy));
    tide marks;
    gate door;
    std::string told_while;
    gr::runtime rt;
    {
      auto to = rt.spawn(
          {.capacity = 16,
           .overload = policy,
           .marks = {.high = 8, .low = 2, .on_high = marks.high(), .on_low = marks.low()}},
          [&](gr::mailbox<number>& in) {
            door.wait_on_green_thread();
            while (in.receive([&](number) { told_while += marks.falls == 0 ? '.' : '|'; })) {}
          });
      for (int i = 0; i < 7; ++i) to.send(number{i});
      CHECK(marks.rises == 0);
      to.send(number{7});
      CHECK(marks.rises == 1);
      for (int i = 0; i < 8; ++i) to.send(number{i});
      if (policy != overload::wait)
        for (int i = 0; i < 8; ++i) to.send(number{i});
      CHECK(marks.rises == 1);
      CHECK(marks.falls == 0);
      door.open();
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(told_while == ".............|||");
    CHECK(marks.rises == 1);
    CHECK(marks.falls == 1);
  }
}

TEST_CASE("who was told of the high mark hears of the low one when the actor ends instead") {
  tide marks;
  gate door;
  gr::runtime rt;
  {
    auto to = rt.spawn(
        {.capacity = 4, .marks = {.high = 1, .on_high = marks.high(), .on_low = marks.low()}},
        [&](gr::mailbox<number>&) { door.wait_on_green_thread(); });
    to.send(number{1});
    CHECK(marks.rises == 1);
    CHECK(marks.falls == 0);
    door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(marks.falls == 1);
}

// Goal: on_low waits until on_high is through, and is not forgotten. Method: a sender is held in
// on_high while the receiver empties the mailbox.
TEST_CASE("the low mark is told when the call for the high one is over") {
  gate door, is_high, may_leave;
  std::atomic<bool> inside{false}, overlapped{false};
  std::atomic<int> falls{0}, handled{0};
  auto high = [&] {
    inside = true;
    is_high.open();
    may_leave.wait_on_os_thread();
    inside = false;
  };
  auto low = [&] {
    if (inside) overlapped = true;
    ++falls;
  };
  gr::runtime rt;
  {
    auto to = rt.spawn({.capacity = 4, .marks = {.high = 2, .on_high = high, .on_low = low}},
                       [&](gr::mailbox<number>& in) {
                         door.wait_on_green_thread();
                         while (in.receive([&](number) { ++handled; })) {}
                       });
    std::thread sender([&] {
      to.send(number{1});
      to.send(number{2});
    });
    is_high.wait_on_os_thread();
    door.open();
    unit::yield_until([&] { return handled == 2; });
    CHECK(falls == 0);
    may_leave.open();
    sender.join();
    CHECK(falls == 1);
    CHECK_FALSE(overlapped);
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(falls == 1);
}

// Goal: the two are called by turns, never at once, whatever runs beside each other; and no sender
// is left waiting. Method: producers and a receiver at random speeds around the marks.
TEST_CASE("marks are told by turns, however producers and receiver race") {
  using gr::overload;
  constexpr int each = unit::scaled(20'000, 1'000);
  constexpr int producers = 4;
  for (const overload policy : {overload::wait, overload::drop_newest, overload::drop_oldest}) {
    for (const std::uint32_t high : {1u, 2u, 5u, 20u}) {
      CAPTURE(name_of(policy));
      CAPTURE(high);
      tide marks;
      std::uint64_t handled = 0;
      gr::runtime rt;
      {
        auto to = rt.spawn({.capacity = 20,
                            .overload = policy,
                            .marks = {.high = high,
                                      .low = high / 3,
                                      .on_high = marks.high(),
                                      .on_low = marks.low()}},
                           [&](gr::mailbox<number>& in) {
                             while (in.receive([&](number) {
                               if (++handled % 8 == 0) gr::yield();
                             })) {}
                           });
        for (int p = 0; p < producers; ++p)
          rt.spawn([to] {
            for (int i = 0; i < each; ++i) {
              to.send(number{i});
              if (i % 32 == 0) gr::yield();
            }
          });
      }
      CHECK(rt.shutdown(unit::long_time).ok());
      CHECK(handled + rt.dead_letters().total() == std::uint64_t{producers} * each);
      CHECK(marks.orderly);
      CHECK(marks.rises == marks.falls);
      CHECK(marks.rises > 0);
    }
  }
}
