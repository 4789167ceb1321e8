// SPDX-License-Identifier: Apache-2.0
#include "wait_samples.hpp"

#include <greenroom/clock.hpp>

namespace greenroom::detail {

namespace {
// Fields of the receiver's own, as they happen to be.
struct own_fields {
  std::uint32_t credit;
  const void* taken;
};
GREENROOM_WORKER_CODE own_fields peek(const cell* c) noexcept {
  const volatile auto* seen = static_cast<const volatile cell*>(c);
  return {seen->credit, seen->taken};
}
}  // namespace

bool rests_on_stack(const task* t) noexcept {
  const auto* c = static_cast<const cell*>(t);
  const auto* ops = static_cast<const actor_ops*>(__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE));
  return ops != nullptr && ops->handle == nullptr && (c->in.look() & inbox::idle) != 0 &&
         (c->control.load(sync::memory_order_relaxed) & control_selects) == 0;
}

std::size_t messages_of(const cell* c, bool& more) noexcept {
  const std::uint64_t word = c->in.look();
  const own_fields own = peek(c);
  if (c->capacity == 0) {
    more = inbox::node_in(word) != nullptr || own.taken != nullptr;
    return more ? 1 : 0;
  }
  more = false;
  const std::uint32_t admitted = inbox::depth_in(word);
  return admitted > own.credit ? admitted - own.credit : 0;
}

whereabouts whereabouts_of(const cell* c) noexcept {
  const wait_look wait = look_at_wait(c);
  if (wait.now == wait_look::phase::waits) return {wait.on, wait.number};
  if (wait.now == wait_look::phase::decided || (c->in.look() & inbox::idle) != 0) return {};
  unsigned index = 0;
  std::uint32_t tick = 0;
  if (!is_run_now(home_of(c)->runs_on, c, index, tick)) return {};
  // An object actor handles many messages in one turn, which shows in these.
  const own_fields own = peek(c);
  return {own.taken, (std::uint64_t{tick} << 32 | own.credit << 16 | index << 4) | 1};
}

// REQUIRES: a reference.
void wait_samples::note(const cell* c, std::int64_t now_ns) {
  const whereabouts where = whereabouts_of(c);
  if (where.number == 0) {
    entries_.erase(c);
    return;
  }
  bool more = false;
  const bool has_messages = messages_of(c, more) != 0;
  const auto known = entries_.find(c);
  const bool is_same = known != entries_.end() && known->second.where.at == where.at &&
                       known->second.where.number == where.number;
  ++met_;
  if (is_same) {
    known->second.round = round_;
    times& t = known->second.t;
    if (!has_messages) t.messages_since_ns = 0;
    if (has_messages && t.messages_since_ns == 0) t.messages_since_ns = now_ns;
    return;
  }
  const entry fresh{where, {now_ns, has_messages ? now_ns : 0}, round_};
  if (known != entries_.end())
    known->second = fresh;
  else if (entries_.size() < (has_messages ? entries_max : entries_empty))
    entries_.emplace(c, fresh);
  else
    --met_;
}

// Those whose slab was given back are not met any more.
void wait_samples::forget_gone() {
  if (entries_.size() == met_) return;
  std::erase_if(entries_, [this](const auto& e) { return e.second.round != round_; });
}

bool wait_samples::look(home* h, trim what) noexcept {
  if (what == trim::begin_with_all || (what == trim::begin && left_ == 0)) {
    all_ = what == trim::begin_with_all;
    // One that goes on where the last one ended, or from the beginning.
    if (all_ || at_ == nullptr) {
      at_ = h->slabs.load(sync::memory_order_acquire);
      next_ = 0;
      ++round_;
      met_ = 0;
    }
    left_ = round_max;
  }
  const std::lock_guard guard(lock_);
  const std::int64_t now_ns = now().time_since_epoch().count();
  for (std::size_t n = 0; at_ != nullptr && left_ != 0; ++n) {
    if (n == step_max) return true;
    if (next_ >= at_->cut.load(sync::memory_order_acquire)) {
      at_ = at_->next;
      next_ = 0;
      continue;
    }
    auto* c = reinterpret_cast<cell*>(at_->memory() + std::size_t{next_++} * at_->object_size);
    if (!all_) --left_;
    // A reference, so that it is not freed meanwhile; a free one has none to give.
    if (!try_add_reference(c)) {
      if (!entries_.empty()) entries_.erase(c);
      continue;
    }
    try {
      if (__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE) != nullptr) note(c, now_ns);
    } catch (...) {  // out of memory: it is not known of this one
    }
    drop_reference(c);
  }
  if (at_ == nullptr && left_ != 0) forget_gone();
  left_ = 0;
  return false;
}

wait_samples::times wait_samples::find(const cell* c, const whereabouts& where) {
  if (where.number == 0 || forked()) return {};
  const std::lock_guard guard(lock_);
  const auto known = entries_.find(c);
  if (known == entries_.end() || known->second.where.at != where.at ||
      known->second.where.number != where.number)
    return {};
  return known->second.t;
}

}  // namespace greenroom::detail
