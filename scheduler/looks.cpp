// SPDX-License-Identifier: Apache-2.0
#include <greenroom/detail/looks.hpp>

#include "scheduler.hpp"
#include "stack_trace.hpp"
#include "symbols.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace greenroom::detail {

namespace {

constexpr std::size_t words_max = stack_words::most;
static_assert(words_max * sizeof(std::uintptr_t) == stack_looks::bytes_max);
constexpr int looks_max = 4;  // at a stack that moves

// Not instrumented, for it reads what others may write, and red zones; word by word, since a call
// of memcpy would be instrumented.
#if defined(__clang__)
#define GREENROOM_FOREIGN_STACK __attribute__((noinline, no_sanitize("address", "thread")))
#else
#define GREENROOM_FOREIGN_STACK __attribute__((noinline, no_sanitize_address, no_sanitize_thread))
#endif

// Where the used part of a left stack lies. It is memory for ever (P2), so reading it is harmless,
// whoever has it by now.
struct left_stack {
  std::uintptr_t pc = 0, frame = 0;
  const volatile std::uintptr_t* from = nullptr;
  std::size_t count = 0;
};

GREENROOM_FOREIGN_STACK left_stack where_left(const fiber* f) noexcept {
  const volatile context& at = f->at;
  const void* const sp = at.sp;
  left_stack s;
  s.pc = reinterpret_cast<std::uintptr_t>(at.ip);
  s.frame = reinterpret_cast<std::uintptr_t>(at.frame);
  if (reinterpret_cast<std::uintptr_t>(sp) % sizeof(std::uintptr_t) != 0) return s;
  const stack_pool::place place = stack_pool::find(sp);
  if (place.stack.low == nullptr || place.in_guard) return s;
  const char* const top = place.stack.low + place.stack.size;
  s.from = static_cast<const std::uintptr_t*>(sp);
  s.count = static_cast<std::size_t>(top - static_cast<const char*>(sp)) / sizeof *s.from;
  if (s.count > words_max) s.count = words_max;
  return s;
}

GREENROOM_FOREIGN_STACK void copy(const left_stack& from, stack_words& to) noexcept {
  to.pc = from.pc;
  to.sp = reinterpret_cast<std::uintptr_t>(from.from);
  to.frame = from.frame;
  to.count = from.count;
  for (std::size_t i = 0; i < from.count; ++i) to.words[i] = from.from[i];
}

GREENROOM_FOREIGN_STACK bool is_same(const left_stack& now, const stack_words& before) noexcept {
  if (now.pc != before.pc || now.frame != before.frame || now.count != before.count) return false;
  for (std::size_t i = 0; i < now.count; ++i)
    if (now.from[i] != before.words[i]) return false;
  return true;
}

// The same before and after it is published.
std::uint64_t number_in(std::uint64_t state) noexcept { return state | phase_mask; }

// W4. False: it is not parked, or others have moved it at each look.
bool copy_parked(const task* t, bool (*rests)(const task*), stack_words& to,
                 std::uint64_t& number) noexcept {
  for (int i = 0; i < looks_max; ++i) {
    // acquire: pairs with the release of publish_parked and of a rest; what the stack wrote before
    // it left is there.
    const fiber* f = t->parked.load(sync::memory_order_acquire);
    if (f == nullptr || f->current.load(sync::memory_order_acquire) != t) return false;
    const std::uint64_t state = f->state.load(sync::memory_order_acquire);
    const bool numbered = (state & phase_mask) == phase_parked;
    if (!numbered && !rests(t)) return false;
    number = numbered ? number_in(state) : 0;
    const left_stack there = where_left(f);
    if (there.count == 0) return false;
    copy(there, to);
    if (!numbered && !is_same(where_left(f), to)) continue;
    // What was copied is ordered before the second look.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (f->state.load(sync::memory_order_relaxed) == state &&
        f->current.load(sync::memory_order_relaxed) == t && (numbered || rests(t)))
      return true;
  }
  return false;
}

bool serves(const worker& w) noexcept {
  return w.post.load(sync::memory_order_acquire) == post_serves;
}

task* run_by(const worker& w) noexcept {
  const fiber* f = w.current;
  return f == nullptr ? nullptr : f->current.load(sync::memory_order_acquire);
}

GREENROOM_FOREIGN_STACK const char* top_of(const fiber* f) noexcept {
  return f == nullptr ? nullptr : f->stack.low + f->stack.size;
}

}  // namespace

struct stack_looks::state {
  frame_reader reader;
  stack_words words;
  stack_trace trace;
};

stack_looks::stack_looks() : all_(new state) {}
stack_looks::~stack_looks() { delete all_; }

bool stack_looks::read(const task* t, bool (*rests)(const task*), code_frames& frames,
                       std::uint64_t& number) {
  frames.depth = 0;
  if (!copy_parked(t, rests, all_->words, number)) return false;
  bool whole = false;
  frames.depth = all_->reader.unwind(all_->words, frames.at, whole);
  // It may be deeper than what was copied of it; but where the tables lead nowhere at all, the
  // words are better than nothing.
  if (frames.depth < 2) frames.depth = all_->reader.follow(all_->words, frames.at);
  return frames.depth != 0;
}

