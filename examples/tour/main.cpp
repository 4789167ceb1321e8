// SPDX-License-Identifier: Apache-2.0
// The README's snippets as one program: it runs each of them and checks what comes out. Prints
// `ok`, or the line that went wrong.
#include <greenroom/greenroom.hpp>
#include <greenroom/net.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <regex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace {

void require(bool truth, const char* what) {
  if (truth) return;
  std::printf("wrong: %s\n", what);
  std::exit(1);
}

// [object]
struct deposit {
  int cents;
};
struct withdraw {
  int cents;
  using reply = bool;
};
struct balance {
  using reply = int;
};

struct account {  // or an actor is an object with an `on` for each message
  using messages = gr::messages<deposit, withdraw, balance>;

  void on(deposit d) { cents += d.cents; }
  bool on(withdraw w) {
    if (w.cents > cents) return false;
    cents -= w.cents;
    return true;
  }
  int on(balance) { return cents; }

  int cents = 0;
};
// [/object]

void objects() {
  // [ask]
  gr::runtime rt;
  gr::address<deposit, withdraw, balance> mine = rt.spawn<account>();
  mine.send(deposit{150});

  const std::expected<bool, gr::error> done = mine.ask(withdraw{120}, 1s);
  if (!done && done.error() == gr::error::timeout) std::puts("the account did not answer");
  if (!done) std::puts(done.error().text());  // a whole sentence, whatever it was
  // [/ask]
  require(done && *done, "there is enough to withdraw");
  require(mine.ask(balance{}, 1s).value_or(-1) == 30, "the balance");
}

// [promise]
struct fetch {
  std::string key;
  using reply = std::string;
};
struct job {
  std::string key;
  gr::promise<std::string> answer;
};

void store(gr::mailbox<job>& in) {
  while (in.receive([](job j) { j.answer.set("the value of " + j.key); })) {}
}

void front(gr::mailbox<fetch>& in, gr::address<job> back) {
  // A handler that takes a promise answers later, or lets somebody else answer.
  while (in.receive([&](fetch f, gr::promise<std::string> answer) {
    back.send(job{std::move(f.key), std::move(answer)});
  })) {}
}
// [/promise]

void promises() {
  gr::runtime rt;
  const auto to = rt.spawn(front, rt.spawn(store));
  require(to.ask(fetch{"k"}, 5s).value_or("") == "the value of k", "a promise that is sent along");
}

// [timers]
struct line {
  std::string text;
};
struct idle {};
struct until_idle {
  using reply = int;
};

void session(gr::mailbox<line, idle, until_idle>& in) {
  int lines = 0;
  bool open = true;
  gr::promise<int> end;
  gr::timer_handle limit = gr::send_after(20ms, in.address(), idle{});
  while (open && in.receive(
                     [&](line) {
                       ++lines;
                       limit.cancel();  // true: it will not come any more
                       limit = gr::send_after(20ms, in.address(), idle{});
                     },
                     [&](idle) { open = false; },
                     [&](until_idle, gr::promise<int> p) { end = std::move(p); })) {}
  if (end) end.set(lines);
}
// [/timers]

void timers() {
  gr::runtime rt;
  const auto to = rt.spawn(session);
  for (int i = 0; i < 3; ++i) to.send(line{"hello"});
  require(to.ask(until_idle{}, 10s).value_or(-1) == 3, "a session ends when nothing comes");
}

void channels() {
  gr::runtime rt;
  std::string got;
  // [channels]
  auto [to, from] = gr::channel<std::string>(1);  // room for one value
  const gr::green_thread reader = rt.spawn([&got, words = std::move(from)] {
    for (const std::string& word : words) got += word;
  });  // until no sender is left, nor a value

  gr::sender<std::string> also = to;             // one more sender of the same channel
  to.send("one ");                               // waits for room
  if (auto sent = also.try_send("two "); !sent)  // does not: why, and the value back
    to.send(std::move(sent.error().message));
  to.close();
  also.close();
  reader.join();
  // [/channels]
  require(got == "one two ", "all that was sent is received, in order");
}

// [select]
struct stop {};

// Hands the newest reading on, whenever somebody takes one.
void newest(gr::mailbox<stop>& in, gr::receiver<int> readings, gr::sender<int> out) {
  gr::sender<int> to;  // empty: its case does not happen, until there is something to send
  int reading = 0;
  bool open = true;
  const auto end = [&] { open = false; };
  const auto keep = [&](int r) {
    reading = r;
    to = out;
  };
  while (open)
    gr::select(readings.on(keep), readings.on_end(end),  // a value, or no sender is left
               to.on(reading, [&] { to.close(); }),      // somebody has taken it
               in.on([&](stop) { open = false; }),       // the actor's own mailbox
               gr::after(1min, end));
}
// [/select]

