// SPDX-License-Identifier: Apache-2.0
// Selective receive: what is taken, what stays and in which order, and how such a wait ends.
#include "unit_test.hpp"

#include "mailbox/lanes.hpp"

#include <array>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

using unit::gate;

namespace {

template <int Kind>
struct item {
  int value;
};
using a = item<0>;
using b = item<1>;
using c = item<2>;
using d = item<3>;
struct held {
  unit::counted value;
};
struct question {
  using reply = int;
  int value = 0;
};

// All that its body does happens in one actor, which sends to itself.
template <class... Ms, class Body>
gr::shutdown_report in_an_actor(gr::spawn_options how, Body body) {
  gate ended;
  gr::runtime rt{{.workers = 1}};
  auto actor = [&](gr::mailbox<Ms...>& in) {
    const unit::opens_at_end at_end(ended);
    const gr::address<Ms...> self = in.address();
    body(in, self);
  };
  rt.spawn(how, actor);
  ended.wait_on_os_thread();
  return rt.shutdown(unit::long_time);
}

template <class... Ms>
std::uint32_t admitted(const gr::address<Ms...>& to) {
  return gr::detail::inbox::depth_in(gr::detail::access::cell_of(to)->in.look());
}

gr::detail::lanes& lanes_here() { return *gr::detail::lanes_of(gr::detail::current_cell()); }

}  // namespace

TEST_CASE("a selective receive takes the oldest of its types and leaves the others in order") {
  std::string seen;
  auto say = [&](auto m) { seen += std::to_string(m.value) + " "; };
  CHECK(in_an_actor<a, b, c>({}, [&](gr::mailbox<a, b, c>& in, const auto& self) {
          self.send(a{1});
          self.send(b{2});
          self.send(c{3});
          self.send(b{4});
          self.send(a{5});
          CHECK(in.receive_only([&](c m) { say(m); }));
          CHECK(in.size() == 4);
          CHECK(in.receive_only([&](b m) { say(m); }));
          CHECK(in.receive_only([&](b m) { say(m); }, [&](c m) { say(m); }));
          self.send(c{6});
          CHECK(in.size() == 3);
          for (int i = 0; i < 3; ++i)
            CHECK(in.receive([&](a m) { say(m); }, [&](b m) { say(m); }, [&](c m) { say(m); }));
          CHECK(in.size() == 0);
          CHECK(in.try_receive_only([&](a m) { say(m); }) == gr::received::nothing);
        }).ok());
  CHECK(seen == "3 2 4 1 5 6 ");
}

// Goal: a selective receive costs the same whatever stays. Method: 100,000 messages stay, two
// kinds of receives take turns, so that no single mark of how far was looked would help, and the
// messages looked at are counted.
TEST_CASE("messages that stay are looked at once, however many selective receives follow") {
  constexpr int stay = 100'000, rounds = 1'000;
  int out_of_order = 0;
  CHECK(in_an_actor<a, b, c>({.capacity = gr::unbounded}, [&](gr::mailbox<a, b, c>& in,
                                                              const auto& self) {
          for (int i = 0; i < stay; ++i) self.send(a{i});
          for (int i = 0; i < rounds; ++i) {
            self.send(b{i});
            self.send(c{i});
            const int expected = i;
            CHECK(in.receive_only([&](c m) { out_of_order += m.value != expected; }));
            CHECK(in.receive_only([&](b m) { out_of_order += m.value != expected; }));
          }
          CHECK(lanes_here().looks < stay + 10 * rounds);
          CHECK(in.size() == stay);
          for (int i = 0; i < stay; ++i)
            in.try_receive([&](a m) { out_of_order += m.value != i; }, [](b) {}, [](c) {});
          CHECK(in.size() == 0);
        }).ok());
  CHECK(out_of_order == 0);
}

