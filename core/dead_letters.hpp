// SPDX-License-Identifier: Apache-2.0
// Dead letters in the log: one line for each period in which there were some.
//
// The first dead letter of a quiet time arms one alarm; what comes until it goes off is only
// counted. The alarm writes the line, and the next letter arms it again. So a flood costs nothing
// more, and an idle runtime is not woken. From `close` on no alarm is armed, for a shutdown waits
// until no timer is due; what there is by the end is the last line.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/home.hpp>
#include <greenroom/logger.hpp>

#include <memory>
#include <mutex>

namespace greenroom::detail {

class letter_log : private dead_listener {
 public:
  // `period` duration::max(): nothing is ever written. The logger must outlive it.
  letter_log(const logger& log, duration period);

  // The home's scheduler runs.
  void begin(home* h) noexcept;
  // The shutdown begins. Any thread.
  void close() noexcept;
  // The last line, if there is something to tell.
  void finish() noexcept;

 private:
  static void on_first(dead_listener* mine, const greenroom::dead_letter& letter) noexcept;
  static void on_alarm(void* mine);
  void write(const char* when) noexcept;

  home* home_ = nullptr;
  const logger& log_;
  duration period_;
  spin_lock lock_;
  bool closed_ GREENROOM_GUARDED_BY(lock_) = false;
  alarm_handle pending_ GREENROOM_GUARDED_BY(lock_);
  greenroom::dead_letter sample_ GREENROOM_GUARDED_BY(lock_){};
  std::mutex writing_;
  // Under writing_: what was told already.
  using told_row = std::uint64_t[dead_letter_reasons];
  std::unique_ptr<told_row[]> told_;
};

}  // namespace greenroom::detail
