// SPDX-License-Identifier: Apache-2.0
#include <greenroom/selectable.hpp>

#include <stdexcept>

namespace greenroom::detail {

void side_line::refuse(selectable* side, const std::string& name) {
  was_occupied_ = false;
  if (side == nullptr)
    throw std::logic_error("greenroom: " + name +
                           " cannot be a case of a select, since its class does not say how "
                           "(reading(), accepting())");
  throw std::logic_error("greenroom: another wait for " + name +
                         " is under way, in this select or elsewhere, and one at a time may be");
}

bool side_line::line_up(selectable& side, const wait_ticket& ticket, std::uint64_t value) {
  const selectable::line how = side.line_up(ticket, value);
  was_occupied_ = how == selectable::line::occupied;
  return how == selectable::line::waits;
}

}  // namespace greenroom::detail