// Numbers of neighbours in a queue may be further apart than a step in a node can say.
TEST_CASE("order holds across more messages of other types than sixteen bits can count") {
  constexpr int many = 150'000;
  CHECK(in_an_actor<a, b, c>({.capacity = gr::unbounded}, [&](gr::mailbox<a, b, c>& in,
                                                              const auto& self) {
          self.send(b{-1});
          for (int i = 0; i < many; ++i) {
            if (i == many / 2) self.send(b{i});
            self.send(a{i});
          }
          self.send(b{many});
          self.send(c{0});
          CHECK(in.receive_only([&](c) {}));
          std::vector<int> bs;
          int next = 0, late = 0;
          for (int i = 0; i < many + 3; ++i)
            in.try_receive([&](a m) { late += m.value != next++; },
                           [&](b m) {
                             late += m.value != (bs.empty() ? -1 : next);
                             bs.push_back(m.value);
                           },
                           [](c) {});
          CHECK(late == 0);
          CHECK(bs == std::vector<int>{-1, many / 2, many});
        }).ok());
}

// Goal: any sequence of sends and receives gives what a plain list would. Method: one actor sends
// itself random messages and receives them with random choices of types; a list is searched for
// the same.
TEST_CASE("selective and plain receives in any sequence agree with a search through a list") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  for (const std::uint32_t capacity : {gr::unbounded, 1000u, 40u}) {
    CAPTURE(capacity);
    std::minstd_rand random(seed);
    int wrong = 0;
    CHECK(in_an_actor<a, b, c, d>({.capacity = capacity}, [&](gr::mailbox<a, b, c, d>& in,
                                                              const auto& self) {
            std::deque<std::pair<int, int>> model;  // kind, number
            int number = 0;
            auto expect = [&](unsigned kinds, auto&& receive) {
              auto at = model.begin();
              while (at != model.end() && (kinds >> at->first & 1u) == 0) ++at;
              std::pair<int, int> got{-1, -1};
              const gr::received how = receive(got);
              const bool some = at != model.end();
              wrong += (how == gr::received::message) != some || (some && got != *at);
              if (some) model.erase(at);
              wrong += in.size() != model.size();
            };
            auto send = [&](auto m) {
              const int kind = std::is_same_v<decltype(m), a>   ? 0
                               : std::is_same_v<decltype(m), b> ? 1
                               : std::is_same_v<decltype(m), c> ? 2
                                                                : 3;
              if (self.try_send(m)) model.emplace_back(kind, m.value);
            };
            for (int step = 0; step < unit::scaled(20'000, 4'000); ++step) {
              auto take = [](int kind, std::pair<int, int>& got) {
                return [kind, &got](auto m) { got = {kind, m.value}; };
              };
              switch (random() % 10) {
                case 0:
                case 1: send(a{number++}); break;
                case 2: send(b{number++}); break;
                case 3: send(c{number++}); break;
                case 4: send(d{number++}); break;
                case 5:
                  expect(0b0010, [&](auto& got) {
                    return in.try_receive_only([&](b m) { take(1, got)(m); });
                  });
                  break;
                case 6:
                  expect(0b1100, [&](auto& got) {
                    return in.try_receive_only([&](d m) { take(3, got)(m); },
                                               [&](c m) { take(2, got)(m); });
                  });
                  break;
                case 7:
                  expect(0b0101, [&](auto& got) {
                    return in.receive_only_until(
                        gr::time_point::min(), [&](a m) { take(0, got)(m); },
                        [&](c m) { take(2, got)(m); });
                  });
                  break;
                default:
                  expect(0b1111, [&](auto& got) {
                    return in.try_receive(
                        [&](a m) { take(0, got)(m); }, [&](b m) { take(1, got)(m); },
                        [&](c m) { take(2, got)(m); }, [&](d m) { take(3, got)(m); });
                  });
              }
            }
          }).ok());
    CHECK(wrong == 0);
  }
}

