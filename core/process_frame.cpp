// SPDX-License-Identifier: Apache-2.0
#include "process_frame.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <sys/socket.h>

namespace greenroom::detail {

namespace {

constexpr std::size_t piece_max = std::size_t{256} << 10;  // read at once (PS1)

bool makes_sense(const frame_head& head, std::size_t size_max) noexcept {
  return head.size <= size_max && head.kind <= frame_kind::end && head.zero == 0;
}

// Reads exactly that much; `some` reads into a span and says how much, 0 at the end.
template <class Some>
status fill(std::span<char> into, Some&& some) {
  while (!into.empty()) {
    const std::expected<std::size_t, error> n = some(into);
    if (!n) return n.error();
    into = into.subspan(*n);
  }
  return {};
}

template <class Some>
status read_frame_by(frame& into, std::size_t size_max, Some&& some) {
  char head[sizeof(frame_head)];
  if (status s = fill(head, some); !s) return s;
  std::memcpy(&into.head, head, sizeof head);
  into.body.clear();
  if (!makes_sense(into.head, size_max)) return error::invalid;
  while (into.body.size() < into.head.size) {
    const std::size_t at = into.body.size();
    into.body.resize(std::min<std::size_t>(into.head.size, at + piece_max));
    if (status s = fill(std::span(into.body).subspan(at), some); !s) return s;
  }
  return {};
}

GREENROOM_NOINLINE std::expected<std::size_t, error> receive_some(int fd, std::span<char> into) {
  for (;;) {
    const ssize_t n = ::recv(fd, into.data(), into.size(), 0);
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) return std::unexpected(error(error::end_of_stream));
    if (errno != EINTR) return std::unexpected(error(error::io));
  }
}

}  // namespace

status read_frame(stream& from, frame& into, std::size_t size_max) {
  return read_frame_by(into, size_max, [&](std::span<char> s) { return from.read_some(s); });
}

bool read_frame(int fd, frame& into, std::size_t size_max) {
  return read_frame_by(into, size_max, [fd](std::span<char> s) { return receive_some(fd, s); })
      .ok();
}

status write_frame(stream& to, const frame_head& head, std::string_view body) {
  frame_head sized = head;
  sized.size = static_cast<std::uint32_t>(body.size());
  std::array<std::span<const char>, 2> pieces{
      std::span(reinterpret_cast<const char*>(&sized), sizeof sized), std::span(body)};
  while (!pieces[0].empty() || !pieces[1].empty()) {
    const auto n = to.write_some(pieces);
    if (!n) return n.error();
    const std::size_t first = std::min(*n, pieces[0].size());
    pieces[0] = pieces[0].subspan(first);
    pieces[1] = pieces[1].subspan(*n - first);
  }
  return {};
}

bool write_frame(int fd, frame_head head, std::string_view body) noexcept {
  head.size = static_cast<std::uint32_t>(body.size());
  const auto whole = [fd](const char* at, std::size_t size) {
    while (size != 0) {
      const ssize_t n = ::send(fd, at, size, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n;
      size -= static_cast<std::size_t>(n);
    }
    return true;
  };
  return whole(reinterpret_cast<const char*>(&head), sizeof head) &&
         whole(body.data(), body.size());
}

}  // namespace greenroom::detail