void selects() {
  gr::runtime rt;
  const auto [put, readings] = gr::channel<int>(0);
  const auto [to, taken] = gr::channel<int>(0);
  const auto keeper = rt.spawn(newest, readings, to);
  for (int reading : {1, 2, 3}) put.send(reading);
  require(taken.receive().value_or(0) == 3, "the newest reading is taken");
  require(!taken.try_receive(), "it is taken once");
  keeper.send(stop{});
}

// [local]
gr::local<std::string> request_name;  // one for each actor

void handle_request(std::string name) {
  *request_name = std::move(name);
  gr::sleep_for(1ms);  // may go on on another OS thread; the value is still this actor's
  std::fprintf(stderr, "%s is through\n", request_name->c_str());
}
// [/local]

void locals() {
  gr::runtime rt;
  // [green-thread]
  gr::green_thread one = rt.spawn(handle_request, "first");  // no mailbox: a plain green thread
  const gr::status ended = one.join();                       // failed, if an exception ended it
  // [/green-thread]
  require(ended.ok(), "a green thread is joined");
}

// [blocking]
std::string first_line(const char* path) {
  return gr::blocking([&] {  // may take long: others have this worker meanwhile
    std::ifstream file(path);
    std::string text;
    std::getline(file, text);
    return text;
  });
}

bool is_a_word(const std::string& text) {
  return gr::on_os_stack([&] {  // needs more stack than a green thread has
    return std::regex_match(text, std::regex("([a-z]|[A-Z])*"));
  });
}
// [/blocking]

void calls_that_block() {
  gr::runtime rt;
  std::string text;
  bool fits = false;
  const gr::green_thread reader = rt.spawn([&] {
    text = first_line("/proc/sys/kernel/ostype");
    fits = is_a_word(std::string(3000, 'x'));
  });
  require(reader.join().ok(), "a green thread reads a file");
  require(text == "Linux", "the call's result comes back");
  require(fits, "a deep stack is there");
}

// [streams]
void echo(std::unique_ptr<gr::stream> peer) {
  char data[4096];
  while (auto n = peer->read_some(data))
    if (!peer->write({data, *n})) return;
}

void serve(gr::listener& at) {
  while (auto peer = at.accept()) gr::spawn(echo, std::move(*peer));  // until at.close()
}
// [/streams]

void streams() {
  gr::runtime rt;
  auto at = gr::listen_tcp("127.0.0.1", 0).value();
  const gr::green_thread server = rt.spawn([&] { serve(*at); });
  const auto client = gr::connect_tcp("127.0.0.1", at->port()).value();
  require(client->write("hello").ok(), "a client writes");
  char data[5];
  std::size_t got = 0;
  while (got < sizeof data) got += client->read_some(std::span(data).subspan(got)).value();
  require(std::string_view(data, sizeof data) == "hello", "an echo");
  at->close();
  require(server.join().ok(), "the server ends when its listener is closed");
}

// [logger]
// Any function may be the log; <greenroom/spdlog.hpp> makes one of a spdlog logger.
constexpr gr::logger::operations to_stderr{
    .write =
        [](void*, gr::log_level, std::string_view text) {
          std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
        },
    .retain = nullptr,
    .release = nullptr};
// [/logger]

void ends() {
  // [options]
  gr::runtime rt({.workers = 2, .name = "shop", .logger = gr::logger(nullptr, &to_stderr)});
  auto clerk = rt.spawn_detached({.name = "clerk", .capacity = 64}, [](gr::mailbox<line>& in) {
    while (in.receive([](line l) { throw std::runtime_error("cannot read " + l.text); })) {}
  });
  clerk.send(line{"this"});  // logs: greenroom: clerk (id 1) ended: std::runtime_error: cannot ...
  // [/options]
  // [shutdown]
  const gr::shutdown_report report = rt.shutdown(2s);
  for (const gr::survivor& s : report)
    std::fprintf(stderr, "%s did not stop; it waits: %s\n", s.name, s.waits);
  const gr::dead_letters lost = rt.dead_letters();
  std::fprintf(stderr, "%llu messages reached nobody\n",
               static_cast<unsigned long long>(lost.total()));
  // [/shutdown]
  require(report.ok(), "everything stops in time");
  require(lost.crashed == 1 && lost.total() == 1, "what the clerk failed at, and no other");
}

}  // namespace

int main() {
  objects();
  promises();
  timers();
  channels();
  selects();
  locals();
  calls_that_block();
  streams();
  ends();
  std::puts("ok");
}
