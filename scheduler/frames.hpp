// SPDX-License-Identifier: Apache-2.0
// From the words of a stack to its frames. unwind() is exact: it takes a stack that was left, of
// which it is known where it goes on, and the program's unwind tables. follow() does without: the
// words that are return addresses are frames, or were, for what a call that is over has left behind
// stands between them.
//
// A reader may be used by one thread at a time. It remembers each address that it has looked at, so
// that thousands of stacks that wait in the same places cost little. It allocates, so it is nothing
// for a signal handler; what it throws is std::bad_alloc.
// Rejected: the C++ runtime's unwinder, which starts where its caller stands, not on a stack left
// behind; frame pointers, which release builds have none of.
#pragma once

#include "frame_rules.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace greenroom::detail {

// The function's first instruction; `pc` is a return address in it. 0: not known.
std::uintptr_t function_of(std::uintptr_t pc) noexcept;

// A stack that was left, or was looked at as it ran: its registers, and its words from sp upwards.
struct stack_words {
  static constexpr std::size_t most = 2048;
  std::uintptr_t pc = 0, sp = 0, frame = 0;
  std::size_t count = 0;
  std::uintptr_t words[most];
};

class frame_reader {
 public:
  static constexpr unsigned depth_max = 32;

  // Notes where the program's code is. What is loaded later is not seen.
  frame_reader() noexcept;

  // Frames, innermost first; how many there are. `frames` has room for depth_max. `whole`: as far
  // as the program's own beginning of the stack.
  unsigned unwind(const stack_words& stack, void** frames, bool& whole);
  unsigned follow(const stack_words& stack, void** frames);

 private:
  struct part {
    std::uintptr_t from, to;
  };
  // A word that may be a return address.
  struct call_site {
    std::uintptr_t back = 0;      // where it returns to; 0: it is none
    std::uintptr_t function = 0;  // that is in
    std::uintptr_t called = 0;    // the function called there; 0: only known when it runs
  };
  static constexpr std::size_t parts_max = 512;

  [[nodiscard]] bool is_code(std::uintptr_t pc) const noexcept;
  [[nodiscard]] call_site call_before(std::uintptr_t pc) const noexcept;
  const call_site& look_at(std::uintptr_t pc);
  const frame_rule& rule_before(std::uintptr_t pc, bool is_call);

  part parts_[parts_max];  // by address
  std::size_t size_ = 0;
  std::unordered_map<std::uintptr_t, call_site> known_;
  std::unordered_map<std::uintptr_t, frame_rule> rules_;
};

}  // namespace greenroom::detail
