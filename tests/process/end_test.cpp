// SPDX-License-Identifier: Apache-2.0
// How processes end, and that who asked them hears it.
#include "process_test.hpp"

#include <atomic>
#include <csignal>
#include <unistd.h>

using namespace process_tests;

namespace {

std::string death(const std::string& how, const gr::process_options& options = {}) {
  std::string text;
  unit::log_book log;
  in_runtime(
      [&] {
        const auto other = gr::spawn_process(everyday_actor, options);
        const auto said = other.ask(die{how}, unit::long_time);
        text = said ? "it lives" : said.error().text();
        if (!said) CHECK(said.error() == gr::error::failed);
      },
      log.logger());
  return text;
}

struct allocate {
  using reply = bool;
  std::uint64_t bytes;
};
struct open_files {
  using reply = int;
};

void hungry_actor(gr::mailbox<allocate, open_files>& in) {
  while (in.receive(
      [](allocate a) {
        try {
          std::vector<char> room(a.bytes, 'x');
          asm volatile("" : : "r"(room.data()) : "memory");  // else no memory is needed
          return room.size() == a.bytes;
        } catch (const std::bad_alloc&) { return false; }
      },
      [](open_files) {
        int count = 0;
        while (count < 1000 && ::dup(1) >= 0) ++count;
        return count;
      })) {}
}

}  // namespace

TEST_CASE("whoever monitors the actor hears the process's end as its reason, with the number") {
  unit::log_book log;
  gr::runtime rt({.workers = 2, .logger = log.logger()});
  int seen = 0;
  const auto watcher = rt.spawn([&](gr::mailbox<gr::down, note>& in) {
    for (const char* const how : {"segfault", "exit", "throw", ""}) {
      auto other = gr::spawn_process(everyday_actor);
      gr::monitor(other, in);
      if (*how != 0)
        (void)other.ask(die{how}, unit::long_time);
      else
        CHECK(other.ask(say{"well?"}, unit::long_time));
      other = {};
      in.receive_only([&](const gr::down& d) {
        ++seen;
        CHECK(std::string(d.name()) == "everyday_actor");
        const gr::exit_reason& why = d.why();
        CHECK(why.is_failure() == (seen != 4));
        if (seen == 1) CHECK((why == gr::exit_kind::crashed && why.signal() == SIGSEGV));
        if (seen == 2) CHECK((why == gr::exit_kind::exited && why.status() == 3));
        if (seen == 3) CHECK(why == gr::exit_kind::failed);
        if (seen == 4) CHECK_MESSAGE(why == gr::exit_kind::normal, why.text());
      });
    }
  });
  while (rt.actors() != 0) gr::yield();
  CHECK(seen == 4);
}

TEST_CASE("asks that were with a process when it crashed fail with the signal's name") {
  CHECK(death("segfault") == "everyday_actor ended: signal 11 (SIGSEGV)");
  CHECK(death("abort", {.name = "decode"}) == "decode ended: signal 6 (SIGABRT)");
  CHECK(!has_children());
}

TEST_CASE("a process that exits by itself ends its actor with the status") {
  CHECK(death("exit") == "everyday_actor ended: exit status 3");
}

TEST_CASE("an exception that leaves the function fails the ask with its text") {
  CHECK(death("throw").find("as it was told") != std::string::npos);
}

TEST_CASE("a process that writes to its own socket is killed, and the report says what it did") {
  CHECK(death("garbage") ==
        "everyday_actor ended: its process broke the protocol: it wrote to its own socket");
  CHECK(!has_children());
}

TEST_CASE("a process that computes longer than cpu_max dies of SIGXCPU") {
  CHECK(death("spin", {.cpu_max = 1s}) == "everyday_actor ended: signal 24 (SIGXCPU)");
}

TEST_CASE("all asks under way fail at once, and those that come later hear that it is closed") {
  unit::log_book log;
  std::atomic<int> right{0};
  in_runtime(
      [&right] {
        const auto other = gr::spawn_process(
            [](gr::mailbox<say>& in) {
              std::vector<gr::promise<std::string>> kept;
              while (in.receive([&](say, gr::promise<std::string> asker) {
                kept.push_back(std::move(asker));
                if (kept.size() == 10) ::raise(SIGKILL);
              })) {}
            },
            {.name = "miser"});
        {
          gr::scope asking;
          for (int i = 0; i < 10; ++i)
            asking.spawn([other, &right] {
              const auto said = other.ask(say{"?"}, unit::long_time);
              right +=
                  !said && said.error().text() == std::string("miser ended: signal 9 (SIGKILL)");
            });
        }
        const auto later = other.ask(say{"?"}, unit::long_time);
        CHECK((!later && later.error() == gr::error::closed));
      },
      log.logger());
  CHECK(right == 10);
}

TEST_CASE("memory_max makes allocations fail in the process, and it lives on") {
  if (unit::is_sanitized) {
    MESSAGE("skipped: a sanitizer's own memory would count");
    return;
  }
  in_runtime([] {
    const auto other = gr::spawn_process(hungry_actor, {.memory_max = std::size_t{32} << 20});
    CHECK(other.ask(allocate{8 << 20}, unit::long_time).value_or(false));
    CHECK(!other.ask(allocate{64 << 20}, unit::long_time).value_or(true));
    CHECK(other.ask(allocate{8 << 20}, unit::long_time).value_or(false));
  });
}

TEST_CASE("files_max is how many descriptors the function may open") {
  in_runtime([] {
    const auto other = gr::spawn_process(hungry_actor, {.files_max = 5});
    CHECK(other.ask(open_files{}, unit::long_time).value_or(-1) == 5);
  });
}

TEST_CASE("a process that computes for ever does not hold up a shutdown, and is killed by it") {
  unit::log_book log;
  {
    gr::runtime rt({.workers = 2, .shutdown_deadline = 1s, .logger = log.logger()});
    const auto other = rt.spawn(gr::in_process(everyday_actor));
    CHECK(other.ask(say{"up?"}, unit::long_time));
    CHECK(!other.ask(die{"spin"}, 1ms));
    CHECK(rt.shutdown(10s).ok());
  }
  CHECK(!has_children());
}

TEST_CASE("a function that goes on after its mailbox closed is killed after stop_within") {
  unit::log_book log;
  in_runtime(
      [] {
        auto other = gr::spawn_process(everyday_actor, {.stop_within = 50ms});
        CHECK(other.ask(say{"up?"}, unit::long_time));
        CHECK(!other.ask(die{"spin"}, 1ms));
        other = {};
      },
      log.logger());
  CHECK(!has_children());
}