// Goal: nothing is lost, doubled or overtaken when others send meanwhile, also through a mailbox
// that is full of what stays. Method: numbered messages of several senders; each sender's messages
// of a kind must come in order, with whatever receives.
TEST_CASE("messages of many senders keep their order within a kind through random selections") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  constexpr int senders = 4;
  constexpr int each = unit::scaled(20'000, 2'000);
  for (const std::uint32_t capacity : {4u, 64u, gr::unbounded}) {
    CAPTURE(capacity);
    std::array<std::array<int, senders>, 3> next{};
    int wrong = 0, seen = 0;
    gr::runtime rt{{.workers = 3}};
    auto receiver = [&](gr::mailbox<a, b, c>& in) {
      std::minstd_rand random(seed);
      auto check = [&](int kind, int value) {
        int& expected =
            next[static_cast<std::size_t>(kind)][static_cast<std::size_t>(value % senders)];
        wrong += value / senders < expected;
        expected = value / senders + 1;
        ++seen;
      };
      auto on_a = [&](a m) { check(0, m.value); };
      auto on_b = [&](b m) { check(1, m.value); };
      auto on_c = [&](c m) { check(2, m.value); };
      for (bool open = true; open;) {
        switch (random() % 4) {
          case 0: in.receive_only_for(1us, on_b); break;
          case 1: in.try_receive_only(on_c, on_a); break;
          case 2: in.receive_only_for(20us, on_a); break;
          default: open = in.receive(on_c, on_a, on_b);
        }
      }
    };
    {
      auto to = rt.spawn({.capacity = capacity}, receiver);
      for (int s = 0; s < senders; ++s)
        rt.spawn([to, s] {
          for (int i = 0; i < each; ++i) {
            const int value = i * senders + s;
            if ((i + s) % 3 == 0) to.send(a{value});
            if ((i + s) % 3 == 1) to.send(b{value});
            if ((i + s) % 3 == 2) to.send(c{value});
          }
        });
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(wrong == 0);
    CHECK(seen == senders * each);
  }
}

TEST_CASE("a selective receive waits while other messages come, and ends when its own comes") {
  gate waits;
  std::string seen;
  gr::runtime rt{{.workers = 2}};
  auto actor = [&](gr::mailbox<a, b>& in) {
    waits.open();
    CHECK(in.receive_only([&](b m) { seen += std::to_string(m.value); }));
    while (in.receive([&](a m) { seen += std::to_string(m.value); }, [](b) {})) {}
  };
  {
    auto to = rt.spawn(actor);
    waits.wait_on_os_thread();
    for (int i = 1; i < 6; ++i) to.send(a{i});
    to.send(b{9});
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "912345");
}

TEST_CASE("a selective receive ends when the mailbox closes, and what stayed can be received") {
  for (const bool by_close : {false, true}) {
    CAPTURE(by_close);
    std::vector<int> seen;
    bool found = true;
    gate waits;
    gr::runtime rt{{.workers = 2}};
    auto actor = [&](gr::mailbox<a, b>& in) {
      if (by_close) in.close();
      waits.open();
      found = in.receive_only([](b) {});
      CHECK(in.try_receive_only([](b) {}) == gr::received::closed);
      while (in.receive([&](a m) { seen.push_back(m.value); }, [](b) {})) {}
    };
    {
      gate ready;
      auto starts = [&](gr::mailbox<a, b>& in) {
        ready.wait_on_green_thread();
        actor(in);
      };
      auto to = rt.spawn(starts);
      to.send(a{1});
      to.send(a{2});
      ready.open();
      waits.wait_on_os_thread();
      to = {};
      CHECK(rt.shutdown(unit::long_time).ok());
    }
    CHECK(!found);
    CHECK(seen == std::vector<int>{1, 2});
  }
}

TEST_CASE("a selective receive ends at its deadline though other messages come") {
  gr::received how{};
  std::size_t left = 0;
  CHECK(in_an_actor<a, b>({}, [&](gr::mailbox<a, b>& in, const auto& self) {
          self.send(a{1});
          self.send(a{2});
          how = in.receive_only_for(5ms, [](b) {});
          left = in.size();
          CHECK(in.receive_only_for(-1s, [](a) {}) == gr::received::message);
        }).ok());
  CHECK(how == gr::received::nothing);
  CHECK(left == 2);
}

