// SPDX-License-Identifier: Apache-2.0
#include <greenroom/self.hpp>

#include <cstring>
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
    std::size_t at = 0;
    // By address, or by name where two shared libraries each have a record of one type.
    while (at < ops.type_count && ops.types[at] != asked[i] &&
           std::strcmp(ops.types[at]->name(), asked[i]->name()) != 0)
      ++at;
    if (at == ops.type_count)
      throw std::logic_error(std::string("greenroom: ") + name() + " does not receive `" +
                             asked[i]->name() + "`, so it has no such address of its own");
    tags[i] = static_cast<std::uint8_t>(at);
  }
}

}  // namespace greenroom
