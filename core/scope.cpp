// SPDX-License-Identifier: Apache-2.0
// Scopes: what ties children to the block that made them (C5-C7 in README.md).
//
// A spin lock guards the count, the list of those who run, and what failed. It is held for a few
// instructions; nobody is cancelled or woken under it. A child's last touch of the scope is the
// unlock in leave(), and the owner looks at the count under the lock, so once it has seen 0 there
// is nobody left who would.
#include <greenroom/runtime.hpp>
#include <greenroom/scope.hpp>

#include <stdexcept>

namespace greenroom {

scope::scope(runtime& rt) : core_(rt.home()), uncaught_(std::uncaught_exceptions()) {}

namespace detail {

namespace {

constexpr wait_reason waits_for_children{"scope: its children"};

}  // namespace

// ---- a child's side

child_link::child_link(scope_core& in, const limits& given) noexcept : scope_(&in), given_(given) {
  const spin_guard guard(in.lock_);
  ++in.count_;
}

bool child_link::begin() noexcept {
  const spin_guard guard(scope_->lock_);
  begun_ = true;
  if (scope_->cancelled_) return false;
  who_ = current_cell();
  next_ = scope_->running_;
  at_ = &scope_->running_;
  if (next_ != nullptr) next_->at_ = &next_;
  scope_->running_ = this;
  return true;
}

// Under the scope's lock.
void child_link::unlink() noexcept {
  *at_ = next_;
  if (next_ != nullptr) next_->at_ = at_;
}

bool child_link::failed() noexcept {
  if (!scope_->keep(std::current_exception())) return false;
  scope_->cancel();
  return true;
}

void child_link::late() noexcept {
  {
    const spin_guard guard(scope_->lock_);
    scope_->late_ = true;
  }
  if (!scope_->gathers) scope_->cancel();
}

void child_link::disown() noexcept {
  begun_ = true;
  leave();
  scope_ = nullptr;
}

void child_link::leave() noexcept {
  // It has never run, and no exception of its constructor destroys it.
  if (!begun_ && std::uncaught_exceptions() == 0) scope_->refused();
  wait_ticket owner;
  {
    const spin_guard guard(scope_->lock_);
    if (at_ != nullptr) unlink();
    if (--scope_->count_ == 0) owner = std::exchange(scope_->waiter_, {});
  }
  // The scope may be gone from here on.
  if (owner.who != nullptr) wake(owner);
}

// ---- the owner's side

scope_core::scope_core(home* h) : home_(h != nullptr ? h : home_here()), owner_(current_cell()) {}

scope_core::~scope_core() {
  if (size() != 0 && !forked()) end(true);  // an exception came between the children
  while (scope_attachment* a = attachments_) {
    attachments_ = a->next;
    a->destroy(a);
  }
}

void scope_core::attach(scope_attachment* a) noexcept {
  a->next = attachments_;
  attachments_ = a;
}

std::size_t scope_core::size() const noexcept {
  const spin_guard guard(lock_);
  return count_;
}

bool scope_core::was_cancelled() const noexcept {
  const spin_guard guard(lock_);
  return cancelled_;
}

bool scope_core::keep(std::exception_ptr failure) noexcept {
  const spin_guard guard(lock_);
  if (decided_ || failure_ != nullptr) return false;
  failure_.swap(failure);
  return true;
}

void scope_core::decide() noexcept {
  const spin_guard guard(lock_);
  decided_ = true;
}

void scope_core::refused() {
  const bool stops = home_->accepts.load(sync::memory_order_acquire) != spawns_from::anywhere;
  const error why = stops ? error(error::shutdown, "a scope's child: the runtime shuts down")
                          : error(error::no_memory, "a scope's child: out of memory");
  if (keep(std::make_exception_ptr(why))) cancel();
}

void scope_core::cancel() noexcept {
  constexpr std::size_t batch = 32;
  for (;;) {
    cell* some[batch];
    std::size_t n = 0;
    {
      const spin_guard guard(lock_);
      cancelled_ = true;
      for (child_link* c = running_; c != nullptr && n < batch; c = running_) {
        c->unlink();
        c->next_ = told_;
        c->at_ = &told_;
        if (c->next_ != nullptr) c->next_->at_ = &c->next_;
        told_ = c;
        add_reference(c->who_);
        some[n++] = c->who_;
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      cancel_actor(some[i]);
      drop_reference(some[i]);
    }
    if (n < batch) return;
  }
}

bool scope_core::wait(wait_mode how) noexcept {
  bool interrupted = false;
  for (;;) {
    const wait_ticket mine = begin_wait(waits_for_children, how != wait_mode::to_the_end);
    bool over = false;
    {
      const spin_guard guard(lock_);
      over = count_ == 0;
      if (!over) waiter_ = mine;
    }
    std::uint64_t outcome = outcome_woken;
    if (!over)
      outcome = how == wait_mode::bounded ? park(never) : park();
    else if (!abandon())
      park();
    if (over) return interrupted;
    if (outcome == outcome_woken || how == wait_mode::to_the_end) continue;
    // They may use this stack, so nothing but their end ends the wait from here on.
    interrupted = true;
    how = wait_mode::to_the_end;
    cancel();
  }
}

void scope_core::rethrow_failure() {
  std::exception_ptr failure;
  {
    const spin_guard guard(lock_);
    failure.swap(failure_);
  }
  if (failure != nullptr) std::rethrow_exception(std::move(failure));
}

void scope_core::check_owner() const {
  if (current_cell() != owner_)
    throw std::logic_error("greenroom: scope::join() was called by somebody else than its owner");
}

void scope_core::join() {
  if (forked()) return;  // nobody lives here to end them
  const bool had_children = size() != 0;
  const bool interrupted = wait(wait_mode::bounded);
  rethrow_failure();
  bool late = false;
  {
    const spin_guard guard(lock_);
    late = std::exchange(late_, false);
  }
  if (had_children || interrupted || late) throw_if_cancelled();
  if (late) throw error(error::timeout, "the deadline of a scope's child passed");
}

void scope_core::join_all() {
  const bool interrupted = wait(wait_mode::cancellable);
  rethrow_failure();
  if (interrupted) throw_if_cancelled();
}

void scope_core::end(bool unwinds) {
  if (forked()) return;
  if (!unwinds) {
    join();
    return;
  }
  cancel();
  wait(wait_mode::to_the_end);
}

}  // namespace detail
}  // namespace greenroom
