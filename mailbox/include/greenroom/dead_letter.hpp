// SPDX-License-Identifier: Apache-2.0
// Dead letters: messages that their actor did not handle, and why.
#pragma once

#include <cstddef>
#include <cstdint>

namespace greenroom {

enum class dead_letter_reason : std::uint8_t {
  closed,       // the actor had ended or its mailbox was closed
  undelivered,  // it was in the mailbox when the actor ended
  full,         // no room, and the policy is to fail, or no memory to wait for it
  timeout,      // no room in time
  cancelled,    // the sender was cancelled while it waited
  deadlock,     // waiting would have closed a circle
  expired,      // a request whose asker had given up
  late_reply,   // an answer after the asker's deadline; the type is the reply's
  dropped,      // by a full mailbox whose policy says so
  crashed,      // its handler ended by an exception or a cancel
};
inline constexpr std::size_t dead_letter_reasons = 10;
// "closed", "undelivered", ...
const char* name_of(dead_letter_reason reason) noexcept;

// What a subscription hears of (runtime::on_dead_letter). A plain value: it may be sent on, by
// try_send from the subscription's function. Names are cut where they are longer.
struct dead_letter {
  dead_letter_reason reason;
  std::uint64_t count;  // of this type at once; more than 1 when an actor ends
  std::uint64_t id;     // of the actor that it was for (of a late reply: that it was from)
  char type[96];        // of the message: "add"; "" where it is not known
  char actor[96];       // the actor's name, or its type
};

}  // namespace greenroom
