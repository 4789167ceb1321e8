// SPDX-License-Identifier: Apache-2.0
// Good luck and bad luck: numbers from one seeded sequence, which all share.
#pragma once

#include <greenroom/greenroom.hpp>

#include <atomic>
#include <cstdint>

namespace gr = greenroom;

namespace bank {

inline std::atomic<std::uint64_t> luck{1};
inline std::atomic<bool> is_calm{false};
inline std::atomic<unsigned> crashes{0}, kills{0}, lives{0};

// 0 to sides - 1. The numbers: Steele, Lea and Flood's SplitMix.
inline unsigned roll(std::size_t sides) {
  std::uint64_t x = luck.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return static_cast<unsigned>((x ^ (x >> 31)) % sides);
}

// Stands where it would hurt most to fail, and now and then does.
inline void risk(const char* moment) {
  if (is_calm || roll(2000) != 0) return;
  ++crashes;
  throw gr::failure(moment);
}

}  // namespace bank
