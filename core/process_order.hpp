// SPDX-License-Identifier: Apache-2.0
// The first frame that a process gets: what to run, and what it may use. Both sides write and read
// it by the walk, so it is a plain struct.
#pragma once

#include "process_place.hpp"

#include <greenroom/detail/process_link.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace greenroom::detail {

struct ordered_type {
  std::string name;
  std::uint64_t hash = 0;
  std::uint64_t reply_hash = 0;
};

struct process_order {
  std::string name;
  bool is_program = false;  // that has a main of its own: `entry` and `function` are empty
  code_place entry;
  code_place function;
  std::vector<ordered_type> types;
  std::uint64_t memory_max = no_limit;
  std::uint64_t cpu_seconds_max = no_limit;
  std::uint64_t files_max = no_limit;
  std::uint64_t file_size_max = no_limit;
  std::uint64_t message_size_max = 0;
  std::uint64_t stack_size = 0;
};

inline constexpr std::size_t order_size_max = std::size_t{1} << 20;

}  // namespace greenroom::detail
