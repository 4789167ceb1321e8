// SPDX-License-Identifier: Apache-2.0
// The README's snippets about deadlines, scopes, object actors that put things off, and what many
// share, as one program: it runs each of them and checks what comes out. Prints "ok".
#include <greenroom/greenroom.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::printf("does not hold: %s\n", what);
  std::exit(1);
}

struct name_of {
  int user;
  using reply = std::string;
};
struct ads_for {
  int user;
  using reply = std::vector<int>;
};

// [deadline]
struct page {
  std::string title;
  std::vector<int> ads;
};

using page_or = std::expected<page, gr::error>;

page_or render(const gr::address<name_of>& names, const gr::address<ads_for>& ads, int user) {
  return gr::with_deadline(100ms, [&]() -> page_or {
    auto [who, some] = gr::gather(names.request(name_of{user}), ads.request(ads_for{user}));
    if (!who) return std::unexpected(who.error());         // the name is needed
    return page{*who, some.value_or(std::vector<int>{})};  // the rest may be late
  });
}
// [/deadline]

void deadlines() {
  auto names = gr::spawn([](gr::mailbox<name_of>& in) {
    while (in.receive([](name_of n) { return "user " + std::to_string(n.user); })) {}
  });
  auto never_answers = gr::spawn([](gr::mailbox<ads_for>& in) {
    std::vector<gr::promise<std::vector<int>>> kept;
    while (in.receive(
        [&](ads_for, gr::promise<std::vector<int>> p) { kept.push_back(std::move(p)); })) {}
  });
  const page_or got = render(names, never_answers, 7);
  require(!got || (got->title == "user 7" && got->ads.empty()), "a page comes without its ads");
}

void handle(int job) {
  if (job == 3) throw std::runtime_error("job 3 is broken");
  gr::sleep_for(1h);
}

// [scope]
std::string do_all(const std::vector<int>& jobs) {
  try {
    gr::scope workers;
    for (const int job : jobs) workers.spawn([job] { handle(job); });
    workers.join();                    // or the brace: it waits for all of them
  } catch (const std::exception& e) {  // the first that failed; the others were cancelled
    return e.what();
  }
  return "done";
}
// [/scope]

// [object-waits]
struct order {
  int number;
};
struct halt {
  using lane = gr::urgent;  // received before all that waits already
};
struct open_shop {};

struct shop {
  using messages = gr::messages<order, open_shop, halt, gr::idle>;

  void on(order o) {
    if (is_open)
      served->push_back(o.number);
    else
      gr::self().stash(o);  // for later, in order
  }
  void on(open_shop) {
    is_open = true;
    gr::self().unstash();
  }
  void on(halt) { gr::self().stop(); }
  void on(gr::idle) { gr::self().stop(); }  // nothing has come for the idle time

  std::vector<int>* served;
  bool is_open = false;
};
// [/object-waits]

void shops() {
  std::vector<int> served;
  auto s = gr::spawn<shop>({.name = "shop", .idle = 20ms}, &served);
  for (int i = 0; i < 3; ++i) s.send(order{i});
  s.send(open_shop{});
  s.send(order{3});
  auto ended = gr::spawn([s] {
    while (s.send(open_shop{})) gr::sleep_for(50ms);  // until its idle time has ended it
  });
  require(ended.join().ok(), "an idle shop closes");
  require(served == std::vector<int>{0, 1, 2, 3}, "stashed orders come first, in order");
}

void many() {
  // [many]
  auto news = gr::broadcast<std::string>(64, gr::slow::drop_oldest);  // or wait, or disconnect
  auto reader = news.subscribe();
  news.send("all of them see this");
  std::expected<std::string, gr::error> seen = reader.receive();  // or lagged: how many it missed

  auto [jobs, inbox] = gr::work_queue<int>(1024);  // one inbox for many workers, in no order
  jobs.send(42);
  std::expected<int, gr::error> job = inbox.receive();

  auto [config, current] = gr::watch(1);  // the latest value
  config.send(2);
  int now = current.get();

  gr::semaphore at_once(8);  // parks; a permit gives itself back
  { const gr::permit mine = at_once.hold(); }
  // [/many]
  require(seen && *seen == "all of them see this", "a broadcast is received");
  require(job && *job == 42, "a job is received");
  require(now == 2, "a watch has the latest value");
}

}  // namespace

int main() {
  return gr::run([] {
    deadlines();
    require(do_all({1, 2, 3}) == "job 3 is broken", "a scope throws what its child threw");
    require(do_all({}) == "done", "a scope without children is done");
    shops();
    many();
    std::puts("ok");
  });
}
