// SPDX-License-Identifier: Apache-2.0
#include <greenroom/self.hpp>

#include <stdexcept>
#include <string>

namespace greenroom {

self_handle self() {
  detail::cell* c = detail::current_cell();
  if (c == nullptr)
    throw std::logic_error("greenroom: self() was called outside of an actor or green thread");
  return self_handle(c);
}

void self_handle::find_tags(const detail::message_type* const* asked, std::size_t n,
                            std::uint8_t* tags) const {
  const detail::actor_ops& ops = detail::ops_of(cell_);
  for (std::size_t i = 0; i < n; ++i) {
    const int at = detail::find_tag(ops, *asked[i]);
    if (at < 0)
      throw std::logic_error(std::string("greenroom: ") + name() + " does not receive `" +
                             asked[i]->name() + "`, so it has no such address of its own");
    tags[i] = static_cast<std::uint8_t>(at);
  }
}

}  // namespace greenroom
