// SPDX-License-Identifier: Apache-2.0
// The host's logger hears the runtime's sentences.
#include "unit_test.hpp"

#include <greenroom/spdlog.hpp>

#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

struct number {
  int value;
};

// A target that counts who holds it.
struct held_target {
  static inline std::atomic<int> held{0};
  static inline std::atomic<int> written{0};
  static constexpr gr::logger::operations how{
      [](void*, gr::log_level, std::string_view) { ++written; },
      [](void* t) {
        ++held;
        return t;
      },
      [](void*) { --held; }};
};

}  // namespace

TEST_CASE("the host's logger gets one sentence for an actor that ended by an exception") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  {
    auto to = rt.spawn({.name = "waiter"}, [](gr::mailbox<number>& in) {
      in.receive([](number) { throw std::runtime_error("slipped on a banana"); });
    });
    to.send(number{1});
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(log.errors() == 1);
  CHECK(log.has("waiter"));
  CHECK(log.has("std::runtime_error: slipped on a banana"));
  CHECK(log.has("(id "));
}

TEST_CASE("an actor that ends in any other way is not worth a sentence") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto sleeper = rt.spawn([] { gr::sleep_for(24h); });
  sleeper.cancel();
  sleeper.join();
  rt.spawn([](gr::mailbox<number>&) {});
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(log.text().empty());
}

TEST_CASE("a spdlog logger can be given, and is held as long as the runtime lives") {
  std::ostringstream out;
  auto spd = std::make_shared<spdlog::logger>(
      "host", std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
  const std::weak_ptr<spdlog::logger> watch = spd;
  {
    gr::runtime rt({.logger = gr::to(std::move(spd))});
    CHECK_FALSE(watch.expired());
    rt.spawn({.name = "cook"}, [] { throw std::runtime_error("burnt"); }).join();
    CHECK_FALSE(watch.expired());
  }
  CHECK(watch.expired());
  CHECK(out.str().find("cook") != std::string::npos);
  CHECK(out.str().find("burnt") != std::string::npos);
  CHECK(out.str().find("error") != std::string::npos);
}

TEST_CASE("a target that counts its holders is let go as often as it was taken") {
  {
    held_target::held = 1;
    gr::runtime rt({.logger = gr::logger(nullptr, &held_target::how)});
    CHECK(held_target::held >= 1);
    rt.spawn([] { throw 1; }).join();
  }
  CHECK(held_target::held == 0);
  CHECK(held_target::written == 1);
}

TEST_CASE("a logger that throws ends nobody") {
  static constexpr gr::logger::operations broken{
      [](void*, gr::log_level, std::string_view) { throw std::runtime_error("disk full"); },
      nullptr, nullptr};
  gr::runtime rt({.logger = gr::logger(nullptr, &broken)});
  CHECK(rt.spawn([] { throw std::runtime_error("x"); }).join().error() == gr::error::failed);
  CHECK(unit::on_green_thread(rt, [] {}));
}

TEST_CASE("an entry is one line, whatever names and exceptions hold") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto to = rt.spawn({.name = "two\nlines"}, [](gr::mailbox<number>& in) {
    in.receive([](number) { throw std::runtime_error("a\nb\x1b[31m"); });
  });
  to.send(number{1});
  unit::yield_until([&] { return rt.actors() == 0; });
  CHECK(log.has("two lines"));
  CHECK(log.has("a b?[31m (while handling"));
}

TEST_CASE("an error that an actor throws is logged with its text") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  const auto ended = rt.spawn([] { throw gr::error(gr::error::io, "the disk is on fire"); }).join();
  CHECK(ended.error() == gr::error::failed);
  CHECK(log.has("the disk is on fire"));
}
