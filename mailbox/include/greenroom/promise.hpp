// SPDX-License-Identifier: Apache-2.0
// An answer to be given later. A handler that takes the promise of its request's reply says "not
// now"; it may keep it, or send it along to whoever knows. Dropped unanswered, it fails the ask
// at once. Idea: Erlang's gen_server:reply, CAF's response_promise.
#pragma once

#include <greenroom/detail/cell.hpp>

#include <utility>

namespace greenroom {

namespace detail {
struct promise_access;
}

template <class R>
class promise {
 public:
  promise() noexcept = default;
  explicit promise(const detail::reply_to& to) noexcept : to_(to) {}
  promise(promise&& other) noexcept : to_(other.to_) { other.to_ = {}; }
  promise& operator=(promise&& other) noexcept {
    if (this != &other) {
      drop();
      to_ = other.to_;
      other.to_ = {};
    }
    return *this;
  }
  ~promise() { drop(); }

  // Answers; the second and later calls do nothing. Any thread; never parks. False: nobody waits
  // for it any more (the asker's deadline has passed, or it was answered before); it is dropped.
  template <class V = R>
    requires(!std::is_void_v<R>)
  bool set(V&& value) {
    if (!to_) return false;
    static_assert(detail::check_message<R>());
    R answer(std::forward<V>(value));  // what this throws leaves the promise as it was
    const detail::reply_to to = std::exchange(to_, {});
    return detail::answer(to, detail::make_node(std::move(answer)), &detail::type_of<R>);
  }
  bool set()
    requires std::is_void_v<R>
  {
    if (!to_) return false;
    const detail::reply_to to = std::exchange(to_, {});
    return detail::answer(to, detail::allocate_node(0, 16), nullptr);
  }
  // Fails the ask with this error.
  void fail(error why) noexcept {
    if (to_) detail::answer_error(to_, std::move(why));
    to_ = {};
  }
  // True while it can still be answered (the asker may have given up all the same).
  explicit operator bool() const noexcept { return static_cast<bool>(to_); }

 private:
  friend struct detail::promise_access;
  void drop() noexcept {
    if (to_) detail::answer_error(to_, error::dropped);
  }
  detail::reply_to to_;
};

namespace detail {
// How the library takes a promise back; the promise is empty then.
struct promise_access {
  template <class R>
  static reply_to take(promise<R>& from) noexcept {
    return std::exchange(from.to_, {});
  }
};
}  // namespace detail

}  // namespace greenroom
