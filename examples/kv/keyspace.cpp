// SPDX-License-Identifier: Apache-2.0
#include "keyspace.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace kv {
namespace {

const std::array<std::uint64_t, 3> secret = [] {
  std::random_device draw;
  const auto odd = [&] { return (std::uint64_t{draw()} << 32) | draw() | 1; };
  return std::array{odd(), odd(), odd()};
}();

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using wide = unsigned __int128;
  const wide product = wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

std::uint64_t keyed_hash::operator()(std::string_view text) const {
  std::uint64_t state = secret[0] ^ text.size();
  for (std::size_t i = 0; i < text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, std::min<std::size_t>(8, text.size() - i));
    state = fold(word ^ secret[1], state ^ secret[2]);
  }
  return fold(state, secret[1]);
}

database::key* database::find(std::string_view name, milliseconds_t now) {
  const auto found = keys_.find(name);
  if (found == keys_.end()) return nullptr;
  if (found->second.expires > now) return &*found;
  erase(*found);
  return nullptr;
}

database::key& database::obtain(std::string_view name, milliseconds_t now) {
  if (key* const found = find(name, now)) return *found;
  return *keys_.try_emplace(std::string(name)).first;
}

void database::erase(key& k) {
  expire_at(k, never);
  keys_.erase(keys_.find(k.first));
}

void database::expire_at(key& k, milliseconds_t when) {
  milliseconds_t& expires = k.second.expires;
  if (expires == when) return;
  if (expires != never) expiring_.erase({expires, &k});
  if (when != never) expiring_.insert({when, &k});
  expires = when;
}

std::size_t database::expire_due(milliseconds_t now, std::size_t keys_max) {
  std::size_t removed = 0;
  for (; removed < keys_max && !expiring_.empty() && expiring_.begin()->first <= now; ++removed)
    erase(*expiring_.begin()->second);
  return removed;
}

}  // namespace kv
