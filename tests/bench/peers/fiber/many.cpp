// SPDX-License-Identifier: Apache-2.0
#include "workers.hpp"

#include <algorithm>
#include <chrono>

namespace bench {

// spawn: a parent starts n fibers, then takes the one message that each sends.
void spawn(const params& p) {
  const std::int64_t n = p("n");
  const fibers::launch how = launch_of(p);
  const workers here(p, algorithm::plain, algorithm::stealing, without_work::sleep);
  const double ns = warmed_up(n, [how](std::int64_t children) {
    gate end(1);
    stopwatch watch;
    start([&] {
      // A smaller one would stop the children before the last is started.
      channel<std::int64_t> in(power_of_two(static_cast<std::size_t>(children) + 1));
      for (std::int64_t i = 0; i < children; ++i) start(how, [&in] { put<std::int64_t>(in, 1); });
      std::int64_t heard = 0;
      for (std::int64_t i = 0; i < children; ++i) heard += take(in);
      if (heard != children) fail("spawn: some children were not heard");
      end.pass();
    });
    end.wait();
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/actor");
}

namespace {

void leaves(fibers::launch how, channel<std::int64_t>& up, std::int64_t first, std::int64_t count) {
  if (count == 1) {
    put(up, first);
    return;
  }
  channel<std::int64_t> in(16);
  const std::int64_t share = count / 10;
  for (std::int64_t i = 0; i < 10; ++i)
    start(how, [=, &in] { leaves(how, in, first + i * share, share); });
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += take(in);
  put(up, sum);
}

}  // namespace

// skynet: a 10-ary tree of fibers with n leaves; each parent adds up what ten children send.
void skynet(const params& p) {
  const fibers::launch how = launch_of(p);
  const workers here(p, algorithm::plain, algorithm::stealing, without_work::spin);
  const double ns = warmed_up(p("n"), [how](std::int64_t size) {
    const std::int64_t count = std::max<std::int64_t>(size, 1);
    channel<std::int64_t> root(2);
    stopwatch watch;
    start([&] { leaves(how, root, 0, count); });
    const std::int64_t sum = take(root);
    const double took = watch.ns();
    if (sum != count * (count - 1) / 2) fail("skynet: wrong sum; is n a power of ten?");
    return took;
  });
  out(p, ns / 1e6, "ms");
}

// idle: resident memory of a fiber and its channel after it has answered one message.
void idle(const params& p) {
  constexpr std::int64_t unanswered_max = 512;
  const std::int64_t n = p("n");
  const workers here(p, algorithm::sharing, algorithm::sharing, without_work::sleep);
  gate end(1);
  gate ended(n);
  start([&] {
    const std::int64_t kb_before = status_kb("VmRSS");
    stopwatch watch;
    channel<std::int64_t> answers(2 * unanswered_max);
    std::vector<std::unique_ptr<channel<std::int64_t>>> all;
    all.reserve(static_cast<std::size_t>(n));
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      all.push_back(std::make_unique<channel<std::int64_t>>(2));
      start([&answers, &ended, in = all.back().get()] {
        std::int64_t question = 0;
        while (in->pop(question) == fibers::channel_op_status::success) put(answers, question);
        ended.pass();
      });
      put(*all.back(), i);
      if (i >= unanswered_max) sum += take(answers);
    }
    for (std::int64_t i = 0; i < std::min(n, unanswered_max); ++i) sum += take(answers);
    const double took = watch.ns();
    const auto bytes = static_cast<double>((status_kb("VmRSS") - kb_before) * 1024);
    if (sum != n * (n - 1) / 2) fail("idle: wrong answers");
    out(p, bytes / static_cast<double>(n), "B/actor", "setup_ms=%.0f", took / 1e6);
    for (const auto& in : all) in->close();
    ended.wait();
    end.pass();
  });
  end.wait();
}

// timers: every fiber sleeps ms milliseconds, n times, and notes how late it woke.
void timers(const params& p) {
  using std::chrono::steady_clock;
  const auto actors = static_cast<std::size_t>(p("actors"));
  const auto n = static_cast<std::size_t>(p("n"));
  const steady_clock::duration d = std::chrono::milliseconds(p("ms"));
  std::vector<std::int32_t> late_us(actors * n);
  const workers here(p, algorithm::plain, algorithm::sharing, without_work::sleep);
  const auto run = [&](std::size_t count, std::size_t times) {
    gate end(static_cast<std::int64_t>(count));
    stopwatch watch;
    start([&] {
      for (std::size_t i = 0; i < count; ++i)
        start([&end, d, times, late = late_us.data() + i * times] {
          for (std::size_t j = 0; j < times; ++j) {
            const auto begin = steady_clock::now();
            boost::this_fiber::sleep_for(d);
            const auto by = steady_clock::now() - begin - d;
            late[j] = static_cast<std::int32_t>(
                std::chrono::duration_cast<std::chrono::microseconds>(by).count());
          }
          end.pass();
        });
    });
    end.wait();
    return watch.seconds();
  };
  run(actors / 10, n / 10);
  const double cpu_before = cpu_seconds();
  const double wall = run(actors, n);
  out_timers(p, late_us, cpu_seconds() - cpu_before, wall);
}

}  // namespace bench
