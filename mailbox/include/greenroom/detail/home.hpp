// SPDX-License-Identifier: Apache-2.0
// A home: what the actors of one runtime share below the runtime itself. Its cells are cut from
// slabs that lead back to it. Homes are recycled, never freed: a late sender may still count a
// dead letter in one.
#pragma once

#include <greenroom/detail/cell.hpp>
#include <greenroom/detail/dead_letters.hpp>
#include <greenroom/detail/free_objects.hpp>
#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

struct names;  // core/names.hpp

// Whose spawns are let in: a runtime that drains still lets its own actors make others.
enum class spawns_from : std::uint8_t { nowhere, inside, anywhere };

// Batches of free cells, each linked through cell::taken. The first cell leads to the next batch
// and has the batch's size, in fields that a free cell does not need.
struct cell_batches {
  static cell* next(const cell* first) noexcept { return reinterpret_cast<cell*>(first->id); }
  static void set_next(cell* first, cell* next) noexcept {
    first->id = reinterpret_cast<std::uint64_t>(next);
  }
  struct cursor {
    cell* at = nullptr;
    cell* after = nullptr;  // the next batch, read before anybody changes the first cell

    [[nodiscard]] bool more() const noexcept { return at != nullptr; }
    cell* take() noexcept;
  };
  static cursor from(cell* first) noexcept {
    return {first, first == nullptr ? nullptr : next(first)};
  }
};

struct home {
  static constexpr std::size_t grain = 16;
  static constexpr std::size_t classes = (payload_at + payload_max) / grain + 1;

  struct pool {
    spin_lock lock;
    free_objects<cell, cell_batches> free GREENROOM_GUARDED_BY(lock);
    slab* newest GREENROOM_GUARDED_BY(lock) = nullptr;   // cells are cut from it
    slab* emptied GREENROOM_GUARDED_BY(lock) = nullptr;  // through next_whole
    std::array<cell*, 3> trimmed{};                      // to be looked through; the trimmer only
  };

  // Set before any actor, by the layer above.
  scheduler* runs_on = nullptr;
  std::uint32_t capacity = 1024;
  std::size_t stack_size = 256u << 10;
  // Called once for an actor that ended by an exception, on its own stack, in the catch block.
  void (*failed)(home*, const cell*, const char* what) = nullptr;
  // A line for the log of whoever owns it; from a place where it may take a while.
  enum class tone : std::uint8_t { warning, error };
  void (*say)(home*, tone, const char* text) = nullptr;
  void (*ended)(home*) = nullptr;  // after each end; must not touch the cell

  // Any thread.
  sync::atomic<spawns_from> accepts{spawns_from::nowhere};  // new actors
  sync::atomic<std::uint64_t> ended_by{0};  // the OS thread that ends it, which counts as inside
  dead_letters dead;
  sync::atomic<slab*> slabs{nullptr};  // only ever grows

  // Actors begun and ended, counted by each worker for itself: one counter would be the busiest
  // line of all. The last place is for all other threads.
  struct alignas(64) tally {
    sync::atomic<std::uint64_t> begun{0};
    sync::atomic<std::uint64_t> ended{0};
  };
  static constexpr unsigned tallies = 64;
  tally counts[tallies];
  pool pools[classes];
  // The trimmer only.
  trimmer<cell, cell_batches> trims;
  std::size_t trimmed_class = 0;
  cell* kept = nullptr;
  std::uint32_t kept_size = 0;
  home* next = nullptr;         // in the list of recycled ones
  home* next_of_all = nullptr;  // never changes
  void* user = nullptr;
  detail::names* names = nullptr;  // of the layer above, for its actors
};

// A fresh or recycled one.
home* acquire_home();
void release_home(home* h);

home* home_of(const cell* c) noexcept;
// A message of that type (null: not known) was not handled, `n` of them. Any thread, under no lock.
void count_dead(const cell* c, dead_letter_reason reason, const message_type* type = nullptr,
                std::uint64_t n = 1) noexcept;

void count_begun(home* h) noexcept;
void count_ended(home* h) noexcept;
// How many have begun and not ended; while some begin, maybe too many, never too few. Who reads 0
// sees all that the ended ones did.
std::uint64_t count_living(const home* h) noexcept;

// The calling OS thread, as home::ended_by names it; never 0.
std::uint64_t this_os_thread() noexcept;
// For plain OS threads: what they ask of its actors is refused, for it shuts down.
bool refuses_asks(const home* h) noexcept;
// At the end of a runtime that leaves actors behind: who waits for their end, for an answer of
// theirs or for room in their mailbox hears that they will not end: error::shutdown, or closed for
// a send.
void leave_behind(home* h) noexcept;

// Gives memory of free cells back that nobody has needed since the call before (`begin`), or all of
// it. Little work at a call: call it again, with go_on, while it returns true. One thread at a
// time.
bool trim_cells(home* h, trim what) noexcept;
// The same for messages, which all runtimes share; false as well if another one is at it.
bool trim_nodes(trim what) noexcept;

// Calls `each` for every actor whose cell is in use: those that live, and those that have ended
// while somebody refers to them. May run while all runs; what it sees is a moment old.
void for_each_cell(home* h, void (*each)(cell*, void*), void* argument);

}  // namespace greenroom::detail
