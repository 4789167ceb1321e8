// SPDX-License-Identifier: Apache-2.0
// What an actor waits for, in words: for shutdown reports. Any thread may ask; what it hears is a
// moment old. The wait tells its word (wait_on) before it parks. The cell that the word leads to is
// a cell for ever, if perhaps another actor's by now: a reference keeps it as it is meanwhile.
#include "circles.hpp"
#include "overload.hpp"

#include <greenroom/detail/place.hpp>

#include <cstdio>
#include <cstring>

namespace greenroom::detail {

const char* message_name(const cell* c, std::uint32_t tag) noexcept {
  const auto* ops = static_cast<const actor_ops*>(__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE));
  return ops == nullptr || tag >= ops->type_count ? "?" : ops->types[tag]->name();
}

namespace {

// REQUIRES: the caller holds a reference.
void describe_on(const cell* to, std::uint64_t word, char* text, std::size_t size) noexcept {
  const char* message = message_name(to, wait_tag_of(word));
  switch (wait_kind_of(word)) {
    case wait_kind::ask: std::snprintf(text, size, "ask `%s` to %s", message, name_of(to)); return;
    case wait_kind::send:
      std::snprintf(text, size, "send `%s` to %s (full, %u)", message, name_of(to),
                    capacity_of(to));
      return;
    case wait_kind::join: std::snprintf(text, size, "join %s", name_of(to)); return;
    case wait_kind::lock: return;
  }
}

void describe_lock(const cell* c, const fiber* f, char* text, std::size_t size) noexcept {
  told_wait wait;
  if (!look_at_wait(f, c, wait) || wait_kind_of(wait.word) != wait_kind::lock) return;
  const party holder = holder_of(f, c, wait);
  cell* by = holder.as_cell();
  const bool known = by != nullptr && try_add_reference(by);
  std::snprintf(text, size, "for a mutex%s%s", holder ? ", held by " : "",
                known    ? name_of(by)
                : holder ? "an OS thread"
                         : "");
  if (known) drop_reference(by);
}

}  // namespace

void describe_wait(const cell* c, char* text, std::size_t size) noexcept {
  text[0] = '\0';
  if (const fiber* f = c->parked.load(sync::memory_order_acquire)) {
    if (const std::uint64_t word = wait_word_of(f)) {
      cell* to = wait_kind_of(word) == wait_kind::lock ? nullptr : waits_on(word);
      if (to == nullptr) {
        describe_lock(c, f, text, size);
      } else if (try_add_reference(to)) {
        describe_on(to, word, text, size);
        drop_reference(to);
      }
    } else {
      std::snprintf(text, size, "%s", reason_of(f));
    }
  }
  if (text[0] == '\0' && (c->in.look() & inbox::idle) != 0) std::snprintf(text, size, "receive");
}

void describe_wait_and_place(const cell* c, char* text, std::size_t size) noexcept {
  describe_wait(c, text, size);
  const fiber* f = c->parked.load(sync::memory_order_acquire);
  told_wait wait;
  if (f == nullptr || !look_at_wait(f, c, wait)) return;
  const std::size_t used = std::strlen(text);
  describe_place(wait.place, text + used, size - used);
}

}  // namespace greenroom::detail
