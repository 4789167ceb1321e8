// SPDX-License-Identifier: Apache-2.0
// Urgent messages: received before all others that wait, in order among themselves.
#include "unit_test.hpp"

#include <array>
#include <deque>
#include <string>
#include <vector>

using unit::gate;

namespace {

struct work {
  int value;
};
struct other {
  int value;
};
struct halt {
  using lane = gr::urgent;
  int value = 0;
};
struct ask_now {
  using lane = gr::urgent;
  using reply = int;
};

using gr::detail::lane_number;
static_assert(gr::detail::type_of<halt>.lane == lane_number::urgent &&
              gr::detail::type_of<work>.lane == lane_number::normal);

}  // namespace

TEST_CASE("urgent messages are received before those that came earlier, in order") {
  std::string seen;
  gr::runtime rt{{.workers = 1}};
  auto actor = [&](gr::mailbox<work, halt>& in) {
    const auto self = in.address();
    auto next = [&] {
      return in.try_receive([&](work w) { seen += "w" + std::to_string(w.value) + " "; },
                            [&](halt h) { seen += "h" + std::to_string(h.value) + " "; }) ==
             gr::received::message;
    };
    self.send(work{1});
    self.send(work{2});
    self.send(halt{1});
    self.send(work{3});
    self.send(halt{2});
    CHECK(next());
    CHECK(next());
    CHECK(next());
    self.send(halt{3});
    CHECK(in.size() == 3);
    while (next()) {}
  };
  rt.spawn(actor);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "h1 h2 w1 h3 w2 w3 ");
}

TEST_CASE("a selective receive takes its urgent type first") {
  std::string seen;
  gr::runtime rt{{.workers = 1}};
  auto actor = [&](gr::mailbox<work, other, halt>& in) {
    const auto self = in.address();
    self.send(other{1});
    self.send(work{2});
    self.send(halt{3});
    auto say = [&](auto m) { seen += std::to_string(m.value); };
    CHECK(in.receive_only([&](work w) { say(w); }));
    CHECK(in.receive_only([&](other o) { say(o); }, [&](halt h) { say(h); }));
    CHECK(in.receive_only([&](other o) { say(o); }, [&](halt h) { say(h); }));
  };
  rt.spawn(actor);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "231");
}

TEST_CASE("an object actor handles an urgent message before those that wait already") {
  struct machine {
    using messages = gr::messages<work, halt>;
    std::string& seen;
    gate& begun;
    gate& go;
    void on(work w) {
      seen += "w" + std::to_string(w.value) + " ";
      begun.open();
      go.wait_on_green_thread();
    }
    void on(halt h) { seen += "h" + std::to_string(h.value) + " "; }
  };
  std::string seen;
  gate begun, go;
  gr::runtime rt{{.workers = 2}};
  {
    auto to = rt.spawn<machine>(seen, begun, go);
    to.send(work{1});
    begun.wait_on_os_thread();
    to.send(work{2});
    to.send(work{3});
    to.send(halt{1});
    to.send(halt{2});
    go.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "w1 h1 h2 w2 w3 ");
}

TEST_CASE("an urgent message that comes during a handler goes before what its turn has taken") {
  struct machine {
    using messages = gr::messages<work, halt>;
    std::string& seen;
    gr::address<halt> self = {};
    void on(work w) {
      seen += "w" + std::to_string(w.value) + " ";
      if (w.value % 2 == 1) gr::self().address<halt>().send(halt{w.value});
    }
    void on(halt h) { seen += "h" + std::to_string(h.value) + " "; }
  };
  std::string seen;
  gr::runtime rt{{.workers = 1}};
  auto fill = [&] {
    auto to = gr::spawn<machine>(seen);
    for (int i = 1; i <= 4; ++i) to.send(work{i});
  };
  CHECK(unit::on_green_thread(rt, fill).ok());
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "w1 h1 w2 w3 h3 w4 ");
}

