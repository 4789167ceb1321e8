// SPDX-License-Identifier: Apache-2.0
// The stash: messages that an actor puts by and brings back, in order, each with its asker.
#include "unit_test.hpp"

#include "mailbox/lanes.hpp"

#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

using unit::gate;

namespace {

struct job {
  int value;
};
struct open {};
struct shut {};
struct held {
  unit::counted value;
};
struct question {
  using reply = int;
  int value = 0;
};

// Works only while it is open.
struct shop {
  using messages = gr::messages<job, question, open, shut>;
  std::string& seen;
  bool is_open = false;

  void on(job j) {
    if (is_open)
      seen += std::to_string(j.value) + " ";
    else
      gr::self().stash(j);
  }
  void on(question q, gr::promise<int> answer) {
    if (is_open)
      answer.set(q.value + 1);
    else
      gr::self().stash(q, std::move(answer));
  }
  void on(open) {
    is_open = true;
    seen += "(" + std::to_string(gr::self().unstash()) + ") ";
  }
  void on(shut) { is_open = false; }
};

}  // namespace

TEST_CASE("stashed messages come back in order, before those in the mailbox") {
  for (const std::uint32_t capacity : {2u, 1000u, gr::unbounded}) {
    CAPTURE(capacity);
    std::string seen;
    gr::runtime rt{{.workers = 1}};
    auto fill = [&] {
      auto to = gr::spawn<shop>({.capacity = capacity}, seen);
      for (int i = 1; i <= 5; ++i) to.send(job{i});
      to.send(open{});
      to.send(job{6});
      to.send(shut{});
      to.send(job{7});
      to.send(job{8});
      to.send(open{});
      to.send(job{9});
    };
    CHECK(unit::on_green_thread(rt, fill).ok());
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(seen == "(5) 1 2 3 4 5 6 (2) 7 8 9 ");
  }
}

