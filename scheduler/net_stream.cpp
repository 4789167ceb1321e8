// SPDX-License-Identifier: Apache-2.0
// What all streams share.
#include <greenroom/net.hpp>

namespace greenroom {

stream::~stream() = default;
listener::~listener() = default;

status stream::write(std::string_view all) {
  while (!all.empty()) {
    const std::span<const char> piece(all.data(), all.size());
    const auto taken = write_some(std::span(&piece, 1));
    if (!taken) return taken.error();
    all.remove_prefix(*taken);
  }
  return {};
}

}  // namespace greenroom
