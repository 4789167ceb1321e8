// SPDX-License-Identifier: Apache-2.0
// What an actor waits for, in words: for shutdown reports. Any thread may ask; what it hears is a
// moment old. The wait tells its word (wait_on) before it parks. The cell that the word leads to is
// a cell for ever, if perhaps another actor's by now: a reference keeps it as it is meanwhile.
#include "overload.hpp"

#include <cstdio>

namespace greenroom::detail {

namespace {

const char* message_name(const cell* c, std::uint32_t tag) noexcept {
  const auto* ops = static_cast<const actor_ops*>(__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE));
  return ops == nullptr || tag >= ops->type_count ? "?" : ops->types[tag]->name();
}

// REQUIRES: the caller holds a reference.
void describe_on(const cell* to, std::uint64_t word, char* text, std::size_t size) noexcept {
  const char* message = message_name(to, static_cast<std::uint32_t>(word >> 48));
  switch (wait_kind_of(word)) {
    case wait_kind::ask: std::snprintf(text, size, "ask `%s` to %s", message, name_of(to)); return;
    case wait_kind::send:
      std::snprintf(text, size, "send `%s` to %s (full, %u)", message, name_of(to),
                    capacity_of(to));
      return;
    case wait_kind::join: std::snprintf(text, size, "join %s", name_of(to)); return;
  }
}

}  // namespace

void describe_wait(const cell* c, char* text, std::size_t size) noexcept {
  text[0] = '\0';
  if (const fiber* f = c->parked.load(sync::memory_order_acquire)) {
    if (const std::uint64_t word = wait_word_of(f)) {
      cell* to = waits_on(word);
      if (try_add_reference(to)) {
        describe_on(to, word, text, size);
        drop_reference(to);
      }
    } else {
      std::snprintf(text, size, "%s", reason_of(f));
    }
  }
  if (text[0] == '\0' && (c->in.look() & inbox::idle) != 0) std::snprintf(text, size, "receive");
}

}  // namespace greenroom::detail
