// SPDX-License-Identifier: Apache-2.0
// A whole program in one call: a runtime, its first green thread, signals, and an orderly end.
#pragma once

#include <greenroom/runtime.hpp>

#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

// Asks for the shutdown when the first green thread ends, in whatever way.
class requests_shutdown {
 public:
  explicit requests_shutdown(runtime& of) noexcept : of_(of) {}
  requests_shutdown(const requests_shutdown&) = delete;
  requests_shutdown& operator=(const requests_shutdown&) = delete;
  ~requests_shutdown() { of_.request_shutdown(); }

 private:
  runtime& of_;
};

// `start` moves the function out of `main` into a green thread that stores its result.
using start_main = green_thread (*)(runtime& rt, void* main, int* result);
int run_main(const runtime_options& options, start_main start, void* main);

}  // namespace detail

// A runtime with these options whose first green thread is `main`; when that ends, the runtime
// shuts down with the deadlines of the options. Returns what main returns (0 for void), or 1 when
// it ended by an exception, which is logged. With .handle_signals SIGTERM and SIGINT begin the
// shutdown: the hooks of on_shutdown run, main is cancelled, and the phases follow; if that cancel
// was main's end, returns 0 when everything ended in time, else 1. From a plain OS thread only.
//
// When all green threads of the runtime wait and nothing can wake them, it logs who they are,
// grouped by what they wait for and where, shuts down, and returns 2. It knows that nothing can
// where no timer runs, no socket is watched, nobody is in a blocking call, and the process has no
// other runtime and no OS threads but this runtime's and the caller; a process with threads of its
// own is never judged, nor one with .handle_signals. runtime_options::report_all_asleep turns it
// off. Idea: Go's "all goroutines are asleep".
template <class F>
int run(const runtime_options& options, F&& main) {
  using function = std::decay_t<F>;
  function own(std::forward<F>(main));
  return detail::run_main(
      options,
      [](runtime& rt, void* f, int* result) {
        return rt.spawn({.name = "main"},
                        [&rt, result, body = std::move(*static_cast<function*>(f))]() mutable {
                          const detail::requests_shutdown at_end(rt);
                          (void)result;  // where main returns nothing
                          if constexpr (std::is_void_v<decltype(body())>)
                            body();
                          else
                            *result = body();
                        });
      },
      &own);
}

// The same with the defaults.
template <class F>
int run(F&& main) {
  return run(runtime_options{}, std::forward<F>(main));
}

}  // namespace greenroom
