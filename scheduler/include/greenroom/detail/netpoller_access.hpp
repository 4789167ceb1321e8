// SPDX-License-Identifier: Apache-2.0
// Which netpoller serves the caller.
#pragma once

namespace greenroom::detail {

class netpoller;

// That of the runtime whose worker runs the caller; from a foreign OS thread, that of the most
// recently made runtime of the process. REQUIRES: there is a runtime.
netpoller* current_netpoller() noexcept;  // null: no runtime runs

}  // namespace greenroom::detail
