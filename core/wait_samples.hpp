// SPDX-License-Identifier: Apache-2.0
// Since when actors have been in the wait or turn they are in, and their mailboxes not empty:
// looked at now and then, since nothing on the way of a message takes its time.
//
// The watchdog's thread looks, in small steps; whoever makes a dump asks. Nobody else takes the
// lock, so a stuck worker never holds it.
//   C8: a wait has a number that is never used again, and a turn has its worker's tick; while they
//      are the same, the actor has handled nothing.
#pragma once

#include <greenroom/detail/home.hpp>
#include <greenroom/detail/looks.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace greenroom::detail {

// What an actor is in: the same place, the same wait or turn all the time. 0: nothing that lasts.
struct whereabouts {
  const void* at = nullptr;
  std::uint64_t number = 0;
};
whereabouts whereabouts_of(const cell* c) noexcept;
// Messages, seen from outside: admitted and not handled yet; `more`: there may be more.
std::size_t messages_of(const cell* c, bool& more) noexcept;
// In the rest of a receive, on a stack of its own.
bool rests_on_stack(const task* t) noexcept;

class wait_samples {
 public:
  struct times {
    std::int64_t since_ns = 0;  // of the clock; 0: not known
    std::int64_t messages_since_ns = 0;
  };

  // As watch_settings::trim_memory: true while there is more to do.
  bool look(home* h, trim what) noexcept;
  [[nodiscard]] times find(const cell* c, const whereabouts& where);

 private:
  static constexpr std::size_t step_max = 1'000;         // cells at a time
  static constexpr std::size_t round_max = 100'000;      // cells in a second
  static constexpr std::size_t entries_max = 200'000;    // that have messages
  static constexpr std::size_t entries_empty = 100'000;  // others, up to this many in all
  struct entry {
    whereabouts where;
    times t;
    std::uint32_t round;  // that met it last
  };
  void forget_gone();
  void note(const cell* c, std::int64_t now_ns);

  // The watchdog's thread only.
  slab* at_ = nullptr;
  std::uint32_t next_ = 0;
  std::size_t left_ = 0;  // of this round
  bool all_ = false;
  std::uint32_t round_ = 0;  // through all cells
  std::size_t met_ = 0;      // entries in this one

  std::mutex lock_;
  std::unordered_map<const cell*, entry> entries_;  // under lock_
};

}  // namespace greenroom::detail
