// SPDX-License-Identifier: Apache-2.0
// Names for actors, one registry in each runtime: who is `store`? And groups of actors by name:
// groups.hpp.
//
// A name keeps no actor alive; it goes with its actor, at once. Any thread may use a registry; none
// of these calls parks. A lookup allocates nothing where it succeeds. Idea: Erlang's register and
// whereis, with types.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/detail/home.hpp>
#include <greenroom/mailbox.hpp>

#include <cstddef>
#include <expected>
#include <string_view>

namespace greenroom {

// Bytes of a name.
inline constexpr std::size_t registry_name_max = 255;

namespace detail {

struct names;
// An address of the actor is counted, and `tags` are its numbers for the types asked. Null: `why`.
cell* find_name(names* all, std::string_view name, const message_type* const* asked, std::size_t n,
                std::uint8_t* tags, error& why);
status put_name(names* all, std::string_view name, cell* c);
status remove_name(names* all, std::string_view name);
std::size_t count_names(names* all) noexcept;
// Of the runtime whose actor or green thread calls; throws std::logic_error elsewhere.
names* names_here(const char* caller);

}  // namespace detail

// A view: copy it as you like. It is good as long as its runtime.
class registry {
 public:
  explicit registry(detail::names* all) noexcept : names_(all) {}

  // The actor is found by that name from now on, until it ends or the name is removed. An actor may
  // have many names; the same one again is ok. Errors: refused (a living actor has the name; both
  // are named), closed (the actor has ended), invalid (an empty or too long name, or an actor of
  // another runtime), no_memory, shutdown (the runtime's is over).
  template <class... Ms>
  [[nodiscard]] status put(std::string_view name, const address<Ms...>& to) const {
    return detail::put_name(names_, name, detail::access::cell_of(to));
  }
  // A counted address of the actor of that name, for messages that it receives. Errors: closed
  // (nobody has that name, or it is just ending), invalid (it does not receive one of Ms; the text
  // says what it does), shutdown.
  template <class... Ms>
  [[nodiscard]] std::expected<address<Ms...>, error> whereis(std::string_view name) const {
    static constexpr const detail::message_type* asked[] = {&detail::type_of<Ms>..., nullptr};
    error why = error::closed;
    std::uint8_t tags[sizeof...(Ms) + 1];
    detail::cell* c = detail::find_name(names_, name, asked, sizeof...(Ms), tags, why);
    if (GREENROOM_UNLIKELY(c == nullptr)) return std::unexpected(std::move(why));
    auto found = detail::access::own<Ms...>(c, true);
    for (std::size_t i = 0; i < sizeof...(Ms); ++i) detail::access::tags_of(found)[i] = tags[i];
    return found;
  }
  // Nobody is found by that name any more. Errors: closed (nobody had it), shutdown.
  status remove(std::string_view name) const { return detail::remove_name(names_, name); }
  // Names in use now.
  [[nodiscard]] std::size_t size() const noexcept { return detail::count_names(names_); }

 private:
  detail::names* names_;
};

// ---- inside an actor or green thread: in the registry of its runtime. What they return is said
// above; elsewhere they throw std::logic_error.

template <class... Ms>
[[nodiscard]] status register_name(std::string_view name, const address<Ms...>& to) {
  return registry(detail::names_here("register_name")).put(name, to);
}
// The calling actor itself.
template <class... Ms>
[[nodiscard]] status register_name(std::string_view name, const mailbox<Ms...>& self) {
  return registry(detail::names_here("register_name")).put(name, self.address());
}
inline status unregister_name(std::string_view name) {
  return registry(detail::names_here("unregister_name")).remove(name);
}
template <class... Ms>
[[nodiscard]] std::expected<address<Ms...>, error> whereis(std::string_view name) {
  return registry(detail::names_here("whereis")).whereis<Ms...>(name);
}

}  // namespace greenroom
