// SPDX-License-Identifier: Apache-2.0
// Options that make no sense are refused by name and value, and the environment overrides.
#include "unit_test.hpp"

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

struct number {
  int value;
};

// Sets a variable for a scope. REQUIRES: no runtime runs meanwhile.
class with_environment {
 public:
  with_environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    if (value == nullptr)
      unsetenv(name);
    else
      setenv(name, value, 1);
  }
  with_environment(const with_environment&) = delete;
  with_environment& operator=(const with_environment&) = delete;
  ~with_environment() {
    if (before_)
      setenv(name_, before_->c_str(), 1);
    else
      unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

struct plain_environment {
  with_environment workers{"GREENROOM_WORKERS", nullptr};
  with_environment stack{"GREENROOM_STACK_SIZE", nullptr};
  with_environment capacity{"GREENROOM_CAPACITY", nullptr};
};

std::string refusal_of(const gr::runtime_options& options) {
  try {
    const gr::runtime rt(options);
  } catch (const std::invalid_argument& e) { return e.what(); }
  return "";
}

bool names(const std::string& text, const char* what, const char* value) {
  return text.find(what) != std::string::npos && text.find(value) != std::string::npos;
}

// How many messages a mailbox holds whose spawn names no capacity.
int default_capacity(gr::runtime& rt) {
  unit::gate door;
  auto to = rt.spawn([&](gr::mailbox<number>&) { door.wait_on_green_thread(); });
  int fit = 0;
  while (fit < 100'000 && to.try_send(number{1})) ++fit;
  door.open();
  rt.shutdown(unit::long_time);
  return fit;
}

}  // namespace

TEST_CASE("a runtime refuses values that make no sense, naming option and value") {
  const plain_environment plain;
  CHECK(names(refusal_of({.workers = 257}), "workers", "257"));
  CHECK(names(refusal_of({.workers = 4'000'000'000}), "workers", "4000000000"));
  CHECK(names(refusal_of({.stack_size = 16'383}), "stack_size", "16383"));
  CHECK(names(refusal_of({.stack_size = 0}), "stack_size", "0"));
  CHECK(names(refusal_of({.stack_size = (256u << 20) + 1}), "stack_size", "268435457"));
  CHECK(names(refusal_of({.capacity = 0}), "capacity", "0"));
  CHECK(names(refusal_of({.capacity = 60'001}), "capacity", "60001"));
  CHECK(names(refusal_of({.threads_max = 0}), "threads_max", "0"));
  CHECK(names(refusal_of({.threads_max = 257}), "threads_max", "257"));
  CHECK(names(refusal_of({.workers = 3, .threads_max = 2}), "threads_max", "2"));
  CHECK(names(refusal_of({.report_stuck_after = -1ns}), "report_stuck_after", "-1 ns"));
}

TEST_CASE("the limits themselves are accepted") {
  const plain_environment plain;
  CHECK(refusal_of({.workers = 1, .stack_size = 16u << 10, .capacity = 1}).empty());
  CHECK(refusal_of({.workers = 3, .stack_size = 1u << 20, .capacity = 60'000}).empty());
  CHECK(refusal_of({.capacity = gr::unbounded}).empty());
  CHECK(refusal_of({.workers = 2, .threads_max = 2, .report_stuck_after = 0ns}).empty());
}

TEST_CASE("the number of workers is what was asked for, or what the process may use") {
  const plain_environment plain;
  CHECK(gr::runtime({.workers = 3}).workers() == 3);
  CHECK(gr::runtime({.workers = 1}).workers() == 1);
  CHECK(gr::runtime().workers() >= 1);
}

TEST_CASE("a spawn refuses values that make no sense, naming the actor as well") {
  const plain_environment plain;
  gr::runtime rt;
  const auto body = [](gr::mailbox<number>&) {};
  const auto refusal = [&](const gr::spawn_options& how) -> std::string {
    try {
      rt.spawn(how, body);
    } catch (const std::invalid_argument& e) { return e.what(); }
    return "";
  };
  CHECK(names(refusal({.name = "jar", .capacity = 60'001}), "capacity", "60001"));
  CHECK(names(refusal({.name = "jar", .capacity = 60'001}), "jar", ""));
  CHECK(names(refusal({.stack_size = 100}), "stack_size", "100"));
  CHECK(
      names(refusal({.name = "jar", .stack_size = std::size_t{1} << 40}), "jar", "1099511627776"));
  CHECK(refusal({.capacity = 60'000, .stack_size = 1u << 20}).empty());
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.actors() == 0);
}

TEST_CASE("the environment overrides what the program says") {
  const plain_environment plain;
  {
    const with_environment set("GREENROOM_WORKERS", "2");
    CHECK(gr::runtime({.workers = 1}).workers() == 2);
  }
  {
    const with_environment set("GREENROOM_CAPACITY", "9");
    gr::runtime rt({.capacity = 100});
    CHECK(default_capacity(rt) == 9);
  }
  {
    const with_environment set("GREENROOM_CAPACITY", "unbounded");
    gr::runtime rt({.capacity = 100});
    CHECK(default_capacity(rt) == 100'000);
  }
  {
    const with_environment set("GREENROOM_STACK_SIZE", "1048576");
    gr::runtime rt({.stack_size = 16u << 10});
    CHECK(unit::on_green_thread(rt, [] {
      volatile char big[600'000];
      for (std::size_t i = 0; i < sizeof big; i += 1000) big[i] = 1;
      (void)big[0];
    }));
  }
  {
    const with_environment set("GREENROOM_WORKERS", "");  // as good as not set
    CHECK(gr::runtime({.workers = 1}).workers() == 1);
  }
}

TEST_CASE("a variable that makes no sense is refused by its name and value") {
  const plain_environment plain;
  const auto refusal = [](const char* name, const char* value) {
    const with_environment set(name, value);
    return refusal_of({});
  };
  CHECK(names(refusal("GREENROOM_WORKERS", "many"), "GREENROOM_WORKERS", "many"));
  CHECK(names(refusal("GREENROOM_WORKERS", "2 "), "GREENROOM_WORKERS", "2 "));
  CHECK(names(refusal("GREENROOM_WORKERS", "-1"), "GREENROOM_WORKERS", "-1"));
  CHECK(names(refusal("GREENROOM_WORKERS", "257"), "GREENROOM_WORKERS", "257"));
  CHECK(names(refusal("GREENROOM_STACK_SIZE", "64k"), "GREENROOM_STACK_SIZE", "64k"));
  CHECK(names(refusal("GREENROOM_STACK_SIZE", "1"), "GREENROOM_STACK_SIZE", "1"));
  CHECK(names(refusal("GREENROOM_CAPACITY", "0"), "GREENROOM_CAPACITY", "0"));
  CHECK(names(refusal("GREENROOM_CAPACITY", "99999999999999999999"), "GREENROOM_CAPACITY",
              "99999999999999999999"));
}

TEST_CASE("threads_max bounds workers wherever their number comes from") {
  {
    const with_environment unset("GREENROOM_WORKERS", nullptr);
    gr::runtime rt({.workers = 0, .threads_max = 1});
    CHECK(rt.workers() == 1);
  }
  const with_environment four("GREENROOM_WORKERS", "4");
  try {
    gr::runtime rt({.workers = 1, .threads_max = 2});
    FAIL("it started");
  } catch (const std::invalid_argument& e) {
    CHECK(std::string(e.what()) ==
          "greenroom: GREENROOM_WORKERS = 4: must be threads_max (2) at most");
  }
}
