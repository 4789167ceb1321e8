// SPDX-License-Identifier: Apache-2.0
// Bounds: what a with_deadline does to the waits inside it (U1-U3 in README.md).
#include "fiber.hpp"

#include <greenroom/deadline.hpp>

#include <exception>

namespace greenroom::detail {

namespace {

// Clean-up must be able to wait: in a destructor that runs because an exception unwinds the stack
// the bound does not count, as a cancel does not.
bool counts() noexcept { return std::uncaught_exceptions() == 0; }

bool has_passed(const fiber* f) noexcept {
  return f->bound_ns != never_ns && now().time_since_epoch().count() >= f->bound_ns && counts();
}

// So that its receives take the slow way, where they look at the bound. relaxed: only the actor
// itself looks at this bit.
void mark_task(const fiber* f, bool is_bounded) noexcept {
  task* t = f->current.load(sync::memory_order_relaxed);
  if (t == nullptr) return;
  if (is_bounded)
    t->control.fetch_or(control_bounded, sync::memory_order_relaxed);
  else
    t->control.fetch_and(~control_bounded, sync::memory_order_relaxed);
}

}  // namespace

GREENROOM_COLD time_point cut_by_bound(const fiber* f, time_point deadline) noexcept {
  const time_point bound{duration(f->bound_ns)};
  return bound < deadline && counts() ? bound : deadline;
}

time_point bounded(time_point deadline) noexcept {
  const fiber* f = current_fiber();
  if (GREENROOM_LIKELY(deadline.time_since_epoch().count() <= f->bound_ns)) return deadline;
  return cut_by_bound(f, deadline);
}

GREENROOM_COLD void obey_bound(fiber* f) {
  if (has_passed(f)) throw past_deadline{};
}

GREENROOM_COLD void report_bound(fiber* f) {
  if (!has_passed(f)) return;
  if (f->bound_told) throw past_deadline{};
  f->bound_told = 1;
}

std::int64_t hide_bound(fiber* f) noexcept {
  const std::int64_t bound_ns = f->bound_ns;
  f->bound_ns = never_ns;
  return bound_ns;
}

void restore_bound(fiber* f, std::int64_t bound_ns) noexcept {
  f->bound_ns = bound_ns;
  // Again: one that began meanwhile was the only one then, and took the mark away.
  if (GREENROOM_UNLIKELY(bound_ns != never_ns)) mark_task(f, true);
}

limits limits_here() noexcept {
  const fiber* f = current_fiber();
  return {f->bound_ns, f->inherited_ns};
}

bound_scope::bound_scope(time_point deadline) noexcept {
  fiber* f = current_fiber();
  before_ = {f->bound_ns, f->inherited_ns};
  told_before_ = f->bound_told;
  const std::int64_t mine = deadline.time_since_epoch().count();
  if (mine >= f->bound_ns) return;
  if (f->bound_ns == never_ns) mark_task(f, true);
  f->bound_ns = mine;
  f->bound_told = 0;
}

bound_scope::bound_scope(const limits& given) noexcept
    : bound_scope(time_point(duration(given.bound_ns))) {
  current_fiber()->inherited_ns = given.inherited_ns;
}

bound_scope::~bound_scope() {
  fiber* f = current_fiber();
  f->inherited_ns = before_.inherited_ns;
  // Where it added nothing, what was told holds for the outer one.
  if (f->bound_ns == before_.bound_ns) return;
  if (before_.bound_ns == never_ns) mark_task(f, false);
  f->bound_ns = before_.bound_ns;
  f->bound_told = told_before_ & 1u;
}

bool bound_has_passed() noexcept { return has_passed(current_fiber()); }

}  // namespace greenroom::detail
