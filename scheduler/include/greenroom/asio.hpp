// SPDX-License-Identifier: Apache-2.0
// Asio on green threads: `greenroom::await` as a completion token parks the caller until the
// operation has completed, and gives its result as a plain return value.
//
//   asio::ip::tcp::socket peer(greenroom::io_context());
//   std::size_t n = peer.async_read_some(asio::buffer(data), greenroom::await);   // throws
//   peer.async_read_some(asio::buffer(data), greenroom::await(ec));               // ec instead
//   timer.async_wait(greenroom::await_for(50ms)(ec));          // timed_out after that long
//
// <greenroom/pending.hpp> begins an operation and waits later, or beside other things in a select.
//
// Needs standalone Asio (1.22 or newer). Only this header knows it: it costs seconds to compile,
// and services that need a stream and no more use <greenroom/net.hpp>.
//
// - The handler's signature gives the result: nothing, one value, or a tuple. A leading
//   error_code becomes std::system_error (or goes into `ec`), a leading exception_ptr is rethrown.
// - A deadline or a cancel asks the operation to end through its cancellation slot, on its own
//   executor, and the wait then lasts until the handler has run: buffers on the stack are safe.
//   Operations that Asio cannot end (name look-ups, posts) make it last until they are done.
// - A result that came in spite of the deadline or cancel is returned; the next wait will throw.
// - Handlers of one's own on io_context() run inside the netpoller: they must not wait. Workers
//   run them while an awaited operation is under way or a `keep_polling` lives.
// - A runtime must live until the wait is over, since its workers run the handlers.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/await_operation.hpp>
#include <greenroom/detail/guest_loop.hpp>
#include <greenroom/detail/sync.hpp>
#include <greenroom/park.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>

#include <exception>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

// The io_context of a runtime, as the netpoller sees it. Made when first asked for and never
// destroyed: an I/O object may outlive its runtime.
class asio_guest final : public guest_loop {
 public:
  static guest_loop* make(int poll_fd) { return new asio_guest(poll_fd); }

  GREENROOM_NOINLINE int poll() override {
    if (context.stopped()) context.restart();
    return static_cast<int>(context.poll());
  }

  GREENROOM_NOINLINE int run(duration max_wait) override {
    if (context.stopped()) context.restart();
    if (!watching_) {
      watching_ = true;
      // Armed anew after each event, which reports a hub that is readable already.
      hub_events_.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this](const asio::error_code&) { watching_ = false; });
    }
    const std::size_t first =
        max_wait == duration::max() ? context.run_one() : context.run_one_for(max_wait);
    return static_cast<int>(first + context.poll());
  }

  asio::io_context context;

 private:
  explicit asio_guest(int poll_fd) : hub_events_(context, poll_fd) {}

  asio::executor_work_guard<asio::io_context::executor_type> work_{context.get_executor()};
  asio::posix::stream_descriptor hub_events_;
  bool watching_ = false;  // whoever is inside poll()
};

inline asio_guest& current_asio_guest() {
  return static_cast<asio_guest&>(current_guest(&asio_guest::make));
}

}  // namespace detail

// The current runtime's; from a foreign OS thread, that of the most recently made runtime.
inline asio::io_context& io_context() { return detail::current_asio_guest().context; }

// Keeps the workers running the handlers of io_context() while operations are under way that are
// not awaited.
class keep_polling {
 public:
  keep_polling() : guest_(detail::current_asio_guest()) { detail::guest_operation_started(guest_); }
  ~keep_polling() { detail::guest_operation_ended(guest_); }
  keep_polling(const keep_polling&) = delete;
  keep_polling& operator=(const keep_polling&) = delete;

 private:
  detail::guest_loop& guest_;
};

// The completion token.
class await_token {
 public:
  constexpr await_token() = default;

  // Puts the error there (or clears it) instead of throwing it.
  constexpr await_token operator()(asio::error_code& ec) const {
    await_token copy = *this;
    copy.error_ = &ec;
    return copy;
  }
  constexpr await_token until(time_point deadline) const {
    await_token copy = *this;
    copy.deadline_ = deadline;
    return copy;
  }

  [[nodiscard]] constexpr asio::error_code* error() const { return error_; }
  [[nodiscard]] constexpr time_point deadline() const { return deadline_; }

 private:
  asio::error_code* error_ = nullptr;
  time_point deadline_ = never;
};

inline constexpr await_token await{};

// Gives asio::error::timed_out when the operation was not complete by then.
constexpr await_token await_until(time_point deadline) { return await.until(deadline); }
inline await_token await_for(duration longest) { return await.until(deadline_after(longest)); }

namespace detail {

// How a handler's arguments become a result: what they throw, and what is left.
template <class... Args>
struct await_values {
  static constexpr bool has_code = false;
  static constexpr bool has_exception = false;
  using values = std::tuple<Args...>;
};
template <class... Args>
struct await_values<asio::error_code, Args...> : await_values<> {
  static constexpr bool has_code = true;
  using values = std::tuple<Args...>;
};
template <class... Args>
struct await_values<std::exception_ptr, Args...> : await_values<> {
  static constexpr bool has_exception = true;
  using values = std::tuple<Args...>;
};

template <class Values>
struct await_return {
  using type = Values;
};
template <>
struct await_return<std::tuple<>> {
  using type = void;
};
template <class T>
struct await_return<std::tuple<T>> {
  using type = T;
};

// The executor of the I/O object behind an initiation, or else that of the current io_context:
// where the operation's handlers run, hence where it may be asked to end.
template <class Initiation>
auto await_executor(const Initiation& initiation) {
  if constexpr (requires { initiation.get_executor(); })
    return initiation.get_executor();
  else
    return io_context().get_executor();
}

// The guest to be polled for that executor, or null when the context is run by others.
template <class Executor>
guest_loop* await_guest(const Executor& executor) {
  asio_guest& guest = current_asio_guest();
  if constexpr (asio::can_query<const Executor&, asio::execution::context_t>::value) {
    const asio::execution_context& context = asio::query(executor, asio::execution::context);
    if (&context != &guest.context) return nullptr;
  }
  return &guest;
}

template <class Executor, class... Args>
struct await_state {
  using shape = await_values<Args...>;

