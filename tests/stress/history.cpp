// SPDX-License-Identifier: Apache-2.0
#include "history.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <utility>

namespace history {
namespace {

// The channel as the model has it, and which operations have happened.
struct state {
  std::uint64_t happened = 0;
  std::uint64_t queue = 0;  // a value a byte, the oldest lowest
  unsigned size = 0;
  unsigned senders, receivers;
};

class search {
 public:
  search(const rules& channel, std::span<const operation> all) : channel_(channel), all_(all) {}

  bool run() { return from({.senders = channel_.senders, .receivers = channel_.receivers}); }

 private:
  [[nodiscard]] bool has_happened(const state& s, std::size_t i) const {
    return (s.happened >> i & 1u) != 0;
  }

  // Whatever happens next was called before any of the rest returned.
  [[nodiscard]] std::uint32_t first_return(const state& s) const {
    std::uint32_t first = ~0u;
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (!has_happened(s, i)) first = std::min(first, all_[i].returned);
    return first;
  }

  bool from(const state& s) {
    if (static_cast<std::size_t>(__builtin_popcountll(s.happened)) == all_.size()) return true;
    if (dead_ends_.contains({s.happened, s.queue})) return false;
    const std::uint32_t horizon = first_return(s);
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (has_happened(s, i) || all_[i].invoked > horizon) continue;
      if (channel_.capacity == 0 && all_[i].kind == operation::send &&
          all_[i].outcome == operation::done) {
        if (meets(s, i, horizon)) return true;
        continue;
      }
      state next = s;
      next.happened |= std::uint64_t{1} << i;
      if (happens(next, all_[i]) && from(next)) return true;
    }
    dead_ends_.insert({s.happened, s.queue});
    return false;
  }

  // A rendezvous: the receive of the same value can happen now as well.
  bool meets(const state& s, std::size_t sender, std::uint32_t horizon) {
    if (s.senders == 0 || s.receivers == 0) return false;
    for (std::size_t j = 0; j < all_.size(); ++j) {
      if (has_happened(s, j) || all_[j].invoked > horizon) continue;
      if (all_[j].kind != operation::receive || all_[j].outcome != operation::done) continue;
      if (all_[j].value != all_[sender].value) continue;
      state next = s;
      next.happened |= std::uint64_t{1} << sender | std::uint64_t{1} << j;
      if (from(next)) return true;
    }
    return false;
  }

  // False where the model's channel would have said something else.
  [[nodiscard]] bool happens(state& s, const operation& what) const {
    switch (what.kind) {
      case operation::send: return sends(s, what);
      case operation::receive: return receives(s, what);
      case operation::close_sender: return s.senders-- > 0;
      case operation::close_receiver: return s.receivers-- > 0;
    }
    return false;
  }
  [[nodiscard]] bool sends(state& s, const operation& what) const {
    if (s.senders == 0) return false;
    switch (what.outcome) {
      case operation::done:
        if (s.size >= channel_.capacity || s.receivers == 0) return false;
        s.queue |= std::uint64_t{what.value} << 8 * s.size++;
        return true;
      case operation::full: return s.size == channel_.capacity && s.receivers != 0;
      case operation::closed: return s.receivers == 0;
      case operation::empty: return false;
    }
    return false;
  }
  [[nodiscard]] bool receives(state& s, const operation& what) const {
    switch (what.outcome) {
      case operation::done:
        if (s.size == 0 || (s.queue & 0xff) != what.value) return false;
        s.queue >>= 8;
        --s.size;
        return true;
      case operation::empty: return s.size == 0 && s.senders != 0;
      case operation::closed: return s.size == 0 && s.senders == 0;
      case operation::full: return false;
    }
    return false;
  }

  const rules& channel_;
  std::span<const operation> all_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> dead_ends_;
};

}  // namespace

bool is_linearizable(const rules& channel, std::span<const operation> all) {
  if (all.size() > operations_max || channel.capacity > capacity_max) return false;
  return search(channel, all).run();
}

int overlaps_of(std::span<const operation> all) {
  const auto moves_values = [](const operation& each) {
    return each.kind == operation::send || each.kind == operation::receive;
  };
  return static_cast<int>(std::ranges::count_if(all, [&](const operation& mine) {
    return moves_values(mine) && std::ranges::any_of(all, [&](const operation& other) {
             return moves_values(other) && other.invoked < mine.invoked &&
                    mine.invoked < other.returned;
           });
  }));
}

std::string text_of(const rules& channel, std::span<const operation> all) {
  static constexpr std::array kinds{"send", "receive", "close sender", "close receiver"};
  static constexpr std::array outcomes{"", "full", "empty", "closed"};
  std::vector<operation> sorted(all.begin(), all.end());
  std::ranges::sort(sorted, {}, &operation::invoked);
  std::ostringstream out;
  out << "capacity " << channel.capacity << ", " << channel.senders << " senders, "
      << channel.receivers << " receivers\n";
  for (const operation& each : sorted) {
    out << each.invoked << "-" << each.returned << "  " << kinds[each.kind];
    if (each.value != 0) out << " " << int{each.value};
    out << " " << outcomes[each.outcome] << "\n";
  }
  return out.str();
}

}  // namespace history
