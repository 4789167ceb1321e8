// SPDX-License-Identifier: Apache-2.0
// The README's snippets about names, groups and dead letters, as one program: it runs each of them
// and checks what comes out. Prints "ok".
#include <greenroom/greenroom.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

struct put {
  std::string key;
};
struct count {
  using reply = std::size_t;
};
struct line {
  std::string text;
};

// [names]
void store(gr::mailbox<put, count>& in) {
  if (!gr::register_name("store", in)) return;  // another one has the name
  std::vector<std::string> keys;
  while (in.receive([&](put p) { keys.push_back(std::move(p.key)); },
                    [&](count) { return keys.size(); })) {}
}

std::expected<std::size_t, gr::error> keys_stored() {
  auto found = gr::whereis<count>("store");  // or why not: no such name, no such message
  if (!found) return std::unexpected(found.error());
  return found->ask(count{}, 100ms);
}
// [/names]

void names() {
  gr::runtime rt;
  auto keeps = rt.spawn(store);
  keeps.send(put{"a"});
  (void)keeps.ask(count{}, 10s);  // it is registered by then
  const auto waited = rt.spawn([] {
    require(keys_stored().value() == 1, "found by its name");
    const auto wrong = gr::whereis<line>("store");
    require(!wrong && wrong.error() == gr::error::invalid, "it does not receive a line");
  });
  require(waited.join().ok(), "joined");
}

std::atomic<int> noted{0};

// [groups]
void session(gr::mailbox<line>& in, std::string room) {
  if (!gr::join_group(room, in)) return;  // leaves it by itself when it ends
  while (in.receive([](const line& l) { noted += static_cast<int>(l.text.size()); })) {}
}

void moderator(gr::mailbox<gr::group_joined, gr::group_left>& in) {
  if (!gr::watch_group("room/7", in)) return;
  while (in.receive([](const gr::group_joined& j) { std::fprintf(stderr, "+ %s\n", j.name); },
                    [](const gr::group_left& l) { std::fprintf(stderr, "- %s\n", l.name); })) {}
}
// [/groups]

void groups() {
  gr::runtime rt;
  {
    auto watches = rt.spawn(moderator);
    auto a = rt.spawn({.name = "ann"}, session, "room/7");
    auto b = rt.spawn({.name = "bob"}, session, "room/7");
    while (rt.groups().members<line>("room/7").size() != 2) gr::yield();
    require(rt.groups().send("room/7", line{"hello"}) == 2, "both have it");
  }
  require(rt.shutdown(10s).ok(), "all end");
  require(noted == 10, "both have read it");
}

void dead_letters() {
  gr::runtime rt({.dead_letter_log = gr::duration::max()});
  auto ends = rt.spawn([](gr::mailbox<line>&) {});
  while (ends.send(line{"are you there?"})) gr::yield();
  int lost = 0;
  // [dead_letters]
  auto token = rt.on_dead_letter([&](const gr::dead_letter& d) {
    std::fprintf(stderr, "%s to %s: %s\n", d.type, d.actor, gr::name_of(d.reason));
    ++lost;
  });
  ends.send(line{"anybody?"});  // {anonymous}::line to ...: closed
  token.end();
  for (const gr::dead_letter_count& c : rt.count_dead_letters())
    std::fprintf(stderr, "%llu %s (%s)\n", static_cast<unsigned long long>(c.count), c.type,
                 gr::name_of(c.reason));
  // [/dead_letters]
  require(lost == 1, "heard of it");
}

}  // namespace

int main() {
  names();
  groups();
  dead_letters();
  std::puts("ok");
}
