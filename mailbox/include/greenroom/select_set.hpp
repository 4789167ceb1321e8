// SPDX-License-Identifier: Apache-2.0
// A select whose cases are chosen at run time, and stay for the next one.
//
//   gr::select_set set;
//   for (auto& rx : inputs) set.add(rx.on([&](line l) { ... }));
//   while (set.wait()) {}                        // until all of them have ended
//
// The set owns its cases: it has ends, values and functions of its own, so it may outlive what they
// were made from. What a case of a set sends is sent once, a timer goes off once, an end is told
// once; then that case is over, as is one whose source has ended. One green or OS thread at a time
// uses a set; the functions of its cases may add to it and remove from it, but not destroy it.
#pragma once

#include <greenroom/select.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace greenroom {

// How a bounded wait of a set ended.
enum class selected : std::uint8_t {
  happened,  // one case did, and its function ran
  nothing,   // not in time
  ended      // none can ever happen
};

class select_set {
 public:
  select_set() noexcept = default;
  // The first that is ready, in the order they were added, instead of any.
  explicit select_set(prioritized_t) noexcept : in_order_(true) {}
  select_set(select_set&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), in_order_(other.in_order_) {}
  select_set& operator=(select_set&& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(in_order_, other.in_order_);
    return *this;
  }
  ~select_set();

  // Adds a case; its number, for remove(). Throws std::bad_alloc, and std::length_error beyond a
  // million cases.
  template <detail::is_select_case C>
  std::uint64_t add(C&& a_case) {
    constexpr bool can_keep = requires(std::remove_cvref_t<C> c) { std::move(c).kept(); };
    static_assert(can_keep, "greenroom: a set has no otherwise(): its try_now() does not wait");
    static_assert(!std::is_lvalue_reference_v<C>,
                  "greenroom: a set takes its cases over: add(std::move(a_case))");
    if constexpr (can_keep && !std::is_lvalue_reference_v<C>) {
      using type = decltype(std::forward<C>(a_case).kept());
      return own(new type(std::forward<C>(a_case).kept()),
                 [](detail::select_case* c) { delete static_cast<type*>(c); });
    } else {
      return 0;
    }
  }
  // False: there is none of that number (any more).
  bool remove(std::uint64_t number);

  // As select(): waits until a case happens and runs its function. False: none can ever happen.
  bool wait() { return until(never) == selected::happened; }
  selected wait_until(time_point deadline) { return until(deadline); }
  selected wait_for(duration d) { return until(deadline_after(d)); }
  // Never parks.
  selected try_now();

  // Cases that may still happen, or were not looked at since their source ended.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct state;

  std::uint64_t own(detail::select_case* c, void (*destroy)(detail::select_case*));
  selected until(time_point deadline);

  state* state_ = nullptr;  // made with the first case
  bool in_order_ = false;
};

}  // namespace greenroom
