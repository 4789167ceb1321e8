// SPDX-License-Identifier: Apache-2.0
// What the scheduler knows of the thing it runs, and what the layer above may ask of it.
//
// A task is an actor's cell seen from below. It runs on the stack its worker's loop stands on;
// if it waits, it keeps that stack (a fiber), and the loop goes on on another one.
#pragma once

#include <greenroom/detail/sync.hpp>
#include <greenroom/park.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

class scheduler;
struct task;

struct task_ops {
  // Runs what there is to run, on the caller's stack. May wait; must not throw.
  void (*run)(task*);
  // Wakes the task if it waits for messages, so that it looks at its control bits and its
  // deadline. Harmless at any time, also for a task that has ended. Any thread.
  void (*poke)(task*);
  // The task cannot be run for want of memory for a stack: end it, saying why.
  void (*refuse)(task*, const char* why);
  // The stack size this task asked for; only called when control_big_stack is set.
  std::size_t (*stack_size)(const task*);
  // Name (or type name) and id for messages. Async-signal-safe.
  void (*describe)(const task*, char* name, std::size_t size, std::uint64_t& id);
  // The same for a task that may end meanwhile. False: it has ended.
  bool (*identify)(task*, char* name, std::size_t size, std::uint64_t& id);
};

// Bits of task::control.
enum : std::uint32_t {
  control_stop = 1u << 0,       // ends at its next receive
  control_cancel = 1u << 1,     // ends by unwinding at its next wait
  control_told = 1u << 2,       // a cancel was reported as a result once
  control_big_stack = 1u << 3,  // must not run on a stack of the default class
  control_ended = 1u << 4,      // has ended; what is left is for those who refer to it
  control_detached = 1u << 5,   // holds an address of itself until it ends; set before the start
  control_slice = 1u << 6,      // has run for long: after this message others come first
  control_selects = 1u << 16,   // its mailbox is a case of the select it waits in
  // Of the layer above; set and cleared by the actor itself, or before its start.
  control_aside = 1u << 12,   // messages were put aside: they come before those in the inbox
  control_lanes = 1u << 13,   // has urgent message types: looks for them before each message
  control_idle = 1u << 14,    // is told when nothing has come for some time
  control_kind = 7u << 17,    // why it has ended: an exit_kind
  control_bounded = 1u << 9,  // runs under a with_deadline; set and taken away by itself
};

struct task {
  const task_ops* ops = nullptr;
  // The fiber on which this task waits or has waited since its run began. Written by the running
  // task; read by whoever cancels it (validated through the fiber's state word, S4).
  sync::atomic<fiber*> parked{nullptr};
  sync::atomic<std::uint32_t> control{0};
};

// The scheduler whose worker runs the caller, or null on a foreign OS thread.
scheduler* current_scheduler() noexcept;
// The task that runs on the caller's stack, or null.
task* current_task() noexcept;
// The caller's waiter record: its green thread's, or one of the OS thread.
fiber* current_fiber() noexcept;
// Makes a task runnable. Any thread. `fresh`: it has never run (children run newest first).
void schedule(scheduler* where, task* what, bool fresh);
// Makes a fiber runnable that left by leave(). Any thread; exactly once per leave.
void schedule_fiber(fiber* f);
// The same for one that has more to do with what runs here than with anything else: it goes on on
// the caller's worker, behind others, unless it would wait there for long.
void schedule_bound(fiber* f);
// The scheduler of a fiber.
scheduler* scheduler_of(const fiber* f) noexcept;

// Makes a task runnable behind all others of its worker.
void schedule_last(scheduler* where, task* what);
// The next id in creation order (in blocks per worker).
std::uint64_t new_actor_id(scheduler* where);
// True while nobody has decided that wait. Any thread.
bool still_waiting(const wait_ticket& t) noexcept;
// The deadline that the calling green thread's asks inherit from the request it handles
// (nanoseconds of the clock; INT64_MAX: none); returns the one before.
std::int64_t exchange_inherited_deadline(std::int64_t ns) noexcept;
// That, or the deadline of a with_deadline around the caller, if it is earlier.
std::int64_t inherited_deadline() noexcept;
// The time as of the worker's last look at the clock; cheap, a little old.
std::int64_t coarse_now_ns() noexcept;

// Leaves the processor to others. `published` runs on the next stack, when this one can be
// resumed: it makes the wait visible to wakers, or calls schedule_fiber itself.
// Only on a green thread.
void leave(void (*published)(void*), void* argument);
// The same for a task that waits without begin_wait(): notes the fiber in t->parked first.
void leave(void (*published)(void*), void* argument, task* t);

// A deadline for a wait that ends by ops->poke instead of wake(): armed before leave().
void arm_poke(time_point deadline);
void disarm_poke();

// Marks the task cancelled and interrupts its wait. Any thread.
void cancel(task* t);

// A turn counts: true every so often, when a task that could go on should let others run.
bool slice_over() noexcept;

// For reports: why the fiber waits ("" when it does not, or there is a word instead).
const char* reason_of(const fiber* f) noexcept;
std::uint64_t wait_word_of(const fiber* f) noexcept;  // or 0
// A wait that tells a word, as it stands there while nobody has decided it.
struct told_wait {
  std::uint64_t seq = 0;  // its ticket's number
  std::uint64_t word = 0;
  std::uint64_t place = 0;  // as begin_wait was told
};
// Reads what `who` waits for on that record; null: the OS thread that the record belongs to. False:
// it does not wait, or tells no word. Any thread.
bool look_at_wait(const fiber* f, const task* who, told_wait& seen) noexcept;

// Ends all waits of green and OS threads, of whatever runtime, whose words are meant, with that
// outcome. For what will never end them otherwise. Any thread.
void end_waits(bool (*is_meant)(std::uint64_t word, void*), void* argument,
               std::uint64_t outcome) noexcept;

// ---- alarms: a call at a time, for the layers above

struct alarm;
// Calls fire(argument) once, on a worker of `where`, where it must not wait. `generation` tells
// this use of the (type-stable) alarm from later ones. Null when memory is out.
struct alarm_handle {
  alarm* what = nullptr;
  std::uint64_t generation = 0;
};
alarm_handle start_alarm(scheduler* where, time_point when, void (*fire)(void*), void* argument);
// True: it will not fire, and the argument is the caller's again.
bool cancel_alarm(const alarm_handle& h);

}  // namespace greenroom::detail
