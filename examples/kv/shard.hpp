// SPDX-License-Identifier: Apache-2.0
// A shard: the actor that owns a part of the keys, and lends them out.
//
// A connection borrows the keyspaces that its commands need, runs all of a pipeline on them that it
// can, and gives them back before it waits for anything else: there are no locks, for nobody else
// has them meanwhile. Who needs several borrows in the order of the shards' indices, so no two
// borrowers wait for each other.
//
// A shard that fails costs its keys. Its supervisor starts it again, empty, behind the same
// address: who stood in line at that time hears that nothing was done; what the last borrower of
// the old keys did counts as done before, and is lost with them.
#pragma once

#include <greenroom/greenroom.hpp>

#include <bit>
#include <stdexcept>
#include <vector>

#include "commands.hpp"

namespace gr = greenroom;

namespace kv {

struct borrow {
  using reply = std::unique_ptr<keyspace>;
};
struct give_back {
  std::unique_ptr<keyspace> keys;
};
struct crash {  // fails at it, and so does the request
  using reply = void;
};
struct sweep {};  // time to look for expired keys that nobody looks at any more

class shard {
 public:
  using messages = gr::messages<borrow, give_back, crash, sweep>;

  void on(borrow, gr::promise<borrow::reply> answer) {
    waiting_.push_back(std::move(answer));
    lend();
  }
  void on(give_back m) {
    if (m.keys.get() != lent_) return;  // They were of a life before.
    keys_ = std::move(m.keys);
    lend();
  }
  void on(crash) { throw std::runtime_error("killed by a DEBUG command"); }
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
    lent_ = keys_.get();
    waiting_.front().set(std::move(keys_));
    waiting_.pop_front();
  }

  std::unique_ptr<keyspace> keys_ = std::make_unique<keyspace>();  // null while it is lent
  const keyspace* lent_ = nullptr;                  // to compare with, never to look into
  std::deque<gr::promise<borrow::reply>> waiting_;  // first come, first served
};

using shard_address = gr::address<borrow, give_back, crash, sweep>;
inline constexpr std::size_t shards_max = 64;
using shard_set = std::uint64_t;  // a bit for each
constexpr shard_set all_of(std::size_t shards) { return ~shard_set{0} >> (shards_max - shards); }

struct finished {};  // thrown where a connection ends: its client or the service has gone

// What the hub, or a pusher, replies; they live as long as the service does.
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
      auto lent = shards_[i].ask_until(borrow{}, gr::never);
      if (!lent)  // It failed, or has come to its end.
        throw refusal{
            concat("ERR shard ", i, " lent no keys, nothing was done: ", lent.error().text())};
      keyspaces[i] = std::move(*lent);
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
