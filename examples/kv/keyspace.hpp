// SPDX-License-Identifier: Apache-2.0
// What a shard owns: sixteen databases of keys, their values, and when they expire.
//
// Plain data with one owner at a time: the shard, or the connection that it is lent to.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>

namespace kv {

// Of the steady clock: no key lives longer for a clock set back.
using milliseconds_t = std::int64_t;
inline constexpr milliseconds_t never = INT64_MAX;

inline milliseconds_t steady_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// Clients choose the keys: with a hash that they can foresee they could put all of them into one
// bucket. So this one has a secret, drawn at start.
struct keyed_hash {
  using is_transparent = void;
  std::uint64_t operator()(std::string_view text) const;
};

template <class Value>
using dict = std::unordered_map<std::string, Value, keyed_hash, std::equal_to<>>;
using list = std::deque<std::string>;
using set = std::unordered_set<std::string, keyed_hash, std::equal_to<>>;
using hash = dict<std::string>;

// A collection elsewhere, so that the many keys that hold a string stay small.
template <class T>
struct boxed {
  operator T&() { return *at; }
  std::unique_ptr<T> at = std::make_unique<T>();
};
template <class T>
using held = std::conditional_t<std::is_same_v<T, std::string>, T, boxed<T>>;

struct entry {
  std::variant<std::string, boxed<list>, boxed<set>, boxed<hash>> value;
  milliseconds_t expires = never;
};

class database {
 public:
  using key = dict<entry>::value_type;  // its name and its entry

  // The live key of that name. One whose time has come is removed here and does not exist.
  key* find(std::string_view name, milliseconds_t now);
  key& obtain(std::string_view name, milliseconds_t now);  // made, holding "", if not there
  void erase(key& k);
  void expire_at(key& k, milliseconds_t when);  // `never`: it stays
  // Removes at most `keys_max` keys whose time has come. Returns how many.
  std::size_t expire_due(milliseconds_t now, std::size_t keys_max);

  const dict<entry>& keys() const { return keys_; }
  std::size_t expiring() const { return expiring_.size(); }

 private:
  dict<entry> keys_;
  std::set<std::pair<milliseconds_t, key*>> expiring_;  // every key with a time, soonest first
};

inline constexpr std::size_t databases_max = 16;
using keyspace = std::array<database, databases_max>;

}  // namespace kv
