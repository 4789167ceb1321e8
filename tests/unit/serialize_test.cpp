// SPDX-License-Identifier: Apache-2.0
// Values as bytes and back, and bytes that nobody wrote.
#include <greenroom/serialize.hpp>

#include "unit_test.hpp"

#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

enum class colour : std::uint8_t { red, green };

struct point {
  int x = 0;
  int y = 0;
  bool operator==(const point&) const = default;
};

struct everything {
  bool truth = false;
  char letter = 0;
  std::int8_t small = 0;
  std::uint64_t large = 0;
  std::int64_t low = 0;
  float single = 0;
  double twice = 0;
  colour paint = colour::red;
  std::string text;
  std::vector<int> numbers;
  std::vector<std::byte> raw;
  std::vector<bool> bits;
  std::deque<std::string> words;
  std::list<point> points;
  std::array<point, 2> corners{};
  std::array<char, 4> code{};
  double matrix[2][2] = {};
  std::optional<std::string> maybe;
  std::optional<std::optional<int>> nested;
  std::pair<int, std::string> both;
  std::tuple<int, bool, std::string> three;
  std::variant<std::monostate, int, std::string, point> one_of;
  std::map<std::string, std::vector<point>> by_name;
  std::unordered_map<int, std::string> by_number;
  std::set<int> kinds;
  std::chrono::milliseconds takes{};
  std::chrono::steady_clock::time_point when{};
  point inner;
};

bool same(const everything& a, const everything& b) {
  const auto tie = [](const everything& e) {
    return std::tie(e.truth, e.letter, e.small, e.large, e.low, e.single, e.twice, e.paint, e.text,
                    e.numbers, e.raw, e.bits, e.words, e.points, e.corners, e.code, e.maybe,
                    e.nested, e.both, e.three, e.one_of, e.by_name, e.by_number, e.kinds, e.takes,
                    e.when, e.inner);
  };
  return tie(a) == tie(b) && a.matrix[0][1] == b.matrix[0][1] && a.matrix[1][0] == b.matrix[1][0];
}

everything full() {
  everything e;
  e.truth = true;
  e.letter = 'x';
  e.small = -128;
  e.large = std::numeric_limits<std::uint64_t>::max();
  e.low = std::numeric_limits<std::int64_t>::min();
  e.single = 1.5F;
  e.twice = -1e300;
  e.paint = colour::green;
  e.text = std::string("a\0b", 3);
  e.numbers = {1, -2, 3'000'000};
  e.raw = {std::byte{0}, std::byte{255}};
  e.bits = {true, false, true};
  e.words = {"one", ""};
  e.points = {{1, 2}, {3, 4}};
  e.corners = {point{5, 6}, point{7, 8}};
  e.code = {'c', 'o', 'd', 'e'};
  e.matrix[0][1] = 0.25;
  e.matrix[1][0] = std::numeric_limits<double>::infinity();
  e.maybe = "perhaps";
  e.nested = std::optional<int>{};
  e.both = {9, "both"};
  e.three = {1, true, "three"};
  e.one_of = point{10, 11};
  e.by_name = {{"a", {{1, 1}}}, {"b", {}}};
  e.by_number = {{1, "one"}, {2, "two"}};
  e.kinds = {3, 1, 2};
  e.takes = 1500ms;
  e.when = std::chrono::steady_clock::time_point(12345ns);
  e.inner = {12, 13};
  return e;
}

struct tree {
  int value = 0;
  std::vector<tree> children;
};

tree chain(int length) {
  tree top{0, {}};
  tree* at = &top;
  for (int i = 1; i < length; ++i) at = &at->children.emplace_back(tree{i, {}});
  return top;
}

namespace older {
struct order {
  int id;
  std::string what;
};
}  // namespace older
namespace newer {
struct order {
  int id;
  std::string what;
  bool urgent;
};
}  // namespace newer
namespace renamed {
struct commission {
  int id;
  std::string what;
};
}  // namespace renamed
namespace wider {
struct order {
  long id;
  std::string what;
};
}  // namespace wider
namespace alike {
struct order {
  int number;
  std::string text;
};
}  // namespace alike

struct holds_class {
  gr::address<point> who;
};
enum loose { a, b };
struct holds_loose {
  loose e;
};
struct holds_pointer {
  int* at;
};

}  // namespace

TEST_CASE("what is serialized comes back the same, of every kind that can be") {
  const everything before = full();
  const auto bytes = gr::serialize(before);
  REQUIRE(bytes);
  const auto after = gr::deserialize<everything>(*bytes);
  REQUIRE_MESSAGE(after, after.error().text());
  CHECK(same(before, *after));
  const auto empty = gr::deserialize<everything>(*gr::serialize(everything{}));
  REQUIRE(empty);
  CHECK(same(everything{}, *empty));
  const auto nan = gr::deserialize<float>(*gr::serialize(std::nanf("")));
  REQUIRE(nan);
  CHECK(std::isnan(*nan));
}

