// SPDX-License-Identifier: Apache-2.0
// Runs commands on keyspaces of a test's own, without a server.
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"

struct store {
  explicit store(std::size_t shards = 1) {
    for (std::size_t i = 0; i < shards; ++i) all.push_back(std::make_unique<kv::keyspace>());
  }

  // The reply to a command, as it goes over the wire.
  std::string operator()(std::initializer_list<std::string_view> words) {
    return run(std::vector<std::string_view>(words));
  }
  std::string run(const std::vector<std::string_view>& words) {
    const kv::command* const what = find(words[0]);
    if (what == nullptr) return "no such command";
    if (!what->accepts(words.size())) return "wrong arity";
    std::string out;
    kv::call c{words, {out, protocol}, all, db, now};
    try {
      what->run(c);
    } catch (const kv::refusal& why) {
      CHECK(out.empty());
      c.out.error(why.text);
    }
    return out;
  }

  static const kv::command* find(std::string_view name) {
    for (auto part : {kv::string_commands(), kv::generic_commands(), kv::collection_commands()})
      for (const kv::command& what : part)
        if (kv::is_word(name, what.name)) return &what;
    return nullptr;
  }

  std::vector<std::unique_ptr<kv::keyspace>> all;  // the shards
  int protocol = 2;
  std::size_t db = 0;
  kv::milliseconds_t now = 1'000'000;
};

inline std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
inline std::string number(long long n) { return ":" + std::to_string(n) + "\r\n"; }
inline const std::string ok = "+OK\r\n", null = "$-1\r\n", nil_array = "*-1\r\n";
