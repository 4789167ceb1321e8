// SPDX-License-Identifier: Apache-2.0
#include "asleep.hpp"
#include "signals.hpp"

#include <greenroom/run.hpp>

#include <memory>

namespace greenroom::detail {

int run_main(const runtime_options& options, start_main start, void* main) {
  asleep_watch sleepers;
  runtime rt(options);
  // A signal can always wake it.
  if (options.report_all_asleep && !options.handle_signals) sleepers.begin(rt);
  // If main is left behind it may still write there.
  auto result = std::make_unique<int>(0);
  green_thread first;
  // The oldest hook is called last: those of main's come before its cancel. Only this thread begins
  // the shutdown, when `first` has been set.
  const shutdown_hook cancels = rt.on_shutdown([&first] { first.cancel(); });
  first = start(rt, main, result.get());
  if (!first) return 1;
  const shutdown_report report = rt.run_until_signal();
  const status ended = first.join();
  if (sleepers.found()) {
    constexpr int all_asleep = 2;
    if (!ended && ended.error() == error::shutdown) (void)result.release();
    return all_asleep;
  }
  if (ended) return *result;
  if (ended.error() == error::shutdown) {
    (void)result.release();
    return 1;
  }
  const bool was_signalled = options.handle_signals && has_shutdown_signal();
  return was_signalled && ended.error() == error::cancelled ? report.exit_code() : 1;
}

}  // namespace greenroom::detail