TEST_CASE("a single message that is handled in place brings the stash back at once") {
  std::string seen;
  gr::runtime rt{{.workers = 2}};
  auto to = rt.spawn<shop>(seen);
  for (int i = 1; i <= 3; ++i) CHECK(to.send(job{i}));
  CHECK(to.ask(question{}, 1ms).error() == gr::error::timeout);
  CHECK(to.send(open{}));
  CHECK(to.ask(question{1}, unit::long_time) == 2);
  CHECK(seen == "(4) 1 2 3 ");
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("who asked a stashed question waits on and is answered when it comes back") {
  std::string seen;
  gr::runtime rt{{.workers = 2}};
  auto to = rt.spawn<shop>(seen);
  std::expected<int, gr::error> got = 0;
  gate asks;
  auto asker = rt.spawn([&, to] {
    asks.open();
    got = to.ask(question{41}, unit::long_time);
  });
  asks.wait_on_os_thread();
  CHECK(to.ask(question{}, 1ms).error() == gr::error::timeout);
  CHECK(to.send(open{}));
  asker.join();
  CHECK(got == 42);
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("what is stashed at the end is a dead letter, and its asker hears that it is over") {
  const unit::no_leaks guard;
  struct hoarder {
    using messages = gr::messages<held, question, shut>;
    void on(held h) { gr::self().stash(std::move(h)); }
    void on(question q, gr::promise<int> p) { gr::self().stash(q, std::move(p)); }
    void on(shut) { gr::self().stop(); }
  };
  gr::runtime rt{{.workers = 2}};
  const auto before = rt.dead_letters().undelivered;
  auto to = rt.spawn<hoarder>();
  gr::error::code_type why{};
  gate asks;
  auto asker = rt.spawn([&, to] {
    asks.open();
    why = to.ask(question{}, unit::long_time).error().code();
  });
  asks.wait_on_os_thread();
  for (int i = 0; i < 4; ++i) to.send(held{unit::counted(i)});
  unit::yield_until([&] { return unit::counted::alive() == 4; });
  to.send(shut{});
  asker.join();
  CHECK(why == gr::error::closed);
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.dead_letters().undelivered - before >= 4);
}

TEST_CASE("a full stash says so and what finds no room in it is a dead letter") {
  struct hoarder {
    using messages = gr::messages<job, question>;
    std::string& why;
    int refused = 0;
    void on(job j) {
      const gr::status s = gr::self().stash(j);
      if (s) return;
      ++refused;
      why = s.error().text();
    }
    int on(question) { return refused; }
  };
  std::string why;
  gr::runtime rt{{.workers = 1}};
  const auto before = rt.dead_letters().full;
  auto to = rt.spawn<hoarder>({.name = "hoarder/1"}, why);
  for (std::uint32_t i = 0; i < gr::detail::stash_max + 3; ++i) to.send(job{});
  CHECK(to.ask(question{}, unit::long_time) == 3);
  CHECK(why.find("the stash of hoarder/1 is full (16384), `") == 0);
  CHECK(why.find("job` finds no room in it") != std::string::npos);
  CHECK(rt.dead_letters().full - before == 3);
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("an actor that does not receive a message cannot stash it") {
  std::string what;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<job>&) {
    try {
      gr::self().stash(open{});
    } catch (const std::logic_error& e) { what = e.what(); }
  };
  rt.spawn(actor);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(what.find(" does not receive `") != std::string::npos);
  CHECK(what.find("open`") != std::string::npos);
}

// Goal: an actor that stashes, brings back and receives selectively in any sequence gets what a
// list would give. Method: one function actor does all that at random, with urgent messages too.
TEST_CASE("stash, lanes and selective receives together agree with a list") {
  struct now {
    using lane = gr::urgent;
    int value;
  };
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  for (const std::uint32_t capacity : {gr::unbounded, 50u}) {
    CAPTURE(capacity);
    std::minstd_rand random(seed);
    int wrong = 0;
    gr::runtime rt{{.workers = 1}};
    auto actor = [&](gr::mailbox<job, now>& in) {
      const auto self = in.address();
      std::deque<std::pair<int, int>> model, put_by;
      auto receive = [&](unsigned kinds, auto&& go) {
        auto best = model.end();
        for (auto at = model.begin(); at != model.end(); ++at)
          if ((kinds >> at->first & 1u) != 0 &&
              (best == model.end() || (at->first == 1 && best->first != 1)))
            best = at;
        std::pair<int, int> got{-1, -1};
        const bool some = go(got) == gr::received::message;
        wrong += some != (best != model.end()) || (some && got != *best);
        if (!some) return;
        model.erase(best);
        if (random() % 3 != 0) return;
        put_by.push_back(got);
        const bool put =
            (got.first == 0 ? gr::self().stash(job{got.second}) : gr::self().stash(now{got.second}))
                .ok();
        wrong += !put;
      };
      for (int i = 0; i < unit::scaled(20'000, 4'000); ++i) {
        switch (random() % 8) {
          case 0:
          case 1:
            if (self.try_send(job{i})) model.emplace_back(0, i);
            break;
          case 2:
            if (self.try_send(now{i})) model.emplace_back(1, i);
            break;
          case 3:
            if (random() % 8 != 0) break;
            model.insert(model.begin(), put_by.begin(), put_by.end());
            wrong += gr::self().unstash() != put_by.size();
            put_by.clear();
            break;
          case 4:
            receive(0b01, [&](auto& got) {
              return in.try_receive_only([&](job j) { got = {0, j.value}; });
            });
            break;
          default:
            receive(0b11, [&](auto& got) {
              return in.try_receive([&](job j) { got = {0, j.value}; },
                                    [&](now n) { got = {1, n.value}; });
            });
        }
        wrong += in.size() != model.size();
      }
    };
    rt.spawn({.capacity = capacity}, actor);
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(wrong == 0);
  }
}

// Goal: the bound of the mailbox is kept though messages leave it and come back. Method: an object
// actor puts by and brings back at random while others send; all must be handled once.
TEST_CASE("messages that are put by at random while others send are each handled once") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  struct moody {
    using messages = gr::messages<job>;
    std::minstd_rand random;
    std::vector<int>& times;
    int since = 0;
    void on(job j) {
      if (random() % 4 == 0) {
        gr::self().stash(j);
      } else {
        ++times[static_cast<std::size_t>(j.value)];
      }
      if (++since % 50 == 0) gr::self().unstash();
      if (random() % 64 == 0) gr::yield();
    }
  };
  for (const std::uint32_t capacity : {1u, 20u, 500u, gr::unbounded}) {
    CAPTURE(capacity);
    constexpr int each = unit::scaled(10'000, 2'000);
    std::vector<int> times(static_cast<std::size_t>(2 * each));
    gr::runtime rt{{.workers = 3}};
    {
      auto to = rt.spawn<moody>({.capacity = capacity}, std::minstd_rand(seed), times);
      for (int s = 0; s < 2; ++s)
        rt.spawn([to, s] {
          for (int i = 0; i < each; ++i) to.send(job{s * each + i});
        });
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    std::size_t twice = 0, missing = 0;
    for (const int n : times) {
      twice += n > 1;
      missing += n == 0;
    }
    CHECK(twice == 0);
    CHECK(missing == rt.dead_letters().undelivered);
  }
}