bool stack_looks::has_word(const task* t, bool (*rests)(const task*), std::uintptr_t word) {
  std::uint64_t number = 0;
  if (!copy_parked(t, rests, all_->words, number)) return false;
  const std::uintptr_t* const end = all_->words.words + all_->words.count;
  return std::find(static_cast<const std::uintptr_t*>(all_->words.words), end, word) != end;
}

static void take_frames(const stack_trace& trace, code_frames& frames) noexcept {
  frames.depth = std::min(trace.depth(), code_frames::most);
  std::copy_n(trace.frames(), frames.depth, frames.at);
}

bool stack_looks::read_running(const scheduler* s, const task* t, code_frames& frames) {
  frames.depth = 0;
  unsigned index = 0;
  std::uint32_t tick = 0;
  if (!is_run_now(s, t, index, tick)) return false;
  const worker& w = s->worker_at(index);
  const pid_t id = w.system_id.load(sync::memory_order_acquire);
  if (id == ::gettid()) return false;
  all_->trace.take(id, top_of(w.current));
  if (run_by(w) != t || w.tick != tick) return false;
  take_frames(all_->trace, frames);
  return frames.depth != 0;
}

bool code_frames::operator==(const code_frames& other) const noexcept {
  return depth == other.depth && std::equal(at, at + depth, other.at);
}

std::string describe_frame(void* frame) {
  std::string text = function_name(frame);
  if (!text.empty()) text += ' ';
  return text + place_in_file(frame);
}

bool is_of_machinery(const std::string& frame) noexcept {
  for (const char* name :
       {"greenroom::detail::leave(", "greenroom::detail::switch_to(", "greenroom::detail::park(",
        "greenroom::detail::let_others_run(", "greenroom::detail::run_here(",
        "greenroom::detail::run_task(", "greenroom::detail::run_loop(",
        "greenroom::detail::run_function(", "greenroom::detail::run_object(",
        "greenroom_stack_main", "greenroom_stack_entry"})
    if (frame.compare(0, std::strlen(name), name) == 0) return true;
  return false;
}

wait_look look_at_wait(const task* t) noexcept {
  wait_look look;
  const fiber* f = t->parked.load(sync::memory_order_acquire);
  if (f == nullptr || f->current.load(sync::memory_order_acquire) != t) return look;
  const std::uint64_t state = f->state.load(sync::memory_order_acquire);
  look.on = f;
  const std::uint64_t phase = state & phase_mask;
  if (phase == phase_notified) look.now = wait_look::phase::decided;
  if (phase == phase_parked || phase == phase_preparing) {
    look.now = wait_look::phase::waits;
    look.number = number_in(state);
  }
  return look;
}

bool is_run_now(const scheduler* s, const task* t, unsigned& index, std::uint32_t& tick) noexcept {
  for (unsigned i = 0; i < s->places(); ++i) {
    const worker& w = s->worker_at(i);
    const std::uint32_t seen = w.tick;
    if (!serves(w) || run_by(w) != t) continue;
    index = i;
    tick = seen;
    return true;
  }
  return false;
}

unsigned look_at_workers(const scheduler* s, worker_look* to, unsigned most, stack_looks* with) {
  unsigned n = 0;
  for (unsigned i = 0; i < s->places() && n < most; ++i) {
    const worker& w = s->worker_at(i);
    if (!serves(w)) continue;
    worker_look& look = to[n++];
    look = {};
    look.index = i;
    look.is_helper = i >= s->worker_count();
    look.tick = w.tick;
    look.system_id = w.system_id.load(sync::memory_order_acquire);
    look.asleep = w.resting.load(sync::memory_order_relaxed);
    const stuck_by stuck = w.stuck.load(sync::memory_order_relaxed);
    look.stuck = stuck != stuck_by::nobody;
    look.announced = stuck == stuck_by::itself;
    look.queued = w.ready.length() + w.fresh.length() +
                  (w.lifo.load(sync::memory_order_relaxed) != 0 ? 1u : 0u);
    if (look.asleep) continue;
    look.runs = run_by(w);
    look.for_ns = s->dog().turn_of(i, look.tick);
    if (look.runs == nullptr || with == nullptr) continue;
    const auto id = static_cast<pid_t>(look.system_id);
    if (id == ::gettid()) {
      std::snprintf(look.doing_, sizeof look.doing_, "taking this dump");
      continue;
    }
    stack_trace& trace = with->all_->trace;
    trace.take(id, top_of(w.current));
    std::snprintf(look.doing_, sizeof look.doing_, "%s", trace.doing());
    if (w.tick == look.tick) take_frames(trace, look.frames);
  }
  return n;
}

queue_look look_at_queues(const scheduler* s) noexcept { return s->queues(); }

stacks_look look_at_stacks() noexcept {
  const stack_pool::counters n = stack_pool::instance().count();
  return {n.live, n.free_warm + n.free_trimmed, n.warm_bytes};
}

}  // namespace greenroom::detail