TEST_CASE("a type that could not be serialized is known as such") {
  CHECK(gr::serializable<everything>);
  CHECK(gr::serializable<tree>);
  CHECK(!gr::serializable<holds_class>);
  CHECK(!gr::serializable<holds_loose>);
  CHECK(!gr::serializable<holds_pointer>);
  CHECK(!gr::serializable<std::string_view>);
  CHECK(!gr::serializable<std::vector<int*>>);
  CHECK(!gr::serializable<std::unique_ptr<int>>);
}

TEST_CASE("the schema tells types of another shape or name apart, whatever their fields' names") {
  constexpr auto ours = gr::schema_hash<older::order>;
  CHECK(ours == gr::schema_hash<alike::order>);
  CHECK(ours != gr::schema_hash<newer::order>);
  CHECK(ours != gr::schema_hash<renamed::commission>);
  CHECK(ours != gr::schema_hash<wider::order>);
  CHECK(gr::schema_hash<std::chrono::seconds> != gr::schema_hash<std::chrono::milliseconds>);
  CHECK(gr::schema_hash<std::vector<int>> != gr::schema_hash<std::vector<unsigned>>);
  CHECK(gr::schema_hash<tree> != gr::schema_hash<std::vector<int>>);
}

TEST_CASE("what is larger or deeper than the limits is refused in a sentence, on both sides") {
  const auto deep = gr::serialize(chain(100));
  REQUIRE(!deep);
  CHECK(std::string(deep.error().text()).find("tree` cannot be written: it is nested deeper") !=
        std::string::npos);
  gr::unpack_limits deeper;
  deeper.depth_max = 300;
  const auto written = gr::serialize(chain(100), deeper);
  REQUIRE(written);
  CHECK(!gr::deserialize<tree>(*written));
  CHECK(gr::deserialize<tree>(*written, deeper));
  gr::unpack_limits small;
  small.size_max = 100;
  CHECK(!gr::serialize(std::string(100, 'x'), small));
  CHECK(gr::serialize(std::string(90, 'x'), small));
  CHECK(!gr::deserialize<std::string>(*gr::serialize(std::string(100, 'x')), small));
}

TEST_CASE("a few bytes that announce a lot are refused before anything is made of them") {
  using namespace std::string_literals;
  for (const auto& bytes :
       {"\xdd\xff\xff\xff\xff"s,  // an array of four thousand millions
        "\xdb\xff\xff\xff\xff"s,  // a string of that
        "\xc6\xff\xff\xff\xff"s,  // bytes
        "\xdd\x10\x00\x00\x00"s + "\xdd\x10\x00\x00\x00"s + std::string(64, '\x90'), ""s,
        "\xc1"s}) {
    CHECK(!gr::deserialize<std::vector<std::vector<int>>>(bytes));
    CHECK(!gr::deserialize<std::string>(bytes));
    CHECK(!gr::deserialize<everything>(bytes));
  }
  CHECK(!gr::deserialize<std::uint8_t>(*gr::serialize(256)));
  CHECK(!gr::deserialize<std::int8_t>(*gr::serialize(-129)));
  CHECK(!gr::deserialize<unsigned>(*gr::serialize(-1)));
  CHECK(!gr::deserialize<float>(*gr::serialize(1e300)));
  CHECK(!gr::deserialize<int>(*gr::serialize(1) + "\x01"));
  const std::variant<int, bool> first = 1;
  auto wrong = *gr::serialize(first);
  wrong[1] = '\x02';  // the index of the alternative
  CHECK(!gr::deserialize<std::variant<int, bool>>(wrong));
}

// Goal: whatever the bytes, reading them ends with a value or an error. Method: bytes of a value of
// every kind, changed, cut and repeated at random; what is still read is written again and must
// then come back the same.
TEST_CASE("bytes changed at random give a value or an error, and nothing worse") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::string original = *gr::serialize(full());
  int read = 0;
  for (int round = 0; round < unit::scaled(30'000, 3'000); ++round) {
    std::string bytes = original;
    for (auto changes = 1 + random() % 4; changes != 0; --changes) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.erase(at, random() % 8); break;
        case 2: bytes.insert(at, original.substr(random() % original.size(), random() % 16)); break;
        default: bytes[at] = static_cast<char>(0xc0 + random() % 32); break;
      }
      if (bytes.empty()) bytes = original;
    }
    const auto value = gr::deserialize<everything>(bytes);
    if (!value) continue;
    ++read;
    const auto again = gr::serialize(*value);
    REQUIRE(again);
    REQUIRE(gr::deserialize<everything>(*again));
  }
  CHECK(read > 0);
}
