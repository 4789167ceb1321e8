// SPDX-License-Identifier: Apache-2.0
// A function actor whose message came alone: it is handled where it stands, whatever its handler
// does meanwhile.
#include "unit_test.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct parcel {
  counted content;
};
struct question {
  using reply = int;
  counted content;
};
using inbox = gr::mailbox<parcel, question>;

// Each on an actor of its own, which is at rest when its message comes.
template <class Actor>
void with_resting(gr::spawn_options how, Actor actor, auto&& then) {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 2});
  auto to = rt.spawn(how, std::move(actor));
  then(rt, to);
}
constexpr gr::spawn_options unbounded_box{.capacity = gr::unbounded};
constexpr gr::spawn_options bounded_box{.capacity = 64};

}  // namespace

TEST_CASE("a handler that receives gets what came after its message, and keeps its own") {
  for (const auto& how : {unbounded_box, bounded_box}) {
    std::vector<int> heard;
    gate inside, more;
    with_resting(
        how,
        [&](inbox& in) {
          while (in.receive(
              [&](parcel&& outer) {
                if (heard.empty()) {
                  inside.open();
                  more.wait_on_green_thread();
                  for (int i = 0; i < 2; ++i)
                    in.receive([&](parcel inner) { heard.push_back(inner.content.value()); },
                               [](question) { return 0; });
                }
                heard.push_back(outer.content.value());
              },
              [](question) { return 0; })) {}
        },
        [&](gr::runtime& rt, auto to) {
          to.send(parcel{counted(1)});
          inside.wait_on_os_thread();
          for (int i = 2; i < 5; ++i) to.send(parcel{counted(i)});
          more.open();
          CHECK(to.ask(question{counted(0)}, unit::long_time).value() == 0);
          CHECK(rt.dead_letters().total() == 0);
        });
    CHECK(heard == std::vector<int>{2, 3, 1, 4});
  }
}

TEST_CASE("an exception that leaves a handler frees its message, and the actor may go on") {
  int heard = 0;
  with_resting(
      bounded_box,
      [&](inbox& in) {
        for (bool open = true; open;) {
          try {
            open = in.receive([&](parcel) { throw std::runtime_error(std::to_string(++heard)); },
                              [](question) { return 7; });
          } catch (const std::runtime_error&) {}
        }
      },
      [&](gr::runtime&, auto to) {
        for (int i = 0; i < 100; ++i) {
          to.send(parcel{counted(i)});
          if (i % 3 == 0) CHECK(to.ask(question{counted(0)}, unit::long_time).value() == 7);
        }
      });
  CHECK(heard == 100);
}

TEST_CASE("an actor that ends in a handler leaves behind only what came after its message") {
  for (const auto& how : {unbounded_box, bounded_box}) {
    gate inside, more;
    with_resting(
        how,
        [&](inbox& in) {
          in.receive(
              [&](parcel) {
                inside.open();
                more.wait_on_green_thread();
              },
              [](question) { return 0; });
        },
        [&](gr::runtime& rt, auto to) {
          to.send(parcel{counted(1)});
          inside.wait_on_os_thread();
          to.send(parcel{counted(2)});
          to.send(parcel{counted(3)});
          more.open();
          unit::yield_until([&] { return rt.actors() == 0; });
          CHECK(rt.dead_letters().undelivered == 2);
          CHECK(rt.dead_letters().total() == 2);
        });
  }
}

TEST_CASE("the message that is handled is not counted by size, and its room is given back") {
  std::size_t alone = 99, with_more = 99;
  gate inside, more, counted_all;
  with_resting(
      {.capacity = 16},
      [&](inbox& in) {
        while (in.receive(
            [&](parcel p) {
              if (p.content.value() != 1) return;
              alone = in.size();
              inside.open();
              more.wait_on_green_thread();
              with_more = in.size();
              counted_all.open();
            },
            [](question) { return 0; })) {}
      },
      [&](gr::runtime&, auto to) {
        to.send(parcel{counted(1)});
        inside.wait_on_os_thread();
        for (int i = 0; i < 5; ++i) CHECK(to.try_send(parcel{counted(2)}));
        more.open();
        counted_all.wait_on_os_thread();
        // Were room lost with each, the mailbox would be full after 16.
        for (int i = 0; i < 200; ++i)
          CHECK(to.ask(question{counted(0)}, unit::long_time).value() == 0);
      });
  CHECK(alone == 0);
  CHECK(with_more == 5);
}

TEST_CASE(
    "a stop, a close and the last address that goes are heeded when the message was handled") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 2});
  for (int how = 0; how < 3; ++how) {
    CAPTURE(how);
    gate inside, more;
    std::atomic<int> handled{0};
    std::atomic<bool> closed{false};
    auto to = rt.spawn([&](inbox& in) {
      while (in.receive(
          [&](parcel) {
            if (how == 0) gr::self().stop();
            if (how == 1) in.close();
            inside.open();
            more.wait_on_green_thread();
            ++handled;
          },
          [](question) { return 0; })) {}
      closed = true;
    });
    to.send(parcel{counted(1)});
    inside.wait_on_os_thread();
    if (how == 2) to = {};
    more.open();
    unit::yield_until([&] { return rt.actors() == 0; });
    CHECK(handled == 1);
    CHECK(closed);
  }
}
