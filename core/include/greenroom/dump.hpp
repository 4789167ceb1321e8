// SPDX-License-Identifier: Apache-2.0
// What a runtime is doing, all of it: who waits for what and on whom, with how much in its mailbox,
// the stacks of green threads grouped by where they wait, and what each worker runs.
//
// runtime::dump() makes one at any time, on any thread, also while workers are stuck: nobody is
// stopped for it. So it is no picture of one moment; each row is one.
// Idea: the goroutine dump of Go's pprof.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/logger.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom {

enum class actor_state : std::uint8_t {
  runs,      // on a worker
  runnable,  // waits for a worker
  rests,     // at its mailbox
  waits,     // for something else; what is said
};
const char* name_of(actor_state s) noexcept;

inline constexpr std::size_t no_group = static_cast<std::size_t>(-1);

// An actor or green thread.
struct dump_actor {
  std::uint64_t id;
  const char* name;
  actor_state state;
  const char* waits;        // as survivor::waits; "" when it does not wait
  std::size_t messages;     // in its mailbox; those put aside or stashed are not counted
  bool more_messages;       // there may be more: an unbounded mailbox keeps no count
  duration oldest;          // the oldest of them has been there so long at least; see below
  duration since;           // it has been in this wait or this turn so long at least; see below
  std::uint32_t addresses;  // strong ones of it, everywhere
  bool detached;            // it holds one of these itself
  std::size_t group;        // index in groups(), or no_group
};
// No message has a time stamp. About once a second while the workers do something, and a second
// after they have come to rest, the runtime looks at its actors, at 100,000 in turn (at all when it
// rests), and notes in which wait or turn it finds them. `since` is the time since the first of the
// looks that found the present one, and `oldest` the time since the first of these that found a
// message: it is at least that old, for nothing has been handled since. Zero: less than about a
// second, or not known, as for actors that are runnable. (In a mailbox that drops its oldest
// message the oldest may be a younger one.)

// Green threads with the same stack.
struct dump_group {
  std::size_t size;
  actor_state state;
  const char* waits;  // for what, without on whom
  std::size_t frames;
  const char* const* frame;  // innermost first: "function file+offset"
};

struct dump_worker {
  unsigned index;
  long thread;  // as the system calls it
  bool asleep;
  bool stuck;        // in one green thread, so that others do what waits
  bool announced;    // by gr::blocking
  bool helper;       // joined for one that is stuck
  const char* runs;  // the actor's name, or ""
  std::uint64_t id;
  duration busy;       // with this turn, a millisecond less at most; zero: it has just begun
  const char* doing;   // "computing", "blocked in system call 7", "taking this dump", or ""
  std::size_t queued;  // runnable ones in its own queues
  std::size_t frames;
  const char* const* frame;
};

struct dump_totals {
  std::size_t actors;
  std::size_t messages;  // in mailboxes, at least
  std::uint64_t dead_letters;
  std::size_t queued;       // runnable ones that no worker has in its queues yet
  std::size_t stacks_used;  // by the process, whichever runtime
  std::size_t stacks_kept;  // free ones
  std::size_t stack_bytes;  // of memory in those, at most
};

template <class T>
class dump_rows {
 public:
  dump_rows(const T* first, std::size_t n) noexcept : first_(first), size_(n) {}
  [[nodiscard]] const T* begin() const noexcept { return first_; }
  [[nodiscard]] const T* end() const noexcept { return first_ + size_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  const T& operator[](std::size_t i) const noexcept { return first_[i]; }

 private:
  const T* first_;
  std::size_t size_;
};

// A value; its rows and texts live as long as it does.
class runtime_dump {
 public:
  static constexpr std::size_t logged_max = 100;

  runtime_dump(runtime_dump&& other) noexcept;
  runtime_dump& operator=(runtime_dump&& other) noexcept;
  ~runtime_dump();

  // All of it, in lines. Where memory was out: one line that says so, and no rows.
  [[nodiscard]] const char* text() const noexcept;
  // Line by line to a log, as information; of the list of actors that many, the fullest mailboxes
  // first. What is left out is counted there.
  void write(const logger& to, std::size_t actors_max = logged_max) const;

  [[nodiscard]] dump_rows<dump_actor> actors() const noexcept;    // the fullest mailboxes first
  [[nodiscard]] dump_rows<dump_group> groups() const noexcept;    // the largest first
  [[nodiscard]] dump_rows<dump_worker> workers() const noexcept;  // by index
  [[nodiscard]] dump_totals totals() const noexcept;

  struct contents;

 private:
  friend class runtime;
  explicit runtime_dump(contents* all) noexcept : all_(all) {}
  contents* all_;  // null: memory was out
};

}  // namespace greenroom
