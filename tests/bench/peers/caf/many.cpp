// SPDX-License-Identifier: Apache-2.0
#include "actors.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace bench {
namespace {

class parent : public caf::event_based_actor {
 public:
  parent(caf::actor_config& config, std::int64_t children, caf::actor main)
      : event_based_actor(config), left_(children), main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    const caf::actor me(this);
    for (std::int64_t i = 0; i < left_; ++i)
      spawn([me](caf::event_based_actor* child) { child->send(me, std::int64_t{1}); });
    return {[this](std::int64_t one) {
      heard_ += one;
      if (--left_ == 0) {
        send(main_, done::value, heard_);
        quit();
      }
    }};
  }

 private:
  std::int64_t left_;
  std::int64_t heard_ = 0;
  caf::actor main_;
};

}  // namespace

// spawn: a parent spawns n children, then takes the one message that each sends.
void spawn(const params& p) {
  const std::int64_t n = p("n");
  if (n < 10) fail("spawn: n=10 at least");
  system_config config(p, policy::sharing);
  caf::actor_system system(config);
  const double ns = warmed_up(n, [&](std::int64_t children) {
    caf::scoped_actor self(system);
    stopwatch watch;
    system.spawn<parent>(children, caf::actor(self));
    if (collect(self, 1) != children) fail("spawn: some children were not heard");
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/actor");
}

namespace {

// A leaf sends its number and ends, as an actor without handlers does.
caf::behavior leaves(caf::event_based_actor* self, const caf::actor& up, std::int64_t first,
                     std::int64_t count) {
  if (count == 1) {
    self->send(up, done::value, first);
    return {};
  }
  const std::int64_t share = count / 10;
  const caf::actor me(self);
  for (std::int64_t i = 0; i < 10; ++i) self->spawn(leaves, me, first + i * share, share);
  return {[self, up, left = 10, sum = std::int64_t{0}](done, std::int64_t number) mutable {
    sum += number;
    if (--left == 0) {
      self->send(up, done::value, sum);
      self->quit();
    }
  }};
}

}  // namespace

// skynet: a 10-ary tree of actors with n leaves; each parent adds up what ten children send.
void skynet(const params& p) {
  system_config config(p, policy::stealing);
  caf::actor_system system(config);
  const double ns = warmed_up(p("n"), [&](std::int64_t size) {
    const std::int64_t count = std::max<std::int64_t>(size, 1);
    caf::scoped_actor self(system);
    stopwatch watch;
    system.spawn(leaves, caf::actor(self), std::int64_t{0}, count);
    const std::int64_t sum = collect(self, 1);
    const double took = watch.ns();
    if (sum != count * (count - 1) / 2) fail("skynet: wrong sum; is n a power of ten?");
    return took;
  });
  out(p, ns / 1e6, "ms");
}

namespace {

class answerer : public caf::event_based_actor {
 public:
  using event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {[](std::int64_t question) { return question; }};
  }
};

// Measures while all of them live.
class keeper : public caf::event_based_actor {
 public:
  keeper(caf::actor_config& config, const params& p, caf::actor main)
      : event_based_actor(config), p_(p), n_(p("n")), main_(std::move(main)) {
    all_.reserve(static_cast<std::size_t>(n_));
  }

  caf::behavior make_behavior() override {
    for (std::int64_t i = 0; i < unanswered_max; ++i) next();
    return {[this](std::int64_t number) {
      sum_ += number;
      next();
      if (++answered_ == n_) finish();
    }};
  }

 private:
  static constexpr std::int64_t unanswered_max = 512;

  void next() {
    const auto number = static_cast<std::int64_t>(all_.size());
    if (number == n_) return;
    all_.push_back(spawn<answerer, caf::lazy_init>());
    send(all_.back(), number);
  }

  void finish() {
    const double took = watch_.ns();
    const auto bytes = static_cast<double>((status_kb("VmRSS") - kb_before_) * 1024);
    if (sum_ != n_ * (n_ - 1) / 2) fail("idle: wrong answers");
    out(p_, bytes / static_cast<double>(n_), "B/actor", "setup_ms=%.0f", took / 1e6);
    send(main_, done::value, sum_);
    quit();
  }

  const params& p_;
  std::int64_t n_;
  caf::actor main_;
  std::int64_t kb_before_ = status_kb("VmRSS");
  stopwatch watch_;
  std::vector<caf::actor> all_;
  std::int64_t answered_ = 0;
  std::int64_t sum_ = 0;
};

}  // namespace

// idle: resident memory of an actor that has answered one message and waits for the next.
void idle(const params& p) {
  if (p("n") < 1) fail("idle: n=1 at least");
  system_config config(p, policy::stealing);
  caf::actor_system system(config);
  caf::scoped_actor self(system);
  system.spawn<keeper>(p, caf::actor(self));
  collect(self, 1);
}

namespace {

class sleeper : public caf::event_based_actor {
 public:
  sleeper(caf::actor_config& config, std::int32_t* late_us, std::int64_t times,
          std::chrono::milliseconds d, caf::actor main)
      : event_based_actor(config), late_us_(late_us), left_(times), d_(d), main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    next();
    return {[this](go) {
      const auto by = std::chrono::steady_clock::now() - start_ - d_;
      *late_us_++ = static_cast<std::int32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(by).count());
      next();
    }};
  }

 private:
  void next() {
    if (left_-- > 0) {
      start_ = std::chrono::steady_clock::now();
      delayed_send(this, d_, go::value);
    } else {
      send(main_, done::value, std::int64_t{1});
      quit();
    }
  }

  std::int32_t* late_us_;
  std::int64_t left_;
  std::chrono::milliseconds d_;
  std::chrono::steady_clock::time_point start_;
  caf::actor main_;
};

}  // namespace

// timers: every actor waits ms milliseconds for a message to itself, n times, and notes how late
// it came.
void timers(const params& p) {
  const std::int64_t actors = p("actors");
  const std::int64_t n = p("n");
  const std::chrono::milliseconds d(p("ms"));
  std::vector<std::int32_t> late_us(static_cast<std::size_t>(actors * n));
  system_config config(p, policy::sharing);
  caf::actor_system system(config);
  const auto run = [&](std::int64_t count, std::int64_t times) {
    caf::scoped_actor self(system);
    stopwatch watch;
    for (std::int64_t i = 0; i < count; ++i)
      system.spawn<sleeper>(late_us.data() + i * times, times, d, caf::actor(self));
    if (collect(self, count) != count) fail("timers: some did not end");
    return watch.seconds();
  };
  run(actors / 10, n / 10);
  const double cpu_before = cpu_seconds();
  const double wall = run(actors, n);
  out_timers(p, late_us, cpu_seconds() - cpu_before, wall);
}

}  // namespace bench
