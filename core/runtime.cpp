// SPDX-License-Identifier: Apache-2.0
// Making and ending a runtime.
//
// Shutdown, in this order: (C1) no new actors from outside; drain: wait until nothing is runnable
// or all have ended; (C2) no new actors at all, every mailbox closes, so that receive loops end;
// (C3) who is left is cancelled and unwinds; (C4) the workers leave. Each phase may be passed at
// once, and all share one deadline.
#include "options.hpp"

#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/runtime.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace greenroom {

struct runtime::state {
  state(greenroom::logger l, std::string n, duration d)
      : log(l), name(std::move(n)), shutdown_deadline(d) {}

  greenroom::logger log;
  std::string name;
  duration shutdown_deadline{};
  detail::scheduler* runs_on = nullptr;
  detail::home* home = nullptr;
  std::mutex shutdown_lock;    // held by a shutdown for as long as it takes
  bool has_shut_down = false;  // under shutdown_lock
  detail::sync::atomic<bool> down{false};
};

namespace {

using detail::cell;
using detail::home;

struct survivors {
  survivor* all = nullptr;
  std::size_t size = 0;
  std::size_t room = 0;
};

// What is left of it is for those who hold its address.
bool has_ended(const cell* c) {
  return (c->control.load(detail::sync::memory_order_acquire) & detail::control_ended) != 0;
}

void count_one(cell*, void* n) { ++*static_cast<std::size_t*>(n); }

// REQUIRES: the caller holds a reference.
void describe(const cell* c, survivor& one) {
  detail::describe_cell(c, one.name, sizeof one.name, one.id);
  one.messages = detail::inbox::depth_in(c->in.look());
  detail::describe_wait(c, one.waits, sizeof one.waits);
}

void describe_one(cell* c, void* argument) {
  auto& s = *static_cast<survivors*>(argument);
  if (s.size == s.room || !detail::try_add_reference(c)) return;
  if (!has_ended(c)) describe(c, s.all[s.size++]);
  detail::drop_reference(c);
}

}  // namespace

runtime::runtime(const runtime_options& options) {
  const runtime_options o = detail::checked(options);
  auto made = std::make_unique<state>(o.logger, std::string(o.name), o.shutdown_deadline);
  home_ = made->home = detail::acquire_home();
  const detail::watch_settings watch{
      [](void* user, const char* text) {
        static_cast<state*>(user)->log.write(log_level::warning, text);
      },
      [](void* user, detail::trim what) {
        const bool more = detail::trim_nodes(what);
        return detail::trim_cells(static_cast<state*>(user)->home, what) || more;
      },
      made.get(), o.report_stuck_after};
  const char* why = "";
  detail::scheduler* s = detail::start_scheduler(
      {o.workers, o.stack_size, o.threads_max, watch, o.overflow_handler}, why);
  if (s == nullptr) {
    detail::release_home(home_);
    throw std::runtime_error(std::string("greenroom: cannot start: ") + why);
  }
  state_ = made.release();
  state_->runs_on = s;
  home_->runs_on = s;
  home_->capacity = o.capacity;
  home_->stack_size = o.stack_size;
  home_->user = state_;
  home_->failed = [](detail::home* h, const cell* c, const char* what) {
    char text[512];
    std::snprintf(text, sizeof text, "greenroom: %s (id %llu) ended: %s", detail::name_of(c),
                  static_cast<unsigned long long>(c->id), what);
    static_cast<state*>(h->user)->log.write(log_level::error, text);
  };
  home_->accepts.store(detail::spawns_from::anywhere, detail::sync::memory_order_release);
}

runtime::~runtime() {
  shutdown(state_->shutdown_deadline);
  if (!state_->down.load(detail::sync::memory_order_acquire)) return;  // left behind, see shutdown
  home_->user = nullptr;
  detail::release_home(home_);
  delete state_;
}

unsigned runtime::workers() const noexcept { return detail::worker_count(state_->runs_on); }

std::size_t runtime::actors() const noexcept { return detail::count_living(home_); }

greenroom::dead_letters runtime::dead_letters() const noexcept {
  const auto n = [&](detail::dead_letter reason) {
    return home_->dead[static_cast<std::size_t>(reason)].load(detail::sync::memory_order_relaxed);
  };
  using r = detail::dead_letter;
  return {n(r::closed),   n(r::undelivered), n(r::full),       n(r::timeout), n(r::cancelled),
          n(r::deadlock), n(r::expired),     n(r::late_reply), n(r::dropped)};
}

