// SPDX-License-Identifier: Apache-2.0
// What a dump sees of tasks, stacks and workers while all of them go on. Any thread; nothing here
// stops anybody, parks, or takes a lock that a worker holds for longer than some system calls take.
// What is seen is a moment old, but each stack is seen as it stood at one moment.
//
// A parked stack is copied, and then looked at again whether it was parked in the same wait all the
// time (W4): its state word has the number of the wait. The rest of a receive has no number. There
// the caller says whether the task rests, before and after, and the words must be the same at two
// looks; a stack that ran between them and came back to the same words is seen as it was then.
#pragma once

#include <greenroom/detail/task.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace greenroom::detail {

struct code_frames {
  static constexpr unsigned most = 32;
  unsigned depth = 0;
  void* at[most];

  bool operator==(const code_frames& other) const noexcept;
};
// "greenroom::sleep_until(...) server+0x4711"; of a file alone where no name is known.
std::string describe_frame(void* frame);
// Functions of which every stack has some: of the switch, the loop, the start of an actor.
bool is_of_machinery(const std::string& frame) noexcept;

struct wait_look {
  enum class phase : std::uint8_t { none, waits, decided };
  phase now = phase::none;    // decided: it stands in a run queue, or will at once
  std::uint64_t number = 0;   // the same number: the same wait, all the time
  const fiber* on = nullptr;  // the stack it has, if it has one
};
wait_look look_at_wait(const task* t) noexcept;

struct worker_look {
  const char* doing() const noexcept { return doing_; }

  unsigned index = 0;
  long system_id = 0;
  task* runs = nullptr;      // perhaps ended by now
  std::int64_t for_ns = -1;  // so long at least has it begun nothing new; -1: not known
  std::uint32_t tick = 0;    // the same tick: nothing new was begun
  bool asleep = false;
  bool stuck = false;      // others do what waits
  bool announced = false;  // by gr::blocking
  bool is_helper = false;  // joined for one that is stuck
  std::size_t queued = 0;  // waits in its own queues
  char doing_[48] = "";    // as stack_trace::doing
  code_frames frames;
};
// Of all that serve, in order; how many. `with`: their stacks too, which interrupts those that
// compute for some microseconds.
class stack_looks;
unsigned look_at_workers(const scheduler* s, worker_look* to, unsigned most, stack_looks* with);
inline constexpr unsigned workers_most = 256;
// Does a worker run it at this moment? Which, and its tick.
bool is_run_now(const scheduler* s, const task* t, unsigned& index, std::uint32_t& tick) noexcept;

struct queue_look {
  std::size_t injected = 0;  // made runnable by other threads
  std::size_t spilled = 0;   // found no room with a worker
};
queue_look look_at_queues(const scheduler* s) noexcept;

// Of the whole process.
struct stacks_look {
  std::size_t used = 0;
  std::size_t free = 0;
  std::size_t free_bytes = 0;  // of memory in those, at most
};
stacks_look look_at_stacks() noexcept;

// Reads parked stacks. It is big and allocates: std::bad_alloc. One thread at a time.
class stack_looks {
 public:
  static constexpr std::size_t bytes_max = std::size_t{16} << 10;  // from the top of what is used

  stack_looks();
  ~stack_looks();
  stack_looks(const stack_looks&) = delete;
  stack_looks& operator=(const stack_looks&) = delete;

  // False: it has no parked stack, or moves too much. `rests`: is it in the rest of a receive? The
  // number is that of the wait, as in wait_look; of a rest, 0.
  bool read(const task* t, bool (*rests)(const task*), code_frames& frames, std::uint64_t& number);
  // The same for a word on it.
  bool has_word(const task* t, bool (*rests)(const task*), std::uintptr_t word);
  // Of the worker that runs it; false: none does, or its stack is not to be had.
  bool read_running(const scheduler* s, const task* t, code_frames& frames);

 private:
  friend unsigned look_at_workers(const scheduler*, worker_look*, unsigned, stack_looks*);
  struct state;
  state* all_;
};

}  // namespace greenroom::detail
