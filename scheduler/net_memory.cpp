// SPDX-License-Identifier: Apache-2.0
// memory_pipe: two bounded byte rings, each with one reader and one writer, on any workers or OS
// threads. It behaves as a connected socket does, including what a closed peer means, so that a
// service can be tested and simulated without a kernel.
//
// A ring's head_ is written by its reader and tail_ by its writer; bytes are copied outside any
// lock. Waiting follows readiness.hpp (R1).
#include "readiness.hpp"

#include <greenroom/net.hpp>

#include <algorithm>
#include <cstring>

namespace greenroom {

namespace {

using namespace detail;

constexpr wait_reason reading_memory{"read on a memory pipe"};
constexpr wait_reason writing_memory{"write on a memory pipe"};

struct ring {
  explicit ring(std::size_t size) : bytes(std::make_unique<char[]>(size)), capacity(size) {}

  std::unique_ptr<char[]> bytes;
  std::size_t capacity;
  sync::atomic<std::uint64_t> head{0};    // read so far
  sync::atomic<std::uint64_t> tail{0};    // written so far
  readiness filled;                       // for the reader
  readiness drained;                      // for the writer
  sync::atomic<bool> write_ended{false};  // the writer shut down or closed
  sync::atomic<bool> reader_gone{false};  // the reader closed
  sync::atomic<bool> reader_inside{false};
  sync::atomic<bool> writer_inside{false};

  std::size_t take(std::span<char> into) noexcept {
    const std::uint64_t from = head.load(sync::memory_order_relaxed);
    // acquire: pairs with the release in put(); the bytes are there.
    const std::uint64_t there = tail.load(sync::memory_order_acquire) - from;
    const std::size_t n = std::min(into.size(), static_cast<std::size_t>(there));
    const std::size_t at = from % capacity;
    const std::size_t first = std::min(n, capacity - at);
    std::memcpy(into.data(), bytes.get() + at, first);
    std::memcpy(into.data() + first, bytes.get(), n - first);
    // release: the writer may overwrite them.
    head.store(from + n, sync::memory_order_release);
    return n;
  }

  // The reader: bytes, or the end.
  [[nodiscard]] bool has_news() const noexcept {
    return tail.load(sync::memory_order_acquire) != head.load(sync::memory_order_relaxed) ||
           write_ended.load(sync::memory_order_acquire);
  }

  std::size_t put(std::span<const char> from) noexcept {
    const std::uint64_t to = tail.load(sync::memory_order_relaxed);
    // acquire: pairs with the release in take().
    const std::uint64_t used = to - head.load(sync::memory_order_acquire);
    const std::size_t n = std::min(from.size(), capacity - static_cast<std::size_t>(used));
    const std::size_t at = to % capacity;
    const std::size_t first = std::min(n, capacity - at);
    std::memcpy(bytes.get() + at, from.data(), first);
    std::memcpy(bytes.get(), from.data() + first, n - first);
    tail.store(to + n, sync::memory_order_release);
    return n;
  }
};

// One end's stay inside a call.
class stay {
 public:
  explicit stay(sync::atomic<bool>& inside) noexcept
      : inside_(inside), entered_(!inside.exchange(true, sync::memory_order_acquire)) {}
  ~stay() {
    if (entered_) inside_.store(false, sync::memory_order_release);
  }
  stay(const stay&) = delete;
  stay& operator=(const stay&) = delete;
  explicit operator bool() const noexcept { return entered_; }

 private:
  sync::atomic<bool>& inside_;
  bool entered_;
};

struct pipe {
  explicit pipe(std::size_t capacity) : there(capacity), back(capacity) {}
  ring there;
  ring back;
};

class memory_end final : public stream, private selectable {
 public:
  memory_end(std::shared_ptr<pipe> whole, ring& in, ring& out) noexcept
      : whole_(std::move(whole)), in_(in), out_(out) {}
  ~memory_end() override { close(); }

  std::expected<std::size_t, error> read_some(std::span<char> into) override;
  std::expected<std::size_t, error> try_read_some(std::span<char> into) override;
  selectable* reading() noexcept override { return this; }
  std::expected<std::size_t, error> write_some(
      std::span<const std::span<const char>> pieces) override;
  void shutdown_write() override;
  void close() override;
  void deadline(time_point when) override {
    deadline_ns_.store(when.time_since_epoch().count(), sync::memory_order_relaxed);
  }
  std::string peer_name() const override { return "memory"; }

 private:
  bool is_ready() override;
  line line_up(const wait_ticket& ticket, std::uint64_t value) override;
  void step_back() noexcept override;
  time_point due() const noexcept override {
    return time_point(duration(deadline_ns_.load(sync::memory_order_relaxed)));
  }
  // Whoever is the reader: a count, the end, or 0 for "not now".
  std::expected<std::size_t, error> take(std::span<char> into);

  [[nodiscard]] bool is_closed() const noexcept { return closed_.load(sync::memory_order_acquire); }
  // The loop of try and wait. `attempt` gives a count, an error, or 0 for "not now".
  template <class Attempt>
  std::expected<std::size_t, error> until_done(readiness& changed, const wait_reason& reason,
                                               Attempt attempt);

