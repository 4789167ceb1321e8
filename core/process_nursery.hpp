// SPDX-License-Identifier: Apache-2.0
// The parent of all processes that we make: one OS thread, which starts them, hears of their end,
// kills those that are told to go, and leaves no zombie. It begins with the first process and is
// never stopped, so it outlives every runtime.
//
// PS2  A process is killed by the kernel when the *thread* that made it ends (PR_SET_PDEATHSIG).
//     Workers come and go; this one ends with the whole program only.
// PS3  A process has a group of its own, which is killed with it while its number is still taken:
//     before it is waited for.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/process_link.hpp>
#include <greenroom/error.hpp>
#include <greenroom/oneshot.hpp>

#include <cstdint>
#include <expected>
#include <string>

namespace greenroom::detail {

struct process_launch {
  std::string path;
  int socket = -1;  // its descriptor 3; stays the caller's
  bool clean_environment = false;
  oneshot_sender<process_end> died;  // hears of its end
};

inline constexpr int child_socket = 3;
inline constexpr const char* child_variable = "GREENROOM_PROCESS";  // "VERSION PARENT"

// Blocks the OS thread until it runs. The number by which it is known here; an error's text says
// why there is none ("/x/y: No such file or directory").
std::expected<std::uint64_t, error> launch_process(process_launch launch);
// Kills it at that time, if it is still there. Any thread; never parks.
void kill_process(std::uint64_t id, time_point when) noexcept;

}  // namespace greenroom::detail
