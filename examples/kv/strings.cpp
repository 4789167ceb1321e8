// SPDX-License-Identifier: Apache-2.0
// What all commands on keys share, and those on strings.
#include "commands.hpp"

namespace kv {

refusal wrong_arity(std::string_view name) {
  return {concat("ERR wrong number of arguments for '", lower(name), "' command")};
}

bool set_flag(std::string_view word, std::initializer_list<flag_name> flags) {
  for (const auto& [name, value] : flags)
    if (is_word(word, name)) return *value = true;
  return false;
}

std::size_t shard_of(std::string_view key, std::size_t shards) {
  // The high half: the low bits choose the bucket inside the shard.
  return shards == 1 ? 0 : (keyed_hash{}(key) >> 32) % shards;
}

std::int64_t integer_in(std::string_view text) {
  const auto n = to_integer(text);
  if (!n) throw refusal{"ERR value is not an integer or out of range"};
  return *n;
}

milliseconds_t call::time_in(std::size_t i, std::int64_t unit, std::int64_t least) const {
  milliseconds_t when = integer(i);
  if (when < least || __builtin_mul_overflow(when, unit, &when) ||
      __builtin_add_overflow(when, now, &when))
    throw refusal{concat("ERR invalid expire time in '", lower(args[0]), "' command")};
  return when;
}

namespace {

constexpr std::size_t string_max = 512 << 20;

database::key& store(call& c, std::string_view key, std::string_view bytes) {
  database::key& at = c.home(key).obtain(key, c.now);
  auto* const text = std::get_if<std::string>(&at.second.value);
  // Keeps a string's memory for the next value, unless it is much too large for it.
  if (text != nullptr && text->capacity() <= 2 * bytes.size() + 64)
    text->assign(bytes);
  else
    at.second.value = std::string(bytes);
  return at;
}

void set(call& c) {
  bool nx = false, xx = false, get = false, keep_time = false;
  std::int64_t unit = 0;  // of the time at args[time], in milliseconds
  std::size_t time = 0;
  for (std::size_t i = 3; i < c.args.size(); ++i) {
    if (set_flag(c[i], {{"nx", &nx}, {"xx", &xx}, {"get", &get}, {"keepttl", &keep_time}}))
      continue;
    const std::int64_t scale = is_word(c[i], "ex") ? 1000 : is_word(c[i], "px") ? 1 : 0;
    if (scale == 0 || (unit != 0 && unit != scale) || i + 1 == c.args.size())
      throw refusal{syntax_error};
    unit = scale;
    time = ++i;
  }
  if ((nx && xx) || (keep_time && unit != 0)) throw refusal{syntax_error};
  const milliseconds_t expires = unit != 0 ? c.time_in(time, unit, 1) : never;
  if (get) c.out.bulk_or_null(c.find<std::string>(c[1]));
  if ((nx || xx) && (c.find(c[1]) != nullptr) == nx) return get ? void() : c.out.null();
  database::key& key = store(c, c[1], c[2]);
  if (!keep_time) c.home(c[1]).expire_at(key, expires);
  if (!get) c.out.ok();
}

void mget(call& c) {
  c.out.array(c.args.size() - 1);
  for (std::string_view key : c.args.subspan(1)) {
    database::key* const found = c.find(key);
    c.out.bulk_or_null(found ? std::get_if<std::string>(&found->second.value) : nullptr);
  }
}

void mset(call& c) {
  if (c.args.size() % 2 == 0) throw wrong_arity(c[0]);
  for (std::size_t i = 1; i < c.args.size(); i += 2)
    c.home(c[i]).expire_at(store(c, c[i], c[i + 1]), never);
  c.out.ok();
}

void add(call& c, std::int64_t amount) {
  std::string* text = c.find<std::string>(c[1]);
  std::int64_t value = text != nullptr ? integer_in(*text) : 0;
  if (__builtin_add_overflow(value, amount, &value))
    throw refusal{"ERR increment or decrement would overflow"};
  if (text == nullptr) text = &c.obtain<std::string>(c[1]);
  *text = std::to_string(value);
  c.out.integer(value);
}

void decrby(call& c) {
  const std::int64_t amount = c.integer(2);
  if (amount == INT64_MIN) throw refusal{"ERR decrement would overflow"};
  add(c, -amount);
}

void append(call& c) {
  if (c.read<std::string>(c[1]).size() + c[2].size() > string_max)
    throw refusal{"ERR string exceeds maximum allowed size (proto-max-bulk-len)"};
  c.out.integer(c.obtain<std::string>(c[1]).append(c[2]).size());
}

constexpr command table[] = {
    {"set", -3, "write denyoom", keys::one, set},
    {"get", 2, "readonly fast", keys::one,
     [](call& c) { c.out.bulk_or_null(c.find<std::string>(c[1])); }},
    {"mget", -2, "readonly fast", keys::many, mget},
    {"mset", -3, "write denyoom", keys::pairs, mset},
    {"incr", 2, "write denyoom fast", keys::one, [](call& c) { add(c, 1); }},
    {"decr", 2, "write denyoom fast", keys::one, [](call& c) { add(c, -1); }},
    {"incrby", 3, "write denyoom fast", keys::one, [](call& c) { add(c, c.integer(2)); }},
    {"decrby", 3, "write denyoom fast", keys::one, decrby},
    {"append", 3, "write denyoom fast", keys::one, append},
    {"strlen", 2, "readonly fast", keys::one,
     [](call& c) { c.out.integer(c.read<std::string>(c[1]).size()); }},
};

}  // namespace

std::span<const command> string_commands() { return table; }

}  // namespace kv
