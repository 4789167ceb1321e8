// SPDX-License-Identifier: Apache-2.0
// The request parser, whole and in pieces, on good input and on bad.
#include <doctest/doctest.h>

#include <random>

#include "resp.hpp"

namespace {

using kv::request_parser;
using outcome = request_parser::outcome;
using commands = std::vector<std::vector<std::string>>;

struct parsed {
  commands all;
  std::string error;
};

// Feeds `input` in pieces that end at the given places; drops what is done between them.
parsed parse(std::string_view input, const std::vector<std::size_t>& ends, bool authenticated) {
  request_parser parser;
  parser.authenticated = authenticated;
  std::string buffer;
  parsed result;
  std::size_t fed = 0;
  for (std::size_t end : ends) {
    buffer.append(input.substr(fed, end - fed));
    fed = end;
    while (true) {
      const outcome got = parser.next(buffer);
      if (got == outcome::error) {
        result.error = parser.error_text();
        return result;
      }
      if (got == outcome::more) break;
      result.all.emplace_back(parser.words().begin(), parser.words().end());
    }
    buffer.erase(0, parser.take_done());
  }
  return result;
}

parsed whole(std::string_view input, bool authenticated = true) {
  return parse(input, {input.size()}, authenticated);
}

}  // namespace

TEST_CASE("a request is an array of bulk strings") {
  CHECK(whole("*2\r\n$3\r\nGET\r\n$1\r\na\r\n").all == commands{{"GET", "a"}});
  CHECK(whole("*1\r\n$0\r\n\r\n").all == commands{{""}});
  CHECK(whole("*1\r\n$4\r\n\r\n\r\n\r\n").all == commands{{"\r\n\r\n"}});
}

TEST_CASE("an empty or negative array asks nothing") {
  CHECK(whole("*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n").all == commands{{"PING"}});
}

TEST_CASE("a line is a request too") {
  CHECK(whole("PING\r\n").all == commands{{"PING"}});
  CHECK(whole("  set  a\t b \n").all == commands{{"set", "a", "b"}});
  CHECK(whole("\r\n\n  \r\nPING\r\n").all == commands{{"PING"}});
}

TEST_CASE("a word of a line may be quoted") {
  CHECK(whole("set a \"b c\"\r\n").all == commands{{"set", "a", "b c"}});
  CHECK(whole("a \"\\x41\\n\\q\\\"\" 'it\\'s \\n'\r\n").all ==
        commands{{"a", "A\nq\"", "it's \\n"}});
  CHECK(whole("a \"\" ''\r\n").all == commands{{"a", "", ""}});
  CHECK(whole("a \"b\r\n").error == "Protocol error: unbalanced quotes in request");
  CHECK(whole("a \"b\"c\r\n").error == "Protocol error: unbalanced quotes in request");
  CHECK(whole("a 'b\r\n").error == "Protocol error: unbalanced quotes in request");
}

TEST_CASE("a long command may follow a long command, in pieces") {
  std::string request = "*5000\r\n";
  for (int i = 0; i < 5000; ++i) request += "$1\r\na\r\n";
  const std::string twice = request + request;
  for (std::size_t cut : {request.size(), request.size() + 100, twice.size() - 100}) {
    const parsed got = parse(twice, {100, cut, twice.size()}, true);
    REQUIRE(got.all.size() == 2);
    CHECK(got.all[0].size() == 5000);
    CHECK(got.all[0] == got.all[1]);
  }
}

TEST_CASE("what breaks the protocol is named") {
  CHECK(whole("*x\r\n").error == "Protocol error: invalid multibulk length");
  CHECK(whole("*01\r\n").error == "Protocol error: invalid multibulk length");
  CHECK(whole("*2147483648\r\n").error == "Protocol error: invalid multibulk length");
  CHECK(whole("*1\r\n:1\r\n").error == "Protocol error: expected '$', got ':'");
  CHECK(whole("*1\r\n$-1\r\n").error == "Protocol error: invalid bulk length");
  CHECK(whole("*1\r\n$536870913\r\n").error == "Protocol error: invalid bulk length");
  CHECK(whole("*1\r\n$9999999999999999999\r\n").error == "Protocol error: invalid bulk length");
  const std::string long_line(request_parser::inline_max + 1, '1');
  CHECK(whole(long_line).error == "Protocol error: too big inline request");
  CHECK(whole("*" + long_line).error == "Protocol error: too big mbulk count string");
  CHECK(whole("*1\r\n$" + long_line).error == "Protocol error: too big bulk count string");
}

TEST_CASE("who has not given the password gets narrow limits") {
  CHECK(whole("*10\r\n", false).error.empty());
  CHECK(whole("*11\r\n", false).error == "Protocol error: unauthenticated multibulk length");
  CHECK(whole("*1\r\n$16384\r\n", false).error.empty());
  CHECK(whole("*1\r\n$16385\r\n", false).error == "Protocol error: unauthenticated bulk length");
}

// Goal: wherever the input is cut, the same commands come out. Method: every cut in two, then
// seeded random cuts in many.
TEST_CASE("it does not matter how the input is cut into pieces") {
  const std::string input =
      "*3\r\n$3\r\nSET\r\n$5\r\nke\r\ny\r\n$10\r\n0123456789\r\nPING\r\n"
      "*0\r\nset \"a\\x42\" 'c d'\n*1\r\n$4\r\nQUIT\r\n\r\n*2\r\n$0\r\n\r\n$1\r\n*\r\n";
  const commands expected = whole(input).all;
  REQUIRE(expected.size() == 5);
  for (std::size_t cut = 0; cut <= input.size(); ++cut)
    CHECK(parse(input, {cut, input.size()}, true).all == expected);
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    std::vector<std::size_t> ends;
    for (std::size_t at = 0; at < input.size();)
      ends.push_back(at = std::min<std::size_t>(at + 1 + random() % 9, input.size()));
    CHECK(parse(input, ends, true).all == expected);
  }
}
