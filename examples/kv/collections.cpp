// SPDX-License-Identifier: Apache-2.0
// Commands on lists, sets and hashes.
#include "commands.hpp"

namespace kv {
namespace {

template <class T>
void size_of(call& c) {
  c.out.integer(c.read<T>(c[1]).size());
}

// -- lists

template <bool Left>
void push(call& c) {
  list& values = c.obtain<list>(c[1]);
  for (std::string_view value : c.args.subspan(2))
    values.emplace(Left ? values.begin() : values.end(), value);
  c.out.integer(values.size());
}

template <bool Left>
void pop(call& c) {
  if (c.args.size() > 3) throw wrong_arity(c[0]);
  const bool counted = c.args.size() == 3;
  const auto wanted = counted ? to_integer(c[2]) : 1;
  if (!wanted || *wanted < 0) throw refusal{"ERR value is out of range, must be positive"};
  list* const values = c.find<list>(c[1]);
  if (values == nullptr) return counted ? c.out.null_array() : c.out.null();
  std::size_t count = std::min(static_cast<std::size_t>(*wanted), values->size());
  if (counted) c.out.array(count);
  for (; count > 0; --count) {
    c.out.bulk(Left ? values->front() : values->back());
    Left ? values->pop_front() : values->pop_back();
  }
  c.settle(c[1], *values);
}

void lrange(call& c) {
  std::int64_t from = c.integer(2), to = c.integer(3);
  const list& values = c.read<list>(c[1]);
  const auto size = static_cast<std::int64_t>(values.size());
  if (from < 0) from = std::max<std::int64_t>(from + size, 0);
  to = std::min(to < 0 ? to + size : to, size - 1);
  if (from > to) return c.out.array(0);
  c.out.array(static_cast<std::size_t>(to - from + 1));
  for (auto at = values.begin() + from; from <= to; ++from, ++at) c.out.bulk(*at);
}

// -- sets and hashes

void sadd(call& c) {
  set& members = c.obtain<set>(c[1]);
  int added = 0;
  for (std::string_view member : c.args.subspan(2)) added += members.emplace(member).second;
  c.out.integer(added);
}

void hset(call& c) {
  if (c.args.size() % 2 != 0) throw wrong_arity(c[0]);
  hash& fields = c.obtain<hash>(c[1]);
  int added = 0;
  for (std::size_t i = 2; i < c.args.size(); i += 2)
    added += fields.insert_or_assign(std::string(c[i]), c[i + 1]).second;
  c.out.integer(added);
}

template <class T>
void remove(call& c) {
  T* const members = c.find<T>(c[1]);
  if (members == nullptr) return c.out.integer(0);
  const std::size_t before = members->size();
  for (std::string_view name : c.args.subspan(2))
    if (const auto found = members->find(name); found != members->end()) members->erase(found);
  c.out.integer(before - members->size());
  c.settle(c[1], *members);
}

void smembers(call& c) {
  const set& members = c.read<set>(c[1]);
  c.out.set(members.size());
  for (const std::string& member : members) c.out.bulk(member);
}

void hget(call& c) {
  const hash& fields = c.read<hash>(c[1]);
  const auto field = fields.find(c[2]);
  c.out.bulk_or_null(field != fields.end() ? &field->second : nullptr);
}

void hgetall(call& c) {
  const hash& fields = c.read<hash>(c[1]);
  c.out.map(fields.size());
  for (const auto& [field, value] : fields) c.out.bulk(field, value);
}

constexpr command table[] = {
    {"lpush", -3, "write denyoom fast", keys::one, push<true>},
    {"rpush", -3, "write denyoom fast", keys::one, push<false>},
    {"lpop", -2, "write fast", keys::one, pop<true>},
    {"rpop", -2, "write fast", keys::one, pop<false>},
    {"llen", 2, "readonly fast", keys::one, size_of<list>},
    {"lrange", 4, "readonly", keys::one, lrange},
    {"sadd", -3, "write denyoom fast", keys::one, sadd},
    {"srem", -3, "write fast", keys::one, remove<set>},
    {"smembers", 2, "readonly", keys::one, smembers},
    {"sismember", 3, "readonly fast", keys::one,
     [](call& c) { c.out.integer(c.read<set>(c[1]).contains(c[2])); }},
    {"scard", 2, "readonly fast", keys::one, size_of<set>},
    {"hset", -4, "write denyoom fast", keys::one, hset},
    {"hget", 3, "readonly fast", keys::one, hget},
    {"hdel", -3, "write fast", keys::one, remove<hash>},
    {"hgetall", 2, "readonly", keys::one, hgetall},
    {"hlen", 2, "readonly fast", keys::one, size_of<hash>},
};

}  // namespace

std::span<const command> collection_commands() { return table; }

}  // namespace kv
