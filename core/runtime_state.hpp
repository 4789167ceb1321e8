// SPDX-License-Identifier: Apache-2.0
// What a runtime keeps besides its home and its scheduler.
#pragma once

#include "asleep.hpp"
#include "dead_letters.hpp"
#include "dump_signal.hpp"
#include "names.hpp"
#include "wait_samples.hpp"

#include <greenroom/detail/home.hpp>
#include <greenroom/runtime.hpp>

#include <mutex>
#include <optional>
#include <string>

namespace greenroom {

struct runtime::state {
  explicit state(const runtime_options& o)
      : log(o.logger),
        name(o.name),
        shutdown_deadline(o.shutdown_deadline),
        shutdown_deadlines(o.shutdown_deadlines),
        letters(log, o.dead_letter_log) {}

  // By the watchdog, when the workers have nothing to do.
  static void look_for_sleepers(void* user);

  greenroom::logger log;
  std::string name;
  duration shutdown_deadline{};
  std::optional<greenroom::shutdown_deadlines> shutdown_deadlines;
  bool handles_signals = false;
  detail::scheduler* runs_on = nullptr;
  detail::home* home = nullptr;
  runtime* of = nullptr;
  // Of run(), which waits; set once, before its main is spawned.
  detail::sync::atomic<detail::asleep_watch*> sleepers{nullptr};
  detail::letter_log letters;
  detail::names names;
  std::mutex shutdown_lock;    // held by a shutdown for as long as it takes
  bool has_shut_down = false;  // under shutdown_lock
  detail::sync::atomic<bool> down{false};
  detail::sync::atomic<bool> is_requested{false};  // by request_shutdown()
  detail::wait_samples samples;
  detail::dump_signal on_dump_signal;
};

}  // namespace greenroom
