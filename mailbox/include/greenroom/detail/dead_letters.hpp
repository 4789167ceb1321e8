// SPDX-License-Identifier: Apache-2.0
// Counting dead letters by reason and message type, and telling of them; one for each home.
//
// Counting takes no lock and no memory: it works when memory is out. A row belongs to one name, by
// its address; a reader adds up rows of the same text, for two shared libraries each have a record
// of one type. Types that find no row share the last.
// DL1  Whoever tells is inside: it counts itself in `calls[epoch's parity]`, then reads what is to
// be
//     told, with sequentially consistent operations. Who takes a listener away unlinks it, then
//     turns the epoch twice, each time waiting for the parity before to be empty. So a teller that
//     found the listener is through by then; one that read an epoch long ago is met by the other
//     turn.
#pragma once

#include <greenroom/dead_letter.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

struct home;
using dead_letter = dead_letter_reason;

struct dead_listener {
  void (*call)(dead_listener* mine, const greenroom::dead_letter& letter) noexcept = nullptr;
  sync::atomic<dead_listener*> next{nullptr};
  bool linked = false;  // under the lock of the home's dead_letters
};

class dead_table {
 public:
  static constexpr std::size_t types_max = 256;
  static constexpr std::size_t probes_max = 16;

  struct row {
    sync::atomic<const char*> name{nullptr};  // static storage; null: free
    sync::atomic<std::uint64_t> counts[dead_letter_reasons]{};
  };

  // `name` null: not known. Any thread.
  void count(const char* name, dead_letter_reason reason, std::uint64_t n) noexcept;
  [[nodiscard]] std::uint64_t total(dead_letter_reason reason) const noexcept;
  void reset() noexcept;  // while nobody counts, or who does is late

  // All of them; free ones among them, and the last for all other types.
  static constexpr std::size_t rows_max = types_max + 1;
  [[nodiscard]] const row& at(std::size_t i) const noexcept { return rows_[i]; }

 private:
  row& find(const char* name) noexcept;
  row rows_[rows_max];
};

struct dead_letters {
  static constexpr std::uint32_t wakes = 1;    // `first` is to be told of the next, once
  static constexpr std::uint32_t listens = 2;  // there are listeners

  dead_table table;
  // What is to be done with the next; 0 most of the time. relaxed where it is only a hint.
  sync::atomic<std::uint32_t> wanted{0};
  // Told of one letter, and then of none until `wakes` is set again.
  sync::atomic<dead_listener*> first{nullptr};
  sync::atomic<dead_listener*> listeners{nullptr};
  sync::atomic<std::uint32_t> epoch{0};
  sync::atomic<std::uint32_t> calls[2]{};
  spin_lock lock;  // changes of the list
};

// May throw nothing; any thread. REQUIRES: not within a listener.
void add_listener(home* h, dead_listener* l) noexcept;
// When it returns, no call is under way and none will come. Waits for those.
void remove_listener(home* h, dead_listener* l) noexcept;
void set_first_listener(home* h, dead_listener* l) noexcept;
// The runtime goes: as remove_listener, for all of them.
void remove_all_listeners(home* h) noexcept;

}  // namespace greenroom::detail
