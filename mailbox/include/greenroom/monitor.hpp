// SPDX-License-Identifier: Apache-2.0
// Hearing of the end of others, ending with them, and ending them. Ideas: Erlang's monitors, links
// and exit signals, with the reason as a value.
//
// Neither monitors nor links keep anybody alive: not whom they watch, nor the mailbox that is told.
#pragma once

#include <greenroom/exit_reason.hpp>
#include <greenroom/mailbox.hpp>

#include <cstdint>
#include <utility>

namespace greenroom {

class monitor_ref;

namespace detail {

struct watch_record;
struct make_notice;
enum class watch_kind : std::uint8_t { monitor, link };

void add_watch(watch_record* r) noexcept;
void drop_watch(watch_record* r) noexcept;
const char* name_in(const watch_record* r) noexcept;
std::uint64_t id_in(const watch_record* r) noexcept;
const exit_reason& reason_in(const watch_record* r) noexcept;
// The calling actor watches `target` (null: an empty address); its mailbox has `type`. Throws
// std::logic_error outside of an actor or if it does not receive that, and std::bad_alloc.
watch_record* start_watch(cell* target, watch_kind kind, const message_type* type);
void stop_watch(watch_record* r) noexcept;
void link_actor(cell* target, const message_type* exited);
void unlink_actor(cell* target) noexcept;
void trap_exits(bool on, const message_type* exited);

// What `down` and `exited` are: one reference to a counted record.
class end_notice {
 public:
  // Lives as long as this notice.
  [[nodiscard]] const char* name() const noexcept { return name_in(record_); }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_in(record_); }
  [[nodiscard]] const exit_reason& why() const noexcept { return reason_in(record_); }

  end_notice(const end_notice& other) noexcept : record_(other.record_) { add_watch(record_); }
  end_notice(end_notice&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  end_notice& operator=(end_notice other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~end_notice() {
    if (record_ != nullptr) drop_watch(record_);
  }

 protected:
  explicit end_notice(watch_record* r) noexcept : record_(r) {}
  friend class greenroom::monitor_ref;
  friend make_notice;
  watch_record* record_;
};

}  // namespace detail

// An actor that was monitored has ended. Comes before the user's messages, has room of its own,
// and comes once for each monitor. Only the library makes one.
class down : public detail::end_notice {
  friend struct detail::make_notice;
  using end_notice::end_notice;

 public:
  using lane = detail::system_lane;
};

// An actor that the receiver was linked to has ended, and the receiver traps exits.
class exited : public detail::end_notice {
  friend struct detail::make_notice;
  using end_notice::end_notice;

 public:
  using lane = detail::system_lane;
};

// One monitor. Dropping it changes nothing.
class monitor_ref {
 public:
  monitor_ref() noexcept = default;
  explicit monitor_ref(detail::watch_record* r) noexcept : record_(r) {}  // takes a reference over
  monitor_ref(const monitor_ref& other) noexcept : record_(other.record_) {
    if (record_ != nullptr) detail::add_watch(record_);
  }
  monitor_ref(monitor_ref&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  monitor_ref& operator=(monitor_ref other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~monitor_ref() {
    if (record_ != nullptr) detail::drop_watch(record_);
  }

  // Is that its message?
  [[nodiscard]] bool operator==(const down& d) const noexcept { return record_ == d.record_; }
  explicit operator bool() const noexcept { return record_ != nullptr; }

 private:
  friend void demonitor(const monitor_ref& m) noexcept;
  detail::watch_record* record_ = nullptr;
};

// The calling actor is told when that one ends, by a `down`; at once if it has ended already. Each
// call is a monitor of its own. An actor that is restarted (supervisor.hpp) ends each time, and is
// told of once a monitor. Only the actor itself calls it. Throws std::logic_error if it does not
// receive `down`, and std::bad_alloc.
template <class... Us>
monitor_ref monitor(const address<Us...>& a) {
  return monitor_ref(detail::start_watch(detail::access::cell_of(a), detail::watch_kind::monitor,
                                         &detail::type_of<down>));
}
template <class... Us, class... Ms>
monitor_ref monitor(const address<Us...>& a, const mailbox<Ms...>&) {
  static_assert(detail::one_of<down, Ms...>,
                "greenroom: a mailbox must receive greenroom::down to monitor with it");
  return monitor(a);
}
// Its `down` does not come any more, even if it was on its way. Only the actor that monitors.
inline void demonitor(const monitor_ref& m) noexcept {
  if (m.record_ != nullptr) detail::stop_watch(m.record_);
}

// From now on the calling actor ends when that one does, and the other way round: one that fails or
// is killed, or has ended so already, kills the other; one that is stopped stops it; one that ends
// normally is no reason. A second link of the same two changes nothing. Throws std::bad_alloc.
template <class... Us>
void link(const address<Us...>& a) {
  detail::link_actor(detail::access::cell_of(a), &detail::type_of<exited>);
}
// Takes the link back; nothing of it comes any more.
template <class... Us>
void unlink(const address<Us...>& a) noexcept {
  detail::unlink_actor(detail::access::cell_of(a));
}
// The calling actor is told of the ends of those it is linked to, by an `exited` whatever the
// reason, instead of ending with them. Throws std::logic_error if it does not receive `exited`.
inline void trap_exits(bool on = true) { detail::trap_exits(on, &detail::type_of<exited>); }

// Asks it to end: a function actor's next receive returns false, an object actor ends after the
// message it handles. What is left in the mailbox are dead letters. Any thread; does not wait.
template <class... Us>
void stop(const address<Us...>& a) noexcept {
  if (detail::cell* c = detail::access::cell_of(a)) detail::stop_actor(c);
}
// Ends it by unwinding at its next wait, or the one it is in. Any thread; does not wait.
template <class... Us>
void kill(const address<Us...>& a) noexcept {
  if (detail::cell* c = detail::access::cell_of(a)) detail::cancel_actor(c);
}

}  // namespace greenroom
