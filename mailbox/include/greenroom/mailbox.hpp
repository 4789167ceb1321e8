// SPDX-License-Identifier: Apache-2.0
// The receive end of an actor: a reference to it is the first parameter of a function actor.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/promise.hpp>

#include <utility>

namespace greenroom {

// What a bounded receive came back with.
enum class received : std::uint8_t { message, nothing, closed };

namespace detail {

// The part without types; it lies in the frame below the actor's own.
class mailbox_base {
 public:
  mailbox_base(cell* c, reply_to* unanswered) noexcept : cell_(c), unanswered_(unanswered) {}
  ~mailbox_base() {
    if (in_place_ != nullptr) take_around(*this);
  }

  cell* cell_;
  // The request whose handler an exception has left: answered by whoever catches it. It lies in
  // the frame of the compiled core that runs the actor.
  reply_to* unanswered_;
  // A message that came alone is handled where it stands in the inbox; the step that rests then
  // removes it (see next_message).
  node* in_place_ = nullptr;
  std::uint64_t seen_ = 0;  // the inbox's word then
  bool handled_ = false;    // its handler is through
};

// Frees the memory of a message when its handler is through, or leaves it to who removes it.
struct message_memory {
  mailbox_base& box;
  node* n;
  std::uint8_t size_class;
  ~message_memory() {
    if (box.in_place_ == n)
      box.handled_ = true;
    else
      free_node(n, size_class);
  }
};

template <class M, class H>
concept plain_handler = requires(H& h, exactly<M> m) { h(m); };
template <class M, class H>
concept promise_handler = request<M> && requires(H& h, exactly<M> m, promise<typename M::reply> p) {
  h(m, std::move(p));
};
template <class M, class H>
inline constexpr bool handles = plain_handler<M, H> || promise_handler<M, H>;

// How many of Hs handle M, and the place of the first.
template <class M, class... Hs>
consteval int handler_count() {
  return (0 + ... + (handles<M, Hs> ? 1 : 0));
}
template <class M, class... Hs>
consteval std::size_t handler_of() {
  std::size_t at = 0, i = 0;
  bool found = false;
  ((at = !found && handles<M, Hs> ? (found = true, i) : at, ++i), ...);
  return at;
}

// A mistake is said in one sentence; false then, so that what would follow from it is not compiled.
template <class M, class H>
consteval bool check_reply() {
  if constexpr (request<M> && !promise_handler<M, H> && plain_handler<M, H>) {
    using given = decltype(std::declval<H&>()(exactly<M>{}));
    using wanted = typename M::reply;
    constexpr bool rounds = std::is_arithmetic_v<wanted> && !std::is_floating_point_v<wanted> &&
                            std::is_floating_point_v<std::remove_cvref_t<given>>;
    constexpr bool fits = std::is_convertible_v<given, wanted> && !rounds;
    static_assert(fits,
                  "greenroom: a handler returns something else than its request's reply type");
    return fits;
  } else {
    return true;
  }
}

template <class... Ms>
struct for_messages {
  template <class M, class... Hs>
  static consteval bool check_one() {
    static_assert(handler_count<M, Hs...>() != 0,
                  "greenroom: no handler for one of this mailbox's messages");
    static_assert(handler_count<M, Hs...>() < 2,
                  "greenroom: two handlers for one of this mailbox's messages");
    if constexpr (handler_count<M, Hs...>() == 1) {
      return (check_reply<M, Hs>() && ...);
    } else {
      return false;
    }
  }
  template <class H>
  static consteval bool check_handler() {
    static_assert((handles<Ms, H> || ...),
                  "greenroom: a handler for a message that this mailbox does not receive");
    return (handles<Ms, H> || ...);
  }
  template <class... Hs>
  static consteval bool check() {
    if constexpr ((check_handler<Hs>() && ...)) {
      return (check_one<Ms, Hs...>() && ...);
    } else {
      return false;
    }
  }
  // For handlers of some of the messages.
  template <class M, class... Hs>
  static consteval bool check_at_most_one() {
    static_assert(handler_count<M, Hs...>() < 2,
                  "greenroom: two handlers for one of this mailbox's messages");
    return handler_count<M, Hs...>() < 2 && (check_reply<M, Hs>() && ...);
  }
  template <class... Hs>
  static consteval bool check_some() {
    static_assert(sizeof...(Hs) != 0, "greenroom: receive_only needs a handler");
    if constexpr ((check_handler<Hs>() && ...)) {
      return sizeof...(Hs) != 0 && (check_at_most_one<Ms, Hs...>() && ...);
    } else {
      return false;
    }
  }
  // A bit for each message that has a handler.
  template <class... Hs>
  static consteval std::uint64_t handled() {
    std::uint64_t bits = 0, bit = 1;
    ((bits |= handler_count<Ms, Hs...>() != 0 ? bit : 0, bit <<= 1), ...);
    return bits;
  }
};

template <std::size_t I, class H, class... Hs>
decltype(auto) nth(H& h, Hs&... rest) noexcept {
  if constexpr (I == 0)
    return (h);
  else
    return nth<I - 1>(rest...);
}

// A request whose asker has given up is not worth handling: false, counted. Else its deadline is
// inherited by what its handler asks; returns the deadline inherited before, for end_request.
bool begin_request(const reply_to& to, std::int64_t& before) noexcept;
GREENROOM_COLD void count_expired(const message_type* type) noexcept;
void end_request(std::int64_t before) noexcept;

// Destroys the message when its handler is through, or was left by an exception. The node's
// memory is the caller's: it may still stand in the inbox.
template <class M>
struct handled {
  M& message;
  explicit handled(node* n) noexcept : message(*body_of<M>(n)) {}
  handled(const handled&) = delete;
  handled& operator=(const handled&) = delete;
  ~handled() { message.~M(); }
};
struct request_scope {
  std::int64_t before = 0;
  bool wanted;
  explicit request_scope(const reply_to& to) noexcept : wanted(begin_request(to, before)) {}
  request_scope(const request_scope&) = delete;
  request_scope& operator=(const request_scope&) = delete;
  ~request_scope() {
    if (wanted) end_request(before);
  }
};

// In a catch block: an exception has left the handler of a message of that type.
GREENROOM_COLD void note_crash(cell* c, const message_type& type) noexcept;

// Runs one handler on one message and answers a request with what it returns. False: it was a
// request that nobody waits for any more.
template <class M, class H>
bool handle(mailbox_base& box, node* n, H& h) try {
  const handled<M> holder(n);
  M& message = holder.message;
  if constexpr (!request<M>) {
    h(std::move(message));
  } else {
    using reply = typename M::reply;
    const reply_to to = *reply_of(n);
    const request_scope scope(to);
    if (!scope.wanted) {
      count_expired(&type_of<M>);
      return false;
    }
    if constexpr (promise_handler<M, H>) {
      note_promise(to);
      h(std::move(message), promise<reply>(to));
    } else {
      *box.unanswered_ = to;
      if constexpr (std::is_void_v<reply>) {
        h(std::move(message));
        promise<void>(std::exchange(*box.unanswered_, {})).set();
      } else {
        reply r = h(std::move(message));
        promise<reply>(std::exchange(*box.unanswered_, {})).set(std::move(r));
      }
    }
  }
  return true;
} catch (...) {
  note_crash(box.cell_, type_of<M>);
  throw;
}

// Frees the node's memory when the handler is through.
struct node_memory {
  node* n;
  std::uint8_t size_class;
  ~node_memory() { free_node(n, size_class); }
};

void fail_unanswered(mailbox_base& box) noexcept;

}  // namespace detail

template <class... Ms>
class mailbox : private detail::mailbox_base {
 public:
  using address_type = greenroom::address<Ms...>;
  explicit mailbox(const detail::mailbox_base& base) noexcept
      : mailbox_base(base.cell_, base.unanswered_) {}
  mailbox(const mailbox&) = delete;
  mailbox& operator=(const mailbox&) = delete;

