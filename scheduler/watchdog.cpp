// SPDX-License-Identifier: Apache-2.0
#include "watchdog.hpp"

#include "scheduler.hpp"
#include "stack_trace.hpp"

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <string_view>

namespace greenroom::detail {

namespace {
std::int64_t time_ns() noexcept { return now().time_since_epoch().count(); }
}  // namespace

bool watchdog::start(scheduler* s, const watch_settings& how) {
  home_ = s;
  how_ = how;
  memos_.assign(idle_set::workers_max, {});
  sites_.clear();
  calm_ = 0;
  last_look_ = time_ns();
  trim_at_ = last_look_ + trim_every_ns;
  word_.store(awake, sync::memory_order_relaxed);
  started_ = start_thread(thread_, main, this);
  return started_;
}

void watchdog::stop() noexcept {
  if (!started_) return;
  word_.store(stopped, sync::memory_order_release);
  sync::futex_wake(&word_, 1);
  pthread_join(thread_, nullptr);
  started_ = false;
}

void* watchdog::main(void* self) {
  static_cast<watchdog*>(self)->run();
  return nullptr;
}

void watchdog::call(std::uint32_t what) noexcept {
  std::uint32_t seen = word_.load(sync::memory_order_relaxed);
  while (seen != stopped && seen != what)
    if (word_.compare_exchange_weak(seen, what, sync::memory_order_acq_rel,
                                    sync::memory_order_relaxed)) {
      sync::futex_wake(&word_, 1);
      return;
    }
}

void watchdog::run() {
  while (nap()) {
    while (trims_) {
      trims_ = trim_memory(trim::go_on);
      if (!home_->everybody_sleeps() || word_.load(sync::memory_order_relaxed) != awake) break;
    }
    if (home_->everybody_sleeps() && !home_->has_one_too_many()) {
      if (++calm_ >= calm_looks && !trims_) sleep();
      last_look_ = time_ns();
      continue;
    }
    calm_ = 0;
    trimmed_ = false;
    look();
    if (last_look_ >= trim_at_ && !trims_) begin_to_trim(trim::begin);
  }
}

void watchdog::begin_to_trim(trim what) {
  trim_at_ = time_ns() + trim_every_ns;
  trims_ = trim_memory(what);
}

bool watchdog::trim_memory(trim what) {
  const bool more = trim_fibers(what);
  return (how_.trim_memory != nullptr && how_.trim_memory(how_.user, what)) || more;
}

// A period long, or until somebody calls. False: stop.
bool watchdog::nap() {
  if (word_.load(sync::memory_order_acquire) == awake)
    sync::futex_wait(&word_, awake, time_ns() + period_ns);
  std::uint32_t seen = hurried;
  word_.compare_exchange_strong(seen, awake, sync::memory_order_acq_rel,
                                sync::memory_order_acquire);
  return seen != stopped;
}

void watchdog::sleep() {
  std::uint32_t seen = awake;
  if (!word_.compare_exchange_strong(seen, asleep, sync::memory_order_seq_cst)) return;
  sync::fence_seq_cst();  // W3
  calm_ = 0;
  const bool rests = home_->everybody_sleeps();
  if (rests && how_.all_asleep != nullptr && home_->nothing_to_come()) how_.all_asleep(how_.user);
  const std::int64_t until = trimmed_ ? INT64_MAX : time_ns() + trim_every_ns;
  while (rests && word_.load(sync::memory_order_acquire) == asleep && time_ns() < until)
    sync::futex_wait(&word_, asleep, trimmed_ ? -1 : until);
  seen = asleep;
  const bool nobody_woke =
      rests && word_.compare_exchange_strong(seen, awake, sync::memory_order_acq_rel);
  trimmed_ = nobody_woke;
  if (nobody_woke) begin_to_trim(trim::begin_with_all);
  if (!rests) word_.compare_exchange_strong(seen, awake, sync::memory_order_acq_rel);
}

// True: it has begun nothing new for so long that it counts as stuck, if work waits.
bool watchdog::look_at(worker& w, memo& seen, std::int64_t t) {
  const std::uint32_t tick = w.tick;
  if (w.post.load(sync::memory_order_acquire) != post_serves ||
      w.resting.load(sync::memory_order_relaxed) || tick != seen.tick) {
    // Turns so long that its next fair one is far away: timers and sockets wait for that.
    const std::uint32_t turns = tick - seen.tick;
    if (turns != 0 && turns < worker::fair_every) w.want_attention();
    seen = {.tick = tick, .since = t, .blamed_since = t};
    note_turn(turns_[w.index], tick, t);
    return false;
  }
  return t - seen.since >= stuck_after_ns;
}

// release: who sees the new tick does not see the old time with it.
void watchdog::note_turn(turn& of, std::uint32_t tick, std::int64_t since) noexcept {
  of.since.store(0, sync::memory_order_relaxed);
  of.tick.store(tick, sync::memory_order_release);
  of.since.store(since, sync::memory_order_release);
}

std::int64_t watchdog::turn_of(unsigned index, std::uint32_t tick) const noexcept {
  const turn& seen = turns_[index];
  const std::int64_t since = seen.since.load(sync::memory_order_acquire);
  const std::uint32_t at = seen.tick.load(sync::memory_order_acquire);
  if (since == 0) return -1;
  if (at != tick || seen.since.load(sync::memory_order_relaxed) != since) return 0;
  return std::max<std::int64_t>(time_ns() - since, 0);
}

void watchdog::look() {
  const std::int64_t t = time_ns();
  // Whoever slept that long cannot blame anybody: the process was stopped, or gets no processor.
  const bool overslept = t - last_look_ > overslept_ns;
  last_look_ = t;
  bool some_slow = false;
  for (unsigned i = 0; i < home_->places(); ++i) {
    memo& seen = memos_[i];
    if (overslept) seen.blamed_since = t;
    seen.slow = look_at(home_->worker_at(i), seen, t);
    some_slow |= seen.slow;
  }
  if (some_slow) mark_slow(t);
  if (home_->all_hands().stuck() != 0 && home_->work_waits(t)) home_->relieve();
  home_->send_one_home();
  if (!some_slow) return;
  try {
    for (unsigned i = 0; i < home_->places(); ++i)
      if (memos_[i].slow) report_stuck(home_->worker_at(i), memos_[i], t);
  } catch (const std::bad_alloc&) {
    // Reported later, if at all: those who wait are helped without.
  }
}

// Slow ones are stuck if work waits and they do not come to an end when asked.
void watchdog::mark_slow(std::int64_t t) {
  bool asked = false;
  unsigned slow = 0;
  for (unsigned i = 0; i < home_->places(); ++i)
    slow += memos_[i].slow &&
            home_->worker_at(i).stuck.load(sync::memory_order_relaxed) == stuck_by::nobody;
  // With one too many, it is the slow one's work that the helper does.
  const bool waits = home_->work_waits(t) || home_->has_one_too_many() ||
                     (home_->all_hands().able() <= slow && home_->nobody_polls());
  for (unsigned i = 0; i < home_->places(); ++i) {
    memo& seen = memos_[i];
    worker& w = home_->worker_at(i);
    if (!seen.slow || w.stuck.load(sync::memory_order_relaxed) != stuck_by::nobody) continue;
    if (!waits && !home_->has_work(w, t)) {
      seen.slow = false;
      continue;
    }
    const fiber* f = w.current;
    task* one = f->current.load(sync::memory_order_acquire);
    if (one != nullptr) one->control.fetch_or(control_slice, sync::memory_order_relaxed);
    asked = true;
  }
  if (!asked) return;
  sync::atomic<std::uint32_t> word{0};
  sync::futex_wait(&word, 0, time_ns() + grace_ns);
  for (unsigned i = 0; i < home_->places(); ++i) {
    memo& seen = memos_[i];
    worker& w = home_->worker_at(i);
    if (seen.slow && w.tick == seen.tick) home_->mark_stuck(w, stuck_by::watchdog);
  }
}

void watchdog::report_stuck(const worker& w, memo& seen, std::int64_t t) {
  const std::int64_t for_ns = t - seen.blamed_since;
  if (seen.reported || how_.report == nullptr || for_ns < how_.report_after.count()) return;
  if (w.stuck.load(sync::memory_order_relaxed) != stuck_by::watchdog) return;
  const pid_t id = w.system_id.load(sync::memory_order_acquire);
  const std::int64_t had = processor_time_of(id);
  if (seen.had_at == 0) {  // looked at again in a moment
    seen.had_ns = had;
    seen.had_at = t;
    return;
  }
  stack_trace trace;
  fiber* f = w.current;
  trace.take(id, f->stack.low + f->stack.size);
  // One that would run and got no processor is held up itself.
  const bool computes = std::string_view(trace.doing()) == "computing";
  const bool held_up = computes && had >= 0 && (had - seen.had_ns) * 10 < t - seen.had_at;
  seen.had_ns = had;
  seen.had_at = t;
  task* one = f->current.load(sync::memory_order_acquire);
  if (held_up || one == nullptr || w.tick != seen.tick) return;
  // A thread that got no processor meanwhile has not run the handler; the next look may do better.
  if (trace.empty() && ++seen.tries < tries_max) return;
  seen.reported = true;
  describe_stuck(*one, trace, for_ns);
}

// Once for each place.
void watchdog::describe_stuck(task& t, const stack_trace& trace, std::int64_t for_ns) {
  constexpr std::size_t sites_max = 64;
  const stack_trace::site site = trace.where();
  const auto is_known = [&](const auto& known) { return stack_trace::is_same(known, site); };
  if (sites_.size() >= sites_max || std::any_of(sites_.begin(), sites_.end(), is_known)) return;
  const task_ops* ops = __atomic_load_n(&t.ops, __ATOMIC_ACQUIRE);
  if (ops == nullptr) return;
  char name[96] = "";
  std::uint64_t id = 0;
  if (!ops->identify(&t, name, sizeof name, id)) return;
  sites_.push_back(site);
  char head[400];
  std::snprintf(head, sizeof head,
                "greenroom: %s (id %llu) keeps a worker for %lld ms while others wait (%s). "
                "Announce it with gr::blocking, or gr::yield() in between. ",
                name, static_cast<unsigned long long>(id),
                static_cast<long long>(for_ns / 1'000'000), trace.doing());
  report((head + trace.text()).c_str());
}

}  // namespace greenroom::detail
