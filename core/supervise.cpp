// SPDX-License-Identifier: Apache-2.0
// What a supervisor does: starts in order, restarts by its strategy, stops in reverse order, gives
// up. On its own green thread; labels: supervisor.hpp.
#include "supervisor.hpp"

#include <greenroom/green_thread.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace greenroom::detail {

namespace {

constexpr wait_reason supervises{"supervises its children"};
constexpr wait_reason stops_them{"waits for its children to stop"};

class supervision {
 public:
  explicit supervision(supervisor_node& n) noexcept : n_(n) {}

  void start_all() {
    {
      const spin_guard guard(n_.lock);
      n_.phase = node_phase::starting;
    }
    forget_restarts(n_);
    child_entry* failed = start_from(first());
    if (failed == nullptr) return;
    const std::string text =
        "child `" + std::string(name_of(failed->actor)) + "` did not start: " + failed->why.text();
    stop_all();
    end_with_failure(text);
  }

  void serve() {
    announce();
    while (!is_to_stop()) {
      while (child_entry* e = next_event()) handle(*e);
      start_those_due();
      if (!is_to_stop()) rest(next_due(), supervises);
    }
    enter(node_phase::stopping);
    stop_all();
  }

  // In reverse order; a pool's all at once.
  void stop_all() {
    if (n_.is_pool) {
      stop_at_once();
      return;
    }
    n_.delayed.clear();
    for (child_entry* e = last(); e != nullptr; e = before(e)) stop(*e);
  }

  // Under a shield: whatever it was, nobody is left behind.
  void kill_all() {
    enter(node_phase::stopping);
    n_.delayed.clear();
    for (child_entry* e = first(); e != nullptr; e = next(e))
      if (mark_stopping(*e)) {
        cancel_actor(e->actor);
        now_and_then_.yield();
      }
    for (child_entry* e = first(); e != nullptr; e = next(e)) wait_for_stop(*e, never);
  }

  void end() {
    enter(node_phase::ended);
    if (n_.parent == nullptr || n_.is_pool)
      retire_all(n_);
    else
      while (child_entry* e = next_event()) forget(*e);  // no more lives for them
    {
      const spin_guard guard(n_.lock);
      n_.stop_asked = false;  // it was for this life
    }
    tell_ready(n_);
  }

 private:
  // ---- the list. Only this thread takes entries out of a node that is no pool.
  child_entry* first() {
    const spin_guard guard(n_.lock);
    return n_.first;
  }
  child_entry* last() {
    const spin_guard guard(n_.lock);
    return n_.last;
  }
  child_entry* next(const child_entry* e) {
    const spin_guard guard(n_.lock);
    return e->next;
  }
  child_entry* before(const child_entry* e) {
    const spin_guard guard(n_.lock);
    return e->before;
  }
  child_state state_of(const child_entry& e) {
    const spin_guard guard(n_.lock);
    return e.state;
  }
  void enter(node_phase phase) {
    const spin_guard guard(n_.lock);
    n_.phase = phase;
  }
  bool is_to_stop() {
    const spin_guard guard(n_.lock);
    return n_.stop_asked;
  }
  child_entry* next_event() {
    const spin_guard guard(n_.lock);
    while (child_entry* e = n_.first_event) {
      n_.first_event = e->next_event;
      if (n_.first_event == nullptr) n_.last_event = nullptr;
      e->is_told = false;
      if (e->state == child_state::failed) return e;
    }
    return nullptr;
  }

  // Until something has happened, or that time.
  void rest(time_point until, const wait_reason& why) {
    const wait_ticket ticket = begin_wait(why);
    bool is_news = false;
    {
      const spin_guard guard(n_.lock);
      is_news = std::exchange(n_.has_news, false);  // SV3
      n_.waiter = ticket;
      n_.waits = !is_news;
    }
    if (!is_news) {
      if (n_.clock != nullptr)
        n_.clock->park(ticket, until);
      else
        park(until);
      const spin_guard guard(n_.lock);
      n_.waits = false;
      n_.has_news = false;
    } else if (!abandon()) {
      park();
    }
    throw_if_cancelled();
  }

  // The root's starter, or the supervisor above, hears that all run.
  void announce() {
    enter(node_phase::running);
    tell_ready(n_);
    if (n_.parent == nullptr) return;
    supervisor_node& above = *n_.parent->of;
    wait_ticket waiter;
    {
      const spin_guard guard(above.lock);
      n_.parent->is_ready = true;
      waiter = tell(above);
    }
    wake_if(waiter);
  }

  // ---- starts