  // Waits for the next message and hands it to its handler (one for each of Ms, in any order;
  // a request's handler returns the reply or takes a promise). False once the mailbox is closed
  // and empty. Parks; throws `cancelled`, and what the handler throws. Only the actor itself.
  template <class... Hs>
  bool receive(Hs&&... handlers) {
    return receive_until(never, handlers...) == received::message;
  }
  // As receive, but not longer than that.
  template <class... Hs>
  received receive_until(time_point deadline, Hs&&... handlers) {
    if constexpr (detail::for_messages<Ms...>::template check<std::remove_reference_t<Hs>...>()) {
      for (;;) {
        detail::next why{};
        detail::node* n = detail::next_message(*this, deadline, why);
        if (n == nullptr) return none(why);
        if (dispatch(n, handlers...)) return received::message;
      }
    } else {
      return received::closed;
    }
  }
  template <class... Hs>
  received receive_for(duration d, Hs&&... handlers) {
    return receive_until(deadline_after(d), handlers...);
  }
  // Never parks.
  template <class... Hs>
  received try_receive(Hs&&... handlers) {
    if constexpr (detail::for_messages<Ms...>::template check<std::remove_reference_t<Hs>...>()) {
      for (;;) {
        detail::next why{};
        detail::node* n = detail::poll_message(*this, why);
        if (n == nullptr) return none(why);
        if (dispatch(n, handlers...)) return received::message;
      }
    } else {
      return received::closed;
    }
  }

