// SPDX-License-Identifier: Apache-2.0
// gr::run: a runtime with defaults around one green thread.
#include "unit_test.hpp"

#include <stdexcept>

namespace {
struct number {
  int value;
};
}  // namespace

TEST_CASE("run returns what its function returns, and 0 for void") {
  CHECK(gr::run([] { return 7; }) == 7);
  CHECK(gr::run([] {}) == 0);
}

TEST_CASE("run returns 1 when its function ends by an exception") {
  const auto failing = []() -> int { throw std::runtime_error("this line is part of a test"); };
  CHECK(gr::run(failing) == 1);
}

TEST_CASE("run lets what its function started finish") {
  int sum = 0;
  const int rc = gr::run([&] {
    auto to = gr::spawn([&](gr::mailbox<number>& in) {
      while (in.receive([&](number n) { sum += n.value; })) {}
    });
    for (int i = 1; i <= 100; ++i) to.send(number{i});
    return gr::self().id() != 0 ? 3 : 4;
  });
  CHECK(rc == 3);
  CHECK(sum == 5050);
}

TEST_CASE("spawn without a runtime is a logic error that says what to do") {
  try {
    gr::spawn([] {});
    FAIL("spawn outside of a runtime went through");
  } catch (const std::logic_error& e) {
    CHECK(std::string(e.what()).find("rt.spawn") != std::string::npos);
  }
}
