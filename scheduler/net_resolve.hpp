// SPDX-License-Identifier: Apache-2.0
// Host names to addresses.
#pragma once

#include "net_address.hpp"

#include <greenroom/clock.hpp>

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace greenroom::detail {

// In the order in which they should be tried; never empty. Numeric addresses do not wait; names
// are looked up by getaddrinfo on a few OS threads of our own, while the caller is parked.
// `to_listen`: an empty host is every address of this machine.
std::expected<std::vector<ip_address>, error> resolve(const std::string& host, std::uint16_t port,
                                                      bool to_listen, time_point deadline);

}  // namespace greenroom::detail
