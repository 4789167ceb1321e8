// SPDX-License-Identifier: Apache-2.0
// Messages to a process and back, its end, and what is left of it.
#include "process_test.hpp"

#include <atomic>
#include <string>
#include <unistd.h>

using namespace process_tests;

TEST_CASE("an ask to a process is answered by another process") {
  in_runtime([] {
    const auto other = gr::spawn_process(everyday_actor);
    const auto said = other.ask(say{"hello"}, unit::long_time);
    REQUIRE_MESSAGE(said, (said ? "" : said.error().text()));
    CHECK(said->starts_with("hello from "));
    CHECK(*said != "hello from " + std::to_string(::getpid()));
  });
}

TEST_CASE("messages and asks of one sender arrive in their order") {
  in_runtime([] {
    const auto other = gr::spawn_process(everyday_actor);
    std::vector<int> sent;
    const int rounds = unit::scaled(200, 30);
    for (int round = 0; round < rounds; ++round) {
      for (int i = 0; i < 20; ++i) {
        sent.push_back(static_cast<int>(sent.size()));
        REQUIRE(other.send(note{sent.back()}));
      }
      const auto there = other.ask(total{}, unit::long_time);
      REQUIRE(there);
      REQUIRE(*there == sent);
    }
  });
}

TEST_CASE("asks from many green threads at once each get their own answer") {
  const int asks = unit::scaled(300, 40);
  std::atomic<int> right{0};
  in_runtime([&] {
    const auto other = gr::spawn_process(everyday_actor);
    gr::scope all;
    for (int i = 0; i < asks; ++i)
      all.spawn([i, other, &right] {
        const std::string mine =
            std::to_string(i) + ":" + std::string(static_cast<std::size_t>(i) * 100, 'x');
        const auto said = other.ask(say{mine}, unit::long_time);
        right += said && said->starts_with(mine + " from ");
      });
  });
  CHECK(right == asks);
}

TEST_CASE("a lambda without captures runs in a process, too, and is named by hand") {
  in_runtime([] {
    const auto other = gr::spawn_process(
        [](gr::mailbox<say>& in) { in.receive([](say s) { return s.text + "!"; }); },
        {.name = "crier"});
    CHECK(other.ask(say{"fire"}, unit::long_time).value_or("") == "fire!");
  });
}

TEST_CASE("a process answers what was asked before its last address went, then ends") {
  std::atomic<int> answered{0};
  in_runtime([&] {
    std::vector<gr::green_thread> asking;
    {
      const auto other = gr::spawn_process(everyday_actor);
      for (int i = 0; i < 5; ++i)
        asking.push_back(gr::spawn([other, &answered] {
          answered += other.ask(say{"still there?"}, unit::long_time).has_value();
        }));
    }
    for (const auto& one : asking) CHECK(one.join());
  });
  CHECK(answered == 5);
  CHECK(!has_children());
}

TEST_CASE("messages larger than the socket's room cross in both directions at once") {
  std::atomic<int> right{0};
  in_runtime([&] {
    const auto other = gr::spawn_process(everyday_actor);
    gr::scope all;
    for (int i = 0; i < 4; ++i)
      all.spawn([other, &right] {
        const std::string large(std::size_t{3} << 20, 'l');
        const auto said = other.ask(say{large}, unit::long_time);
        right += said && said->starts_with(large);
      });
  });
  CHECK(right == 4);
}

TEST_CASE("a message or a reply that is larger than the limit fails its ask and nothing else") {
  in_runtime([] {
    const auto other = gr::spawn_process(everyday_actor, {.message_size_max = 1000});
    const auto large = other.ask(say{std::string(2000, 'x')}, unit::long_time);
    REQUIRE(!large);
    CHECK(large.error() == gr::error::invalid);
    CHECK(std::string(large.error().text()).find("larger than the limit") != std::string::npos);
    for (int i = 0; i < 500; ++i) other.send(note{100'000 + i});
    const auto reply = other.ask(total{}, unit::long_time);
    REQUIRE(!reply);
    CHECK(reply.error() == gr::error::invalid);
    CHECK(other.ask(say{"small"}, unit::long_time));
  });
}

// Goal: no descriptor, zombie or actor is left of processes that came and went. Method: many in
// turn, some of which crash; then all is counted.
TEST_CASE("processes started one after another leave nothing behind") {
  in_runtime([] { REQUIRE(gr::spawn_process(everyday_actor).ask(say{"warm"}, unit::long_time)); });
  const std::size_t before = open_descriptors();
  {
    unit::log_book log;
    gr::runtime rt({.workers = 2, .logger = log.logger()});
    rt.spawn([] {
        const int rounds = unit::scaled(300, 12);
        for (int i = 0; i < rounds; ++i) {
          const auto other = gr::spawn_process(everyday_actor);
          if (i % 4 == 0)
            REQUIRE(!other.ask(die{"exit"}, unit::long_time));
          else
            REQUIRE(other.ask(say{"hello"}, unit::long_time));
        }
      }).join();
  }
  CHECK(!has_children());
  CHECK(open_descriptors() == before);
}
