// SPDX-License-Identifier: Apache-2.0
// Groups of actors by name: who belongs to `room/7`? An actor may be in many groups, and leaves
// them all when it ends. Whoever watches a group gets a message for each that comes or goes.
//
// A group is there while somebody is in it or watches it, and keeps no actor alive. Any thread.
// Idea: Erlang's pg.
#pragma once

#include <greenroom/registry.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace greenroom {

// Bytes of a group's name: it is carried in messages.
inline constexpr std::size_t group_name_max = 63;

// What the watcher of a group receives, in order, with room of its own: a full mailbox is no
// obstacle. First comes one group_joined for each that is in the group already.
struct group_joined {
  char group[group_name_max + 1];
  char name[96];  // of the actor, cut where it is longer
  std::uint64_t id;
};
struct group_left {
  char group[group_name_max + 1];
  char name[96];
  std::uint64_t id;
};

namespace detail {

enum class tie_kind : std::uint8_t { member, watcher };
// `tags`: of a watcher, for group_joined and group_left.
status enter_group(names* all, std::string_view group, cell* c, tie_kind kind,
                   const std::uint8_t* tags);
status leave_group(names* all, std::string_view group, cell* c, tie_kind kind);
// Gives `each` a counted address of every member that receives all the types, under no lock. It
// may park and throw; those who join meanwhile are not met.
void walk_group(names* all, std::string_view group, const message_type* const* asked, std::size_t n,
                void (*each)(void* argument, cell* c, const std::uint8_t* tags), void* argument);

template <class... Ms>
address<Ms...> tagged_address(cell* c, const std::uint8_t* tags) noexcept {
  auto a = access::own<Ms...>(c, true);
  for (std::size_t i = 0; i < sizeof...(Ms); ++i) access::tags_of(a)[i] = tags[i];
  return a;
}

}  // namespace detail

// The addresses of a group's members at one moment.
template <class... Ms>
class group_members {
 public:
  group_members() noexcept = default;
  group_members(group_members&& other) noexcept
      : all_(std::exchange(other.all_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        room_(std::exchange(other.room_, 0)) {}
  group_members& operator=(group_members&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    return *this;
  }
  ~group_members() { delete[] all_; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const address<Ms...>* begin() const noexcept { return all_; }
  [[nodiscard]] const address<Ms...>* end() const noexcept { return all_ + size_; }

 private:
  friend class groups;
  void add(address<Ms...> one) {
    if (size_ == room_) {
      const std::size_t room = room_ == 0 ? 8 : 2 * room_;
      auto* more = new address<Ms...>[room];
      for (std::size_t i = 0; i < size_; ++i) more[i] = std::move(all_[i]);
      delete[] all_;
      all_ = more;
      room_ = room;
    }
    all_[size_++] = std::move(one);
  }

  address<Ms...>* all_ = nullptr;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

// A view on a runtime's groups: copy it as you like. It is good as long as its runtime.
class groups {
 public:
  explicit groups(detail::names* all) noexcept : names_(all) {}

  // Once more is ok, and counts once. Never parks. Errors: closed (the actor has ended), invalid
  // (an empty or too long name, an empty address, an actor of another runtime), no_memory, shutdown
  // (the runtime's is over).
  template <class... Ms>
  [[nodiscard]] status join(std::string_view group, const address<Ms...>& who) const {
    return detail::enter_group(names_, group, detail::access::cell_of(who),
                               detail::tie_kind::member, nullptr);
  }
  // Errors: closed (it was not in the group), shutdown.
  template <class... Ms>
  status leave(std::string_view group, const address<Ms...>& who) const {
    return detail::leave_group(names_, group, detail::access::cell_of(who),
                               detail::tie_kind::member);
  }
  // Those of the group that receive all of Ms. None where there is no such group. Never parks;
  // throws std::bad_alloc.
  template <class... Ms>
  [[nodiscard]] group_members<Ms...> members(std::string_view group) const {
    static constexpr const detail::message_type* asked[] = {&detail::type_of<Ms>..., nullptr};
    group_members<Ms...> found;
    detail::walk_group(
        names_, group, asked, sizeof...(Ms),
        [](void* to, detail::cell* c, const std::uint8_t* tags) {
          static_cast<group_members<Ms...>*>(to)->add(detail::tagged_address<Ms...>(c, tags));
        },
        &found);
    return found;
  }
  // A copy to every member that receives an M, one after the other, as by send: it waits for room
  // where a mailbox is full. How many of them took it.
  template <std::copy_constructible M>
  std::size_t send(std::string_view group, const M& message) const {
    static constexpr const detail::message_type* asked[] = {&detail::type_of<M>};
    struct sending {
      const M& message;
      std::size_t sent;
    } all{message, 0};
    detail::walk_group(
        names_, group, asked, 1,
        [](void* argument, detail::cell* c, const std::uint8_t* tags) {
          auto& now = *static_cast<sending*>(argument);
          if (detail::tagged_address<M>(c, tags).send(M(now.message))) ++now.sent;
        },
        &all);
    return all.sent;
  }
  // From now on this mailbox gets group_joined and group_left, until it ends or leaves off. What
  // does not find memory or a place in it (it holds 65,000) is a counted dead letter. Once more is
  // ok. Errors: as join.
  [[nodiscard]] status watch(std::string_view group,
                             const address<group_joined, group_left>& in) const {
    address<group_joined, group_left> own = in;
    return detail::enter_group(names_, group, detail::access::cell_of(in),
                               detail::tie_kind::watcher, detail::access::tags_of(own));
  }
  // What was sent before may still come. Errors: closed (it did not watch), shutdown.
  status unwatch(std::string_view group, const address<group_joined, group_left>& in) const {
    return detail::leave_group(names_, group, detail::access::cell_of(in),
                               detail::tie_kind::watcher);
  }

 private:
  detail::names* names_;
};

// ---- inside an actor or green thread: in the groups of its runtime; elsewhere they throw
// std::logic_error. The mailbox stands for the calling actor.

template <class... Ms>
[[nodiscard]] status join_group(std::string_view group, const address<Ms...>& who) {
  return groups(detail::names_here("join_group")).join(group, who);
}
template <class... Ms>
[[nodiscard]] status join_group(std::string_view group, const mailbox<Ms...>& self) {
  return groups(detail::names_here("join_group")).join(group, self.address());
}
template <class... Ms>
status leave_group(std::string_view group, const address<Ms...>& who) {
  return groups(detail::names_here("leave_group")).leave(group, who);
}
template <class... Ms>
status leave_group(std::string_view group, const mailbox<Ms...>& self) {
  return groups(detail::names_here("leave_group")).leave(group, self.address());
}
template <class... Ms>
[[nodiscard]] group_members<Ms...> members(std::string_view group) {
  return groups(detail::names_here("members")).members<Ms...>(group);
}
template <std::copy_constructible M>
std::size_t send_to_group(std::string_view group, const M& message) {
  return groups(detail::names_here("send_to_group")).send(group, message);
}
template <class... Ms>
[[nodiscard]] status watch_group(std::string_view group, const mailbox<Ms...>& in) {
  return groups(detail::names_here("watch_group")).watch(group, in.address());
}
template <class... Ms>
status unwatch_group(std::string_view group, const mailbox<Ms...>& in) {
  return groups(detail::names_here("unwatch_group")).unwatch(group, in.address());
}

}  // namespace greenroom
