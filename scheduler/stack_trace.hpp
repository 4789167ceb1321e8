// SPDX-License-Identifier: Apache-2.0
// Where another OS thread of this process is: what it does, and its stack. For reports; best
// effort, never harmful to the thread.
//
// A thread that runs is interrupted by a signal and copies its stack in the handler. One that waits
// in the kernel is left alone, for some calls (nanosleep, poll) would end early. The words of its
// stack are read as frames (frames.hpp).
// Rejected: _Unwind_Backtrace in the handler. It crashes where the unwind tables do not hold: in
// the middle of a context switch, in the last steps of a throw, in assembly without them.
#pragma once

#include "frames.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace greenroom::detail {

class stack_trace {
 public:
  static constexpr unsigned depth_max = frame_reader::depth_max;

  // `id`: the thread's for the kernel; `top`: where its stack ends, or null.
  void take(pid_t id, const char* top);

  // "computing", "blocked in system call 7", or "" when that is not to be found out.
  [[nodiscard]] const char* doing() const noexcept { return doing_; }
  [[nodiscard]] bool empty() const noexcept { return depth_ == 0; }
  [[nodiscard]] unsigned depth() const noexcept { return depth_; }
  [[nodiscard]] void* const* frames() const noexcept { return frames_; }
  // The place in the program: its functions, innermost first.
  using site = std::array<std::uintptr_t, 4>;
  [[nodiscard]] site where() const noexcept;
  // Also if one was found in something that the other just calls.
  static bool is_same(const site& a, const site& b) noexcept;
  // In one line, innermost first: function if it is known, file and offset (for addr2line).
  [[nodiscard]] std::string text() const;

 private:
  void interrupt(pid_t id, std::uintptr_t stack_end);
  void follow(const stack_words& at);

  void* frames_[depth_max];
  unsigned depth_ = 0;
  bool exact_ = false;
  char doing_[48] = "";
};

// Nanoseconds that a thread of this process has had a processor; -1 when that is not to be had.
std::int64_t processor_time_of(pid_t id) noexcept;

}  // namespace greenroom::detail