  // Cases of a select (select.hpp): receives a message as receive() does; and, the mailbox is
  // closed and empty. Only the actor itself.
  template <class... Hs>
  [[nodiscard]] auto on(Hs&&... handlers);
  template <class F>
  [[nodiscard]] auto on_end(F&& f);
  // Waits for the next message that one of these handlers takes (at most one for each of Ms); the
  // others stay, and are received later in the order in which they were admitted. They keep their
  // room; where they fill a bounded mailbox, it lets 1,024 more in, one at a time, and then throws
  // `deadlock`, for what it waits for could never come. False once no such message can come; what
  // stayed can still be received. Else as receive. Idea: Erlang's receive, at a cost that does not
  // grow with the messages that stay.
  template <class... Hs>
  bool receive_only(Hs&&... handlers) {
    return receive_only_until(never, handlers...) == received::message;
  }
  // As receive_only, but not longer than that; so it waits on where that would throw `deadlock`.
  template <class... Hs>
  received receive_only_until(time_point deadline, Hs&&... handlers) {
    using list = detail::for_messages<Ms...>;
    if constexpr (list::template check_some<std::remove_reference_t<Hs>...>()) {
      constexpr std::uint64_t wanted = list::template handled<std::remove_reference_t<Hs>...>();
      for (;;) {
        detail::next why{};
        detail::node* n = detail::select_message(*this, wanted, deadline, why);
        if (n == nullptr) return none(why);
        if (dispatch(n, handlers...)) return received::message;
      }
    } else {
      return received::closed;
    }
  }
  template <class... Hs>
  received receive_only_for(duration d, Hs&&... handlers) {
    return receive_only_until(deadline_after(d), handlers...);
  }
  // Never parks.
  template <class... Hs>
  received try_receive_only(Hs&&... handlers) {
    return receive_only_until(time_point::min(), handlers...);
  }

  // A counted address of this actor. The mailbox itself keeps none: it closes with the last one.
  [[nodiscard]] greenroom::address<Ms...> address() const noexcept {
    return detail::access::own<Ms...>(cell_, false);
  }
  // Admits nothing any more; what is in it can still be received.
  void close() noexcept { detail::close_mailbox(cell_); }
  // Messages admitted and not yet received (bounded mailboxes; those being handled may count).
  [[nodiscard]] std::size_t size() const noexcept {
    return detail::mailbox_size(cell_) - (in_place_ != nullptr ? 1 : 0);
  }

  // Messages that its policy has dropped so far (spawn_options::overload).
  [[nodiscard]] std::uint64_t dropped() const noexcept { return detail::dropped_by(cell_); }

 private:
  static received none(detail::next why) noexcept {
    return why == detail::next::closed ? received::closed : received::nothing;
  }

  template <class M, class... Hs>
  bool run(detail::node* n, Hs&... hs) {
    if constexpr (detail::handler_count<M, std::remove_reference_t<Hs>...>() != 0) {
      const detail::message_memory memory{*this, n, detail::type_of<M>.size_class};
      return detail::handle<M>(
          *this, n, detail::nth<detail::handler_of<M, std::remove_reference_t<Hs>...>()>(hs...));
    } else {
      return false;  // receive_only does not ask for it
    }
  }
  template <class... Hs>
  bool dispatch(detail::node* n, Hs&... hs) {
    if (GREENROOM_UNLIKELY(static_cast<bool>(*unanswered_))) detail::fail_unanswered(*this);
    const std::uint32_t tag = detail::inbox::tag_of(n);
    std::uint32_t i = 0;
    bool done = false;
    // An if-chain over the mailbox's own list beats a table of function pointers.
    (void)((tag == i++ && (done = run<Ms>(n, hs...), true)) || ...);
    return done;
  }
};

}  // namespace greenroom
