// SPDX-License-Identifier: Apache-2.0
// Cancel in the standard's words: from a std::stop_token to green threads and scopes, and back.
// Not part of <greenroom/greenroom.hpp>, for <stop_token> is not light.
#pragma once

#include <greenroom/scope.hpp>

#include <stop_token>
#include <utility>

namespace greenroom {

// A token of the calling actor or green thread, triggered when it is asked to stop or cancelled:
// for libraries that take one. Callbacks run on the thread that does it, and must not wait. On a
// plain OS thread, which nobody cancels, a token that is never triggered. Out of memory it throws
// std::bad_alloc.
std::stop_token stop_token();

namespace detail {

struct cancels_thread {
  green_thread who;
  void operator()() const noexcept { who.cancel(); }
};

struct cancels_scope {
  scope_core* what;
  void operator()() const noexcept { what->cancel(); }
};

struct scope_callback : scope_attachment {
  std::stop_callback<cancels_scope> callback;
  scope_callback(const std::stop_token& token, scope_core& what)
      : callback(token, cancels_scope{&what}) {
    destroy = [](scope_attachment* a) noexcept { delete static_cast<scope_callback*>(a); };
  }
};

// scope::cancel_when
inline void cancel_scope_when(scope_core& what, const std::stop_token& token) {
  what.attach(new scope_callback(token, what));
}

}  // namespace detail

// While the returned object lives, a stop requested of the token cancels the green thread; at once
// if it was requested before. Any thread; never waits for the green thread.
[[nodiscard]] inline std::stop_callback<detail::cancels_thread> cancel_on(
    const std::stop_token& token, green_thread who) {
  return std::stop_callback<detail::cancels_thread>(token, detail::cancels_thread{std::move(who)});
}

}  // namespace greenroom
