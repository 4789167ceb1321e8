// SPDX-License-Identifier: Apache-2.0
// Where in the source a wait stands, as the one number that a wait can tell: by the compiler's own
// record of the call, or by a return address where that would name a library's header.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace greenroom::detail {

static_assert(sizeof(std::source_location) == sizeof(std::uint64_t),
              "greenroom: this standard library's source_location is more than a pointer");

inline std::uint64_t place_number(const std::source_location& at) noexcept {
  return std::bit_cast<std::uint64_t>(at);
}
// `back`: where the call returns to. For calls that std::lock_guard and the like make.
std::uint64_t place_number(const std::source_location& at, void* back) noexcept;

// " at bank.cpp:41", " in settle(account&) (bank+0x1a2f)", or "" for 0. Never more than size.
void describe_place(std::uint64_t place, char* text, std::size_t size) noexcept;

}  // namespace greenroom::detail
