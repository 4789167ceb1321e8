// SPDX-License-Identifier: Apache-2.0
// A shard: the actor that owns a part of the keys, and lends them out.
//
// A connection borrows the keyspaces that its commands need, runs all of a pipeline on them that it
// can, and gives them back before it waits for anything else: there are no locks, for nobody else
// has them meanwhile. Who needs several borrows in the order of the shards' indices, so no two
// borrowers wait for each other.
#pragma once

#include <greenroom/greenroom.hpp>

#include <bit>
#include <vector>

#include "keyspace.hpp"

namespace gr = greenroom;

namespace kv {

struct borrow {
  using reply = std::unique_ptr<keyspace>;
};
struct give_back {
  std::unique_ptr<keyspace> keys;
};
struct sweep {};  // time to look for expired keys that nobody looks at any more

class shard {
 public:
  using messages = gr::messages<borrow, give_back, sweep>;

  void on(borrow, gr::promise<borrow::reply> answer) {
    waiting_.push_back(std::move(answer));
    lend();
  }
  void on(give_back m) {
    keys_ = std::move(m.keys);
    lend();
  }
  void on(sweep) {
    constexpr std::size_t keys_max = 1000;  // at once: others want to be served too
    if (keys_ == nullptr) return;           // Next time, perhaps.
    std::size_t removed = 0;
    for (database& db : *keys_) removed += db.expire_due(steady_now(), keys_max - removed);
    if (removed == keys_max) gr::self().address<sweep>().send(sweep{});
  }

 private:
  void lend() {
    if (keys_ == nullptr || waiting_.empty()) return;
    waiting_.front().set(std::move(keys_));
    waiting_.pop_front();
  }

  std::unique_ptr<keyspace> keys_ = std::make_unique<keyspace>();  // null while it is lent
  std::deque<gr::promise<borrow::reply>> waiting_;                 // first come, first served
};

using shard_address = gr::address<borrow, give_back, sweep>;
inline constexpr std::size_t shards_max = 64;
using shard_set = std::uint64_t;  // a bit for each
constexpr shard_set all_of(std::size_t shards) { return ~shard_set{0} >> (shards_max - shards); }

struct finished {};  // thrown where a connection ends: its client or the service has gone

// What an actor of the service replies; all of them live as long as it does.
auto reply_of(const auto& actor, auto request) {
  auto answered = actor.ask_until(std::move(request), gr::never);
  if (!answered) throw finished{};
  return std::move(*answered);
}

// What one borrower has borrowed; the destructor gives it back.
class loan {
 public:
  explicit loan(const std::vector<shard_address>& shards)
      : keyspaces(shards.size()), shards_(shards) {}
  loan(const loan&) = delete;
  ~loan() { return_all(); }

  // Makes sure that these are held. May wait, but not while others are held.
  void obtain(shard_set wanted) {
    if ((wanted & ~held_) == 0) return;
    return_all();
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if ((wanted >> i & 1) == 0) continue;
      keyspaces[i] = reply_of(shards_[i], borrow{});
      held_ |= shard_set{1} << i;
    }
  }
  void return_all() {
    const gr::shield give;
    for (; held_ != 0; held_ &= held_ - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(held_));
      shards_[i].send(give_back{std::move(keyspaces[i])});
    }
  }

  std::vector<std::unique_ptr<keyspace>> keyspaces;  // by shard; null: not held

 private:
  const std::vector<shard_address>& shards_;
  shard_set held_ = 0;
};

}  // namespace kv
