// SPDX-License-Identifier: Apache-2.0
// Pieces of a dump for other reports: the stack of one actor, and who has its address. Best effort:
// all is read while others may change it, word by word, from memory that stays.
#include "dump.hpp"

#include <cstdio>
#include <cstring>
#include <string>

namespace greenroom::detail {

namespace {

void put(char* text, std::size_t size, const std::string& words) noexcept {
  std::snprintf(text, size, "%s", words.c_str());
}

std::string in_one_line(const code_frames& frames) {
  std::string line;
  for (unsigned i = 0; i < frames.depth; ++i) {
    const std::string frame = describe_frame(frames.at[i]);
    if (is_of_machinery(frame)) continue;
    if (!line.empty()) line += " < ";
    line += frame;
  }
  return line;
}

// Not instrumented: the object is another actor's, which may be changing it.
#if defined(__clang__)
#define GREENROOM_FOREIGN_OBJECT __attribute__((noinline, no_sanitize("address", "thread")))
#else
#define GREENROOM_FOREIGN_OBJECT __attribute__((noinline, no_sanitize_address, no_sanitize_thread))
#endif

GREENROOM_FOREIGN_OBJECT bool object_has(const cell* c, std::uintptr_t word) noexcept {
  const auto* from = reinterpret_cast<const volatile std::uintptr_t*>(
      reinterpret_cast<const char*>(c) + payload_at);
  const std::size_t words = (slab::of(c)->object_size - payload_at) / sizeof *from;
  for (std::size_t i = 0; i < words; ++i)
    if (from[i] == word) return true;
  return false;
}

class holders {
 public:
  explicit holders(const cell* of) : of_(of), word_(reinterpret_cast<std::uintptr_t>(of)) {}

  std::string find() {
    for_each_cell(
        home_of(of_), [](cell* c, void* self) { static_cast<holders*>(self)->look_at(c); }, this);
    const std::int32_t all = of_->addresses.load(sync::memory_order_acquire) - alive +
                             of_->lent.load(sync::memory_order_acquire);
    if (all <= 0) return "held by nobody";
    if ((of_->control.load(sync::memory_order_relaxed) & control_detached) != 0)
      name("itself", "detached");
    if (found_ > named_max) text_ += ", " + std::to_string(found_ - named_max) + " more";
    const auto n = static_cast<std::size_t>(all);
    if (n > found_) {
      if (found_ != 0) text_ += ", and ";
      text_ += std::to_string(n - found_);
      text_ += found_ == 0       ? " not found"
               : n - found_ == 1 ? " other not found"
                                 : " others not found";
    }
    return "held by: " + text_;
  }

 private:
  static constexpr std::size_t named_max = 8;

  void look_at(cell* c) noexcept {
    if (!try_add_reference(c)) return;
    if ((c->control.load(sync::memory_order_acquire) & control_ended) == 0) {
      try {
        const char* who = c == of_ ? "itself" : name_of(c);
        if (object_has(c, word_)) name(who, "in its object");
        // An actor's own stack leads to its cell all the time.
        if (c != of_ && stacks_.has_word(c, rests_on_stack, word_)) name(who, "on its stack");
      } catch (...) { return drop_reference(c); }
    }
    drop_reference(c);
  }

  void name(const char* who, const char* where) {
    if (++found_ > named_max) return;
    if (!text_.empty()) text_ += ", ";
    text_.append(who).append(" (").append(where).append(")");
  }

  const cell* of_;
  std::uintptr_t word_;
  stack_looks stacks_;
  std::string text_;
  std::size_t found_ = 0;
};

struct question {
  const cell* c;
  char* text;
  std::size_t size;
};

}  // namespace

void stack_of(const cell* c, char* text, std::size_t size) noexcept {
  question q{c, text, size};
  text[0] = '\0';
  try {
    call_with_room(
        [](void* argument) {
          const auto& asked = *static_cast<question*>(argument);
          stack_looks stacks;
          code_frames frames;
          std::uint64_t number = 0;
          if (stacks.read(asked.c, rests_on_stack, frames, number) ||
              stacks.read_running(home_of(asked.c)->runs_on, asked.c, frames))
            put(asked.text, asked.size, in_one_line(frames));
        },
        &q);
  } catch (...) { text[0] = '\0'; }
}

void holders_of(const cell* c, char* text, std::size_t size) noexcept {
  question q{c, text, size};
  text[0] = '\0';
  try {
    call_with_room(
        [](void* argument) {
          const auto& asked = *static_cast<question*>(argument);
          put(asked.text, asked.size, holders(asked.c).find());
        },
        &q);
  } catch (...) { text[0] = '\0'; }
}

}  // namespace greenroom::detail