namespace {

// Waits until all have ended (true), or nothing moves any more nor will by a timer before
// `timers_until`, or the time is over.
bool wait_until_gone_or_quiet(home* h, time_point until, time_point timers_until) {
  constexpr duration first_pause = std::chrono::microseconds(20);
  constexpr duration longest_pause = std::chrono::milliseconds(2);
  constexpr int quiet_looks = 3;
  duration pause = first_pause;
  int quiet = 0;
  detail::sync::atomic<std::uint32_t> word{0};
  for (;;) {
    if (detail::count_living(h) == 0) return true;
    quiet = detail::is_quiet(h->runs_on, timers_until) ? quiet + 1 : 0;
    if (quiet == quiet_looks) return false;
    const time_point t = now();
    if (t >= until) return false;
    const time_point next = t + pause < until ? t + pause : until;
    detail::sync::futex_wait(&word, 0, next.time_since_epoch().count());
    if (pause < longest_pause) pause *= 2;
  }
}

// As above, and does `each` to every living actor again and again: one that was just being made
// when the last round passed is met by the next.
bool end_all(home* h, time_point until, void (*each)(cell*, void*), bool leave_when_quiet) {
  for (;;) {
    detail::for_each_cell(h, each, nullptr);
    // Who sleeps comes back in time to end by itself.
    if (wait_until_gone_or_quiet(h, until, until)) return true;
    if (now() >= until) return false;
    if (leave_when_quiet) {
      // Once more, for an actor made meanwhile.
      detail::for_each_cell(h, each, nullptr);
      return wait_until_gone_or_quiet(h, until, until);
    }
  }
}

void close_one(cell* c, void*) { detail::close_mailbox(c); }
void cancel_one(cell* c, void*) { detail::cancel_actor(c); }

}  // namespace

void runtime::report_survivors(shutdown_report& report) const {
  std::size_t n = 0;
  detail::for_each_cell(home_, count_one, &n);
  survivors found{new survivor[n], 0, n};
  detail::for_each_cell(home_, describe_one, &found);
  report.all_ = found.all;
  report.size_ = found.size;
}

void runtime::log_survivors(const shutdown_report& report, duration deadline) const {
  constexpr std::size_t most = 20;  // all of them stand in the report
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
  std::size_t logged = 0;
  char text[512];
  for (const survivor& one : report) {
    if (++logged > most) {
      std::snprintf(text, sizeof text, "greenroom: runtime %s: and %zu more did not stop",
                    state_->name.c_str(), report.size() - most);
      state_->log.write(log_level::error, text);
      return;
    }
    std::snprintf(text, sizeof text,
                  "greenroom: runtime %s did not stop in %lld ms: %s (id %llu, %s%s, %zu messages)",
                  state_->name.c_str(), static_cast<long long>(ms), one.name,
                  static_cast<unsigned long long>(one.id),
                  *one.waits == '\0' ? "runs" : "waits: ", one.waits, one.messages);
    state_->log.write(log_level::error, text);
  }
}

shutdown_report runtime::shutdown(duration deadline) {
  detail::check_deadline("deadline of shutdown()", deadline);
  shutdown_report report;
  if (detail::forked()) return report;
  if (detail::current_home() == home_)
    throw std::logic_error(
        "greenroom: shutdown() was called by an actor of this runtime; it would wait for itself");
  // A second call waits for the first, and says who is left by then.
  const std::lock_guard guard(state_->shutdown_lock);
  if (std::exchange(state_->has_shut_down, true)) {
    if (!state_->down.load(detail::sync::memory_order_acquire)) report_survivors(report);
    return report;
  }
  const time_point end = deadline_after(deadline);
  // The last half, at most a second, is kept for cancelling.
  const duration kept = std::min<duration>(deadline / 2, std::chrono::seconds(1));
  const time_point drained = end - kept;
  home_->accepts.store(detail::spawns_from::inside, detail::sync::memory_order_seq_cst);
  bool gone = wait_until_gone_or_quiet(home_, drained, now());  // C1
  home_->accepts.store(detail::spawns_from::nowhere, detail::sync::memory_order_seq_cst);
  if (!gone) gone = end_all(home_, drained, close_one, true);  // C2
  if (!gone) gone = end_all(home_, end, cancel_one, false);    // C3
  if (!gone) {
    report_survivors(report);
    log_survivors(report, deadline);
  }
  // C4. A worker that a survivor occupies does not come back; with survivors parked somewhere the
  // memory they stand on must stay, so neither home nor scheduler is used again.
  const bool left = detail::stop_scheduler(
      state_->runs_on, gone ? never : deadline_after(std::chrono::milliseconds(100)), gone);
  state_->down.store(gone && left, detail::sync::memory_order_release);
  return report;
}

}  // namespace greenroom
