// SPDX-License-Identifier: Apache-2.0
// Streams and listeners as cases of a select:
//
//   gr::select(gr::on_accept(*door, [&](auto peer) { if (peer) serve(std::move(*peer)); }),
//              gr::on_readable(*peer, [&] { auto n = peer->read_some(buffer); ... }),
//              in.on([&](stop) { ... }));
//
// In one select at most one case may wait for a stream to become readable (all cases of one
// line_reader count as one), and one for a listener; a second makes the select throw
// std::logic_error. So do streams and listeners of one's own that do not say how to wait for them
// (stream::reading(), listener::accepting()). They must outlive the case.
#pragma once

#include <greenroom/detail/select_case.hpp>
#include <greenroom/net.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

template <class F>
class readable_case : public select_case {
 public:
  readable_case(stream& from, F f) : from_(from), f_(std::move(f)) { ops = &operations; }
  readable_case kept() && { return std::move(*this); }

 private:
  static readable_case& of(select_case* c) { return *static_cast<readable_case*>(c); }
  static attempt try_now(select_case* c) {
    readable_case& me = of(c);
    selectable* const side = me.from_.reading();
    me.line_.check(side, [&me] { return me.from_.peer_name(); });
    if (side->is_ready()) return attempt::happened;
    c->due = side->due();
    return attempt::not_now;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return of(c).line_.line_up(*of(c).from_.reading(), ticket, value);
  }
  static void withdraw(select_case* c) noexcept { of(c).from_.reading()->step_back(); }
  static bool run(select_case* c) {
    of(c).f_();
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  stream& from_;
  side_line line_;
  F f_;
};

using accepted = std::expected<std::unique_ptr<stream>, error>;

template <class F>
class accept_case : public select_case {
 public:
  accept_case(listener& from, F f) : from_(from), f_(std::move(f)) { ops = &operations; }
  accept_case kept() && { return std::move(*this); }

 private:
  static accept_case& of(select_case* c) { return *static_cast<accept_case*>(c); }
  static attempt try_now(select_case* c) {
    accept_case& me = of(c);
    me.line_.check(me.from_.accepting(), [&me] { return me.from_.address(); });
    accepted got = me.from_.try_accept();
    if (!got && got.error() == error::empty) return attempt::not_now;
    me.got_.emplace(std::move(got));
    return attempt::happened;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return of(c).line_.line_up(*of(c).from_.accepting(), ticket, value);
  }
  static void withdraw(select_case* c) noexcept { of(c).from_.accepting()->step_back(); }
  static bool run(select_case* c) {
    accepted got = std::move(*of(c).got_);
    of(c).got_.reset();
    c->is_over = !got && got.error() == error::closed;  // a set tells it once
    of(c).f_(std::move(got));
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  listener& from_;
  side_line line_;
  std::optional<accepted> got_;
  F f_;
};

}  // namespace detail

// Happens when a read would not have to wait: bytes are there, or the end, or a failure, or the
// stream's deadline has passed; the read then says which. It reads nothing by itself.
template <class F>
[[nodiscard]] auto on_readable(stream& from, F&& f) {
  using function = std::decay_t<F>;
  constexpr bool fits = std::is_invocable_v<function&>;
  static_assert(fits, "greenroom: the function of on_readable takes no argument");
  if constexpr (fits)
    return detail::readable_case<function>(from, std::forward<F>(f));
  else
    return detail::select_case();  // no more errors than that one
}

// Happens with a connection, or with why there is none (listener::accept()), error::closed
// included: f(std::expected<std::unique_ptr<gr::stream>, gr::error>).
template <class F>
[[nodiscard]] auto on_accept(listener& from, F&& f) {
  using function = std::decay_t<F>;
  constexpr bool fits = std::is_invocable_v<function&, detail::accepted>;
  static_assert(fits, "greenroom: the function of on_accept takes a std::expected of a stream");
  if constexpr (fits)
    return detail::accept_case<function>(from, std::forward<F>(f));
  else
    return detail::select_case();
}

}  // namespace greenroom
