// SPDX-License-Identifier: Apache-2.0
// A supervisor's record: its children in the order of their starts, and what has happened to them.
//
// One green thread, the supervisor's own, decides (supervise.cpp). Only three things are done
// elsewhere, under the node's lock: a child is added to a node that runs; one that ended and needs
// nobody else is started again at once, where it ended; and one of a pool that is over is removed.
//
// SV1  An entry in `starting` is its starter's: who finds it so marks it `stopping` and waits. The
//     starter makes the cell run in either case, and the order to stop is found there.
// SV2  A cell that is put by is finished or revived by whoever takes the entry out of put_by,
// failed
//     or delayed, under the lock; so by one party.
// SV3  What has happened is announced under the lock (`has_news`), which the supervisor's thread
//     looks at under the lock before it parks.
// SV4  What the end of a child touches after the lock is its own entry while that is `starting` or
//     unlinked, and a ticket: the node may be gone.
// SV5  Only the supervisor's thread orders a child to stop, and it alone starts those that it has
//     stopped. A child that ended by itself meanwhile has not seen that order: it is taken back
//     before its next start, or the next life would obey it.
#pragma once

#include <greenroom/green_thread.hpp>
#include <greenroom/latch.hpp>
#include <greenroom/shutdown.hpp>
#include <greenroom/supervisor.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace greenroom::detail {

enum class node_phase : std::uint8_t { fresh, starting, running, stopping, ended };

// A tree in its runtime's shutdown; it holds a reference to the root while it stands in the list.
struct tree_in_shutdown : stoppable {
  supervisor_node* root = nullptr;
};

struct supervisor_node {
  // Set before the start.
  home* where = nullptr;
  strategy how = one_for_one;
  std::string name;
  unsigned restarts_max = 0;
  duration within{};
  restart_delay delay;
  manual_clock* clock = nullptr;
  bool is_pool = false;           // of like children: stopped all at once, forgotten when it ends
  child_entry* parent = nullptr;  // the lock until it is started
  tree_in_shutdown in_shutdown;

  sync::atomic<std::uint32_t> references{1};
  latch ready{1};  // its first start is over, well or not
  sync::atomic<bool> is_ready{false};

  mutable spin_lock lock;
  node_phase phase GREENROOM_GUARDED_BY(lock) = node_phase::fresh;
  green_thread thread GREENROOM_GUARDED_BY(lock);  // of a root, from its start on
  bool stop_asked GREENROOM_GUARDED_BY(lock) = false;
  child_entry* first GREENROOM_GUARDED_BY(lock) = nullptr;
  child_entry* last GREENROOM_GUARDED_BY(lock) = nullptr;
  std::size_t count GREENROOM_GUARDED_BY(lock) = 0;
  child_entry* first_event GREENROOM_GUARDED_BY(lock) = nullptr;  // oldest
  child_entry* last_event GREENROOM_GUARDED_BY(lock) = nullptr;
  bool has_news GREENROOM_GUARDED_BY(lock) = false;
  bool waits GREENROOM_GUARDED_BY(lock) = false;
  wait_ticket waiter GREENROOM_GUARDED_BY(lock);
  // The last restarts_max restarts, a ring; `oldest` is where the next one goes.
  std::unique_ptr<time_point[]> times GREENROOM_GUARDED_BY(lock);
  unsigned oldest GREENROOM_GUARDED_BY(lock) = 0;
  std::uint64_t restarts GREENROOM_GUARDED_BY(lock) = 0;
  // What is said about restarts, once a second at most.
  time_point said_at GREENROOM_GUARDED_BY(lock){};
  unsigned unsaid GREENROOM_GUARDED_BY(lock) = 0;
  // The supervisor's thread only.
  std::uint32_t random = 1;
  std::vector<child_entry*> delayed;  // a heap, the next one that is due first
};

inline time_point now_of(const supervisor_node& n) noexcept {
  return n.clock == nullptr ? now() : n.clock->now();
}

// REQUIRES, all: the node's lock.
void append(supervisor_node& n, child_entry& e) noexcept GREENROOM_REQUIRES(n.lock);
void unlink(supervisor_node& n, child_entry& e) noexcept GREENROOM_REQUIRES(n.lock);
// Whom to wake after the lock, if there is one.
wait_ticket tell(supervisor_node& n) noexcept GREENROOM_REQUIRES(n.lock);
void push_event(supervisor_node& n, child_entry& e) noexcept GREENROOM_REQUIRES(n.lock);
// A new life of the supervisor: none yet. Takes the lock.
void forget_restarts(supervisor_node& n) noexcept;
// One more restart at that time. False: that is one too many, and is not counted.
bool count_restart(supervisor_node& n, time_point t) noexcept GREENROOM_REQUIRES(n.lock);
bool wants_restart(const supervisor_node& n, const child_entry& e) noexcept
    GREENROOM_REQUIRES(n.lock);

// For work of many small steps, so that others run meanwhile.
class yield_in_between {
 public:
  void yield() {
    if (++steps_ % 256 == 0) greenroom::yield();
  }

 private:
  unsigned steps_ = 0;
};

inline void wake_if(const wait_ticket& t) noexcept {
  if (t.who != nullptr) wake(t);
}

// Its first start is over; may be said again.
void tell_ready(supervisor_node& n) noexcept;
// Constructs its object and lets it run; REQUIRES: it is `starting`, by the caller. Normal, or why
// that failed: then it is put by or, if `tells`, the supervisor's thread has to decide. Nothing of
// the node is touched after that.
exit_reason start_child(supervisor_node& n, child_entry& e, bool tells) noexcept;
// It is over: its cell ends, and the entry goes. REQUIRES: unlinked, put by.
void retire(child_entry* e) noexcept;
// All of them. REQUIRES: none runs.
void retire_all(supervisor_node& n) noexcept;
void say_restart(supervisor_node& n, const child_entry& e, time_point t) noexcept;

// keeper::ended of children.
void child_ended(keeper* k, cell* c, const exit_reason& why) noexcept;
// The supervisor's thread.
void supervise(supervisor_node* n);

// What runs it, as a green thread or as another's child.
struct supervisor_body {
  supervisor_node* node;
  void operator()() const { supervise(node); }
};

}  // namespace greenroom::detail
