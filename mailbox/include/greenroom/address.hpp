// SPDX-License-Identifier: Apache-2.0
// The send end of a mailbox. A counted value: copy it, store it, send it along. It says which
// messages it accepts and nothing about who receives them.
#pragma once

#include <greenroom/detail/cell.hpp>

#include <cstddef>
#include <expected>
#include <utility>

namespace greenroom {

template <class... Ms>
class address;
template <class... Ms>
class weak_address;
template <class... Ms>
class mailbox;
template <class M>
class deferred_ask;

// What an attempt that did not send gives back.
template <class M>
struct unsent {
  M message;
  error why;
};

namespace detail {

struct access;

// A cell and the receiver's tag for each of our own message types.
template <class... Ms>
struct tagged {
  static constexpr std::uint8_t no_tag = 0x80;  // with a code: why there is no cell

  cell* to = nullptr;
  std::uint8_t tag[sizeof...(Ms) == 0 ? 1 : sizeof...(Ms)]{};

  // REQUIRES: `to` is null.
  [[nodiscard]] error::code_type why() const noexcept {
    return tag[0] < no_tag ? error::closed : static_cast<error::code_type>(tag[0] - no_tag);
  }
};

template <class M>
[[nodiscard]] std::expected<void, unsent<M>> given_back(node* n, status s) {
  if (s) return {};
  unsent<M> u{std::move(*body_of<M>(n)), s.error()};
  destroy_node<M>(n);
  return std::unexpected(std::move(u));
}

// What an ask for M returns; void where M is no request, so that this is said once and no more.
template <class M>
struct asked {
  using reply = void;
};
template <request M>
struct asked<M> {
  using reply = typename M::reply;
};

}  // namespace detail

template <class... Ms>
class address {
 public:
  // No actor: every send reports closed, or why_empty().
  address() noexcept = default;
  address(const address& other) noexcept : at_(other.at_) { add(); }
  address(address&& other) noexcept : at_(other.at_) { other.at_.to = nullptr; }
  // Narrows to some of the other's messages.
  template <class... Us>
    requires(!std::same_as<address<Us...>, address<Ms...>> && (detail::one_of<Ms, Us...> && ...))
  address(const address<Us...>& other) noexcept  // NOLINT: narrowing is what addresses are for
      : at_{other.at_.to, {other.at_.tag[place<Ms, Us...>()]...}} {
    add();
  }
  address& operator=(address other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~address() {
    if (at_.to != nullptr) detail::drop_address(at_.to);
  }

  // Where a wait may park, `at` is the call's place in the source, for reports of circles; it is
  // never given by hand.

  // Waits for room if the mailbox is full (a foreign OS thread blocks). May be ignored: what was
  // not taken is a counted dead letter. Errors: closed, deadlock (it would wait in a circle; the
  // text names all in it), cancelled, no_memory.
  template <class M>
    requires detail::one_of<M, Ms...>
  status send(M message, std::source_location at = std::source_location::current()) const {
    static_assert(detail::check_posted<M>());
    if (at_.to == nullptr) return at_.why();
    detail::node* n = detail::make_node(std::move(message));
    if (GREENROOM_UNLIKELY(n == nullptr)) return error::no_memory;
    return detail::post(at_.to, n, tag<M>(), never, false, at);
  }

  // Never waits; gives the message back. Errors: full, closed, no_memory.
  template <class M>
    requires detail::one_of<M, Ms...>
  [[nodiscard]] std::expected<void, unsent<M>> try_send(M message) const {
    static_assert(detail::check_posted<M>());
    if (at_.to == nullptr) return std::unexpected(unsent<M>{std::move(message), at_.why()});
    detail::node* n = detail::make_node(std::move(message));
    if (GREENROOM_UNLIKELY(n == nullptr))
      return std::unexpected(unsent<M>{std::move(message), error::no_memory});
    return detail::given_back<M>(n, detail::try_post(at_.to, n, tag<M>()));
  }

  // Waits for room until the deadline; gives the message back. Errors: as send, and timeout.
  template <class M>
    requires detail::one_of<M, Ms...>
  [[nodiscard]] std::expected<void, unsent<M>> send_until(
      time_point deadline, M message,
      std::source_location at = std::source_location::current()) const {
    static_assert(detail::check_posted<M>());
    if (at_.to == nullptr) return std::unexpected(unsent<M>{std::move(message), at_.why()});
    detail::node* n = detail::make_node(std::move(message));
    if (GREENROOM_UNLIKELY(n == nullptr))
      return std::unexpected(unsent<M>{std::move(message), error::no_memory});
    return detail::given_back<M>(n, detail::post(at_.to, n, tag<M>(), deadline, true, at));
  }
  template <class M>
    requires detail::one_of<M, Ms...>
  [[nodiscard]] std::expected<void, unsent<M>> send_for(
      duration d, M message, std::source_location at = std::source_location::current()) const {
    return send_until(deadline_after(d), std::move(message), at);
  }

  // Sends a request and waits for its reply. A plain OS thread may ask as well. Errors: timeout,
  // closed (the actor ended), failed (by an exception; its text), dropped, cancelled; deadlock: who
  // was asked waits, through others perhaps, for the caller, and cannot answer; the text names all
  // in the circle, what each waits for and where. Such an ask fails at once, whatever its deadline.
  template <class M>
    requires detail::one_of<M, Ms...>
  [[nodiscard]] std::expected<typename detail::asked<M>::reply, error> ask_until(
      M message, time_point deadline,
      std::source_location at = std::source_location::current()) const {
    static_assert(greenroom::request<M>,
                  "greenroom: only a request can be asked: it names its reply (using reply = ...)");
    static_assert(detail::check_posted<M>());
    using reply = typename detail::asked<M>::reply;
    if (at_.to == nullptr) return std::unexpected(error(at_.why()));
    detail::node* n = detail::make_node(std::move(message));
    if (GREENROOM_UNLIKELY(n == nullptr)) return std::unexpected(error(error::no_memory));
    const std::uint64_t value = detail::ask(at_.to, n, tag<M>(), deadline, at);
    if (GREENROOM_UNLIKELY(!detail::is_value(value)))
      return std::unexpected(detail::error_in(value));
    auto* answer = reinterpret_cast<detail::node*>(value);
    if constexpr (std::is_void_v<reply>) {
      detail::free_node(answer, 0);
      return {};
    } else {
      std::expected<reply, error> out(std::move(*detail::body_of<reply>(answer)));
      detail::destroy_node<reply>(answer);
      return out;
    }
  }
  template <class M>
    requires detail::one_of<M, Ms...>
  [[nodiscard]] std::expected<typename detail::asked<M>::reply, error> ask(
      M message, duration within, std::source_location at = std::source_location::current()) const {
    return ask_until(std::move(message),
                     within > duration::zero() ? deadline_after(within) : time_point::min(), at);
  }

  // An ask to be made by gather or race. Nothing is sent yet.
  template <class M>
    requires detail::one_of<M, Ms...>
  [[nodiscard]] deferred_ask<M> request(
      M message, std::source_location at = std::source_location::current()) const {
    return deferred_ask<M>(*this, std::move(message), at);
  }

  // True when it leads to an actor (which may have ended).
  explicit operator bool() const noexcept { return at_.to != nullptr; }
  // REQUIRES: it is empty. no_memory or shutdown for one that a spawn has returned, else closed.
  [[nodiscard]] error::code_type why_empty() const noexcept { return at_.why(); }
  // The actor's id in creation order, or 0.
  [[nodiscard]] std::uint64_t id() const noexcept { return at_.to == nullptr ? 0 : at_.to->id; }

  // The same actor, whatever the message types.
  template <class... Us>
  bool operator==(const address<Us...>& other) const noexcept {
    return at_.to == other.at_.to;
  }

  // Mistakes. A compiler refuses these calls at the user's own line, and shows the line below as
  // the reason: the sentence stands on it. The return types save him errors that follow from it.
  // clang-format off
  template <class... Us>
    requires(!(detail::one_of<Ms, Us...> && ...))
  address(const address<Us...>&) = delete;  // greenroom: an address narrows only to what it accepts
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  status send(M) const = delete;  // greenroom: this address does not accept this message
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  std::expected<void, unsent<M>>
  try_send(M) const = delete;  // greenroom: this address does not accept this message
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  std::expected<void, unsent<M>>
  send_until(time_point, M) const = delete;  // greenroom: this address does not accept this message
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  std::expected<void, unsent<M>>
  send_for(duration, M) const = delete;  // greenroom: this address does not accept this message
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  std::expected<typename detail::asked<M>::reply, error>
  ask_until(M, time_point) const = delete;  // greenroom: this address does not accept this message
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  std::expected<typename detail::asked<M>::reply, error>
  ask(M, duration) const = delete;  // greenroom: this address does not accept this message
  template <class M>
    requires(!detail::one_of<M, Ms...>)
  deferred_ask<M>
  request(M) const = delete;  // greenroom: this address does not accept this message
  // clang-format on

 private:
  template <class...>
  friend class address;
  template <class...>
  friend class weak_address;
  friend struct detail::access;

  template <class M, class... Us>
  static consteval int place() {
    return detail::index_of<M, Us...>();
  }
  template <class M>
  [[nodiscard]] std::uint32_t tag() const noexcept {
    return at_.tag[detail::index_of<M, Ms...>()];
  }
  void add() const noexcept {
    if (at_.to != nullptr) detail::add_address(at_.to);
  }

  detail::tagged<Ms...> at_;
};

// An address that does not keep its actor alive.
template <class... Ms>
class weak_address {
 public:
  weak_address() noexcept = default;
  weak_address(const address<Ms...>& strong) noexcept : at_(strong.at_) { add(); }
  weak_address(const weak_address& other) noexcept : at_(other.at_) { add(); }
  weak_address(weak_address&& other) noexcept : at_(other.at_) { other.at_.to = nullptr; }
  weak_address& operator=(weak_address other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~weak_address() {
    if (at_.to != nullptr) detail::drop_reference(at_.to);
  }

  // A strong one, or an empty one when the mailbox has lost its last.
  [[nodiscard]] address<Ms...> lock() const noexcept {
    address<Ms...> strong;
    if (at_.to != nullptr && detail::try_add_address(at_.to)) strong.at_ = at_;
    return strong;
  }

 private:
  void add() const noexcept {
    if (at_.to != nullptr) detail::add_reference(at_.to);
  }
  detail::tagged<Ms...> at_;
};

namespace detail {

// Is there a deadline for an ask that has none of its own? What to say if not.
bool has_inherited_deadline() noexcept;
error needs_deadline();

// How the library makes addresses.
struct access {
  // For the receiver's own list, in its order. `counted`: the count was taken already.
  template <class... Ms>
  static address<Ms...> own(cell* c, bool counted) noexcept {
    address<Ms...> a;
    a.at_.to = c;
    for (std::size_t i = 0; i < sizeof...(Ms); ++i) a.at_.tag[i] = static_cast<std::uint8_t>(i);
    if (!counted && c != nullptr) add_address(c);
    return a;
  }
  // All tags say it, for a narrowed one keeps any of them.
  template <class... Ms>
  static address<Ms...> none(error::code_type why) noexcept {
    address<Ms...> a;
    for (std::uint8_t& tag : a.at_.tag) tag = static_cast<std::uint8_t>(a.at_.no_tag + why);
    return a;
  }
  template <class... Ms>
  static cell* cell_of(const address<Ms...>& a) noexcept {
    return a.at_.to;
  }
  template <class... Ms>
  static std::uint8_t* tags_of(address<Ms...>& a) noexcept {
    return a.at_.tag;
  }
  template <class M, class... Ms>
  static std::uint32_t tag_in(const address<Ms...>& a) noexcept {
    return a.template tag<M>();
  }
};

}  // namespace detail

// A request and whom to ask it. Called, it asks, once, with the deadline that the caller has: of a
// with_deadline around it, or of the request that it handles. Errors: as address::ask, and invalid
// when there is no deadline.
template <class M>
class deferred_ask {
  static_assert(request<M>,
                "greenroom: only a request can be asked: it names its reply (using reply = ...)");

 public:
  deferred_ask(address<M> to, M message, std::source_location at = std::source_location::current())
      : to_(std::move(to)), message_(std::move(message)), at_(at) {}

  std::expected<typename detail::asked<M>::reply, error> operator()() {
    if (!detail::has_inherited_deadline()) return std::unexpected(detail::needs_deadline());
    return to_.ask_until(std::move(message_), never, at_);
  }
  [[nodiscard]] const address<M>& to() const noexcept { return to_; }

 private:
  address<M> to_;
  M message_;
  std::source_location at_;  // of the caller's request()
};

}  // namespace greenroom

template <class... Ms>
struct std::hash<greenroom::address<Ms...>> {
  std::size_t operator()(const greenroom::address<Ms...>& a) const noexcept {
    return static_cast<std::size_t>(a.id() * 0x9e37'79b9'7f4a'7c15u);
  }
};