TEST_CASE("an exception from a selective handler loses its message alone") {
  const unit::no_leaks guard;
  std::vector<int> seen;
  CHECK(in_an_actor<a, held>({}, [&](gr::mailbox<a, held>& in, const auto& self) {
          self.send(a{1});
          self.send(held{unit::counted(7)});
          self.send(a{2});
          CHECK_THROWS_AS(in.receive_only([](const held&) { throw std::runtime_error("no"); }),
                          std::runtime_error);
          CHECK(in.size() == 2);
          while (in.try_receive([&](a m) { seen.push_back(m.value); }, [](const held&) {}) ==
                 gr::received::message) {}
        }).ok());
  CHECK(seen == std::vector<int>{1, 2});
}

TEST_CASE("a handler may receive selectively while its own message is being handled") {
  std::string seen;
  gr::runtime rt{{.workers = 2}};
  auto actor = [&](gr::mailbox<a, b>& in) {
    while (in.receive(
        [&](const a& m) {
          seen += "(" + std::to_string(m.value);
          CHECK(in.receive_only([&](b n) { seen += std::to_string(n.value); }));
          seen += ")" + std::to_string(m.value);
        },
        [](b) {})) {}
  };
  {
    auto to = rt.spawn(actor);
    to.send(a{1});
    to.send(a{2});
    to.send(b{3});
    to.send(b{4});
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "(13)1(24)2");
}

TEST_CASE("messages that stayed are dead letters at the end, and askers hear that it is over") {
  const unit::no_leaks guard;
  gr::runtime rt{{.workers = 2}};
  const auto before = rt.dead_letters().undelivered;
  auto actor = [](gr::mailbox<a, held, question>& in) { in.receive_only([](a) {}); };
  auto to = rt.spawn(actor);
  for (int i = 0; i < 3; ++i) to.send(held{unit::counted(i)});
  gate asks;
  gr::status answer;
  auto asker = rt.spawn([&, to] {
    asks.open();
    const auto got = to.ask(question{}, unit::long_time);
    answer = got ? gr::status{} : gr::status{got.error()};
  });
  asks.wait_on_os_thread();
  unit::yield_until([&] { return admitted(to) == 4; });
  to.send(a{});
  asker.join();
  CHECK(!answer.ok());
  CHECK(answer.error() == gr::error::closed);
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.dead_letters().undelivered - before == 4);
}

TEST_CASE("a request that stayed is answered later, and one that was given up is not handled") {
  int handled = 0;
  gr::runtime rt{{.workers = 2}};
  auto actor = [&](gr::mailbox<a, question>& in) {
    CHECK(in.receive_only([](a) {}));
    CHECK(in.receive_only([&](question q) { return ++handled, q.value + 1; }));
  };
  auto to = rt.spawn(actor);
  CHECK(to.ask(question{1}, 1ms).error() == gr::error::timeout);
  std::expected<int, gr::error> got = 0;
  gate asks;
  auto asker = rt.spawn([&, to] {
    asks.open();
    got = to.ask(question{41}, unit::long_time);
  });
  asks.wait_on_os_thread();
  to.send(a{});
  asker.join();
  CHECK(got == 42);
  CHECK(handled == 1);
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("stop ends a selective receive, and cancel unwinds it") {
  for (const bool cancels : {false, true}) {
    CAPTURE(cancels);
    gate waits, unwound;
    bool returned = false;
    gr::runtime rt{{.workers = 2}};
    gr::detail::cell* here = nullptr;
    auto actor = [&](gr::mailbox<a, b>& in) {
      const unit::opens_at_end at_end(unwound);
      here = gr::detail::current_cell();
      in.try_receive_only([](b) {});
      waits.open();
      returned = !in.receive_only([](b) {});
    };
    auto to = rt.spawn(actor);
    to.send(a{1});
    waits.wait_on_os_thread();
    if (cancels)
      gr::detail::cancel_actor(here);
    else
      gr::detail::stop_actor(here);
    unwound.wait_on_os_thread();
    CHECK(returned == !cancels);
    to = {};
    CHECK(rt.shutdown(unit::long_time).ok());
  }
}