  std::shared_ptr<pipe> whole_;
  ring& in_;
  ring& out_;
  sync::atomic<bool> closed_{false};
  sync::atomic<std::int64_t> deadline_ns_{never.time_since_epoch().count()};
};

error occupied(const char* doing) {
  return {error::invalid,
          std::string(doing) + " memory: another green thread is inside the same call"};
}

template <class Attempt>
std::expected<std::size_t, error> memory_end::until_done(readiness& changed,
                                                         const wait_reason& reason,
                                                         Attempt attempt) {
  if (report_cancel()) return std::unexpected(error::cancelled);
  const time_point deadline = bounded(due());
  if (deadline != never && now() >= deadline) return std::unexpected(error::timeout);
  for (;;) {
    changed.clear();
    if (is_closed()) return std::unexpected(error::closed);
    const std::expected<std::size_t, error> result = attempt();
    if (!result || *result != 0) return result;
    switch (changed.wait(reason, deadline)) {
      case wait_end::ready: break;
      case wait_end::timeout: return std::unexpected(error::timeout);
      case wait_end::cancelled:
        if (report_cancel()) return std::unexpected(error::cancelled);
        break;
    }
  }
}

std::expected<std::size_t, error> memory_end::take(std::span<char> into) {
  // The end first: bytes put before it are seen by the take after it.
  const bool ended = in_.write_ended.load(sync::memory_order_acquire);
  const std::size_t n = in_.take(into);
  if (n != 0) {
    in_.drained.signal();
  } else if (ended) {
    return std::unexpected(error::end_of_stream);
  }
  return n;
}

std::expected<std::size_t, error> memory_end::read_some(std::span<char> into) {
  if (into.empty()) return 0u;
  const stay inside(in_.reader_inside);
  if (!inside) return std::unexpected(occupied("read from"));
  return until_done(in_.filled, reading_memory, [&] { return take(into); });
}

std::expected<std::size_t, error> memory_end::try_read_some(std::span<char> into) {
  if (into.empty()) return 0u;
  const stay inside(in_.reader_inside);
  if (!inside) return std::unexpected(occupied("read from"));
  in_.filled.clear();
  if (is_closed()) return std::unexpected(error::closed);
  if (due() != never && now() >= due()) return std::unexpected(error::timeout);
  const auto n = take(into);
  if (n && *n == 0) return std::unexpected(error::empty);
  return n;
}

bool memory_end::is_ready() {
  const stay inside(in_.reader_inside);
  if (!inside || (due() != never && now() >= due())) return true;
  in_.filled.clear();
  return is_closed() || in_.has_news();
}

selectable::line memory_end::line_up(const wait_ticket& ticket, std::uint64_t value) {
  // acquire: sees what the last reader left.
  if (in_.reader_inside.exchange(true, sync::memory_order_acquire)) return line::occupied;
  // What comes after this look finds the ticket (R1).
  if (!is_closed() && !in_.has_news() && in_.filled.line_up(ticket, value)) return line::waits;
  in_.reader_inside.store(false, sync::memory_order_release);
  return line::look_again;
}

void memory_end::step_back() noexcept {
  in_.filled.step_back();
  in_.reader_inside.store(false, sync::memory_order_release);
}

std::expected<std::size_t, error> memory_end::write_some(
    std::span<const std::span<const char>> pieces) {
  std::size_t wanted = 0;
  for (const auto& piece : pieces) wanted += piece.size();
  if (wanted == 0) return 0u;
  const stay inside(out_.writer_inside);
  if (!inside) return std::unexpected(occupied("write to"));
  return until_done(out_.drained, writing_memory, [&]() -> std::expected<std::size_t, error> {
    if (out_.write_ended.load(sync::memory_order_acquire)) return std::unexpected(error::closed);
    if (out_.reader_gone.load(sync::memory_order_acquire))
      return std::unexpected(error(error::io, "write to memory: Broken pipe"));
    std::size_t n = 0;
    for (const auto& piece : pieces) {
      const std::size_t put = out_.put(piece);
      n += put;
      if (put < piece.size()) break;
    }
    if (n != 0) out_.filled.signal();
    return n;
  });
}

void memory_end::shutdown_write() {
  out_.write_ended.store(true, sync::memory_order_release);
  out_.filled.signal();
  out_.drained.signal();
}

void memory_end::close() {
  if (closed_.exchange(true, sync::memory_order_acq_rel)) return;
  shutdown_write();
  in_.reader_gone.store(true, sync::memory_order_release);
  in_.drained.signal();
  in_.filled.signal();
}

}  // namespace

std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_pipe(std::size_t capacity) {
  auto whole = std::make_shared<pipe>(capacity == 0 ? 1 : capacity);
  return {std::make_unique<memory_end>(whole, whole->there, whole->back),
          std::make_unique<memory_end>(whole, whole->back, whole->there)};
}

}  // namespace greenroom
