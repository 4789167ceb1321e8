// SPDX-License-Identifier: Apache-2.0
// One watched socket: who is inside a system call on it, what the poller said of it, and its end.
//
// D1  The number of a closed fd may belong to another socket a moment later. So fd() is used
//     inside a visit only, and the fd is closed by whoever leaves last after close(): the state
//     word holds a bit for each side that is inside, and `closed`, `released`.
// D2  Records are recycled, never freed: the poller may hold an event for a descriptor that was
//     given back. The next owner then makes one try too many.
// D3  Events are edges. A TCP read that returned less than was asked for has emptied the socket,
//     so the next read waits at once, without a recv that would fail, unless the poller has
//     reported since. This does not hold once the peer hung up or sent urgent data (the edge may
//     lie before that read, or the kernel stops at the mark): then sticky_ is set and each read
//     tries first. Nor for Unix sockets, where a read stops at passed descriptors.
#pragma once

#include "readiness.hpp"

#include <greenroom/error.hpp>
#include <greenroom/selectable.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <sys/uio.h>

namespace greenroom::detail {

class event_hub;

// Failures come as negative errno values, successes as counts.
using io_count = std::ptrdiff_t;

class descriptor {
 public:
  enum side : std::uint32_t { reading = 1, writing = 2, control = 4 };

  // Takes over a non-blocking socket; an errno value (and fd closed) when it cannot be watched.
  static constexpr int no_runtime = -1;  // beside errno: no runtime runs in this process
  static std::expected<descriptor*, int> open(int fd, bool is_tcp, bool watch_writes);
  // Ends all waits; the fd is closed now, or when those inside have left. Any thread, any time
  // between open() and dispose().
  void close();
  // REQUIRES: nobody is inside, nor will be. Closes if need be and gives the record back.
  static void dispose(descriptor* d);

  // A stay of the caller on one side. Not entered: `why` says what to report (closed, or invalid
  // when somebody else is on that side).
  class visit {
   public:
    visit(descriptor& d, side s) noexcept : d_(d), side_(s), why_(d.enter(s)) {}
    ~visit() {
      if (why_ == entered) d_.leave(side_);
    }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    explicit operator bool() const noexcept { return why_ == entered; }
    [[nodiscard]] bool is_closed() const noexcept { return why_ == was_closed; }

   private:
    friend class descriptor;
    enum result { entered, was_closed, occupied };
    descriptor& d_;
    side side_;
    result why_;
  };

  // Inside a visit.
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool is_closed() const noexcept {
    return (state_.load(sync::memory_order_acquire) & closed) != 0;
  }
  // Try, wait, try again, until there is a result. Failures of the wait: error::timeout,
  // cancelled, closed; of the system: a negative count.
  std::expected<io_count, error> read(std::span<char> into, time_point deadline);
  std::expected<io_count, error> write(std::span<const iovec> from, time_point deadline);
  // A connection from a listening socket: its fd and, in `from`, the peer's address.
  std::expected<io_count, error> accept(void* from, unsigned& from_size);
  // The same, without a wait: error::empty when there is nothing.
  std::expected<io_count, error> try_read(std::span<char> into, time_point deadline);
  std::expected<io_count, error> try_accept(void* from, unsigned& from_size);
  // Waits for a connect under way; 0 or a negative errno value.
  std::expected<io_count, error> finish_connect(time_point deadline);

  // For a select, which is on the reading side while it stands in line. Not inside a visit.
  // True: a read (or accept) would not wait. It consumes nothing, nor an error of the socket.
  bool is_readable(time_point deadline);
  selectable::line line_up_reader(const wait_ticket& ticket, std::uint64_t value);
  void step_back_reader() noexcept;

  // The poller.
  void on_events(std::uint32_t events);

 private:
  enum : std::uint32_t { closed = 8, released = 16, inside_mask = 7 };

  descriptor() = default;
  visit::result enter(side s) noexcept;
  void leave(side s) noexcept;
  void close_fd() noexcept;
  void take_turns(std::uint32_t s);
  io_count receive(std::span<char> into) noexcept;
  template <class Try>
  std::expected<io_count, error> attempt(side s, const wait_reason& reason, time_point deadline,
                                         Try attempt_once);
  template <class Try>
  std::expected<io_count, error> attempt_now(time_point deadline, Try attempt_once);

  // Written by open().
  event_hub* hub_ = nullptr;
  int fd_ = -1;
  bool is_tcp_ = false;

  // Any thread.
  sync::atomic<std::uint32_t> state_{closed | released};
  sync::atomic<bool> sticky_{false};
  readiness readable_;
  readiness writable_;

  // Whoever is on that side.
  bool drained_ = false;         // reading: D3
  bool watches_writes_ = false;  // writing
  struct {
    std::uint64_t wait = 0;   // the number of the green thread's last wait
    std::uint32_t count = 0;  // operations since, none of which had to wait
  } turns_[2];                // reading, writing

  descriptor* next_ = nullptr;  // in the list of free records
};

}  // namespace greenroom::detail
