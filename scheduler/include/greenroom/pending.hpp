// SPDX-License-Identifier: Apache-2.0
// Asio operations that are begun now and waited for later, or beside other things: the completion
// token `greenroom::pending` gives an object that holds the operation while it is under way.
//
//   auto op = peer.async_read_some(asio::buffer(data), gr::pending);
//   gr::select(op.on([&](asio::error_code ec, std::size_t n) { ... }),
//              in.on([&](stop) { ... }));
//   std::size_t n = op.get();                      // as with gr::await: throws what went wrong
//
// - The case happens when the handler has run, with what it was given. After that, or after get(),
//   the result is taken and the case never happens again; begin the next operation for the next.
// - An operation outlives selects that went another way. The object's end asks it to end, through
//   its cancellation slot, on its own executor, and waits until its handler has run, also while the
//   caller is being cancelled: buffers that were made before the object are safe.
// - Assigning another operation ends the one that was there. An empty object's case never happens.
// - One green or OS thread at a time waits for an operation.
// The rest is as in <greenroom/asio.hpp>.
#pragma once

#include <greenroom/asio.hpp>
#include <greenroom/detail/select_case.hpp>

#include <asio/any_io_executor.hpp>

#include <memory>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace greenroom {

// The completion token.
struct pending_token {};
inline constexpr pending_token pending{};

namespace detail {

template <class... Args>
struct pending_state : await_state<asio::any_io_executor, Args...> {
  using base = await_state<asio::any_io_executor, Args...>;
  using base::base;

  void request() { this->operation.request(&base::request_cancel, static_cast<base*>(this)); }
  // What the handler was given; one that was destroyed without running was ended.
  std::tuple<Args...> take_all() {
    is_taken = true;
    if (this->failure) std::rethrow_exception(std::move(this->failure));
    if (this->result) return std::move(*this->result);
    const asio::error_code ended = asio::error::operation_aborted;
    if constexpr (base::shape::has_code && (std::is_default_constructible_v<Args> && ...)) {
      std::tuple<Args...> all;
      std::get<0>(all) = ended;
      return all;
    } else {
      throw std::system_error(ended);
    }
  }

  bool is_taken = false;  // whoever waits
};

template <class F, class... Args>
class pending_case : public select_case {
 public:
  pending_case(std::shared_ptr<pending_state<Args...>> state, F f)
      : state_(std::move(state)), f_(std::move(f)) {
    ops = &operations;
  }
  pending_case kept() && { return std::move(*this); }

 private:
  static pending_case& of(select_case* c) { return *static_cast<pending_case*>(c); }
  static attempt try_now(select_case* c) {
    pending_state<Args...>* const state = of(c).state_.get();
    if (state == nullptr || state->is_taken) return attempt::never;
    return state->operation.is_over() ? attempt::happened : attempt::not_now;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return of(c).state_->operation.line_up(ticket, value);
  }
  static void withdraw(select_case* c) noexcept { of(c).state_->operation.step_back(); }
  static bool run(select_case* c) {
    c->is_over = true;
    std::apply(of(c).f_, of(c).state_->take_all());
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  std::shared_ptr<pending_state<Args...>> state_;
  F f_;
};

}  // namespace detail

template <class Signature>
class pending_operation;

namespace detail {
struct pending_access;
}  // namespace detail

template <class... Args>
class [[nodiscard]] pending_operation<void(Args...)> {
  using state = detail::pending_state<Args...>;

 public:
  // No operation.
  pending_operation() noexcept = default;
  pending_operation(pending_operation&&) noexcept = default;
  pending_operation& operator=(pending_operation&& other) noexcept {
    if (this != &other) {
      end();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  // Parks if the operation is under way, until it has ended.
  ~pending_operation() { end(); }

  // The case of its completion: f(Args...).
  template <class F>
  [[nodiscard]] auto on(F&& f) const {
    using function = std::decay_t<F>;
    constexpr bool fits = std::is_invocable_v<function&, Args...>;
    static_assert(fits,
                  "greenroom: the function of a pending operation takes what its handler is given");
    if constexpr (fits)
      return detail::pending_case<function, Args...>(state_, std::forward<F>(f));
    else
      return detail::select_case();  // no more errors than that one
  }

  // Waits for the result, as an await with that token does: gr::await, gr::await(ec),
  // gr::await_for(50ms), ... A deadline or a cancel ends the operation. Parks. Throws
  // std::logic_error if there is no operation or its result was taken.
  typename state::returned get(const await_token& how = await) {
    if (state_ == nullptr || state_->is_taken)
      throw std::logic_error("greenroom: get() of a pending operation whose result was taken");
    state_->is_taken = true;
    const detail::await_end ended =
        state_->operation.wait(how.deadline(), &state::base::request_cancel,
                               static_cast<typename state::base*>(state_.get()));
    return state_->take(ended, how);
  }

  // Asks the operation to end, and does not wait for that; it usually completes with
  // asio::error::operation_aborted. Never parks. Any thread, also while another waits.
  void cancel() const {
    if (state_ != nullptr) state_->request();
  }
  // The handler has run, and its result is here or was taken. False for an empty object.
  [[nodiscard]] bool is_complete() const {
    return state_ != nullptr && state_->operation.is_over();
  }

 private:
  friend struct detail::pending_access;

  explicit pending_operation(std::shared_ptr<state> made) : state_(std::move(made)) {}

  void end() noexcept {
    if (state_ == nullptr) return;
    state_->is_taken = true;
    state_->request();
    state_->operation.finish();
    drop();
  }
  // A function of its own for the sake of Asio's thread_locals; see await_state.
  GREENROOM_NOINLINE void drop() noexcept {
    state_->end();
    state_.reset();
  }

  std::shared_ptr<state> state_;
};

namespace detail {

struct pending_access {
  template <class Operation, class Initiation, class... InitArgs>
  static Operation begin(Initiation& initiation, InitArgs&... args) {
    const asio::any_io_executor executor = await_executor(initiation);
    Operation made(std::make_shared<typename Operation::state>(executor));
    made.state_->begin(initiation, args...);
    return made;
  }
};

}  // namespace detail

}  // namespace greenroom

template <class Return, class... Args>
class asio::async_result<greenroom::pending_token, Return(Args...)> {
 public:
  using return_type = greenroom::pending_operation<void(std::decay_t<Args>...)>;

  template <class Initiation, class Token, class... InitArgs>
  static return_type initiate(Initiation initiation, Token&& /*token*/, InitArgs... args) {
    return greenroom::detail::pending_access::begin<return_type>(initiation, args...);
  }
};