  bool start(child_entry& e) {
    forget_orders(e.actor);  // SV5
    if (is_for_good(e.actor)) stop_actor(e.actor);
    if (e.sub != nullptr) {
      const spin_guard guard(e.sub->lock);
      e.sub->stop_asked = false;
    }
    {
      const spin_guard guard(n_.lock);
      e.state = child_state::starting;
      e.is_ready = false;
    }
    if (start_child(n_, e, false) != exit_kind::normal) return false;
    return e.sub == nullptr || wait_until_ready(e);
  }

  bool wait_until_ready(child_entry& e) {
    for (;;) {
      {
        const spin_guard guard(n_.lock);
        if (e.is_ready) return true;
        if (e.state == child_state::failed) {
          e.state = child_state::put_by;  // its event is void
          return false;
        }
      }
      rest(never, supervises);
    }
  }

  // Those that are put by, from that one on; none after an order to stop. Null, or the one that
  // did not start.
  child_entry* start_from(child_entry* e) {
    for (; e != nullptr && !is_to_stop(); e = next(e))
      if (state_of(*e) == child_state::put_by && !start(*e)) return e;
    return nullptr;
  }

  // ---- stops

  // False: it does not run.
  bool mark_stopping(child_entry& e) {
    const spin_guard guard(n_.lock);
    switch (e.state) {
      case child_state::starting:
      case child_state::running: e.state = child_state::stopping; return true;
      case child_state::stopping: return true;
      case child_state::delayed:
        if (!n_.delayed.empty()) std::erase(n_.delayed, &e);
        e.state = child_state::put_by;
        return false;
      case child_state::failed:
        // One that is over stays so, for handle().
        if (wants_restart(n_, e)) e.state = child_state::put_by;
        return false;
      case child_state::put_by:
      case child_state::over: return false;
    }
    return false;
  }

  static void order(child_entry& e) {
    if (e.sub != nullptr)
      stop_node(e.sub);
    else if (e.stop_within == duration::zero() || ops_of(e.actor).type_count == 0)
      cancel_actor(e.actor);
    else
      stop_actor(e.actor);
  }

  void stop(child_entry& e) {
    if (!mark_stopping(e)) return;
    order(e);
    wait_for_stop(e, e.stop_within == duration::zero() ? never : until(e.stop_within));
  }

  // After that time it is killed.
  void wait_for_stop(child_entry& e, time_point deadline) {
    constexpr duration unwinds_within = std::chrono::seconds(5);
    bool is_killed = deadline == never;
    while (state_of(e) == child_state::stopping) {
      if (deadline != never && now_of(n_) >= deadline) {
        say_late(e, is_killed);
        if (!is_killed) cancel_actor(e.actor);
        deadline = is_killed ? never : until(unwinds_within);
        is_killed = true;
      }
      rest(deadline, stops_them);
    }
  }

  void say_late(const child_entry& e, bool is_killed) {
    if (n_.where->say == nullptr) return;
    char text[512];
    std::snprintf(text, sizeof text, "greenroom: supervisor %s: child %s %s", n_.name.c_str(),
                  name_of(e.actor),
                  is_killed ? "was killed and does not end; it is waited for"
                            : "has not stopped in time and is killed");
    n_.where->say(n_.where, home::tone::warning, text);
  }

  void stop_at_once() {
    n_.delayed.clear();
    time_point deadline = now_of(n_);
    for (child_entry* e = first(); e != nullptr; e = next(e))
      if (mark_stopping(*e)) {
        order(*e);
        deadline = std::max(deadline, until(e->stop_within));
        now_and_then_.yield();
      }
    for (child_entry* e = first(); e != nullptr; e = next(e))
      while (state_of(*e) == child_state::stopping) {
        if (deadline != never && now_of(n_) >= deadline) {
          kill_those_left(e);
          deadline = never;
        }
        rest(deadline, stops_them);
      }
  }

  void kill_those_left(child_entry* e) {
    for (; e != nullptr; e = next(e))
      if (state_of(*e) == child_state::stopping) cancel_actor(e->actor);
  }

  time_point until(duration d) {
    const time_point t = now_of(n_);
    return d > never - t ? never : t + d;
  }

  // ---- ends

  void handle(child_entry& e) {
    bool again = false, counted = false;
    {
      const spin_guard guard(n_.lock);
      again = wants_restart(n_, e);
    }
    if (!again) {
      forget(e);
      return;
    }
    child_entry* cause = &e;
    do {
      const time_point t = now_of(n_);
      {
        const spin_guard guard(n_.lock);
        counted = count_restart(n_, t);
      }
      if (!counted) give_up(*cause);
      say_restart(n_, *cause, t);
      cause = restart_with(*cause);
    } while (cause != nullptr && !is_to_stop());
  }

  // It is over for good.
  void forget(child_entry& e) {
    {
      const spin_guard guard(n_.lock);
      unlink(n_, e);
      e.state = child_state::over;
    }
    retire(&e);
  }