TEST_CASE("a single message is handled where it stands though there are urgent types") {
  std::atomic<bool> in_place{false}, handled{false};
  gr::runtime rt{{.workers = 1}};
  struct machine {
    using messages = gr::messages<work, halt>;
    std::atomic<bool>& in_place;
    std::atomic<bool>& handled;
    void on(work) {
      const auto word = gr::detail::current_cell()->in.look();
      in_place = (word & gr::detail::inbox::node_mask) != 0;
      handled = true;
    }
    void on(halt) {}
  };
  for (const bool is_object : {false, true}) {
    CAPTURE(is_object);
    in_place = handled = false;
    auto function = [&](gr::mailbox<work, halt>& in) {
      machine m{in_place, handled};
      while (in.receive([&](work w) { m.on(w); }, [](halt) {})) {}
    };
    auto alone = [&] {
      gr::address<work, halt> to =
          is_object ? gr::address<work, halt>(gr::spawn<machine>(in_place, handled))
                    : gr::spawn(function);
      gr::yield();
      to.send(work{1});
      gr::yield();
      unit::yield_until([&] { return handled.load(); });
    };
    CHECK(unit::on_green_thread(rt, alone).ok());
    CHECK(in_place);
  }
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("urgent messages share the room: a full mailbox is full for them too") {
  gate go;
  gr::runtime rt{{.workers = 2}};
  auto actor = [&](gr::mailbox<work, halt>& in) {
    go.wait_on_green_thread();
    while (in.receive([](work) {}, [](halt) {})) {}
  };
  auto to = rt.spawn({.capacity = 4}, actor);
  for (int i = 0; i < 4; ++i) CHECK(to.try_send(work{i}));
  CHECK(to.try_send(halt{}).error().why == gr::error::full);
  go.open();
  CHECK(to.send(halt{}));
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

// Goal: what a plain list with two lanes gives. Method: as for selective receives: one actor sends
// itself random messages, and receives all or some kinds.
TEST_CASE("receives from a mailbox with lanes agree with a search through a list") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  int wrong = 0;
  gr::runtime rt{{.workers = 1}};
  auto actor = [&](gr::mailbox<work, halt, other>& in) {
    const auto self = in.address();
    std::deque<std::pair<int, int>> model;
    auto expect = [&](unsigned kinds, auto&& receive) {
      auto best = model.end();
      for (auto at = model.begin(); at != model.end(); ++at)
        if ((kinds >> at->first & 1u) != 0 &&
            (best == model.end() || (at->first == 1 && best->first != 1)))
          best = at;
      std::pair<int, int> got{-1, -1};
      const bool some = receive(got) == gr::received::message;
      wrong += some != (best != model.end()) || (some && got != *best);
      if (best != model.end()) model.erase(best);
      wrong += in.size() != model.size();
    };
    for (int i = 0; i < unit::scaled(20'000, 4'000); ++i) {
      switch (random() % 8) {
        case 0: self.send(work{i}), model.emplace_back(0, i); break;
        case 1: self.send(halt{i}), model.emplace_back(1, i); break;
        case 2:
        case 3: self.send(other{i}), model.emplace_back(2, i); break;
        case 4:
          expect(0b101, [&](auto& got) {
            return in.try_receive_only([&](work w) { got = {0, w.value}; },
                                       [&](other o) { got = {2, o.value}; });
          });
          break;
        case 5:
          expect(0b110, [&](auto& got) {
            return in.try_receive_only([&](halt h) { got = {1, h.value}; },
                                       [&](other o) { got = {2, o.value}; });
          });
          break;
        default:
          expect(0b111, [&](auto& got) {
            return in.try_receive([&](work w) { got = {0, w.value}; },
                                  [&](halt h) { got = {1, h.value}; },
                                  [&](other o) { got = {2, o.value}; });
          });
      }
    }
  };
  rt.spawn({.capacity = gr::unbounded}, actor);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(wrong == 0);
}

// Goal: nothing lost or out of order within a lane under traffic. Method: numbered messages of
// several senders to a function and to an object, through small and large mailboxes.
TEST_CASE("messages of many senders keep their order within each lane") {
  constexpr int senders = 3;
  constexpr int each = unit::scaled(30'000, 3'000);
  struct check {
    std::array<std::array<int, senders>, 2> next{};
    int wrong = 0, seen = 0;
    void see(int lane, int value) {
      int& expected =
          next[static_cast<std::size_t>(lane)][static_cast<std::size_t>(value % senders)];
      wrong += value / senders < expected;
      expected = value / senders + 1;
      ++seen;
    }
  };
  struct object {
    using messages = gr::messages<work, halt, ask_now>;
    check& all;
    void on(work w) { all.see(0, w.value); }
    void on(halt h) { all.see(1, h.value); }
    int on(ask_now) { return 1; }
  };
  for (const std::uint32_t capacity : {2u, 64u, gr::unbounded}) {
    for (const bool is_object : {false, true}) {
      CAPTURE(capacity);
      CAPTURE(is_object);
      check all;
      int answers = 0;
      gr::runtime rt{{.workers = 3}};
      auto function = [&](gr::mailbox<work, halt, ask_now>& in) {
        while (in.receive([&](work w) { all.see(0, w.value); },
                          [&](halt h) { all.see(1, h.value); }, [](ask_now) { return 1; })) {}
      };
      {
        gr::address<work, halt, ask_now> to = is_object
                                                  ? rt.spawn<object>({.capacity = capacity}, all)
                                                  : rt.spawn({.capacity = capacity}, function);
        for (int s = 0; s < senders; ++s)
          rt.spawn([to, s] {
            for (int i = 0; i < each; ++i)
              if (i % 7 == 3)
                to.send(halt{i * senders + s});
              else
                to.send(work{i * senders + s});
          });
        rt.spawn([&, to] {
          for (int i = 0; i < 100; ++i) answers += to.ask(ask_now{}, unit::long_time).value_or(0);
        });
      }
      CHECK(rt.shutdown(unit::long_time).ok());
      CHECK(all.wrong == 0);
      CHECK(all.seen == senders * each);
      CHECK(answers == 100);
    }
  }
}
