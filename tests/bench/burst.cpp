// SPDX-License-Identifier: Apache-2.0
// burst: n green threads that each touch `kb` KiB of stack and wait for one another; how much of
// that memory comes back when they have ended.
#include "workloads.hpp"

#include <atomic>
#include <vector>

namespace bench {
namespace {

// As deep as that; not to be optimised away.
[[gnu::noinline]] int touch(std::int64_t kb) {
  volatile char block[960];
  block[0] = static_cast<char>(kb);
  return kb <= 1 ? block[0] : touch(kb - 1) + block[0];
}

}  // namespace

void burst(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t kb = p("kb");
  gr::runtime rt{{.workers = p.workers()}};
  check(rt.spawn([] { gr::yield(); }).join().ok(), "the runtime is warm");
  const std::int64_t kb_before = status_kb("VmRSS");
  stopwatch watch;
  std::int64_t kb_alive = 0;
  {
    std::atomic<bool> go{false};
    std::atomic<std::int64_t> touched{0};
    std::vector<gr::green_thread> all;
    for (std::int64_t i = 0; i < n; ++i)
      all.push_back(rt.spawn([&] {
        const volatile int used = touch(kb);
        (void)used;
        ++touched;
        while (!go) gr::sleep_for(std::chrono::milliseconds(20));
      }));
    while (touched < n) gr::sleep_for(std::chrono::milliseconds(1));
    kb_alive = status_kb("VmRSS");
    go = true;
    for (const auto& one : all) check(one.join().ok(), "a green thread is joined");
  }
  const double ran = watch.seconds();
  const double back = wait_for_memory(kb_before, kb_alive);
  out(p, static_cast<double>(kb_alive - kb_before) * 1024 / static_cast<double>(n), "B/actor",
      "ran_s=%.2f before_mb=%.1f alive_mb=%.0f after_mb=%.1f back_s=%.2f", ran,
      static_cast<double>(kb_before) / 1024, static_cast<double>(kb_alive) / 1024,
      static_cast<double>(status_kb("VmRSS")) / 1024, back);
}

}  // namespace bench
