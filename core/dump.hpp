// SPDX-License-Identifier: Apache-2.0
// What a dump is made of, and pieces of it for other reports. Any OS thread; an actor calls these
// through call_with_room, for they need a deep stack.
#pragma once

#include "wait_samples.hpp"

#include <greenroom/dump.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace greenroom {

struct runtime_dump::contents {
  // The same words once only; they stay where they are.
  const char* keep(const char* words) { return words_.emplace(words).first->c_str(); }

  const char* runtime = "";  // its name
  std::vector<dump_actor> actors;
  std::vector<dump_group> groups;
  std::vector<dump_worker> workers;
  dump_totals totals{};
  std::string text;
  std::size_t list_at = 0;  // where the list of actors begins

  std::vector<std::vector<const char*>> frames;  // of groups and workers

 private:
  std::unordered_set<std::string> words_;
};

namespace detail {

// Runs it on a stack of 8 MiB; on a green thread, announced as gr::blocking is.
void call_with_room(void (*call)(void*), void* argument);

// Null: memory was out. `is_down`: it has shut down, so there is nothing to be seen.
runtime_dump::contents* make_dump(home* h, wait_samples& samples, const char* runtime,
                                  bool is_down) noexcept;
// From the rows. Throws bad_alloc.
void write_text(runtime_dump::contents& all, bool is_down);

// The stack of an actor or green thread that waits or runs, in one line, innermost first; "" when
// it has none, or none is to be had. REQUIRES: the caller holds a reference.
void stack_of(const cell* c, char* text, std::size_t size) noexcept;

// Who has the cell's address, as far as that is to be seen: "held by: room/3 (in its object), main
// (on its stack), and 2 others not found". It looks through the objects of the runtime's actors, as
// far as they are no larger than an actor's cell, and the stacks of those that wait; a word that a
// call has left behind there counts as well. What lies in messages, in memory of their own, or with
// other threads and runtimes, is not found. REQUIRES: the caller holds a reference.
void holders_of(const cell* c, char* text, std::size_t size) noexcept;

}  // namespace detail
}  // namespace greenroom
