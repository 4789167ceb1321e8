// SPDX-License-Identifier: Apache-2.0
// Commands on keyspaces: replies byte for byte. tests/kv/compat.py compares with Redis itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "requests.hpp"

namespace {
const std::string wrong_type =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
}

TEST_CASE("SET keeps to its options") {
  store s;
  CHECK(s({"set", "a", "1"}) == ok);
  CHECK(s({"SET", "a", "2", "NX"}) == null);
  CHECK(s({"set", "b", "2", "xx"}) == null);
  CHECK(s({"set", "a", "2", "xx", "get"}) == bulk("1"));
  CHECK(s({"set", "c", "2", "get"}) == null);
  CHECK(s({"set", "a", "3", "ex", "10"}) == ok);
  CHECK(s({"ttl", "a"}) == number(10));
  CHECK(s({"set", "a", "4", "keepttl"}) == ok);
  CHECK(s({"pttl", "a"}) == number(10000));
  CHECK(s({"set", "a", "5"}) == ok);
  CHECK(s({"ttl", "a"}) == number(-1));
  CHECK(s({"set", "a", "5", "nx", "xx"}) == "-ERR syntax error\r\n");
  CHECK(s({"set", "a", "5", "ex", "1", "px", "1"}) == "-ERR syntax error\r\n");
  CHECK(s({"set", "a", "5", "ex", "1", "keepttl"}) == "-ERR syntax error\r\n");
  CHECK(s({"set", "a", "5", "ex"}) == "-ERR syntax error\r\n");
  CHECK(s({"set", "a", "5", "ex", "0"}) == "-ERR invalid expire time in 'set' command\r\n");
  CHECK(s({"set", "a", "5", "ex", "x"}) == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("counting keeps within 64 bits") {
  store s;
  CHECK(s({"incr", "n"}) == number(1));
  CHECK(s({"incrby", "n", "41"}) == number(42));
  CHECK(s({"decrby", "n", "50"}) == number(-8));
  CHECK(s({"set", "n", "9223372036854775807"}) == ok);
  CHECK(s({"incr", "n"}) == "-ERR increment or decrement would overflow\r\n");
  CHECK(s({"get", "n"}) == bulk("9223372036854775807"));
  CHECK(s({"decrby", "n", "-9223372036854775808"}) == "-ERR decrement would overflow\r\n");
  CHECK(s({"set", "n", "1 "}) == ok);
  CHECK(s({"incr", "n"}) == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("a command refuses a value of another type and changes nothing") {
  store s;
  s({"rpush", "l", "a"});
  for (auto words : {std::vector<std::string_view>{"get", "l"},
                     {"incr", "l"},
                     {"append", "l", "x"},
                     {"sadd", "l", "x"},
                     {"hset", "l", "f", "v"},
                     {"scard", "l"},
                     {"hgetall", "l"},
                     {"set", "l", "x", "get"},
                     {"strlen", "l"}})
    CHECK(s.run(words) == wrong_type);
  CHECK(s({"mget", "l"}) == "*1\r\n" + null);
  CHECK(s({"lrange", "l", "0", "-1"}) == "*1\r\n" + bulk("a"));
}

TEST_CASE("lists are pushed to and popped from at both ends") {
  store s;
  CHECK(s({"rpush", "l", "b", "c"}) == number(2));
  CHECK(s({"lpush", "l", "a", "z"}) == number(4));
  CHECK(s({"lrange", "l", "-100", "100"}) ==
        "*4\r\n" + bulk("z") + bulk("a") + bulk("b") + bulk("c"));
  CHECK(s({"lrange", "l", "2", "1"}) == "*0\r\n");
  CHECK(s({"lpop", "l"}) == bulk("z"));
  CHECK(s({"rpop", "l", "2"}) == "*2\r\n" + bulk("c") + bulk("b"));
  CHECK(s({"lpop", "l", "0"}) == "*0\r\n");
  CHECK(s({"lpop", "l", "9"}) == "*1\r\n" + bulk("a"));
  CHECK(s({"exists", "l"}) == number(0));
  CHECK(s({"lpop", "l"}) == null);
  CHECK(s({"lpop", "l", "1"}) == nil_array);
  CHECK(s({"lpop", "l", "-1"}) == "-ERR value is out of range, must be positive\r\n");
  CHECK(s({"lpop", "l", "1", "2"}) == "-ERR wrong number of arguments for 'lpop' command\r\n");
}

TEST_CASE("sets and hashes vanish with their last member") {
  store s;
  CHECK(s({"sadd", "s", "a", "b", "a"}) == number(2));
  CHECK(s({"sismember", "s", "b"}) == number(1));
  CHECK(s({"srem", "s", "a", "b", "c"}) == number(2));
  CHECK(s({"type", "s"}) == "+none\r\n");
  CHECK(s({"hset", "h", "f", "1", "g", "2"}) == number(2));
  CHECK(s({"hset", "h", "f", "3"}) == number(0));
  CHECK(s({"hget", "h", "f"}) == bulk("3"));
  CHECK(s({"hdel", "h", "f", "g"}) == number(2));
  CHECK(s({"exists", "h"}) == number(0));
  CHECK(s({"hset", "h", "f"}) == "wrong arity");
  CHECK(s({"hset", "h", "f", "1", "g"}) == "-ERR wrong number of arguments for 'hset' command\r\n");
}

TEST_CASE("RESP3 says map, set and null") {
  store s;
  s.protocol = 3;
  s({"sadd", "s", "a"});
  s({"hset", "h", "f", "v"});
  CHECK(s({"smembers", "s"}) == "~1\r\n" + bulk("a"));
  CHECK(s({"hgetall", "h"}) == "%1\r\n" + bulk("f") + bulk("v"));
  CHECK(s({"get", "no"}) == "_\r\n");
  CHECK(s({"lpop", "no", "1"}) == "_\r\n");
}

TEST_CASE("an error is one line, whatever is in it") {
  store s;
  CHECK(s({"expire", "a", "1", "x\r\ny"}) == "-ERR Unsupported option x  y\r\n");
}

TEST_CASE("EXPIRE keeps to its options") {
  store s;
  CHECK(s({"expire", "a", "10"}) == number(0));
  s({"set", "a", "1"});
  CHECK(s({"expire", "a", "10", "xx"}) == number(0));
  CHECK(s({"expire", "a", "10", "nx"}) == number(1));
  CHECK(s({"expire", "a", "5", "gt"}) == number(0));
  CHECK(s({"expire", "a", "5", "lt"}) == number(1));
  CHECK(s({"ttl", "a"}) == number(5));
  CHECK(s({"persist", "a"}) == number(1));
  CHECK(s({"persist", "a"}) == number(0));
  CHECK(s({"expire", "a", "9223372036854775807"}) ==
        "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(s({"pexpire", "a", "-1"}) == number(1));
  CHECK(s({"exists", "a"}) == number(0));
}

TEST_CASE("time passes") {
  store s;
  s({"set", "a", "1", "px", "100"});
  s.now += 99;
  CHECK(s({"pttl", "a"}) == number(1));
  s.now += 1;
  CHECK(s({"ttl", "a"}) == number(-2));
  CHECK(s({"keys", "*"}) == "*0\r\n");
  CHECK(s({"incr", "a"}) == number(1));
}

TEST_CASE("databases are apart") {
  store s;
  s({"set", "a", "1"});
  s.db = 1;
  CHECK(s({"get", "a"}) == null);
  CHECK(s({"dbsize"}) == number(0));
  CHECK(s({"flushdb"}) == ok);
  s.db = 0;
  CHECK(s({"dbsize"}) == number(1));
  s.db = 7;
  CHECK(s({"flushall", "async"}) == ok);
  s.db = 0;
  CHECK(s({"dbsize"}) == number(0));
}

TEST_CASE("commands on many keys find each in its shard") {
  store s(4);
  std::vector<std::string> words = {"mset"};
  for (int i = 0; i < 100; ++i) {
    words.push_back("key" + std::to_string(i));
    words.push_back(std::to_string(i));
  }
  CHECK(s.run({words.begin(), words.end()}) == ok);
  std::size_t fewest = 100;
  for (const auto& shard : s.all) fewest = std::min(fewest, (*shard)[0].keys().size());
  CHECK(fewest > 0);
  CHECK(s({"dbsize"}) == number(100));
  CHECK(s({"mget", "key7", "no", "key93"}) == "*3\r\n" + bulk("7") + null + bulk("93"));
  CHECK(s({"exists", "key1", "key1", "no"}) == number(2));
  CHECK(s({"del", "key1", "key1", "key2"}) == number(2));
}

namespace {

// One call of SCAN: the names go to `seen`; returns the next cursor.
std::string scan(store& s, std::string_view cursor, std::multiset<std::string>& seen) {
  const std::string got = s({"scan", cursor, "match", "k*", "count", "7"});
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < got.size();) {
    const std::size_t end = got.find("\r\n", at);
    lines.push_back(got.substr(at, end - at));
    at = end + 2;
  }
  for (std::size_t i = 5; i < lines.size(); i += 2) seen.insert(lines[i]);
  return lines[2];
}

}  // namespace

TEST_CASE("SCAN goes through all shards once and ends") {
  store s(3);
  for (int i = 0; i < 200; ++i) s({"set", "k" + std::to_string(i), "v"});
  s({"rpush", "list", "v"});
  std::multiset<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    cursor = scan(s, cursor, seen);
    REQUIRE(++calls < 1000);
  } while (cursor != "0");
  CHECK(seen.size() == 200);
  CHECK(std::set(seen.begin(), seen.end()).size() == 200);
  CHECK(s({"scan", "x"}) == "-ERR invalid cursor\r\n");
  CHECK(s({"scan", "0", "count", "0"}) == "-ERR syntax error\r\n");
  CHECK(store(2)({"scan", "0"}) == "*2\r\n" + bulk("0") + "*0\r\n");
  CHECK(store(2)({"scan", "-1"}) == "*2\r\n" + bulk("0") + "*0\r\n");
}

// Goal: SCAN's promise. Method: between any two calls the database grows or shrinks by a random
// amount; the keys that stay all the while must have been seen.
TEST_CASE("SCAN sees all that stays, however the database changes meanwhile") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    store s(2);
    for (int i = 0; i < 100; ++i) s({"set", "k" + std::to_string(i), "v"});
    int guests = 0;
    std::multiset<std::string> seen;
    std::string cursor = "0";
    do {
      cursor = scan(s, cursor, seen);
      const int wanted = static_cast<int>(random() % 1000);
      for (; guests < wanted; ++guests) s({"set", "guest" + std::to_string(guests), "v"});
      while (guests > wanted) s({"del", "guest" + std::to_string(--guests)});
    } while (cursor != "0");
    for (int i = 0; i < 100; ++i) CHECK(seen.contains("k" + std::to_string(i)));
  }
}
