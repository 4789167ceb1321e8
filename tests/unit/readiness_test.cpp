// SPDX-License-Identifier: Apache-2.0
// readiness: a signal is never lost between a look and a wait (R1).
#include "scheduler/readiness.hpp"

#include "unit_test.hpp"

namespace detail = greenroom::detail;

TEST_SUITE_BEGIN("readiness");

TEST_CASE("who stands in line after a signal is told to look again, and the wait is not decided") {
  detail::readiness ready;
  ready.clear();
  ready.signal();
  const detail::wait_ticket ticket = detail::begin_wait({"test"});
  CHECK(!ready.line_up(ticket, detail::outcome_first_free));
  ready.clear();
  ready.signal();  // it has left the line
  CHECK(detail::abandon());
}

TEST_CASE("a signal decides the wait of who stands in line, with the value left there") {
  detail::readiness ready;
  ready.clear();
  const detail::wait_ticket ticket = detail::begin_wait({"test"});
  CHECK(ready.line_up(ticket, detail::outcome_first_free));
  ready.signal();
  CHECK(detail::park() == detail::outcome_first_free);
  ready.step_back();
}

TEST_CASE("who has stepped back is not woken") {
  detail::readiness ready;
  ready.clear();
  const detail::wait_ticket ticket = detail::begin_wait({"test"});
  CHECK(ready.line_up(ticket, detail::outcome_first_free));
  ready.step_back();
  ready.signal();
  CHECK(detail::abandon());
}

TEST_SUITE_END();
