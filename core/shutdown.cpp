// SPDX-License-Identifier: Apache-2.0
// Ending a runtime, phase by phase; each may be passed at once, and has a deadline of its own or
// shares one with others.
//
// C0: refuse: no new actors and no asks from outside; the hooks run, newest first.
// C1: drain: wait until nothing is runnable or all have ended.
// C2: stop: supervision trees stop, newest first; then there are no new actors at all, and every
//     mailbox closes, so that receive loops end.
// C3: cancel: who is left is cancelled and unwinds.
// C4: those who wait for somebody who is left are told, and the workers leave.
#include "options.hpp"
#include "runtime_state.hpp"
#include "shutdown_list.hpp"
#include "signals.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

namespace greenroom {

namespace {

using detail::cell;
using detail::home;
using end_of_phase = shutdown_report::end_of_phase;

// Sleeps between two looks, longer and longer.
class pause {
 public:
  void until(time_point end) {
    const time_point t = now();
    const time_point next = t + length_ < end ? t + length_ : end;
    detail::sync::futex_wait(&word_, 0, next.time_since_epoch().count());
    if (length_ < longest) length_ *= 2;
  }

 private:
  static constexpr duration longest = std::chrono::milliseconds(2);
  duration length_ = std::chrono::microseconds(20);
  detail::sync::atomic<std::uint32_t> word_{0};
};

// Waits until all have ended (true), or nothing moves any more nor will by a timer before
// `timers_until`, or the time is over.
bool wait_until_gone_or_quiet(home* h, time_point until, time_point timers_until) {
  constexpr int quiet_looks = 3;
  pause between;
  int quiet = 0;
  for (;;) {
    if (detail::count_living(h) == 0) return true;
    quiet = detail::is_quiet(h->runs_on, timers_until) ? quiet + 1 : 0;
    if (quiet == quiet_looks || now() >= until) return false;
    between.until(until);
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

// ---- those who are told, each on a green thread of its own

class told_ones {
 public:
  told_ones(home* h, logger log) noexcept : home_(h), log_(log) {}

  // Tells them, one after another; false: not all of them had ended by then. Whose time is over is
  // cancelled, and so are those that come after it: they begin, and unwind at their first wait.
  bool tell_all(shutdown_phase when, time_point until) {
    bool all_ended = true;
    while (detail::stoppable* what = detail::take_newest(home_, when)) {
      ++count_;
      all_ended = tell(what, until) && all_ended;
    }
    return all_ended;
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  // At the end of the shutdown. Who still runs keeps what it uses.
  void release_all() {
    for (std::unique_ptr<one>& each : told_) {
      // acquire: pairs with the release in leaves.
      const bool ended = each->ended.load(detail::sync::memory_order_acquire);
      if (ended)
        each->what->release(each->what);
      else
        detail::give_up(each.release()->what);
    }
    told_.clear();
  }

 private:
  struct one {
    detail::stoppable* what;
    detail::sync::atomic<bool> ended{false};
  };

  // Goes with the green thread's closure, which goes even if it never runs for want of a stack.
  class leaves {
   public:
    explicit leaves(one* of) noexcept : of_(of) {}
    leaves(leaves&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    leaves& operator=(leaves&&) = delete;
    ~leaves() {
      if (of_ != nullptr) of_->ended.store(true, detail::sync::memory_order_release);
    }

   private:
    one* of_;
  };

  bool tell(detail::stoppable* what, time_point until) {
    const bool is_hook = what->when == shutdown_phase::refuse;
    one* made = nullptr;
    green_thread runs;
    try {
      told_.push_back(std::make_unique<one>(what));
      made = told_.back().get();
      runs = detail::spawn_function(
          home_, {.name = is_hook ? "shutdown hook" : "stop of a tree"}, false,
          [what, until](const leaves&) { what->stop(what, until); }, leaves(made));
    } catch (const std::bad_alloc&) {}
    if (!runs) {
      if (made != nullptr) told_.pop_back();
      return tell_here(what, until);
    }
    pause between;
    while (!made->ended.load(detail::sync::memory_order_acquire)) {
      if (now() >= until) {
        runs.cancel();
        return false;
      }
      between.until(until);
    }
    return true;
  }

  // Out of memory for a green thread.
  bool tell_here(detail::stoppable* what, time_point until) {
    try {
      what->stop(what, until);
    } catch (const std::exception& e) {
      char text[512];
      std::snprintf(text, sizeof text, "greenroom: shutdown hook ended: %s", e.what());
      log_.write(log_level::error, text);
    } catch (...) {
      log_.write(log_level::error, "greenroom: shutdown hook ended by an exception");
    }
    what->release(what);
    return true;
  }

  home* home_;
  logger log_;
  std::size_t count_ = 0;
  std::vector<std::unique_ptr<one>> told_;
};

// ---- deadlines of the phases

// Each phase has its own time from its beginning, and some share an end.
struct time_table {
  duration each[shutdown_phases];
  time_point last[shutdown_phases];

  explicit time_table(const shutdown_deadlines& d) : each{d.refuse, d.drain, d.stop, d.cancel} {
    for (time_point& t : last) t = never;
  }
  // The last half, at most a second, is kept for cancelling.
  explicit time_table(duration all) {
    const time_point end = deadline_after(all);
    const time_point drained = end - std::min<duration>(all / 2, std::chrono::seconds(1));
    for (duration& d : each) d = duration::max();
    for (time_point& t : last) t = drained;
    last[static_cast<std::size_t>(shutdown_phase::cancel)] = end;
  }
  [[nodiscard]] time_point end_of(shutdown_phase which) const {
    const auto i = static_cast<std::size_t>(which);
    return std::min(deadline_after(each[i]), last[i]);
  }
};

// Notes how long a phase took and how it ended.
class phase_clock {
 public:
  phase_clock(shutdown_report::phase& to, time_point until) noexcept
      : to_(to), began_(now()), until_(until) {}
  [[nodiscard]] time_point until() const noexcept { return until_; }
  // `done`: it has reached its end; else it has come to rest, or its time is over.
  void ends(bool done) noexcept {
    const time_point t = now();
    to_.how = done || t < until_ ? end_of_phase::in_time : end_of_phase::timed_out;
    to_.took = t - began_;
    to_.allowed = until_ == never ? duration::max() : std::max(until_ - began_, duration::zero());
  }

 private:
  shutdown_report::phase& to_;
  time_point began_, until_;
};

// Runs the phases; true: everything has ended.
bool run_phases(home* h, told_ones& told, const time_table& times,
                shutdown_report::phase (&report)[shutdown_phases]) {
  using p = shutdown_phase;
  const auto clock = [&](p which) {
    return phase_clock(report[static_cast<std::size_t>(which)], times.end_of(which));
  };
  phase_clock refuse = clock(p::refuse);  // C0
  const bool hooks_ended = told.tell_all(p::refuse, refuse.until());
  const std::size_t hooks = told.count();
  if (hooks != 0) refuse.ends(hooks_ended);

  phase_clock drain = clock(p::drain);  // C1
  bool gone = wait_until_gone_or_quiet(h, drain.until(), now());
  drain.ends(gone);

  phase_clock stop = clock(p::stop);  // C2
  const bool trees_ended = told.tell_all(p::stop, stop.until());
  gone = detail::count_living(h) == 0;
  const bool is_needed = !gone || told.count() != hooks;
  if (!gone) gone = end_all(h, stop.until(), close_one, true);
  if (is_needed) stop.ends(gone && trees_ended);
  if (gone) return true;

  phase_clock cancel = clock(p::cancel);  // C3
  gone = end_all(h, cancel.until(), cancel_one, false);
  cancel.ends(gone);
  return gone;
}

}  // namespace

static void check_caller(const home* h, const char* what) {
  if (detail::current_home() == h)
    throw std::logic_error(std::string("greenroom: ") + what +
                           " was called by an actor of this runtime; it would wait for itself");
}

// One of the two is given.
shutdown_report runtime::shut_down(const duration* all, const shutdown_deadlines* each) {
  shutdown_report report;
  if (detail::forked()) return report;
  check_caller(home_, "shutdown()");
  // A second call waits for the first, and says who is left by then.
  const std::lock_guard guard(state_->shutdown_lock);
  if (std::exchange(state_->has_shut_down, true)) {
    if (!state_->down.load(detail::sync::memory_order_acquire)) report_survivors(report);
    return report;
  }
  const time_point began = now();
  const time_table times = each != nullptr ? time_table(*each) : time_table(*all);
  told_ones told(home_, state_->log);
  state_->letters.close();
  // relaxed: read by this thread alone; before `accepts`, which others look at first.
  home_->ended_by.store(detail::this_os_thread(), detail::sync::memory_order_relaxed);
  home_->accepts.store(detail::spawns_from::inside, detail::sync::memory_order_seq_cst);
  const bool gone = run_phases(home_, told, times, report.phases_);
  if (!gone) {
    report_survivors(report);
    log_survivors(report, now() - began);
    detail::leave_behind(home_);  // C4
  }
  told.release_all();
  // A worker that a survivor occupies does not come back; with survivors parked somewhere the
  // memory they stand on must stay, so neither home nor scheduler is used again.
  const bool left = detail::stop_scheduler(
      state_->runs_on, gone ? never : deadline_after(std::chrono::milliseconds(100)), gone);
  state_->letters.finish();
  // release: pairs with the acquire in is_over().
  state_->names.over.store(true, detail::sync::memory_order_release);
  state_->down.store(gone && left, detail::sync::memory_order_release);
  return report;
}

shutdown_report runtime::shutdown(duration deadline) {
  detail::check_deadline("deadline of shutdown()", deadline);
  return shut_down(&deadline, nullptr);
}

shutdown_report runtime::shutdown(const shutdown_deadlines& deadlines) {
  detail::check_deadlines("of shutdown()", deadlines);
  return shut_down(nullptr, &deadlines);
}

shutdown_report runtime::shutdown_as_asked() {
  return state_->shutdown_deadlines ? shut_down(nullptr, &*state_->shutdown_deadlines)
                                    : shut_down(&state_->shutdown_deadline, nullptr);
}

// ---- requests

void runtime::request_shutdown() noexcept {
  // release: what was done before is seen by who shuts it down.
  state_->is_requested.store(true, detail::sync::memory_order_release);
  detail::announce_shutdown_news();
}

namespace detail {
home* home_to_shut_down(const char* what) {
  home* h = current_home();
  if (h == nullptr)
    throw std::logic_error(std::string("greenroom: ") + what +
                           " was called outside of an actor or green thread; a plain OS thread "
                           "calls that of a runtime: rt." +
                           what);
  return h;
}
}  // namespace detail

void request_shutdown() {
  auto* s = static_cast<runtime::state*>(detail::home_to_shut_down("request_shutdown()")->user);
  s->is_requested.store(true, detail::sync::memory_order_release);  // as the member
  detail::announce_shutdown_news();
}

bool runtime::shutdown_requested() const noexcept {
  return state_->is_requested.load(detail::sync::memory_order_acquire) ||
         (state_->handles_signals && detail::has_shutdown_signal());
}

shutdown_report runtime::run_until_signal() {
  if (detail::forked()) return {};
  check_caller(home_, "run_until_signal()");
  for (;;) {
    const std::uint32_t seen = detail::shutdown_news();  // before the look
    if (shutdown_requested()) return shutdown_as_asked();
    detail::wait_for_shutdown_news(seen);
  }
}

}  // namespace greenroom
