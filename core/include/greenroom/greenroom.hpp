// SPDX-License-Identifier: Apache-2.0
// Everything but I/O (<greenroom/net.hpp>, <greenroom/asio.hpp>) and <greenroom/spdlog.hpp>.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/blocking.hpp>
#include <greenroom/clock.hpp>
#include <greenroom/error.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/mailbox.hpp>
#include <greenroom/promise.hpp>
#include <greenroom/runtime.hpp>
#include <greenroom/self.hpp>
#include <greenroom/send_after.hpp>
#include <greenroom/spawn.hpp>
