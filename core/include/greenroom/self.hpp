// SPDX-License-Identifier: Apache-2.0
// What an actor may know of and do to itself.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/promise.hpp>

#include <utility>

namespace greenroom {

// The calling actor or green thread. A view: use it where you get it.
class self_handle {
 public:
  explicit self_handle(detail::cell* c) noexcept : cell_(c) {}

  // Its name, or its type's. Valid as long as it lives.
  [[nodiscard]] const char* name() const noexcept { return detail::name_of(cell_); }
  // In creation order within its runtime.
  [[nodiscard]] std::uint64_t id() const noexcept { return cell_->id; }
  // Ends it at its next receive; an object actor ends after the message it handles. Messages left
  // are dead letters.
  void stop() const noexcept { detail::stop_actor(cell_); }
  // Messages that its mailbox's policy has dropped so far (spawn_options::overload).
  [[nodiscard]] std::uint64_t dropped() const noexcept { return detail::dropped_by(cell_); }
  // Puts a message that the actor was given by for later, after those stashed before. Only inside
  // the actor itself; at most 16,384 at once. A request goes with the promise of its answer (its
  // handler is `on(M, promise<R>)`); who asked waits on. May be ignored: what finds no room is a
  // counted dead letter. Errors: full, no_memory. At the end of the actor stashed messages are
  // dead letters. Throws std::logic_error when the actor does not receive M. Idea: Akka's Stash.
  template <class M>
    requires(!request<M>)
  status stash(M message) const {
    static_assert(detail::check_message<M>());
    const std::uint32_t tag = tag_of<M>();  // throws
    return detail::stash(cell_, detail::make_node(std::move(message)), tag);
  }
  template <request M>
  status stash(M message, promise<typename M::reply> answer) const {
    static_assert(detail::check_message<M>());
    const std::uint32_t tag = tag_of<M>();
    detail::node* n = detail::make_node(std::move(message));
    if (n != nullptr) *detail::reply_of(n) = detail::promise_access::take(answer);
    return detail::stash(cell_, n, tag);
  }
  // Brings all stashed messages back: they are handled next, in the order in which they were
  // stashed, before what is in the mailbox. How many they are. Throws std::bad_alloc.
  std::size_t unstash() const { return detail::unstash(cell_); }
  // A counted address of this actor for some of its messages; throws std::logic_error when it
  // does not receive one of them. The actor itself keeps none: its mailbox closes with the last.
  template <class... Ms>
  [[nodiscard]] greenroom::address<Ms...> address() const {
    static constexpr const detail::message_type* asked[] = {&detail::type_of<Ms>..., nullptr};
    auto own = detail::access::own<Ms...>(cell_, false);
    find_tags(asked, sizeof...(Ms), detail::access::tags_of(own));
    return own;
  }

 private:
  template <class M>
  [[nodiscard]] std::uint32_t tag_of() const {
    static constexpr const detail::message_type* asked[] = {&detail::type_of<M>};
    std::uint8_t tag = 0;
    find_tags(asked, 1, &tag);
    return tag;
  }
  void find_tags(const detail::message_type* const* asked, std::size_t n, std::uint8_t* tags) const;
  detail::cell* cell_;
};

// REQUIRES: called by code of an actor or green thread; throws std::logic_error elsewhere.
self_handle self();

// A value of its own for each actor (or OS thread): what thread_local is not across a wait. Made
// on first use, destroyed when the actor ends: those that were made last go first, as thread_locals
// do. Costs a look through the actor's few locals.
template <class T>
class local {
 public:
  local() = default;
  local(const local&) = delete;
  local& operator=(const local&) = delete;

  T& operator*() const { return get(); }
  T* operator->() const { return &get(); }
  T& get() const {
    if (void* there = detail::find_local(key_)) return *static_cast<T*>(there);
    // Noted when it is made: what its constructor uses was made before it, so it goes after it.
    T* made = new T();
    detail::add_local(key_, made, [](void* v) { delete static_cast<T*>(v); });
    return *made;
  }

 private:
  std::uint64_t key_ = detail::new_local_key();
};

}  // namespace greenroom
