// SPDX-License-Identifier: Apache-2.0
// A stream over a connected socket that was made elsewhere.
#pragma once

#include <greenroom/net.hpp>

#include <expected>
#include <string>

namespace greenroom::detail {

// Takes the socket over, also when it fails (io, no_memory; closed without a runtime). It must not
// block. `peer` is how reports name the other side.
[[nodiscard]] std::expected<std::unique_ptr<stream>, error> adopt_socket(int fd, std::string peer);

}  // namespace greenroom::detail
