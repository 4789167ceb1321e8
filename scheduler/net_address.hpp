// SPDX-License-Identifier: Apache-2.0
// Socket addresses and how they are printed; and the errors of system calls, as sentences.
#pragma once

#include <greenroom/error.hpp>

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace greenroom::detail {

struct ip_address {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6{};
  };
  socklen_t size = sizeof(sockaddr_in6);

  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::string text() const;  // "10.0.0.1:80", "[::1]:80"
};

std::string host_and_port(std::string_view host, std::uint16_t port);

// "DOING WHAT: Permission denied", of code no_memory when descriptors or memory ran out, timeout
// for ETIMEDOUT, else io. `number` is a positive errno value.
error system_error(std::string_view doing, std::string_view what, int number) noexcept;

}  // namespace greenroom::detail
