// SPDX-License-Identifier: Apache-2.0
#include "end_hook.hpp"

#include <greenroom/detail/end_hook.hpp>

namespace greenroom::detail {

static void unlink(end_hook* hook) noexcept {
  *hook->at = hook->next;
  if (hook->next != nullptr) hook->next->at = hook->at;
  hook->next = nullptr;
  hook->at = nullptr;
}

bool prepare_end_hooks(cell* c) noexcept { return cold_of(c) != nullptr; }

status add_end_hook(cell* c, end_hook* hook) noexcept {
  cold* more = cold_of(c);
  if (more == nullptr) return error::no_memory;
  const spin_guard guard(more->lock);
  // seq_cst: M6. cold_of() came first.
  if ((c->control.load(sync::memory_order_seq_cst) & control_ended) != 0) return error::closed;
  hook->next = more->hooks;
  hook->at = &more->hooks;
  if (hook->next != nullptr) hook->next->at = &hook->next;
  more->hooks = hook;
  return {};
}

bool remove_end_hook(cell* c, end_hook* hook) noexcept {
  // It was added, so there is a cold record.
  cold* more = c->more.load(sync::memory_order_acquire);
  const spin_guard guard(more->lock);
  if (hook->at == nullptr) return false;
  unlink(hook);
  return true;
}

// One by one: another may be removed by its owner while one is fired.
void fire_end_hooks(cell* c, cold* more) noexcept {
  for (;;) {
    end_hook* first = nullptr;
    {
      const spin_guard guard(more->lock);
      first = more->hooks;
      if (first == nullptr) return;  // `fires` stays: tell_joiners comes next
      unlink(first);
      more->fires = true;
    }
    first->fire(first, c);
  }
}

}  // namespace greenroom::detail
