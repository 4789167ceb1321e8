// SPDX-License-Identifier: Apache-2.0
#include "net_address.hpp"

#include "descriptor.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <new>
#include <sys/resource.h>
#include <system_error>

namespace greenroom::detail {

std::uint16_t ip_address::port() const noexcept {
  return ntohs(any.sa_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

std::string ip_address::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (any.sa_family == AF_INET6)
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
  else if (any.sa_family == AF_INET)
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
  return host_and_port(host, port());
}

std::string host_and_port(std::string_view host, std::uint16_t port) {
  const bool bracketed = host.find(':') != std::string_view::npos;
  std::string text;
  if (bracketed) text += '[';
  text += host.empty() ? "*" : host;
  if (bracketed) text += ']';
  text += ':';
  text += std::to_string(port);
  return text;
}

static error::code_type code_of(int number) noexcept {
  switch (number) {
    case descriptor::no_runtime: return error::shutdown;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return error::no_memory;
    case ETIMEDOUT: return error::timeout;
    default: return error::io;
  }
}

static std::string text_of(std::string_view doing, std::string_view what, int number) {
  std::string text(doing);
  text += ' ';
  text += what;
  text += ": ";
  if (number == descriptor::no_runtime) {
    text += "no runtime runs in this process";
  } else if (number == EMFILE) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    text += "too many open files (limit " + std::to_string(limit.rlim_cur) + ")";
  } else if (number == ENFILE) {
    text += "too many open files in the whole system (fs.file-max)";
  } else {
    text += std::generic_category().message(number);
  }
  return text;
}

error system_error(std::string_view doing, std::string_view what, int number) noexcept {
  try {
    return {code_of(number), text_of(doing, what, number)};
  } catch (const std::bad_alloc&) { return code_of(number); }  // the plain sentence has to do
}

}  // namespace greenroom::detail
