// SPDX-License-Identifier: Apache-2.0
// A message on its way: one link word, then the body. Requests have 24 bytes between the two.
//
//   link   48 bits of next node, 16 bits of tag (the receiver's number for the message type)
//   body   at 8, at 16 for types aligned to 16, at 32 for requests (their reply_to lies at 8)
//
// A tag instead of a type pointer keeps an 8-byte message at 16 bytes.
#pragma once

#include <greenroom/detail/inbox.hpp>
#include <greenroom/message.hpp>
#include <greenroom/park.hpp>

#include <new>
#include <utility>

namespace greenroom::detail {

// Where an answer goes: the asker's wait, and until when it is worth anything.
struct reply_to {
  wait_ticket ticket;
  std::int64_t deadline_ns = INT64_MAX;
  explicit operator bool() const noexcept { return ticket.who != nullptr; }
};

// What the compiled core knows of a message type.
struct message_type {
  std::uint8_t size_class;
  std::uint8_t body_at;
  bool is_request;
  lane_number lane;
  void (*destroy)(void* body);  // null: trivial
  const char* (*name)();        // static storage
};

inline constexpr std::size_t node_sizes[] = {16, 32, 64, 128, 256};
inline constexpr std::uint8_t size_classes = 5;
inline constexpr std::uint8_t huge_class = size_classes;  // of its own allocation

consteval std::uint8_t size_class_of(std::size_t size) {
  for (std::uint8_t i = 0; i < size_classes; ++i)
    if (size <= node_sizes[i]) return i;
  return huge_class;
}

template <class M>
consteval std::uint8_t body_offset() {
  static_assert(alignof(M) <= 16, "greenroom: a message may be aligned to 16 bytes at most");
  if (request<M>) return 32;
  return alignof(M) > 8 ? 16 : 8;
}

// A node of the class for `size` bytes; null when memory is out. Any thread, about 2 ns.
node* allocate_node(std::uint8_t size_class, std::size_t size) noexcept;
void free_node(node* n, std::uint8_t size_class) noexcept;

template <class M>
M* body_of(node* n) noexcept {
  return std::launder(reinterpret_cast<M*>(reinterpret_cast<char*>(n) + body_offset<M>()));
}

inline reply_to* reply_of(node* n) noexcept {
  return reinterpret_cast<reply_to*>(reinterpret_cast<char*>(n) + 8);
}

// The name a person would write, cut from the compiler's: "add" for struct add.
struct name_text {
  char text[96];
};
template <class M>
consteval name_text make_name() {
  // "... [with M = add; ..." (g++) or "... [M = add]" (clang)
  const char* full = __PRETTY_FUNCTION__;
  const char* at = full;
  for (const char* p = full; *p != '\0'; ++p)
    if (p[0] == 'M' && p[1] == ' ' && p[2] == '=' && p[3] == ' ') {
      at = p + 4;
      break;
    }
  name_text out{};
  std::size_t n = 0;
  int depth = 0;
  for (; *at != '\0' && n + 1 < sizeof out.text; ++at) {
    if (*at == '<' || *at == '(' || *at == '{') ++depth;
    if (depth == 0 && (*at == ';' || *at == ']')) break;
    if (*at == '>' || *at == ')' || *at == '}') --depth;
    out.text[n++] = *at;
  }
  return out;
}
template <class M>
const char* name_of_type() {
  static constexpr name_text name = make_name<M>();
  return name.text;
}

template <class M>
inline constexpr message_type type_of{size_class_of(body_offset<M>() + sizeof(M)),
                                      body_offset<M>(),
                                      request<M>,
                                      lane_of<M>(),
                                      std::is_trivially_destructible_v<M>
                                          ? nullptr
                                          : +[](void* body) { static_cast<M*>(body)->~M(); },
                                      &name_of_type<M>};

// A node with M moved into it; null when memory is out.
template <class M>
node* make_node(M&& message) noexcept {
  using T = std::remove_cvref_t<M>;
  node* n = allocate_node(type_of<T>.size_class, body_offset<T>() + sizeof(T));
  if (GREENROOM_UNLIKELY(n == nullptr)) return nullptr;
  if constexpr (request<T>) ::new (static_cast<void*>(reply_of(n))) reply_to{};
  ::new (static_cast<void*>(reinterpret_cast<char*>(n) + body_offset<T>()))
      T(std::forward<M>(message));
  return n;
}

template <class M>
void destroy_node(node* n) noexcept {
  body_of<M>(n)->~M();
  free_node(n, type_of<M>.size_class);
}

}  // namespace greenroom::detail
