// SPDX-License-Identifier: Apache-2.0
// Everything but I/O (<greenroom/net.hpp>, <greenroom/asio.hpp>) and <greenroom/spdlog.hpp>.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/blocking.hpp>
#include <greenroom/broadcast.hpp>
#include <greenroom/channel.hpp>
#include <greenroom/clock.hpp>
#include <greenroom/dead_letters.hpp>
#include <greenroom/deadline.hpp>
#include <greenroom/detail/select_mailbox.hpp>
#include <greenroom/dump.hpp>
#include <greenroom/error.hpp>
#include <greenroom/exit_reason.hpp>
#include <greenroom/gather.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/groups.hpp>
#include <greenroom/latch.hpp>
#include <greenroom/mailbox.hpp>
#include <greenroom/monitor.hpp>
#include <greenroom/mutex.hpp>
#include <greenroom/oneshot.hpp>
#include <greenroom/promise.hpp>
#include <greenroom/registry.hpp>
#include <greenroom/run.hpp>
#include <greenroom/runtime.hpp>
#include <greenroom/scope.hpp>
#include <greenroom/select.hpp>
#include <greenroom/select_set.hpp>
#include <greenroom/self.hpp>
#include <greenroom/semaphore.hpp>
#include <greenroom/send_after.hpp>
#include <greenroom/spawn.hpp>
#include <greenroom/supervisor.hpp>
#include <greenroom/watch.hpp>
#include <greenroom/work_queue.hpp>