  // Restarts it and whom the strategy says. Null, or the one that did not start.
  child_entry* restart_with(child_entry& cause) {
    {
      const spin_guard guard(n_.lock);
      if (cause.state == child_state::failed) cause.state = child_state::put_by;
    }
    child_entry* from = &cause;
    if (n_.how != one_for_one) {
      if (n_.how == one_for_all) from = first();
      for (child_entry* e = last(); e != &cause; e = before(e)) stop(*e);
      for (child_entry* e = &cause; e != from;) stop(*(e = before(e)));
      from = forget_temporary(from, cause);
    }
    const duration wait = delay_of(cause);
    if (wait != duration::zero()) {
      put_off(*from, until(wait));
      return nullptr;
    }
    if (n_.how != one_for_one) return start_from(from);
    return start(cause) ? nullptr : &cause;
  }

  // All that are put by, from that one on or it alone; due at once they start in their order.
  void put_off(child_entry& from, time_point due) {
    for (child_entry* e = &from; e != nullptr; e = n_.how == one_for_one ? nullptr : next(e)) {
      if (state_of(*e) != child_state::put_by) continue;
      n_.delayed.push_back(e);
      {
        const spin_guard guard(n_.lock);
        e->state = child_state::delayed;
        e->due = due;
      }
      if (n_.how == one_for_one) std::push_heap(n_.delayed.begin(), n_.delayed.end(), later);
    }
  }
  static bool later(const child_entry* a, const child_entry* b) noexcept { return a->due > b->due; }

  // Temporary children that were stopped for others are over. The first of those that are left.
  child_entry* forget_temporary(child_entry* from, const child_entry& cause) {
    child_entry* left = from;
    for (child_entry* e = from; e != nullptr;) {
      child_entry* after = next(e);
      if (e->restarts == temporary && e != &cause && state_of(*e) == child_state::put_by) {
        if (left == e) left = after;
        forget(*e);
      }
      e = after;
    }
    return left;
  }

  duration delay_of(child_entry& e) {
    const restart_delay& d = n_.delay;
    if (d.first == duration::zero()) return d.first;
    const duration calm = std::max<duration>(std::chrono::minutes(1), d.most * 10);
    unsigned doublings = 0;
    {
      const time_point t = now_of(n_);
      const spin_guard guard(n_.lock);
      if (t - e.started_at > calm) e.in_a_row = 0;
      doublings = e.in_a_row++;
    }
    duration wait = d.first;
    while (doublings-- != 0 && wait < d.most) wait *= 2;  // most is a year at most
    wait = std::min(wait, d.most);
    // xorshift32
    n_.random ^= n_.random << 13;
    n_.random ^= n_.random >> 17;
    n_.random ^= n_.random << 5;
    return wait - wait / 100 * static_cast<long>(n_.random % (d.jitter + 1));
  }

  time_point next_due() { return n_.delayed.empty() ? never : n_.delayed.front()->due; }

  void start_those_due() {
    const time_point t = now_of(n_);
    for (child_entry* e = next_delayed(t); e != nullptr; e = next_delayed(t)) {
      if (is_to_stop() || start(*e)) continue;
      {
        const spin_guard guard(n_.lock);
        e->state = child_state::failed;
      }
      handle(*e);
    }
  }

  child_entry* next_delayed(time_point t) {
    if (next_due() > t) return nullptr;
    child_entry* e = n_.delayed.front();
    if (n_.how == one_for_one) {
      std::pop_heap(n_.delayed.begin(), n_.delayed.end(), later);
      n_.delayed.pop_back();
    } else {
      n_.delayed.erase(n_.delayed.begin());
    }
    const spin_guard guard(n_.lock);
    e->state = child_state::put_by;
    return e;
  }

  [[noreturn]] void give_up(child_entry& cause) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(n_.within).count();
    const std::string text = "more than " + std::to_string(n_.restarts_max) + " restarts in " +
                             std::to_string(ms) + " ms; the last: `" + name_of(cause.actor) +
                             "` ended: " + cause.why.text();
    {
      const spin_guard guard(n_.lock);
      if (cause.state == child_state::failed) cause.state = child_state::put_by;
    }
    enter(node_phase::stopping);
    stop_all();
    end_with_failure(text);
  }

  [[noreturn]] void end_with_failure(const std::string& text) {
    const std::string type = "supervisor " + n_.name;
    throw ended_with{exit_reason(exit_kind::failed, {.what = text.c_str(), .type = type.c_str()})};
  }

  supervisor_node& n_;
  yield_in_between now_and_then_;
};

}  // namespace

void supervise(supervisor_node* n) {
  supervision all(*n);
  try {
    all.start_all();
    all.serve();
  } catch (...) {
    const shield no_cancel;
    all.kill_all();
    all.end();
    throw;
  }
  all.end();
}

}  // namespace greenroom::detail
