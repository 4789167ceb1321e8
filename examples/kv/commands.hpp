// SPDX-License-Identifier: Apache-2.0
// What a command is. Those on keys are functions from keyspaces and words to a reply: no Greenroom
// in there. Those on the connection and the server are in session.cpp.
#pragma once

#include <span>

#include "keyspace.hpp"
#include "reply.hpp"
#include "text.hpp"

namespace kv {

using arguments = std::span<const std::string_view>;  // a command's words, its name first

// Thrown by a command before it has replied: an error is all that its client hears.
struct refusal {
  std::string text;
};
inline constexpr const char* syntax_error = "ERR syntax error";
refusal wrong_arity(std::string_view name);
std::int64_t integer_in(std::string_view text);  // refuses anything else

using flag_name = std::pair<std::string_view, bool*>;
// Sets the flag that the word names; false: it names none.
bool set_flag(std::string_view word, std::initializer_list<flag_name> flags);

std::size_t shard_of(std::string_view key, std::size_t shards);

// One call of a command on keys.
struct call {
  arguments args;
  reply out;
  std::span<const std::unique_ptr<keyspace>> shards;  // those that it needs; others may be null
  std::size_t db;
  milliseconds_t now;

  std::string_view operator[](std::size_t i) const { return args[i]; }
  std::int64_t integer(std::size_t i) const { return integer_in(args[i]); }
  // The time when args[i] units, of so many milliseconds, have passed; refuses less than `least`.
  milliseconds_t time_in(std::size_t i, std::int64_t unit, std::int64_t least) const;

  database& home(std::string_view key) const { return (*shards[shard_of(key, shards.size())])[db]; }
  database::key* find(std::string_view key) const { return home(key).find(key, now); }
  // The value of type T under that key, nullptr if there is none; refuses other types.
  template <class T>
  T* find(std::string_view key) const {
    database::key* const found = find(key);
    if (found == nullptr) return nullptr;
    if (auto* const value = std::get_if<held<T>>(&found->second.value))
      return &static_cast<T&>(*value);
    throw refusal{"WRONGTYPE Operation against a key holding the wrong kind of value"};
  }
  // The same, an empty one if there is none.
  template <class T>
  const T& read(std::string_view key) const {
    static const T none;
    const T* const found = find<T>(key);
    return found != nullptr ? *found : none;
  }
  // The same, made when not there.
  template <class T>
  T& obtain(std::string_view key) const {
    if (T* const found = find<T>(key)) return *found;
    held<T> value;  // Before there is a key: memory may run out.
    return home(key).obtain(key, now).second.value.template emplace<held<T>>(std::move(value));
  }
  // A collection that has become empty is no more.
  void settle(std::string_view key, const auto& value) const {
    if (value.size() == 0) home(key).erase(*find(key));
  }
};

enum class keys { none, one, many, pairs, all };  // which words are keys; `all`: wants every shard

class connection;

struct command {
  std::string_view name;
  int arity;  // with the name; -n: n or more
  std::string_view flags;
  keys where = keys::none;
  void (*run)(call&) = nullptr;                     // either on keys
  void (*serve)(connection&, arguments) = nullptr;  // or on the connection

  bool accepts(std::size_t words) const {
    const auto wanted = static_cast<std::size_t>(std::abs(arity));
    return arity < 0 ? words >= wanted : words == wanted;
  }
  bool is(std::string_view flag) const { return flags.find(flag) != flags.npos; }
};

std::span<const command> string_commands();
std::span<const command> generic_commands();
std::span<const command> collection_commands();

}  // namespace kv
