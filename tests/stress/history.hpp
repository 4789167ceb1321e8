// SPDX-License-Identifier: Apache-2.0
// Recorded operations on one channel, and whether they are explained by some order in which each
// happened at one moment between its call and its return. The search is that of Wing and Gong,
// with Lowe's memory of states that led nowhere. It knows nothing of the library.
//
// The model is a queue with a bound. Without room (capacity 0) a send and a receive happen
// together. A channel has so many senders and receivers, each of which is given up once; without
// senders a receive that finds nothing is told so, without receivers a send is. What timed out or
// was cancelled had no effect, and is not recorded.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace history {

inline constexpr std::size_t operations_max = 64;
inline constexpr unsigned capacity_max = 8;

struct operation {
  enum kind_type : std::uint8_t { send, receive, close_sender, close_receiver };
  enum outcome_type : std::uint8_t { done, full, empty, closed };

  kind_type kind;
  outcome_type outcome;
  std::uint8_t value;               // what was sent or received, each but once; 0: none
  std::uint32_t invoked, returned;  // in the order of a clock that all share
};

struct rules {
  unsigned capacity;
  unsigned senders, receivers;  // ends at the start
};

// REQUIRES: at most operations_max of them, capacity at most capacity_max.
bool is_linearizable(const rules& channel, std::span<const operation> all);

// How many sends and receives began while another was under way.
int overlaps_of(std::span<const operation> all);

// One line an operation, in the order of their calls.
std::string text_of(const rules& channel, std::span<const operation> all);

// What one thread did, with times of a shared clock.
class recorder {
 public:
  explicit recorder(std::atomic<std::uint32_t>& clock) : clock_(&clock) {}

  // Just before the call, and just after it.
  [[nodiscard]] std::uint32_t now() const {
    return clock_->fetch_add(1, std::memory_order_seq_cst);
  }
  void add(operation::kind_type kind, operation::outcome_type outcome, int value,
           std::uint32_t invoked) {
    all_.push_back({kind, outcome, static_cast<std::uint8_t>(value), invoked, now()});
  }
  [[nodiscard]] const std::vector<operation>& all() const { return all_; }

 private:
  std::atomic<std::uint32_t>* clock_;
  std::vector<operation> all_;
};

}  // namespace history
