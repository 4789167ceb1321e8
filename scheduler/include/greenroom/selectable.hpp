// SPDX-License-Identifier: Apache-2.0
// One side of a stream or of a listener, as a select sees it. Only those who write streams of their
// own need it: everybody else writes `lines.on(...)`, on_readable() or on_accept().
//
// A select looks (is_ready, or the try_... call of the stream); if nothing is there it stands in
// line, waits, leaves the line, and looks again. While it stands there it counts as the one reader
// that a stream may have.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/park.hpp>

#include <cstdint>
#include <string>

namespace greenroom {

class selectable {
 public:
  enum class line : std::uint8_t {
    waits,       // it stands in line
    look_again,  // it does not: there may be something
    occupied     // it does not: another thread is inside the same call
  };

  // True when a read (an accept) would not have to wait, since there is something, or its end, or a
  // failure. Consumes nothing. Never parks.
  virtual bool is_ready() = 0;
  // Has that wait decided with wake(ticket, value) as soon as a look is worth while. REQUIRES: the
  // last look found nothing. Never parks.
  virtual line line_up(const detail::wait_ticket& ticket, std::uint64_t value) = 0;
  // Leaves the line. Called once for each line_up() that said `waits`.
  virtual void step_back() noexcept = 0;
  // From then on a read gives error::timeout, and is_ready() is true.
  [[nodiscard]] virtual time_point due() const noexcept = 0;

 protected:
  ~selectable() = default;
};

namespace detail {

// A source's place in the line of one side. The errors of its user are thrown by the next look,
// since none may be thrown while cases stand in line.
class side_line {
 public:
  // Before each look. Throws std::logic_error: there is no side, or two cases of one select wanted
  // to be its reader.
  template <class Name>
  void check(selectable* side, const Name& name) {
    if (GREENROOM_UNLIKELY(side == nullptr || was_occupied_)) refuse(side, name());
  }
  bool line_up(selectable& side, const wait_ticket& ticket, std::uint64_t value);

 private:
  GREENROOM_COLD void refuse(selectable* side, const std::string& name);

  bool was_occupied_ = false;
};

}  // namespace detail

}  // namespace greenroom
