// SPDX-License-Identifier: Apache-2.0
// Commands on keys of any type, and on whole databases.
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "commands.hpp"

namespace kv {
namespace {

constexpr std::string_view type_names[] = {"string", "list", "set", "hash"};

void del(call& c) {
  int gone = 0;
  for (std::string_view key : c.args.subspan(1))
    if (database::key* const found = c.find(key)) {
      c.home(key).erase(*found);
      ++gone;
    }
  c.out.integer(gone);
}

void exists(call& c) {
  const auto wanted = c.args.subspan(1);
  c.out.integer(std::ranges::count_if(wanted, [&](auto key) { return c.find(key) != nullptr; }));
}

void type(call& c) {
  const database::key* const found = c.find(c[1]);
  c.out.simple(found != nullptr ? type_names[found->second.value.index()] : "none");
}

void expire_in(call& c, std::int64_t unit) {
  bool nx = false, xx = false, gt = false, lt = false;
  for (std::string_view word : c.args.subspan(3))
    if (!set_flag(word, {{"nx", &nx}, {"xx", &xx}, {"gt", &gt}, {"lt", &lt}}))
      throw refusal{concat("ERR Unsupported option ", word)};
  if (nx && (xx || gt || lt))
    throw refusal{"ERR NX and XX, GT or LT options at the same time are not compatible"};
  if (gt && lt) throw refusal{"ERR GT and LT options at the same time are not compatible"};
  const milliseconds_t when = c.time_in(2, unit, INT64_MIN);
  database::key* const key = c.find(c[1]);
  const milliseconds_t old = key != nullptr ? key->second.expires : never;
  if (key == nullptr || (nx && old != never) || (xx && old == never) || (gt && when <= old) ||
      (lt && when >= old))
    return c.out.integer(0);
  if (when <= c.now)
    c.home(c[1]).erase(*key);
  else
    c.home(c[1]).expire_at(*key, when);
  c.out.integer(1);
}

void time_left(call& c, std::int64_t unit) {
  const database::key* const key = c.find(c[1]);
  if (key == nullptr) return c.out.integer(-2);
  if (key->second.expires == never) return c.out.integer(-1);
  c.out.integer((key->second.expires - c.now + unit / 2) / unit);
}

void persist(call& c) {
  database::key* const key = c.find(c[1]);
  const bool had_time = key != nullptr && key->second.expires != never;
  if (had_time) c.home(c[1]).expire_at(*key, never);
  c.out.integer(had_time);
}

using names = std::vector<std::string_view>;

void answer_names(call& c, const names& found) {
  c.out.array(found.size());
  for (std::string_view name : found) c.out.bulk(name);
}

void keys_like(call& c) {
  names found;
  for (const auto& shard : c.shards)
    for (const auto& [name, entry] : (*shard)[c.db].keys())
      if (entry.expires > c.now && glob_match(c[1], name)) found.push_back(name);
  answer_names(c, found);
}

// A cursor is read as Redis does, with strtoull: that takes a sign, and nothing at all.
std::uint64_t cursor_of(std::string_view text) {
  const std::string digits(text);
  char* end = nullptr;
  errno = 0;
  const std::uint64_t cursor = std::strtoull(digits.c_str(), &end, 10);
  if (*end != '\0' || errno == ERANGE || (digits[0] >= '\t' && digits[0] <= ' '))
    throw refusal{"ERR invalid cursor"};
  return cursor;
}

// The cursor says which bucket is next, of which shard, and how large that shard's table was. One
// that has grown since is begun again: what stays is seen, some of it perhaps twice.
void scan(call& c) {
  constexpr std::uint64_t buckets_per_key_max = 10, sizes = 64;
  const std::uint64_t cursor = cursor_of(c[1]), shards = c.shards.size();
  std::string_view pattern = "*", type_name;
  std::uint64_t count = 10;
  for (std::size_t i = 2; i < c.args.size(); i += 2) {
    if (i + 1 == c.args.size()) throw refusal{syntax_error};
    if (is_word(c[i], "match"))
      pattern = c[i + 1];
    else if (is_word(c[i], "type"))
      type_name = c[i + 1];
    else if (is_word(c[i], "count") && c.integer(i + 1) >= 1)
      count = static_cast<std::uint64_t>(c.integer(i + 1));
    else
      throw refusal{syntax_error};
  }
  std::uint64_t shard = cursor % shards, place = cursor / shards, seen = 0;
  names found;
  for (std::uint64_t steps = 0; seen < count && steps / buckets_per_key_max < count; ++steps) {
    const dict<entry>& table = (*c.shards[shard])[c.db].keys();
    const auto size = static_cast<std::uint64_t>(std::bit_width(table.bucket_count()));
    const std::uint64_t bucket = place % sizes == size ? place / sizes : 0;
    if (bucket < table.bucket_count())
      for (auto at = table.begin(bucket); at != table.end(bucket); ++at, ++seen)
        if (at->second.expires > c.now && glob_match(pattern, at->first) &&
            (type_name.empty() || is_word(type_name, type_names[at->second.value.index()])))
          found.push_back(at->first);
    place = bucket + 1 < table.bucket_count() ? (bucket + 1) * sizes + size : 0;
    if (place == 0 && (shard = (shard + 1) % shards) == 0) break;
  }
  c.out.array(2);
  c.out.bulk(std::to_string(place * shards + shard));
  answer_names(c, found);
}

void dbsize(call& c) {
  std::size_t size = 0;
  for (const auto& shard : c.shards) size += (*shard)[c.db].keys().size();
  c.out.integer(size);
}

void flush(call& c, std::size_t first_db, std::size_t end_db) {
  if (c.args.size() > 2 || (c.args.size() == 2 && !is_one_of(c[1], {"async", "sync"})))
    throw refusal{syntax_error};
  for (const auto& shard : c.shards)
    for (std::size_t db = first_db; db < end_db; ++db) (*shard)[db] = {};
  c.out.ok();
}

constexpr command table[] = {
    {"del", -2, "write", keys::many, del},
    {"exists", -2, "readonly fast", keys::many, exists},
    {"type", 2, "readonly fast", keys::one, type},
    {"expire", -3, "write fast", keys::one, [](call& c) { expire_in(c, 1000); }},
    {"pexpire", -3, "write fast", keys::one, [](call& c) { expire_in(c, 1); }},
    {"ttl", 2, "readonly fast", keys::one, [](call& c) { time_left(c, 1000); }},
    {"pttl", 2, "readonly fast", keys::one, [](call& c) { time_left(c, 1); }},
    {"persist", 2, "write fast", keys::one, persist},
    {"keys", 2, "readonly", keys::all, keys_like},
    {"scan", -2, "readonly", keys::all, scan},
    {"dbsize", 1, "readonly fast", keys::all, dbsize},
    {"flushall", -1, "write", keys::all, [](call& c) { flush(c, 0, databases_max); }},
    {"flushdb", -1, "write", keys::all, [](call& c) { flush(c, c.db, c.db + 1); }},
};

}  // namespace

std::span<const command> generic_commands() { return table; }

}  // namespace kv
