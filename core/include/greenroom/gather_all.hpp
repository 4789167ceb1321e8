// SPDX-License-Identifier: Apache-2.0
// gather() for as many things as there are at run time. A header of its own, for <vector>.
#pragma once

#include <greenroom/gather.hpp>

#include <iterator>
#include <vector>

namespace greenroom {

namespace detail {

// Who is asked first says where children run, if the caller is a plain OS thread.
template <class Range>
home* home_for_all(const Range& fs) noexcept {
  home* h = current_home();
  for (const auto& f : fs)
    if (h == nullptr) h = home_asked(f);
  return h;
}

template <class Range>
using element = std::remove_reference_t<decltype(*std::begin(std::declval<Range&>()))>;

}  // namespace detail

// As gather: runs each function of the range (what address::request() gives, or functions of one
// type) in a green thread of its own and waits for all of them. The results, in their order:
//
//   std::vector<gr::deferred_ask<get>> asks;
//   for (int id : ids) asks.push_back(users.request(get{id}));
//   std::vector<std::expected<user, gr::error>> all = gr::gather_all_for(100ms, std::move(asks));
//
// The functions are moved from when the range is an rvalue, else copied. All that is said of gather
// holds here; throws std::bad_alloc, too.
template <class Range>
[[nodiscard]] auto gather_all_until(time_point deadline, Range&& fs) {
  using function = detail::element<Range>;
  using result = detail::gathered<function>;
  std::vector<detail::result_place<result>> results(
      static_cast<std::size_t>(std::distance(std::begin(fs), std::end(fs))));
  std::vector<result> out;
  out.reserve(results.size());
  detail::scope_core children(detail::home_for_all(fs));
  children.gathers = true;
  if (detail::report_cancel()) children.cancel();
  const detail::limits given = detail::limits_until(deadline);
  auto* place = results.data();
  for (auto& f : fs) {
    if constexpr (std::is_lvalue_reference_v<Range>)
      detail::spawn_child(children, given, {}, detail::gather_child<function>{f, place++});
    else
      detail::spawn_child(children, given, {},
                          detail::gather_child<function>{std::move(f), place++});
  }
  children.join_all();
  const error none = children.was_cancelled() ? error::cancelled : error::timeout;
  for (auto& one : results) out.push_back(detail::taken(one, none));
  return out;
}
template <class Range>
[[nodiscard]] auto gather_all_for(duration d, Range&& fs) {
  return gather_all_until(deadline_after(d), std::forward<Range>(fs));
}
template <class Range>
[[nodiscard]] auto gather_all(Range&& fs) {
  return gather_all_until(never, std::forward<Range>(fs));
}

}  // namespace greenroom
