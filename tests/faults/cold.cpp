// SPDX-License-Identifier: Apache-2.0
// A process's first runtime, made, used and ended with each allocation failing: what is allocated
// once in a process cannot be met a second time, so each run is a child that has made nothing yet.
// Prints how many runs there were; fails when a child does not end well.
#include "faults.hpp"

#include <greenroom/greenroom.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace {

constexpr int failure_met = 0;
constexpr int no_failure = 10;
constexpr unsigned seconds_max = 120;

struct add {
  int by;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add, total>& in) {
  int sum = 0;
  while (in.receive([&](add a) { sum += a.by; }, [&](total) { return sum; })) {}
}

constexpr gr::logger::operations to_nobody{[](void*, gr::log_level, std::string_view) {}, nullptr,
                                           nullptr};

void first_runtime() {
  gr::runtime_options o;
  o.workers = 2;
  o.logger = gr::logger(nullptr, &to_nobody);
  gr::runtime rt(o);
  auto to = rt.spawn({.name = "a counter with a name that takes memory"}, counter);
  for (int i = 0; i < 10; ++i) to.send(add{i});
  (void)to.ask(total{}, 20s);
  gr::green_thread child = rt.spawn([] {
    auto [out, in] = gr::channel<int>(2);
    gr::green_thread sender = gr::spawn([o = std::move(out)]() mutable { (void)o.send(1); });
    (void)in.receive();
    gr::sleep_for(1ms);
  });
  (void)child.join();
}

[[noreturn]] void run_child(faults::which how, std::uint64_t at) {
  faults::watch_this_process();
  faults::describe("cold");
  faults::allow_seconds(seconds_max);
  faults::arm(how, at);
  try {
    first_runtime();
  } catch (const std::bad_alloc&) {
  } catch (const std::runtime_error&) {  // greenroom: cannot start: ...
  } catch (const gr::error&) {}
  faults::disarm();
  std::exit(faults::has_failed() ? failure_met : no_failure);
}

}  // namespace

int main() {
  constexpr std::uint64_t runs_max = 5'000;
  std::uint64_t runs = 0;
  for (const faults::which how : {faults::which::the_one, faults::which::from_there_on}) {
    for (std::uint64_t at = 1; at < runs_max; ++at) {
      const pid_t child = ::fork();
      if (child == 0) run_child(how, at);
      int status = 0;
      ::waitpid(child, &status, 0);
      if (WIFEXITED(status) && WEXITSTATUS(status) == no_failure) break;
      ++runs;
      if (WIFEXITED(status) && WEXITSTATUS(status) == failure_met) continue;
      std::printf("failed: %s %llu ended with status 0x%x\n",
                  how == faults::which::the_one ? "only" : "all from",
                  static_cast<unsigned long long>(at), static_cast<unsigned>(status));
      return 1;
    }
  }
  std::printf("%llu runs\n", static_cast<unsigned long long>(runs));
  return runs > 50 ? 0 : 1;
}
