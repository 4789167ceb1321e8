// SPDX-License-Identifier: Apache-2.0
// The judge of recorded channel histories: what it must accept, and what it must refuse. A judge
// that accepts everything would make the stress test of channels worth nothing.
#include "tests/stress/history.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using op = history::operation;
using ops = std::vector<op>;

op sent(int value, std::uint32_t from, std::uint32_t to) {
  return {op::send, op::done, static_cast<std::uint8_t>(value), from, to};
}
op received(int value, std::uint32_t from, std::uint32_t to) {
  return {op::receive, op::done, static_cast<std::uint8_t>(value), from, to};
}
op send_said(op::outcome_type what, std::uint32_t from, std::uint32_t to) {
  return {op::send, what, 0, from, to};
}
op receive_said(op::outcome_type what, std::uint32_t from, std::uint32_t to) {
  return {op::receive, what, 0, from, to};
}
op sender_gone(std::uint32_t from, std::uint32_t to) {
  return {op::close_sender, op::done, 0, from, to};
}
op receiver_gone(std::uint32_t from, std::uint32_t to) {
  return {op::close_receiver, op::done, 0, from, to};
}

bool holds(unsigned capacity, const ops& all, unsigned senders = 1, unsigned receivers = 1) {
  return history::is_linearizable({capacity, senders, receivers}, all);
}

}  // namespace

TEST_CASE("the judge accepts a queue that keeps its order and its bound") {
  CHECK(holds(0, {}));
  CHECK(holds(1, {sent(1, 0, 1), received(1, 2, 3), sent(2, 4, 5), received(2, 6, 7)}));
  CHECK(holds(2, {sent(1, 0, 1), sent(2, 2, 3), received(1, 4, 5), received(2, 6, 7)}));
  CHECK(holds(2, {sent(1, 0, 1)}));
}

TEST_CASE("the judge accepts what overlaps in any order that explains it") {
  // 2 may have been sent before 1, since the sends overlap.
  CHECK(holds(2, {sent(1, 0, 3), sent(2, 1, 2), received(2, 4, 5), received(1, 6, 7)}));
  // The receive was called first and waited.
  CHECK(holds(1, {received(1, 0, 3), sent(1, 1, 2)}));
  // The third send waited for the receive.
  CHECK(holds(2, {sent(1, 0, 1), sent(2, 2, 3), sent(3, 4, 7), received(1, 5, 6)}));
  CHECK(holds(0, {sent(1, 0, 3), received(1, 1, 2)}));
  CHECK(holds(0, {sent(1, 0, 5), received(1, 1, 2), sent(2, 3, 6), received(2, 4, 7)}));
}

TEST_CASE("the judge accepts refusals at moments when they are true") {
  CHECK(holds(1, {send_said(op::full, 2, 3), sent(1, 0, 1), receive_said(op::empty, 6, 7),
                  received(1, 4, 5)}));
  CHECK(holds(
      1, {sent(1, 0, 1), sender_gone(2, 3), received(1, 4, 5), receive_said(op::closed, 6, 7)}));
  CHECK(holds(1, {receiver_gone(0, 1), send_said(op::closed, 2, 3)}));
  CHECK(holds(1, {sender_gone(0, 1), sender_gone(2, 3), receive_said(op::closed, 4, 5)}, 2));
  CHECK(holds(0, {receive_said(op::closed, 0, 3), sender_gone(1, 2)}));
  CHECK(holds(0, {send_said(op::full, 0, 1), receive_said(op::empty, 2, 3)}));
}

TEST_CASE("the judge refuses a value that is lost") {
  CHECK_FALSE(holds(1, {sent(1, 0, 1), receive_said(op::empty, 2, 3)}));
  CHECK_FALSE(holds(1, {sent(1, 0, 1), sender_gone(2, 3), receive_said(op::closed, 4, 5)}));
  // 1 has vanished: nothing else makes room for 2.
  CHECK_FALSE(holds(1, {sent(1, 0, 1), sent(2, 2, 3), received(2, 4, 5)}));
  CHECK_FALSE(holds(0, {sent(1, 0, 1)}));
}

TEST_CASE("the judge refuses a value that comes twice, or from nowhere") {
  CHECK_FALSE(holds(2, {sent(1, 0, 1), received(1, 2, 3), received(1, 4, 5)}));
  CHECK_FALSE(holds(2, {sent(1, 0, 5), received(1, 1, 2), received(1, 3, 4)}));
  CHECK_FALSE(holds(0, {sent(1, 0, 5), received(1, 1, 2), received(1, 3, 4)}));
  CHECK_FALSE(holds(2, {sent(1, 0, 1), received(2, 2, 3)}));
  CHECK_FALSE(holds(0, {received(1, 0, 1)}));
}

TEST_CASE("the judge refuses values that changed their order") {
  CHECK_FALSE(holds(2, {sent(1, 0, 1), sent(2, 2, 3), received(2, 4, 5), received(1, 6, 7)}));
  CHECK_FALSE(holds(0, {sent(1, 0, 1), received(1, 2, 3)}));
  CHECK_FALSE(holds(1, {received(1, 0, 1), sent(1, 2, 3)}));
  CHECK_FALSE(holds(0, {received(1, 0, 1), sent(1, 2, 3)}));
}

TEST_CASE("the judge refuses more values than there is room for") {
  CHECK_FALSE(holds(1, {sent(1, 0, 1), sent(2, 2, 3), received(1, 4, 5), received(2, 6, 7)}));
  CHECK_FALSE(holds(2, {sent(1, 0, 1), sent(2, 2, 3), sent(3, 4, 5)}));
  // The second send overlaps the receive, the third does not.
  CHECK_FALSE(holds(1, {sent(1, 0, 1), sent(2, 2, 5), sent(3, 8, 9), received(1, 3, 4)}));
}

TEST_CASE("the judge refuses a refusal that is never true") {
  CHECK_FALSE(holds(2, {sent(1, 0, 1), send_said(op::full, 2, 3)}));
  CHECK_FALSE(holds(1, {sent(1, 0, 1), received(1, 2, 3), send_said(op::full, 4, 5)}));
  CHECK_FALSE(holds(1, {sent(1, 0, 1), receive_said(op::empty, 2, 3), received(1, 4, 5)}));
}

TEST_CASE("the judge refuses an end that comes too early, and what comes after it") {
  CHECK_FALSE(holds(1, {receive_said(op::closed, 0, 1), sender_gone(2, 3)}));
  CHECK_FALSE(holds(
      1, {sent(1, 0, 1), sender_gone(2, 3), receive_said(op::closed, 4, 5), received(1, 6, 7)}));
  CHECK_FALSE(holds(
      2, {sender_gone(0, 1), receive_said(op::closed, 2, 3), sent(1, 4, 5), received(1, 6, 7)}));
  CHECK_FALSE(holds(1, {sender_gone(0, 1), receive_said(op::closed, 2, 3)}, 2));
  CHECK_FALSE(holds(1, {sender_gone(0, 1), receive_said(op::empty, 2, 3)}));
  CHECK_FALSE(holds(1, {receiver_gone(0, 1), sent(1, 2, 3)}));
  CHECK_FALSE(holds(1, {receiver_gone(0, 1), send_said(op::full, 2, 3)}));
  CHECK_FALSE(holds(1, {send_said(op::closed, 0, 1), receiver_gone(2, 3)}));
  CHECK_FALSE(holds(0, {receive_said(op::closed, 0, 1), sender_gone(2, 3)}));
}
