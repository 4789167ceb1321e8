// SPDX-License-Identifier: Apache-2.0
#include <greenroom/oneshot.hpp>

#include "waiting.hpp"

#include <new>

namespace greenroom::detail {

namespace {

constexpr wait_reason receiving{"for the value of a oneshot"};

}  // namespace

struct oneshot_core {
  explicit oneshot_core(void (*destroy_)(node*) noexcept) noexcept : destroy(destroy_) {}

  void (*const destroy)(node*) noexcept;
  spin_lock lock;
  node* value GREENROOM_GUARDED_BY(lock) = nullptr;
  bool sent GREENROOM_GUARDED_BY(lock) = false;
  bool received GREENROOM_GUARDED_BY(lock) = false;
  bool no_sender GREENROOM_GUARDED_BY(lock) = false;
  bool no_receiver GREENROOM_GUARDED_BY(lock) = false;
  line_waiter* waiter GREENROOM_GUARDED_BY(lock) = nullptr;

  // Whoever waits is to be woken by the caller, after the lock.
  void take_waiter(wait_ticket& ticket, std::uint64_t& with) noexcept GREENROOM_REQUIRES(lock) {
    if (waiter == nullptr) return;
    ticket = waiter->ticket;
    with = waiter->value;
    waiter->linked = false;
    waiter = nullptr;
  }
};

oneshot_core* make_oneshot(void (*destroy)(node*) noexcept) noexcept {
  return new (std::nothrow) oneshot_core(destroy);
}

bool oneshot_send(oneshot_core* c, node* n) noexcept {
  wait_ticket ticket;
  std::uint64_t with = 0;
  {
    const spin_guard guard(c->lock);
    if (c->sent || c->no_receiver) return false;
    c->sent = true;
    c->value = n;
    c->take_waiter(ticket, with);
  }
  if (ticket.who != nullptr) wake(ticket, with);
  return true;
}

bool oneshot_wanted(oneshot_core* c) noexcept {
  const spin_guard guard(c->lock);
  return !c->sent && !c->no_receiver;
}

void oneshot_drop_sender(oneshot_core* c) noexcept {
  wait_ticket ticket;
  std::uint64_t with = 0;
  bool last = false;
  {
    const spin_guard guard(c->lock);
    c->no_sender = true;
    last = c->no_receiver;
    c->take_waiter(ticket, with);
  }
  if (ticket.who != nullptr) wake(ticket, with);
  if (last) delete c;
}

void oneshot_drop_receiver(oneshot_core* c) noexcept {
  node* left = nullptr;
  void (*const destroy)(node*) noexcept = c->destroy;
  bool last = false;
  {
    const spin_guard guard(c->lock);
    c->no_receiver = true;
    left = std::exchange(c->value, nullptr);
    last = c->no_sender;
  }
  if (last) delete c;
  if (left != nullptr) destroy(left);
}

std::expected<node*, error> oneshot_try_receive(oneshot_core* c) noexcept {
  const spin_guard guard(c->lock);
  if (c->value != nullptr) {
    c->received = true;
    return std::exchange(c->value, nullptr);
  }
  if (c->received) return std::unexpected(error(error::closed));
  return std::unexpected(error(c->no_sender ? error::dropped : error::empty));
}

bool oneshot_enlist(oneshot_core* c, line_waiter& w) noexcept {
  const spin_guard guard(c->lock);
  if (c->value != nullptr || c->received || c->no_sender) return false;
  w.linked = true;
  c->waiter = &w;
  return true;
}

void oneshot_leave(oneshot_core* c, line_waiter& w) noexcept {
  const spin_guard guard(c->lock);
  if (w.linked) c->waiter = nullptr;
  w.linked = false;
}

std::expected<node*, error> oneshot_receive(oneshot_core* c, time_point deadline) {
  for (;;) {
    auto got = oneshot_try_receive(c);
    if (got || got.error() != error::empty) return got;
    if (report_cancel()) return std::unexpected(error(error::cancelled));
    line_waiter w;
    const std::uint64_t outcome = wait_in_line(
        receiving, w, deadline, [c](line_waiter& waiting) { return oneshot_enlist(c, waiting); },
        [c](line_waiter& waiting) { oneshot_leave(c, waiting); });
    if (outcome != outcome_timeout) continue;
    got = oneshot_try_receive(c);  // it may have come at the last moment
    if (got || got.error() != error::empty) return got;
    return std::unexpected(error(error::timeout));
  }
}

}  // namespace greenroom::detail
