// SPDX-License-Identifier: Apache-2.0
// What travels between an actor and its process: frames of a fixed head and a body.
//
// PS1  The other side is not trusted: a body's memory grows with the bytes that came, not with the
//     size that the head announces, and that is at most the limit.
// Read and written on green threads through a stream, or (the child's first) on a plain socket.
#pragma once

#include <greenroom/net.hpp>

#include <cstdint>
#include <string>

namespace greenroom::detail {

inline constexpr std::uint32_t process_version = 1;
inline constexpr std::size_t message_size_highest = std::size_t{1} << 30;

// Of the text of an error.
inline constexpr std::size_t sentence_max = 4096;
constexpr std::size_t frame_max(std::size_t message_size_max) noexcept {
  return message_size_max < sentence_max ? sentence_max : message_size_max;
}

enum class frame_kind : std::uint8_t {
  start,   // to the child: process_order
  ready,   // from it
  refuse,  // from it: a sentence
  send,    // to it: a message
  ask,     // to it: a request; id, deadline
  reply,   // from it: id
  failed,  // from it: id; the error's code as the tag, its text as the body
  close,   // to it: its mailbox closes
  end,     // from it: the function returned (tag 0) or threw (tag 1, what as the body)
};

struct frame_head {
  std::uint32_t size = 0;  // of the body
  frame_kind kind{};
  std::uint8_t tag = 0;
  std::uint16_t zero = 0;
  std::uint64_t id = 0;
  std::int64_t deadline_ns = 0;  // of the steady clock, which processes share
};
static_assert(sizeof(frame_head) == 24);

struct frame {
  frame_head head;
  std::string body;
};

// Parks. Errors: as the stream's; end_of_stream; invalid when the head makes no sense.
status read_frame(stream& from, frame& into, std::size_t size_max);
status write_frame(stream& to, const frame_head& head, std::string_view body);
// The same on a socket that blocks, for its first frame.
bool read_frame(int fd, frame& into, std::size_t size_max);
bool write_frame(int fd, frame_head head, std::string_view body) noexcept;

}  // namespace greenroom::detail
