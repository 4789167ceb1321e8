// SPDX-License-Identifier: Apache-2.0
// The README's snippets about ends: monitors, links, supervisors, deadlocks and dumps, as one
// program that runs each of them and checks what comes out. Prints "ok".
#include <greenroom/greenroom.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
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

constexpr gr::logger::operations to_stderr{
    [](void*, gr::log_level, std::string_view text) {
      std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
    },
    nullptr, nullptr};
gr::runtime_options quiet() { return {.logger = gr::logger(nullptr, &to_stderr)}; }

struct put {
  std::string key;
};
struct count {
  using reply = std::size_t;
};
struct fetch {
  using reply = std::size_t;
};

std::string heard;

// [monitor]
void watcher(gr::mailbox<gr::down>& in, gr::address<put> a) {
  gr::monitor(a, in);
  in.receive(
      [](const gr::down& d) {  // "store ended: std::out_of_range: ... (while handling `put`)"
        heard = std::string(d.name()) + " ended: " + d.why().text();
      });
}
// [/monitor]

void monitors() {
  gr::runtime rt(quiet());
  auto a = rt.spawn({.name = "store"}, [](gr::mailbox<put>& in) {
    while (in.receive([](const put& p) { (void)p.key.at(100); })) {}
  });
  auto w = rt.spawn_detached(watcher, a);
  a.send(put{"short"});
  while (rt.actors() != 0) gr::yield();
  require(heard.find("store ended: std::out_of_range: ") == 0, "heard of it");
}

// ---- a tree

void store(gr::mailbox<put, count>& in, const std::string&) {
  std::vector<std::string> keys;
  const auto keep = [&](put p) {
    if (p.key.empty()) throw std::invalid_argument("an empty key");
    keys.push_back(std::move(p.key));
  };
  while (in.receive(keep, [&](count) { return keys.size(); })) {}
}
void cache(gr::mailbox<fetch>& in, const gr::address<put, count>& things) {
  while (in.receive([&](fetch) { return things.ask(count{}, 1s).value_or(0); })) {}
}
void room(gr::mailbox<put>& in, const std::string&) {
  while (in.receive([](const put&) {})) {}
}

void tree() {
  gr::runtime rt(quiet());
  // [tree]
  gr::supervisor app(rt, gr::rest_for_one, {.name = "app", .restarts_max = 5, .within = 10s});
  auto things = app.child("store", gr::permanent, store, "data/");
  app.child("cache", gr::permanent, cache, things);
  auto rooms = app.pool("rooms", gr::transient, room);
  if (auto started = app.start(); !started) throw std::runtime_error(started.error().text());

  auto lobby = rooms.start("lobby");  // any thread, as often as wanted
  things.send(put{""});               // the store fails, and starts again; so does what comes after
  things.send(put{"key"});            // the same address: its next life handles it
  require(things.ask(count{}, 10s) == 1, "it is there again");
  app.stop();  // in reverse order, each within its deadline
  (void)app.join();
  // [/tree]
  require(lobby.has_value(), "the pool runs");
}

// ---- a circle

struct question {
  using reply = int;
};

std::string told;

void circle() {
  gr::runtime rt(quiet());
  gr::latch both(1);
  // [circle]
  const auto asks = [&](gr::mailbox<question, gr::address<question>>& in) {
    gr::address<question> other;
    in.receive_only([&](gr::address<question> a) { other = std::move(a); });
    while (in.receive(
        [&](question) {
          const auto n = other.ask(question{}, 60s);
          if (!n && n.error() == gr::error::deadlock) told = n.error().text();
          return n.value_or(0);
        },
        [](const gr::address<question>&) {})) {}
  };
  auto a = rt.spawn({.name = "a"}, asks), b = rt.spawn({.name = "b"}, asks);
  a.send(gr::address<question>(b));
  b.send(gr::address<question>(a));
  (void)a.ask(question{}, 60s);  // at once: a waits at ... for b to answer, b waits at ... for a
  // [/circle]
  require(told.find("deadlock: ") == 0, "the circle is named");
  gr::stop(a);
  gr::stop(b);
}

void dumps() {
  gr::runtime rt(quiet());
  auto sleeper = rt.spawn({.name = "sleeper"}, [] { gr::sleep_for(1h); });
  // [dump]
  const gr::runtime_dump now = rt.dump();
  std::fputs(now.text(), stderr);  // actors, what they wait for, stacks in groups, workers
  // [/dump]
  require(std::strstr(now.text(), "sleeper") != nullptr, "who sleeps is named");
  sleeper.cancel();
}

}  // namespace

int main() {
  monitors();
  tree();
  circle();
  dumps();
  std::puts("ok");
}
