// SPDX-License-Identifier: Apache-2.0
// Patterns, numbers and expiry, below the commands.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <random>

#include "keyspace.hpp"
#include "text.hpp"

using kv::glob_match;
using kv::to_integer;

TEST_CASE("a pattern matches as Redis' does") {
  CHECK(glob_match("*", ""));
  CHECK(glob_match("h?llo", "hello"));
  CHECK_FALSE(glob_match("h?llo", "hllo"));
  CHECK(glob_match("h*llo", "heeello"));
  CHECK(glob_match("h[ae]llo", "hallo"));
  CHECK_FALSE(glob_match("h[ae]llo", "hillo"));
  CHECK(glob_match("h[^e]llo", "hallo"));
  CHECK_FALSE(glob_match("h[^e]llo", "hello"));
  CHECK(glob_match("h[a-b]llo", "hbllo"));
  CHECK(glob_match("h[b-a]llo", "hallo"));
  CHECK(glob_match("a\\*b", "a*b"));
  CHECK_FALSE(glob_match("a\\*b", "axb"));
  CHECK(glob_match("[\\]]", "]"));
  CHECK(glob_match("[ab", "a"));
  CHECK(glob_match("\\", "\\"));
  CHECK(glob_match("*a*b*c", "xxaxxbxxc"));
  CHECK_FALSE(glob_match("", "a"));
  CHECK_FALSE(glob_match("MAX*", "maxmemory"));
}

TEST_CASE("a hostile pattern takes no more than |pattern| x |text| steps") {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  CHECK_FALSE(glob_match(pattern + "b", std::string(10000, 'a')));
}

TEST_CASE("numbers are read as strictly as Redis reads them") {
  CHECK(to_integer("0") == 0);
  CHECK(to_integer("-12") == -12);
  CHECK(to_integer("9223372036854775807") == INT64_MAX);
  CHECK(to_integer("-9223372036854775808") == INT64_MIN);
  for (const char* bad :
       {"", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "0x1", "9223372036854775808"}) {
    CAPTURE(bad);
    CHECK_FALSE(to_integer(bad));
  }
}

TEST_CASE("a key whose time has come is gone, looked at or not") {
  kv::database db;
  db.expire_at(db.obtain("soon", 0), 10);
  db.expire_at(db.obtain("late", 0), 20);
  db.obtain("always", 0);
  CHECK(db.find("soon", 9) != nullptr);
  CHECK(db.find("soon", 10) == nullptr);
  CHECK(db.keys().size() == 2);
  CHECK(db.expire_due(20, 100) == 1);
  CHECK(db.keys().size() == 1);
  CHECK(db.expiring() == 0);
}

TEST_CASE("expired keys are removed in bounded bites") {
  kv::database db;
  for (int i = 0; i < 100; ++i) db.expire_at(db.obtain(std::to_string(i), 0), i);
  CHECK(db.expire_due(1000, 30) == 30);
  CHECK(db.find("29", 0) == nullptr);
  CHECK(db.find("30", 0) != nullptr);
}

TEST_CASE("a key set anew has no time and no old value") {
  kv::database db;
  db.expire_at(db.obtain("a", 0), 10);
  std::get<std::string>(db.find("a", 0)->second.value) = "old";
  kv::database::key& again = db.obtain("a", 10);
  CHECK(std::get<std::string>(again.second.value).empty());
  CHECK(again.second.expires == kv::never);
  CHECK(db.expiring() == 0);
}

// Goal: no time is left behind that points to a key that has gone. Method: seeded random changes
// of few keys; at the end all times come.
TEST_CASE("times belong to keys that are there") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    kv::database db;
    for (int step = 0; step < 2000; ++step) {
      const std::string name = std::to_string(random() % 20u);
      const auto when = step + static_cast<kv::milliseconds_t>(random() % 50u);
      kv::database::key* const found = db.find(name, step);
      if (found == nullptr)
        db.obtain(name, step);
      else if (random() % 3u == 0)
        db.erase(*found);
      else
        db.expire_at(*found, random() % 4 == 0 ? kv::never : when);
      REQUIRE(db.expiring() <= db.keys().size());
    }
    db.expire_due(1'000'000, SIZE_MAX);
    CHECK(db.expiring() == 0);
    for (const auto& [name, entry] : db.keys()) CHECK(entry.expires == kv::never);
  }
}