  explicit await_state(const Executor& where) : executor(where), operation(await_guest(where)) {}

  // Asio's thread_locals are used in functions of their own, which do not wait: no compiler
  // re-reads the address of a thread_local after a wait.
  template <class Initiation, class... InitArgs>
  GREENROOM_NOINLINE void begin(Initiation& initiation, InitArgs&... args);
  GREENROOM_NOINLINE void end() noexcept { signal.reset(); }
  GREENROOM_NOINLINE static void request_cancel(void* argument) {
    auto* self = static_cast<await_state*>(argument);
    asio::post(self->executor, cancel_request{self});
  }

  struct holder {
    explicit holder(await_state* s) noexcept : state(s) {}
    holder(holder&& other) noexcept : state(std::exchange(other.state, nullptr)) {}
    holder& operator=(holder&&) = delete;
    ~holder() {
      if (state != nullptr) state->operation.release();
    }
    await_state* state;
  };

  struct cancel_request : holder {
    using holder::holder;
    void operator()() {
      if (!this->state->is_completed.load(sync::memory_order_acquire))
        this->state->signal->emit(asio::cancellation_type::all);
    }
  };

  struct handler : holder {
    using holder::holder;
    using cancellation_slot_type = asio::cancellation_slot;
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
      return this->state == nullptr ? cancellation_slot_type() : this->state->signal->slot();
    }
    template <class... Given>
    void operator()(Given&&... given) {
      await_state* s = this->state;
      s->is_completed.store(true, sync::memory_order_release);
      try {
        s->result.emplace(std::forward<Given>(given)...);
      } catch (...) { s->failure = std::current_exception(); }
      // Released by the destructor of this handler, the last there is.
    }
  };

  using returned = typename await_return<typename shape::values>::type;
  returned take(await_end how, const await_token& token);

  Executor executor;
  std::optional<asio::cancellation_signal> signal{std::in_place};
  await_operation operation;
  sync::atomic<bool> is_completed{false};
  std::optional<std::tuple<Args...>> result;
  std::exception_ptr failure;
};

template <class Executor, class... Args>
template <class Initiation, class... InitArgs>
void await_state<Executor, Args...>::begin(Initiation& initiation, InitArgs&... args) {
  std::move(initiation)(handler(this), std::move(args)...);
}

// The code to report: what a deadline and a cancel make of "the operation was ended".
asio::error_code inline await_code(asio::error_code code, await_end end, bool throws) {
  if (code != asio::error::operation_aborted) return code;
  if (end == await_end::timeout) {
    if (!throws) report_cancel();  // of a with_deadline: from the second time on it unwinds
    return asio::error::timed_out;
  }
  if (end == await_end::cancelled) {
    if (throws)
      throw_if_cancelled();
    else
      report_cancel();
  }
  return code;
}

template <class Executor, class... Args>
auto await_state<Executor, Args...>::take(await_end how, const await_token& token) -> returned {
  if (failure) std::rethrow_exception(failure);
  if (!result) {  // the handler was destroyed without running
    const asio::error_code code =
        await_code(asio::error::operation_aborted, how, token.error() == nullptr);
    if (token.error() == nullptr) throw std::system_error(code);
    *token.error() = code;
    if constexpr (std::is_void_v<returned>)
      return;
    else if constexpr (std::is_default_constructible_v<returned>)
      return returned();
    else
      throw std::system_error(code);
  }
  if constexpr (shape::has_code) {
    const asio::error_code code = await_code(std::get<0>(*result), how, token.error() == nullptr);
    if (token.error() != nullptr)
      *token.error() = code;
    else if (code)
      throw std::system_error(code);
  }
  if constexpr (shape::has_exception) {
    if (std::get<0>(*result)) std::rethrow_exception(std::get<0>(std::move(*result)));
  }
  constexpr std::size_t skipped = shape::has_code || shape::has_exception ? 1 : 0;
  constexpr std::size_t count = sizeof...(Args) - skipped;
  if constexpr (count == 1) {
    return std::get<skipped>(std::move(*result));
  } else if constexpr (count > 1) {
    return [this]<std::size_t... I>(std::index_sequence<I...>) {
      return typename shape::values(std::get<skipped + I>(std::move(*result))...);
    }(std::make_index_sequence<count>());
  }
}

}  // namespace detail

}  // namespace greenroom

template <class Return, class... Args>
class asio::async_result<greenroom::await_token, Return(Args...)> {
  template <class Executor>
  using state = greenroom::detail::await_state<Executor, std::decay_t<Args>...>;

 public:
  using return_type = typename greenroom::detail::await_return<
      typename greenroom::detail::await_values<std::decay_t<Args>...>::values>::type;

  template <class Initiation, class Token, class... InitArgs>
  static return_type initiate(Initiation initiation, Token&& token, InitArgs... args) {
    const greenroom::await_token how = token;
    if (how.error() == nullptr) greenroom::detail::throw_if_cancelled();
    const auto executor = greenroom::detail::await_executor(initiation);
    state<std::decay_t<decltype(executor)>> waiting(executor);
    waiting.begin(initiation, args...);
    const auto end =
        waiting.operation.wait(how.deadline(), &decltype(waiting)::request_cancel, &waiting);
    waiting.end();
    return waiting.take(end, how);
  }
};
