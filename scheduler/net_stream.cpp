// SPDX-License-Identifier: Apache-2.0
// What all streams share.
#include <greenroom/net.hpp>

namespace greenroom {

stream::~stream() = default;
listener::~listener() = default;

std::expected<std::size_t, error> stream::try_read_some(std::span<char> /*into*/) {
  return std::unexpected(error(
      error::invalid, "read from " + peer_name() + " without a wait: this kind of stream cannot"));
}

selectable* stream::reading() noexcept { return nullptr; }

std::expected<std::unique_ptr<stream>, error> listener::try_accept() {
  return std::unexpected(error(
      error::invalid, "accept on " + address() + " without a wait: this kind of listener cannot"));
}

selectable* listener::accepting() noexcept { return nullptr; }

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
