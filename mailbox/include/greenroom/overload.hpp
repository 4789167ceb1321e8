// SPDX-License-Identifier: Apache-2.0
// What a mailbox does when more is sent to it than it holds, and who is told. All of it is set at
// the spawn (spawn_options), so that senders need not know.
#pragma once

#include <greenroom/config.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace greenroom {

// A full mailbox and one more message. A caller that can take its message back (try_send, send_for,
// send_until) gets it back with error::full, unless room is made for it; nothing is dropped then.
enum class overload : std::uint8_t {
  wait,         // the sender waits for room: back-pressure, nothing is lost
  fail,         // send and ask report error::full at once; a send is a dead letter (full)
  drop_newest,  // the message goes; send and ask report error::dropped, which may be ignored
  drop_oldest,  // the longest unhandled message goes and the new one is in; its asker hears dropped
};
const char* name_of(overload policy) noexcept;

// A function to be called later. It refers to a callable and keeps no copy, so that must live as
// long as anybody may call: until the actor has ended and nobody sends to it any more. Functions,
// and lambdas without captures, live for ever.
template <class... As>
class callback {
 public:
  callback() noexcept = default;
  callback(void (*f)(void* user, As...), void* user) noexcept : call_(f), target_(user) {}
  template <class F>
    requires std::convertible_to<F, void (*)(As...)>
  callback(F&& f) noexcept  // NOLINT: a function is a callback
      : call_([](void* target, As... as) { reinterpret_cast<void (*)(As...)>(target)(as...); }),
        target_(reinterpret_cast<void*>(static_cast<void (*)(As...)>(f))) {}
  template <class F>
    requires(!std::convertible_to<F&, void (*)(As...)> &&
             !std::same_as<std::remove_const_t<F>, callback> && std::is_invocable_v<F&, As...>)
  callback(F& f) noexcept  // NOLINT: a callable is a callback
      : call_([](void* target, As... as) { (*static_cast<F*>(target))(as...); }),
        target_(const_cast<std::remove_const_t<F>*>(&f)) {}
  // clang-format off
  template <class F>
    requires(!std::convertible_to<F, void (*)(As...)> &&
             !std::same_as<std::remove_cvref_t<F>, callback> && !std::is_lvalue_reference_v<F> &&
             std::is_invocable_v<F&, As...>)
  callback(F&& f) = delete;  // greenroom: a callback keeps no copy: give the callable a name
  // clang-format on

  explicit operator bool() const noexcept { return call_ != nullptr; }
  void operator()(As... as) const {
    if (call_ != nullptr) call_(target_, as...);
  }

 private:
  void (*call_)(void*, As...) = nullptr;
  void* target_ = nullptr;
};

struct dropped_message {
  const char* actor;    // whose mailbox was full: its name, or its type's
  const char* message;  // the type; the message itself is gone by now
  overload policy;
};

// Called for each message that a full mailbox has dropped, on the thread of the sender, which no
// lock is held by. It must not wait, throw, or send to the same mailbox.
using drop_handler = callback<const dropped_message&>;

// Tells when a mailbox becomes fuller than it should be, and when it has recovered. The two are
// called by turns, on_high first, one at a time: on_high by the sender whose message made it
// `high`, on_low by the actor that has worked it down to `low`, or ends; either by whoever is just
// calling the other. Neither may wait or throw. Messages count until the actor gives their room
// back, as for the capacity: at most a quarter of it, or 255, later than they are handled.
struct water_marks {
  std::uint32_t high = 0;  // 1 to the capacity; 0: no marks
  std::uint32_t low = 0;   // less than high
  callback<> on_high = {};
  callback<> on_low = {};
};

}  // namespace greenroom
